"""What the browser tests share: one site and one browser for each class, a signed-in editor, and eyes for trouble."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path
from typing import Any, ClassVar
from unittest import SkipTest

from django.db import connection
from django.test import SimpleTestCase
from playwright.sync_api import Browser, BrowserContext, Page, StorageState, expect

from . import chromium
from .desk import Desk
from .site import EDITOR, PASSWORD, ExampleSite

WIDE, NARROW, HEIGHT = 1280, 400, 900
#: for what a page does by itself, and for the pages of a site on a busy machine
PATIENCE_MS = 20_000
ACCESSIBILITY = Path(__file__).with_name("accessibility.js").read_text(encoding="utf-8")


class BrowserTestCase(SimpleTestCase):
    """
    A site and a browser, in which the editor can sign in. The site keeps what earlier tests of the class did.

    A test fails for what a page complains of: what the Content-Security-Policy has blocked, an error in a script, a
    file that is missing, an answer of the site that is an error.
    """

    subscribers: ClassVar[int] = 60
    milliseconds_per_mail: ClassVar[int] = 0

    site: ClassVar[ExampleSite]
    #: with scripts and without; the editor is signed in, and what one page has loaded is there for the next
    _windows: ClassVar[dict[bool, BrowserContext]]
    _complaints: ClassVar[list[str]]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        if connection.vendor != "sqlite":
            raise SkipTest("the browser tests bring a site of their own, and run with those on SQLite alone")
        try:
            chromium.find()
        except chromium.NoChromium as reason:
            raise SkipTest(str(reason)) from None
        cls.site = cls.enterClassContext(
            ExampleSite(subscribers=cls.subscribers, milliseconds_per_mail=cls.milliseconds_per_mail)
        )
        browser = cls.enterClassContext(chromium.launched())
        expect.set_options(timeout=PATIENCE_MS)
        cls._complaints = []
        with_scripts = window(browser, cls.site)
        sign_in(with_scripts)
        cls._windows = {
            True: with_scripts,
            False: window(browser, cls.site, javascript=False, signed_in=with_scripts.storage_state()),
        }
        for context in cls._windows.values():
            cls._listen(context)

    @classmethod
    def _listen(cls, context: BrowserContext) -> None:
        def note(text: Any) -> None:
            cls._complaints.append(str(text))

        context.on("console", lambda message: note(message.text) if message.type == "error" else None)
        context.on("weberror", lambda error: note(error.error))
        context.on("response", lambda answer: note(f"{answer.status} {answer.url}") if answer.status >= 400 else None)

    def setUp(self) -> None:
        self.complaints.clear()

    def tearDown(self) -> None:
        log = self.site.processes.end_of_log("site") if self.complaints else ""
        self.assertEqual(self.complaints, [], log)

    @property
    def complaints(self) -> list[str]:
        """What pages have complained of so far in this test."""
        return self._complaints

    def open(self, *, javascript: bool = True) -> Page:
        """
        A new page; it is closed after the test.

        Without `javascript` none of its scripts is run, as for people who have turned them off.
        """
        page = self._windows[javascript].new_page()
        self.addCleanup(page.close)
        return page

    def desk(self, *, javascript: bool = True) -> Desk:
        """The editor at the desk, in a window of their own."""
        return Desk(self.open(javascript=javascript), javascript=javascript)

    def mails(self, subject: str) -> list[tuple[str, EmailMessage]]:
        """(recipient, mail) of what has arrived with this subject, oldest first."""
        found = [(line["recipient"], self.site.letter(line["file"])) for line in self.site.arrived()]
        return [(recipient, mail) for recipient, mail in found if mail["Subject"] == subject]

    def assertAccessible(self, page: Page) -> None:
        """The basics that a program can see: labels, headings, tables, pictures, nothing wider than the window."""
        self.assertEqual(page.evaluate(ACCESSIBILITY), [], page.url)


def window(
    browser: Browser, site: ExampleSite, *, javascript: bool = True, signed_in: StorageState | None = None
) -> BrowserContext:
    """A window of somebody who is where the newspaper is."""
    context = browser.new_context(
        base_url=site.url,
        java_script_enabled=javascript,
        storage_state=signed_in,
        viewport={"width": WIDE, "height": HEIGHT},
        locale="en-GB",
        timezone_id="Europe/Berlin",
    )
    context.set_default_timeout(PATIENCE_MS)
    return context


def sign_in(context: BrowserContext) -> None:
    """As the editor, on the page for it."""
    page = context.new_page()
    page.goto("/admin/")
    page.get_by_label("Username").fill(EDITOR)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="The editors' desk").wait_for()
    page.close()
