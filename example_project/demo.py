#!/usr/bin/env python
"""
The main job, for real: an editor mails an issue to 5,000 subscribers. This is what `make demo` does.

    python example_project/demo.py [--folder var/demo] [--subscribers 5000]

The site, the commands and the SMTP server are processes of their own; pages are asked for over HTTP, mails go over
SMTP. At the end everything is held against what the server received; the exit code is 1 if anything differs.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tools.browser import Browser
from tools.check import Expected, Received, compare, compare_counts, expect
from tools.journal import read_journal
from tools.processes import HERE, Processes, ProcessFailed, free_port

EDITOR, PASSWORD, EDITOR_EMAIL = "editor", "courant", "editor@courant.example"
#: The password reset is asked for when this part of the newsletter has arrived.
RESET_AFTER = 1 / 3
#: When it has overtaken the newsletter, it arrives before so large a part of all mails has.
LATEST_RESET = 0.9
#: How long the SMTP server takes for each mail, at least.
MILLISECONDS_PER_MAIL = 1


NEXT = """Look around: this serves the same newspaper with its mails, its inbox and its admin:

    make run ARGS="--folder {folder}"
"""


class Demo:
    """The steps of the main job, in their order."""

    def __init__(self, folder: Path, subscribers: int) -> None:
        self.folder = folder
        self.maildir = folder / "maildir"
        self.subscribers = subscribers
        self.expected: Expected = expect(subscribers)
        # 8000 where it is free, so that the links in the mails still work under `make run` afterwards.
        self.smtp_port, self.site_port = free_port(), free_port(8000)
        self.site = f"http://127.0.0.1:{self.site_port}"
        self.browser = Browser(self.site)
        #: what was done → seconds
        self.times: dict[str, float] = {}
        self.reset: dict[str, Any] = {}
        environment = {
            "EXAMPLE_FOLDER": str(folder),
            "EXAMPLE_SMTP_PORT": str(self.smtp_port),
            "EXAMPLE_SITE_URL": self.site,
        }
        self.processes = Processes(folder / "logs", environment)

    def run(self) -> bool:
        """All of it. True when everything that arrived is what should have arrived."""
        with self.processes:
            self.prepare()
            self.queue()
            self.expand()
            self.send()
            self.send_deferred()
            counts = json.loads(self.processes.read("manage.py", "mail_status", "--json"))["messages"]
        journal = read_journal(self.maildir)
        found = compare(self.expected, journal, self.maildir, apart_from=EDITOR_EMAIL)
        found.differences += compare_counts(self.expected, counts)
        if self.reset["position"] > self.reset["of"] * LATEST_RESET:
            found.differences.append("the password reset did not overtake the newsletter")
        self.report(found)
        return not found.differences

    def prepare(self) -> None:
        say(f"A newspaper with {self.subscribers:,} subscribers, in {self.folder}")
        self.processes.run("migrate", "manage.py", "migrate", "--no-color")
        self.processes.run("load_sample_data", "manage.py", "load_sample_data", "--subscribers", str(self.subscribers))
        self.processes.start(
            "smtp",
            "local_smtp.py",
            *("--port", str(self.smtp_port), "--maildir", str(self.maildir)),
            *("--milliseconds-per-mail", str(MILLISECONDS_PER_MAIL)),
        )
        self.processes.start("site", "manage.py", "runserver", "--noreload", "--no-color", str(self.site_port))
        self.processes.wait_for_port("smtp", self.smtp_port)
        self.processes.wait_for_port("site", self.site_port)
        detail(f"site at {self.site}, SMTP server at 127.0.0.1:{self.smtp_port}")

    def queue(self) -> None:
        say("The editor signs in, ticks the newest issue and chooses “Send email update”")
        page = self.browser
        page.get("/admin/")
        page.submit(page.form_with("password"), {"username": EDITOR, "password": PASSWORD})
        page.get("/admin/news/issue/")
        ticked = {"action": "send_object_mail", "_selected_action": page.first_value_of("_selected_action")}
        with self.timed("page before sending"):
            page.submit(page.form_with("action"), ticked)
        form = page.form_with("when")
        with self.timed("page that queues the mail"):
            page.submit(form, {}, form.buttons[0])
        detail(f"the page before sending took {self.milliseconds('page before sending')}")
        detail(f"the page that queues the mail took {self.milliseconds('page that queues the mail')}")

    def expand(self) -> None:
        say("process_mail_jobs makes one message per subscriber")
        with self.timed("process_mail_jobs"):
            self.processes.run("process_mail_jobs", "manage.py", "process_mail_jobs")
        detail(f"took {self.times['process_mail_jobs']:.2f} s")

    def send(self) -> None:
        say("send_mail sends them; meanwhile the editor asks for a new password on the site's own form")
        page = Browser(self.site)
        page.get("/accounts/password_reset/")
        with self.timed("send_mail"):
            self.processes.start("send_mail", "manage.py", "send_mail")
            self.wait_for_mails(int(len(self.expected.delivered) * RESET_AFTER))
            self.reset_asked_at = time.time()
            page.submit(page.form_with("email"), {"email": EDITOR_EMAIL})
            self.processes.finish("send_mail")
        arrived = [line for line in read_journal(self.maildir) if line["event"] == "accepted"]
        found = [line for line in arrived if line["recipient"] == EDITOR_EMAIL]
        if not found:
            raise ProcessFailed("The password reset has not arrived. See logs/send_mail.log and logs/site.log.")
        self.reset = found[0] | {"of": len(arrived), "seconds": found[0]["at"] - self.reset_asked_at}
        detail(
            f"the password reset was mail {self.reset['position']:,} of {len(arrived):,}, "
            f"{self.reset['seconds']:.2f} s after it was asked for"
        )

    def send_deferred(self) -> None:
        say("retry_deferred and send_mail once more, for those whom the server refused for now")
        with self.timed("retry_deferred and send_mail"):
            # --all: without waiting for the back-off to pass.
            self.processes.run("retry_deferred", "manage.py", "retry_deferred", "--all")
            self.processes.run("send_mail_again", "manage.py", "send_mail")
        detail(f"took {self.times['retry_deferred and send_mail']:.2f} s")

    def wait_for_mails(self, count: int) -> None:
        """Until the SMTP server has accepted so many. Raises ProcessFailed when send_mail ends before that."""
        while sum(line["event"] == "accepted" for line in read_journal(self.maildir)) < count:
            if self.processes.ended():
                raise ProcessFailed(f"send_mail has ended too early:\n{self.processes.end_of_log('send_mail')}")
            time.sleep(0.05)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.times[what] = time.monotonic() - started

    def milliseconds(self, what: str) -> str:
        return f"{self.times[what] * 1000:.0f} ms"

    def report(self, found: Received) -> None:
        """The table, what differs, and what to type next."""
        journal = read_journal(self.maildir)
        for_good = sum(line["event"] == "refused for good" for line in journal)
        for_now = sum(line["event"] == "refused for now" for line in journal)
        accepted = [line["at"] for line in found.newsletters[: self.reset["of"] - 1]]
        expected = self.expected
        say("What came of it")
        rows = [
            ("subscribers", expected.subscribers, ""),
            ("the same address again", expected.duplicates, "dropped"),
            ("not an address", expected.invalid, "failed, with the reason"),
            ("have unsubscribed", expected.suppressed, "suppressed"),
            ("refused for good", for_good, f"{len(expected.refused_for_good)} expected"),
            ("refused for now", for_now, f"{len(expected.refused_for_now)} expected, delivered at the second try"),
            ("delivered", len(found.newsletters), f"{len(expected.delivered)} expected"),
        ]
        for label, number, remark in rows:
            detail(f"{label:<24}{number:>7,}   {remark}".rstrip())
        say("How long it took")
        for label, seconds in self.times.items():
            detail(f"{label:<30}{seconds:>8.2f} s")
        rate = (len(accepted) - 1) / (accepted[-1] - accepted[0])
        detail(f"{rate:,.0f} mails per second; the server takes its time, at least {MILLISECONDS_PER_MAIL} ms for each")
        for difference in found.differences[:20]:
            say(f"DIFFERENT: {difference}")
        if len(found.differences) > 20:
            say(f"… and {len(found.differences) - 20} more differences.")
        if not found.differences:
            say(f"The server's own journal agrees: every address once, {found.looked_into} mails looked into.")
            say(NEXT.format(folder=self.folder))


def say(text: str) -> None:
    print(f"\n{text}", flush=True)


def detail(text: str) -> None:
    print(f"  {text}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="The main job of courant_mail, for real.")
    parser.add_argument("--folder", type=Path, default=HERE.parent / "var" / "demo", help="Is emptied first.")
    parser.add_argument("--subscribers", type=int, default=5000)
    options = parser.parse_args()
    folder = options.folder.resolve()
    if folder.exists():
        empty(folder)
    try:
        same = Demo(folder, options.subscribers).run()
    except ProcessFailed as error:
        sys.exit(str(error))
    sys.exit(0 if same else 1)


def empty(folder: Path) -> None:
    """Removes what an earlier demo has left, and refuses to remove anything else."""
    if any(folder.iterdir()) and not (folder / "logs").is_dir():
        sys.exit(f"{folder} holds something else than an earlier demo; name another --folder.")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
