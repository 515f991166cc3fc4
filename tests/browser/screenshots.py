"""
The pictures of the documentation, taken of the example newspaper. This is what `make docs-screenshots` does.

    python -m tests.browser.screenshots docs/images
    python -m tests.browser.screenshots --everything var/pages    # whole pages, light and dark, wide and narrow
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import sqlite3
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "example_project"))

from playwright.sync_api import FloatRect, Locator, Page  # noqa: E402

from news.sample.people import people  # noqa: E402

from . import chromium  # noqa: E402
from .base import HEIGHT, NARROW, WIDE, sign_in, window  # noqa: E402
from .desk import JOBS, Desk  # noqa: E402
from .site import ExampleSite  # noqa: E402

SUBSCRIBERS = 240
#: wide enough for the admin's layout for desks, narrow enough for letters that can be read in the documentation
PICTURE = 1100
MARGIN = 8
#: so many pixels of a tall part are enough
TALLEST = 820
MOST_BYTES = 150_000

SUBJECT = "Winter concert: a seat for {{ first_name }}"
HTML = """<h1>The winter concert</h1>
<p>Dear {{ first_name }},</p>
<p>on 12 December the school orchestra plays in the great hall, and there is a seat for you in <b>row {{ row }}</b>.
The doors open at six. Bring a scarf: the heating of the hall is as old as the orchestra.</p>
<p><a href="https://www.courant.example/concert/">What they play, and how to find the hall</a></p>
<p>Your editors of The Courant</p>
<hr>
<p><small>You get this because you asked for our mail.
<a href="{{ unsubscribe_url }}">No more of it, please</a>.</small></p>
"""


class Photographer:
    """Takes one picture of each part for the documentation, or four of each whole page to look at."""

    def __init__(self, page: Page, folder: Path, *, everything: bool) -> None:
        self.page = page
        self.folder = folder
        self.everything = everything
        folder.mkdir(parents=True, exist_ok=True)

    def take(self, name: str, part: Locator | None = None, *, height: int = TALLEST) -> None:
        """A picture of this part of the page; without one, the page is only there to be looked at."""
        self.page.wait_for_load_state()
        if self.everything:
            self._take_all(name)
        elif part is not None:
            self._take_part(name, part, height)

    def _take_part(self, name: str, part: Locator, height: int) -> None:
        path = self.folder / f"{name}.png"
        part.scroll_into_view_if_needed()
        box = part.bounding_box()
        if box is None:
            raise RuntimeError(f"Nothing is to be seen of {name}.")
        scrolled = self.page.evaluate("window.scrollY")
        clip = FloatRect(
            x=box["x"] - MARGIN,
            y=box["y"] + scrolled - MARGIN,
            width=box["width"] + 2 * MARGIN,
            height=min(box["height"] + 2 * MARGIN, height),
        )
        self.page.screenshot(path=path, clip=clip, full_page=True)
        if path.stat().st_size > MOST_BYTES:
            raise RuntimeError(f"{path} has {path.stat().st_size:,} bytes, more than {MOST_BYTES:,}.")

    def _take_all(self, name: str) -> None:
        for width, screen in ((WIDE, "wide"), (NARROW, "narrow")):
            self.page.set_viewport_size({"width": width, "height": HEIGHT})
            for scheme in ("light", "dark"):
                self.page.emulate_media(color_scheme=scheme)
                self.page.screenshot(path=self.folder / f"{name}-{screen}-{scheme}.png", full_page=True)
        self.page.emulate_media(color_scheme="light")
        self.page.set_viewport_size({"width": PICTURE, "height": HEIGHT})


class Story:
    """One mail from its first word to its last reader."""

    def __init__(self, site: ExampleSite, desk: Desk, photographer: Photographer) -> None:
        self.site = site
        self.desk = desk
        self.page = desk.page
        self.take = photographer.take

    def tell(self) -> None:
        """All of it."""
        self.earlier_mails()
        self.write()
        self.try_out()
        self.send()
        self.watch()
        self.finish()

    def earlier_mails(self) -> None:
        """One that is finished, so that the pace is known, and one that waits for its time."""
        self.desk.tick_issue("43")
        self.take("issue")
        self.desk.press("Send it")
        self.site.run("process_mail_jobs")
        self.site.run("send_mail")
        self.site.run("retry_deferred", "--all")
        self.site.run("send_mail")
        self.desk.tick_issue("44")
        self.page.get_by_label("later, at the date and time given here").check()
        self.page.get_by_label("Date", exact=True).fill((date.today() + timedelta(days=3)).isoformat())
        self.page.get_by_label("Time", exact=True).fill("07:30")
        self.desk.press("Send it")

    def write(self) -> None:
        self.page.goto(f"{JOBS}add/")
        self.page.get_by_label("Subject").fill(SUBJECT)
        self.page.get_by_label("HTML:").fill(HTML)
        self.page.keyboard.press("Control+Home")
        self.take("words", self.part("#content-main fieldset").first)
        self.desk.choose_file("Recipients from a CSV file", "concert.csv", sheet())
        self.take("recipients", self.part("#content-main fieldset").nth(1))
        self.desk.press("Save")
        self.take("draft")
        self.take("file", self.part(".courant-files"))

    def try_out(self) -> None:
        self.take("preview", self.part(".courant-preview"), height=560)
        self.take("test", self.part(".courant-test"))
        self.desk.press("Make a dry run")
        self.site.run("process_mail_jobs")
        self.desk.sees("Would get it")
        self.take("dry-run", self.part(".courant-dry-run"))

    def send(self) -> None:
        self.desk.follow("Send…")
        self.take("send", self.part(".courant-decide"))
        self.desk.press("Send it")
        self.take("queued")

    def watch(self) -> None:
        self.site.run("process_mail_jobs")
        for portion in (31, 52, 47, 25):
            self.site.run("send_mail", "--limit", str(portion))
            self.minutes_pass()
        self.site.run("send_mail", "--limit", "12")
        self.page.reload()
        self.desk.sees("being sent", "a minute")
        self.take("watch", self.part(".courant-watch"))
        self.desk.follow("Pause…")
        self.take("pause", self.part(".courant-confirm"))
        self.desk.press("Pause")
        self.take("paused")
        self.page.goto(JOBS)
        self.take("list", self.part("#changelist-form"))
        self.page.go_back()
        self.desk.do("Resume", "Resumed")

    def minutes_pass(self) -> None:
        """Puts what was sent so far a minute back, so that nobody has to wait for a chart."""
        with sqlite3.connect(self.site.folder / "courant.sqlite3") as database:
            database.execute("UPDATE courant_mail_jobminute SET minute = datetime(minute, '-1 minute')")
        database.close()

    def finish(self) -> None:
        self.site.run("send_mail")
        self.site.run("retry_deferred", "--all")
        self.site.run("send_mail")
        self.page.reload()
        self.desk.sees("finished")
        self.take("finished")
        self.desk.follow("Send to the rest…")
        self.take("rest", self.part(".courant-confirm"))
        self.page.go_back()
        self.desk.follow("Show them: the address does not exist")
        self.take("missed")
        self.page.locator("#result_list tbody th a").first.click()
        self.take("fate", self.part("#content-main fieldset").first)
        for name, path in (("suppressions", "/admin/courant_mail/suppression/"), ("history", f"{JOBS}3/history/")):
            self.page.goto(path)
            self.take(name)

    def part(self, selector: str) -> Locator:
        return self.page.locator(selector)


def sheet() -> str:
    """The guests of the concert; some of their addresses are as wrong as in real life."""
    guests = [person for person in people(SUBSCRIBERS) if person.last_name and person.email.islower()]
    guests = [person for person in guests if not person.email.startswith(("busy", "gone"))]
    rows = [(person.email, person.first_name) for person in guests]
    rows[30:30] = [("jerome.1@quiet.example", "Jérôme"), ("poppy.at.example.org", "Poppy"), rows[4]]
    rows[90:90] = [
        ("lucia@", "Lucía"),
        ("mehmet.left.school@gone.example", "Mehmet"),
        ("inbox.full@busy.example", "Siiri"),
    ]
    rows[150:150] = [("jerome.2@quiet.example", "Jérôme"), ("ffion.left.school@gone.example", "Ffion")]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["Email", "First name", "Row"])
    writer.writerows((email, name, 1 + number // 12) for number, (email, name) in enumerate(rows))
    return text.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description="Take the pictures of the documentation.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--everything", action="store_true", help="Whole pages, light and dark, wide and narrow.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="courant-mail-pictures-") as folder:
        os.environ["COURANT_TEST_FOLDER"] = folder
        photograph(options.folder.resolve(), everything=options.everything)
    print("\n".join(sorted(path.name for path in options.folder.glob("*.png"))))


def photograph(folder: Path, *, everything: bool) -> None:
    """Start the site, tell the story, and put the pictures into the folder."""
    site = ExampleSite(subscribers=SUBSCRIBERS, public_url="https://www.courant.example")
    with site, chromium.launched() as browser:
        context = window(browser, site)
        # The menu at the side is in the way on every picture.
        context.add_init_script("localStorage.setItem('django.admin.navSidebarIsOpen', 'false')")
        sign_in(context)
        page = context.new_page()
        page.set_viewport_size({"width": PICTURE, "height": HEIGHT})
        Story(site, Desk(page), Photographer(page, folder, everything=everything)).tell()


if __name__ == "__main__":
    main()
