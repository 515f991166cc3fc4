"""Drafts with a key: one for each, written anew until it is sent, and sent only as somebody has seen it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.test import TestCase, TransactionTestCase

from courant_mail.choices import JobStatus
from courant_mail.compose.letter import AttachedFile
from courant_mail.exceptions import WordsChanged, WrongState
from courant_mail.models import Attachment, DryRun, MessageJob, RecipientFile
from courant_mail.queue import control
from courant_mail.queue.drafts import discard, draft_key, drafts_with, has_draft_key
from courant_mail.queue.dry_run import fingerprint
from courant_mail.queue.enqueue import enqueue_job

from .helpers import make_job
from .test_concurrency import at_once

KEY = draft_key("news.issue", 12, "editor")


def write(subject: str = "News", key: str | None = KEY, **values: Any) -> MessageJob:
    given = {"text": "Hello", "recipients": "ann@example.org", **values}
    return enqueue_job(subject=subject, key=key, status=JobStatus.DRAFT, **given)


class DraftTests(TestCase):
    def test_writing_it_again_replaces_the_words_the_files_and_the_audience(self) -> None:
        first = write(attachments=[("a.txt", b"a")], headers={"X-A": "1"}, priority=2)
        RecipientFile.objects.create(job=first, filename="people.csv")
        again = write("Other", recipients="bo@example.org", attachments=[AttachedFile("b.txt", "text/plain", b"b")])
        job = MessageJob.objects.get()
        self.assertEqual((job.pk, again.pk), (first.pk, first.pk))
        self.assertEqual((job.subject, job.recipients, job.headers, job.priority), ("Other", "bo@example.org", {}, 3))
        self.assertEqual(again.subject, "Other")
        self.assertEqual(list(Attachment.objects.values_list("filename", flat=True)), ["b.txt"])
        self.assertFalse(RecipientFile.objects.exists())

    def test_what_was_sent_is_not_written_anew(self) -> None:
        first = write()
        control.submit(first.pk)
        second = write("Other")
        self.assertNotEqual(first.pk, second.pk)
        first.refresh_from_db()
        self.assertEqual((first.subject, first.status, first.key), ("News", JobStatus.QUEUED, None))
        self.assertEqual(second.key, KEY)

    def test_a_cancelled_draft_is_not_written_anew(self) -> None:
        control.cancel(write().pk)
        write("Other")
        self.assertEqual(MessageJob.objects.count(), 2)

    def test_drafts_without_a_key_are_each_a_job_of_their_own(self) -> None:
        write(key=None)
        write(key=None)
        self.assertEqual(MessageJob.objects.count(), 2)

    def test_a_key_is_short_whatever_it_is_made_of(self) -> None:
        self.assertLess(len(draft_key("x" * 500, "y" * 500)), 200)
        self.assertEqual(KEY, draft_key("news.issue", "12", "editor"))
        self.assertNotEqual(draft_key("a", "bc"), draft_key("ab", "c"))

    def test_a_draft_knows_whether_the_site_has_written_it(self) -> None:
        self.assertTrue(has_draft_key(write()))
        self.assertFalse(has_draft_key(make_job(key="another")))
        self.assertFalse(has_draft_key(make_job()))
        self.assertEqual(drafts_with([KEY, "other"]), {KEY})

    def test_only_drafts_with_such_a_key_are_discarded(self) -> None:
        job = write(attachments=[("a.txt", b"a")])
        DryRun.objects.create(job=job, fingerprint="x")
        typed = write(key=None)
        self.assertTrue(discard(job.pk))
        self.assertFalse(discard(job.pk))
        self.assertFalse(discard(typed.pk))
        sent = write()
        control.submit(sent.pk)
        self.assertFalse(discard(sent.pk))
        self.assertEqual(MessageJob.objects.count(), 2)


class SeenTests(TestCase):
    def test_a_draft_is_queued_as_it_was_seen(self) -> None:
        job = write()
        control.submit(job.pk, seen=fingerprint(job))
        self.assertEqual(MessageJob.objects.get().status, JobStatus.QUEUED)

    def test_what_was_changed_since_is_not(self) -> None:
        job = write()
        seen = fingerprint(job)
        write("Other")
        with self.assertRaises(WordsChanged):
            control.submit(job.pk, seen=seen)
        self.assertEqual(MessageJob.objects.get().status, JobStatus.DRAFT)

    def test_what_was_sent_is_said_to_be_sent_and_not_to_be_changed(self) -> None:
        job = write()
        control.submit(job.pk)
        for gone in (job.pk, 999_999):
            with self.assertRaises(WrongState) as raised:
                control.submit(gone, seen="something else")
            self.assertNotIsInstance(raised.exception, WordsChanged)


class ConcurrentDraftTests(TransactionTestCase):
    def test_two_clicks_at_once_write_one_draft(self) -> None:
        found = at_once(*[lambda n=n: write(f"Mail {n}", attachments=[("a.txt", b"a")]).pk for n in range(4)])
        job = MessageJob.objects.get()
        self.assertEqual(set(found), {job.pk})
        self.assertEqual(Attachment.objects.count(), 1)

    def test_two_clicks_at_once_after_the_last_was_sent_write_one_draft(self) -> None:
        control.submit(write().pk)
        at_once(*[lambda n=n: write(f"Mail {n}").pk for n in range(4)])
        self.assertEqual(MessageJob.objects.filter(status=JobStatus.DRAFT).count(), 1)
        self.assertEqual(MessageJob.objects.count(), 2)

    def test_of_writing_and_sending_at_once_either_comes_first_and_nothing_unseen_is_sent(self) -> None:
        for _ in range(10):
            MessageJob.objects.all().delete()
            job = write()
            seen = fingerprint(job)

            def send(job: MessageJob = job, seen: str = seen) -> None:
                with suppress(WordsChanged):
                    control.submit(job.pk, seen=seen)

            at_once(send, lambda: write("Unseen"))
            self.assertNotIn("Unseen", MessageJob.objects.filter(status="queued").values_list("subject", flat=True))
