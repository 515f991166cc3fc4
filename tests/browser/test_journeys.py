"""A mail from its first word to its last reader, with scripts and without; mail leaves when the test says so."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection
from email.message import EmailMessage

from playwright.sync_api import expect

from tools import check

from .base import BrowserTestCase
from .desk import JOBS, Circle, Desk
from .keyboard import Keyboard
from .site import EDITOR_EMAIL


class JourneyTests(BrowserTestCase):
    def test_a_mail_is_written_tried_out_sent_and_watched(self) -> None:
        desk, circle, subject = self.desk(), Circle("a"), "Courses"
        self.write_and_try(desk, circle, subject)
        self.send_stop_and_go_on(desk, circle, subject)
        self.site.run("retry_deferred", "--all")
        self.site.run("send_mail")
        desk.sees("finished", "6 of 6")
        self.assertGot(subject, [*circle.friends, circle.busy])
        self.see_who_did_not_get_it(desk, circle)

    def test_the_same_without_scripts(self) -> None:
        desk, circle, subject = self.desk(javascript=False), Circle("b"), "Courses without scripts"
        self.write_and_try(desk, circle, subject)
        self.send_stop_and_go_on(desk, circle, subject)
        self.see_who_did_not_get_it(desk, circle)

    def write_and_try(self, desk: Desk, circle: Circle, subject: str) -> None:
        """From a file with a mistake in it to a test and a dry run."""
        desk.write(subject, circle.sheet)
        desk.is_told("6 recipients were taken from courses.csv")
        desk.is_told("1 line of it was not taken")
        expect(desk.page.get_by_role("row", name="nobody at all, Gus, Chess")).to_contain_text("not an address")
        desk.page.get_by_label("Show it as this person gets it:").fill(circle.cleo)
        desk.press("Show")
        shown = desk.page.frame_locator("iframe").locator("body")
        expect(shown).to_contain_text(re.compile("Dear Cleo,.*your course Choir", re.DOTALL))
        desk.press(f"Send a test to me ({EDITOR_EMAIL})")
        desk.is_told(f"A test is on its way to {EDITOR_EMAIL}")
        desk.press("Make a dry run")
        desk.sees("The dry run begins within a minute.")
        self.site.run("process_mail_jobs")
        self.site.run("send_mail")
        desk.sees("Would get it")
        expect(desk.page.get_by_role("row", name="Would get it")).to_contain_text("6")
        [(recipient, test)] = self.mails(f"[Test] {subject}")
        self.assertEqual(recipient, EDITOR_EMAIL)
        self.assertIn("your course Choir", text_of(test))
        self.assertGot(subject, [])

    def send_stop_and_go_on(self, desk: Desk, circle: Circle, subject: str) -> None:
        desk.send(says="The mail goes to about 6 people.")
        self.site.run("process_mail_jobs")
        self.site.run("send_mail", "--limit", "2")
        desk.sees("being sent", "2 of 6")
        desk.do("Pause", "Paused", says="4 people will wait")
        desk.sees("paused by editor")
        self.site.run("send_mail")
        self.assertEqual(len(self.mails(subject)), 2)
        desk.do("Resume", "Resumed", says="4 people will get it")
        self.site.run("send_mail")
        desk.sees("the address does not exist", "put off by the receiving server", "5 of 6")
        self.assertGot(subject, circle.friends)

    def see_who_did_not_get_it(self, desk: Desk, circle: Circle) -> None:
        everybody = self.download(desk, "Download all (CSV)")
        self.assertEqual({row[0] for row in everybody[1:]}, {*circle.friends, circle.busy, circle.gone})
        missed = {row[0]: row for row in self.download(desk, "Download those who did not get it (CSV)")[1:]}
        self.assertLessEqual(missed.keys(), {circle.busy, circle.gone})
        self.assertIn("the address does not exist", missed[circle.gone])
        desk.follow("Show them: the address does not exist")
        desk.follow(circle.gone)
        expect(desk.page.locator("#content")).to_contain_text("Nobody lives here any more")

    def test_what_was_cancelled_can_still_be_sent_to_the_rest(self) -> None:
        desk, circle, subject = self.desk(), Circle("c"), "To the rest"
        desk.write(subject, circle.sheet)
        desk.send()
        self.site.run("process_mail_jobs")
        self.site.run("send_mail", "--limit", "2")
        desk.sees("2 of 6")
        desk.do("Cancel", "Cancelled", says="4 people will not get it")
        self.site.run("process_mail_jobs")
        desk.sees("4 cancelled")
        self.assertEqual(len(self.mails(subject)), 2)
        desk.do("Send to the rest", "Sent to the rest", says="It is sent to 4 people who did not get it.")
        self.site.run("process_mail_jobs")
        self.site.run("send_mail")
        desk.sees("not delivered", "will be tried again")
        self.assertGot(subject, circle.friends)

    def test_a_mail_is_sent_later(self) -> None:
        desk = self.desk()
        desk.write("Next century", Circle("d").sheet)
        desk.follow("Send…")
        desk.page.get_by_label("later, at the date and time given here").check()
        desk.page.get_by_label("Date", exact=True).fill("2099-12-24")
        desk.page.get_by_label("Time", exact=True).fill("18:30")
        desk.press("Send it")
        desk.is_told("will be sent at 24 Dec 2099, 6:30 p.m.")
        self.site.run("process_mail_jobs")
        desk.sees("scheduled", "24 Dec 2099, 6:30 p.m.")

    def test_everything_can_be_done_with_the_keyboard(self) -> None:
        keyboard = Keyboard(self.open())
        page = keyboard.page
        page.goto(JOBS)
        keyboard.skip()
        keyboard.press_enter_on("Add message job")
        keyboard.write_into("Subject:", "By keyboard")
        keyboard.write_into("Text:", "Hello")
        keyboard.write_into("Recipients:", "keyboard@example.org, keyboard@busy.example")
        keyboard.press_enter_on("Save")
        keyboard.skip()
        keyboard.press_enter_on("Send…")
        keyboard.skip()
        keyboard.press_enter_on("Send it")
        self.site.run("process_mail_jobs")
        expect(page.locator("#content")).to_contain_text("0 of 2")
        for act in ("Pause", "Resume"):
            keyboard.skip()
            keyboard.press_enter_on(f"{act}…")
            keyboard.press_enter_on(act)
        keyboard.skip()
        keyboard.go_to("Cancel…")
        self.site.run("send_mail")
        expect(page.locator("#content")).to_contain_text("1 of 2")
        self.assertEqual(keyboard.focused, "Cancel…", "the page has changed, and the place in it is not lost")

    def test_an_issue_is_sent_without_scripts(self) -> None:
        desk = self.desk(javascript=False)
        desk.tick_issue("43")
        expect(desk.page.locator("#content")).to_contain_text("The mail goes to about 60 people.")
        expect(desk.page.frame_locator("iframe").locator("body")).to_contain_text("Hello Käthe")
        desk.press("Send it")
        desk.is_told("is queued")
        self.site.run("process_mail_jobs")
        self.site.run("send_mail")
        expected = check.expect(self.subscribers)
        wanted = expected.delivered.keys() - expected.refused_for_now
        self.assertGot("The Courant No. 43: What the river carries", wanted)

    def assertGot(self, subject: str, addresses: Collection[str]) -> None:
        """A mail with this subject has come to each of them once, and to nobody else."""
        self.assertCountEqual([check.same_address(recipient) for recipient, _ in self.mails(subject)], addresses)

    def download(self, desk: Desk, name: str) -> list[list[str]]:
        with desk.page.expect_download() as download:
            desk.page.get_by_role("link", name=name, exact=True).click()
        return list(csv.reader(io.StringIO(download.value.path().read_text(encoding="utf-8-sig"))))


def text_of(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    return str(part.get_content()) if part else ""
