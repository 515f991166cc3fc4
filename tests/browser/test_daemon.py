"""With the daemon running, everything happens by itself while somebody looks on."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from .base import BrowserTestCase


class WatchingTests(BrowserTestCase):
    milliseconds_per_mail = 400

    def test_a_page_that_stays_open_shows_how_far_the_mail_is(self) -> None:
        self.site.start_mailer()
        desk = self.desk()
        desk.tick_issue("44")
        desk.press("Send it")
        desk.follow("See how far it is")
        page = desk.page
        panel = page.locator("#courant-watch")
        expect(panel).to_be_visible()
        page.evaluate(
            """() => {
              window.seen = new Set();
              new MutationObserver(() => window.seen.add(document.querySelector('.courant-bar')?.innerText))
                .observe(document.querySelector('#courant-watch'), {childList: true});
            }"""
        )
        expect(panel).to_contain_text("being sent")
        expect(panel).to_contain_text("a minute")
        expect(panel).to_contain_text(re.compile(r"\b0 waiting"))
        self.assertGreater(page.evaluate("window.seen.size"), 2, "it came in steps")
        expect(page.locator("#courant-line")).to_contain_text("being sent")
        expect(panel.get_by_role("img")).to_be_visible()
