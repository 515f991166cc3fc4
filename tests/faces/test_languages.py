"""The desk in the languages that it speaks: what editors read is translated, also what was fixed at import."""

from __future__ import annotations

import gettext
from html import unescape
from pathlib import Path
from typing import Any

from django.test import override_settings
from django.utils import timezone

from courant_mail.causes import Cause
from courant_mail.choices import JobStatus, MessageStatus, Priority
from courant_mail.models import JobMinute, Message, MessageJob, Suppression

from .desk import CHANGE, SEND, VIEW, DeskTestCase, url

LOCALE = Path(__file__).resolve().parents[2] / "courant_mail" / "locale"
#: shorter texts may stand in a page by chance
_LONG = 12


def catalogue(language: str) -> dict[str, str]:
    """Text → translation, of those that have no plural, no context and nothing to fill in."""
    with (LOCALE / language / "LC_MESSAGES" / "django.mo").open("rb") as file:
        translations = gettext.GNUTranslations(file)
    found: Any = translations._catalog  # type: ignore[attr-defined]  # there is no other way to list them
    return {text: told for text, told in found.items() if isinstance(text, str) and not set("%{&<\x04") & set(text)}


class LanguageTests(DeskTestCase):
    def setUp(self) -> None:
        self.sign_in(VIEW, CHANGE, SEND, "add_messagejob", "view_message", "view_suppression", email="me@example.org")

    def test_the_list_of_jobs(self) -> None:
        self.job()
        self.going()
        for language, page in self.pages(url("changelist")):
            self.assertSpeaks(language, page, "being sent", "not delivered", "how far it is", "Words of the subject")

    def test_the_page_of_a_draft(self) -> None:
        draft = self.job()
        for language, page in self.pages(url("change", draft.pk)):
            self.assertSpeaks(
                language, page, "What the mail looks like", "Make a dry run", "Recipients from a CSV file"
            )

    def test_the_page_of_a_job_that_is_being_sent(self) -> None:
        job = self.going()
        for language, page in self.pages(url("change", job.pk)):
            self.assertSpeaks(language, page, "How it is going", "the mailbox is full", "Download all (CSV)")

    def test_the_page_before_sending(self) -> None:
        draft = self.job()
        for language, page in self.pages(f"{url('send')}?job={draft.pk}"):
            self.assertSpeaks(language, page, "No, go back", "later, at the date and time given here")

    def test_the_confirmation_of_an_act(self) -> None:
        job = self.going()
        for language, page in self.pages(url("pause", job.pk)):
            self.assertSpeaks(language, page, "Pause this mail?")

    def test_the_list_of_messages(self) -> None:
        self.going()
        for language, page in self.pages("/admin/courant_mail/message/"):
            self.assertSpeaks(language, page, "the mailbox is full", "The beginning of an address")

    def test_the_list_of_suppressions(self) -> None:
        Suppression.objects.create(address="ann@example.org")
        for language, page in self.pages("/admin/courant_mail/suppression/"):
            self.assertSpeaks(language, page, "suppressions", "What was lifted")

    def test_numbers_are_written_as_the_language_writes_them(self) -> None:
        job = self.going()
        for language, shown in (("de", "10.000"), ("fr", "10\xa0000")):
            with override_settings(LANGUAGE_CODE=language):
                self.assertContains(self.client.get(url("change", job.pk)), shown)

    def going(self) -> MessageJob:
        """A job that is being sent, and somebody who did not get it."""
        now = timezone.now()
        job = self.job(JobStatus.SENDING)
        MessageJob.objects.filter(pk=job.pk).update(total=10_000, sent=2400, failed=1)
        JobMinute.objects.create(job=job, minute=now.replace(second=0, microsecond=0), sent=2400, failed=1)
        Message.objects.create(
            job=job,
            recipient="ann@example.org",
            priority=Priority.LOW,
            status=MessageStatus.FAILED,
            cause=Cause.MAILBOX_FULL,
        )
        return job

    def pages(self, address: str) -> list[tuple[str, str]]:
        """The page in each language, without its markup's escapes."""
        found = []
        for language in ("de", "fr"):
            with override_settings(LANGUAGE_CODE=language):
                page = self.client.get(address)
            self.assertContains(page, f'<html lang="{language}"')
            found.append((language, unescape(page.content.decode())))
        return found

    def assertSpeaks(self, language: str, page: str, *texts: str) -> None:
        """The page has the translations of these texts, and no text at all that has one and is not translated."""
        with self.subTest(language):
            known = catalogue(language)
            for text in texts:
                self.assertIn(known[text].casefold(), page.casefold())
            different = {text: told for text, told in known.items() if len(text) >= _LONG and told != text}
            # A translation may hold the words of another text.
            left = page
            for told in different.values():
                left = left.replace(told, "")
            self.assertEqual([text for text in different if text in left], [])
