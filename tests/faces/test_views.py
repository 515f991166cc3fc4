"""The page behind an unsubscribe link."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.test import Client, TestCase, override_settings
from django.urls import reverse

import courant_mail
from courant_mail.api import queue_job
from courant_mail.choices import MessageStatus, Scope
from courant_mail.models import Message, Suppression
from courant_mail.queue.suppress import suppress
from courant_mail.testing import drain
from courant_mail.tokens import make_token

#: the app's own page, not one that a site has put in its place
OWN_TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(courant_mail.__file__ or "courant_mail/__init__.py").parent / "templates"],
    }
]


@override_settings(ALLOWED_HOSTS=["testserver", "www.courant.example"], TEMPLATES=OWN_TEMPLATES)
class UnsubscribeTests(TestCase):
    def setUp(self):
        # As a mail program comes: without cookies, and held to CSRF where the site asks for it.
        self.client = Client(enforce_csrf_checks=True)
        self.url = reverse("courant_mail:unsubscribe", args=[make_token("ann@example.org", 7)])

    def one_click(self, url=None):
        return self.client.post(
            url or self.url, "List-Unsubscribe=One-Click", content_type="application/x-www-form-urlencoded"
        )

    def test_looking_shows_a_button_and_changes_nothing(self):
        with self.assertNumQueries(0):
            page = self.client.get(self.url)
        self.assertContains(page, '<form method="post">')
        self.assertContains(page, "ann@example.org")
        self.assertContains(page, "<button", count=1)
        self.assertFalse(Suppression.objects.exists())

    def test_head_changes_nothing(self):
        self.assertEqual(self.client.head(self.url).status_code, 200)
        self.assertFalse(Suppression.objects.exists())

    def test_the_button_suppresses_the_address_for_bulk_mail(self):
        page = self.client.post(self.url)
        self.assertContains(page, "You are unsubscribed")
        row = Suppression.objects.get()
        self.assertEqual((row.address, row.scope, row.source), ("ann@example.org", Scope.BULK, "unsubscribe"))
        self.assertIn("7", row.reason)

    def test_one_click_needs_neither_cookie_nor_token_and_is_not_redirected(self):
        answer = self.one_click()
        self.assertEqual(answer.status_code, 200)
        self.assertFalse(answer.cookies)
        self.assertEqual(Suppression.objects.get().address, "ann@example.org")

    def test_one_click_as_a_form_with_a_boundary_works_as_well(self):
        answer = self.client.post(self.url, {"List-Unsubscribe": "One-Click"})
        self.assertEqual(answer.status_code, 200)
        self.assertTrue(Suppression.objects.exists())

    def test_unsubscribing_twice_is_unsubscribing_once(self):
        self.one_click()
        self.assertEqual(self.one_click().status_code, 200)
        self.assertEqual(Suppression.objects.count(), 1)

    def test_who_wants_no_mail_at_all_keeps_that(self):
        suppress("ann@example.org", scope=Scope.ALL, reason="dead")
        self.one_click()
        self.assertEqual(Suppression.objects.get().scope, Scope.ALL)

    def test_forged_and_foreign_links_are_not_found(self):
        with override_settings(SECRET_KEY="of another site"):
            foreign = make_token("ann@example.org", 7)
        for token in (foreign, "x", "x.y", "preview", make_token("ann@example.org", 7)[:-1]):
            for method in (self.client.get, self.client.post):
                with self.subTest(token=token, method=method.__name__):
                    answer = method(reverse("courant_mail:unsubscribe", args=[token]))
                    self.assertEqual(answer.status_code, 404)
                    self.assertTrue(answer["Content-Type"].startswith("text/plain"))
                    self.assertNotContains(answer, "<", status_code=404)
        self.assertFalse(Suppression.objects.exists())

    def test_other_methods_are_not_allowed(self):
        for method in (self.client.put, self.client.delete, self.client.patch):
            self.assertEqual(method(self.url).status_code, 405)

    def test_the_link_stays_with_its_owner(self):
        for answer in (self.client.get(self.url), self.client.post(self.url), self.client.get(self.url + "x/")):
            if answer.status_code == 200:
                self.assertIn("no-store", answer["Cache-Control"])
                self.assertEqual(answer["Referrer-Policy"], "no-referrer")
                self.assertIn("noindex", answer["X-Robots-Tag"])

    def test_the_page_needs_no_script_and_no_inline_style(self):
        for page in (self.client.get(self.url), self.client.post(self.url)):
            words = page.content.decode()
            for inline in ("<script", "<style", " style=", "onclick", "javascript:"):
                self.assertNotIn(inline, words)
            self.assertNotIn("http", words.replace("http-equiv", ""), "nothing is loaded from elsewhere")

    def test_the_address_is_escaped(self):
        url = reverse("courant_mail:unsubscribe", args=[make_token("<b>x</b>@example.org", 7)])
        self.assertNotContains(self.client.get(url), "<b>x</b>")

    def test_the_page_is_in_the_language_of_the_visitor(self):
        with override_settings(LANGUAGE_CODE="de"):
            self.assertContains(self.client.get(self.url), '<html lang="de"')
        with override_settings(LANGUAGE_CODE="ar"):
            self.assertContains(self.client.get(self.url), 'dir="rtl"')

    def test_the_link_of_a_mail_takes_back_what_is_queued_already(self):
        words: dict[str, Any] = {
            "subject": "News",
            "text": "Hi {{ unsubscribe_url }}",
            "recipients": ["ann@example.org"],
        }
        queue_job(**words)
        [first] = drain()
        self.assertEqual(str(first.message["List-Unsubscribe-Post"]), "List-Unsubscribe=One-Click")
        self.assertIn(first.unsubscribe_url, first.text)
        queue_job(**words)
        self.assertEqual(self.one_click(urlsplit(first.unsubscribe_url).path).status_code, 200)
        queue_job(**words, bulk=False)
        [last] = drain()
        self.assertEqual(last.unsubscribe_url, "")
        self.assertEqual(Message.objects.filter(status=MessageStatus.SUPPRESSED).count(), 1)

    def test_no_whole_address_is_logged(self):
        with self.assertLogs("courant_mail", "INFO") as logs:
            self.one_click()
        self.assertNotIn("ann@example.org", "\n".join(logs.output))
