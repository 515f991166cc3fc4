"""Retry, finish, control and purge: the smaller state changes."""

from __future__ import annotations

from datetime import timedelta

from django.test import TestCase

from courant_mail.choices import JOB_TRANSITIONS, JobStatus, MessageStatus, Outcome
from courant_mail.exceptions import WrongState
from courant_mail.models import Attempt, Content, Message, MessageJob
from courant_mail.queue import control, resolve
from courant_mail.queue.finish import finish_jobs
from courant_mail.queue.purge import purge
from courant_mail.queue.retry import retry_deferred

from .helpers import NOW, later, make_job, make_messages, make_single, statuses


class RetryTests(TestCase):
    def test_what_is_due_goes_back_at_its_old_priority(self) -> None:
        job = make_job(deferred=2)
        due, early = make_messages(job, 2, status=MessageStatus.DEFERRED, not_before=NOW)
        Message.objects.filter(pk=early.pk).update(not_before=later(seconds=1))
        make_single(status=MessageStatus.DEFERRED, not_before=NOW)
        self.assertEqual(retry_deferred(NOW), 2)
        due.refresh_from_db()
        self.assertEqual((due.status, due.priority, due.not_before), (MessageStatus.QUEUED, job.priority, None))
        self.assertEqual(statuses(), {"queued": 2, "deferred": 1})
        job.refresh_from_db()
        self.assertEqual(job.deferred, 1)

    def test_all_can_be_retried_at_once(self) -> None:
        make_messages(make_job(), 3, status=MessageStatus.DEFERRED, not_before=later(hours=5))
        self.assertEqual(retry_deferred(NOW, everything=True), 3)

    def test_nothing_else_is_touched(self) -> None:
        for status in set(MessageStatus) - {MessageStatus.DEFERRED}:
            make_single(f"{status}@example.org", status=status)
        before = statuses()
        self.assertEqual(retry_deferred(NOW, everything=True), 0)
        self.assertEqual(statuses(), before)

    def test_more_than_one_batch_is_retried(self) -> None:
        make_messages(make_job(), 1203, status=MessageStatus.DEFERRED, not_before=NOW)
        self.assertEqual(retry_deferred(NOW), 1203)


class FinishTests(TestCase):
    def test_a_job_ends_with_its_last_message(self) -> None:
        job = make_job()
        _, second = make_messages(job, 2, status=MessageStatus.SENT)
        for status in (MessageStatus.QUEUED, MessageStatus.SENDING, MessageStatus.DEFERRED):
            Message.objects.filter(pk=second.pk).update(status=status)
            self.assertEqual(finish_jobs(NOW), [])
        Message.objects.filter(pk=second.pk).update(status=MessageStatus.FAILED)
        self.assertEqual(finish_jobs(NOW), [job])
        job.refresh_from_db()
        self.assertEqual(
            (job.status, job.finished_at, job.total, job.sent, job.failed), (JobStatus.FINISHED, NOW, 2, 1, 1)
        )
        self.assertEqual(finish_jobs(NOW), [])

    def test_jobs_that_are_not_being_sent_do_not_end(self) -> None:
        for status in set(JobStatus) - {JobStatus.SENDING}:
            make_job(status=status)
        self.assertEqual(finish_jobs(NOW), [])


class ControlTests(TestCase):
    def test_each_change_is_one_update_whatever_the_size_of_the_job(self) -> None:
        job = make_job()
        make_messages(job, 200)
        with self.assertNumQueries(1):
            control.pause(job.pk, reason="wrong picture")
        job.refresh_from_db()
        self.assertEqual((job.status, job.status_reason), (JobStatus.PAUSED, "wrong picture"))

    def test_resuming_goes_back_to_sending_or_to_the_rest_of_the_expansion(self) -> None:
        expanded, not_expanded = make_job(), make_job(status=JobStatus.EXPANDING, expanded_at=None)
        for job, status in ((expanded, JobStatus.SENDING), (not_expanded, JobStatus.QUEUED)):
            control.pause(job.pk)
            control.resume(job.pk)
            job.refresh_from_db()
            self.assertEqual((job.status, job.status_reason), (status, ""))

    def test_a_cancelled_job_sends_nothing_more_and_says_what_became_of_everybody(self) -> None:
        job = make_job()
        rows = make_messages(job, 4)
        for row, status in zip(rows, (MessageStatus.SENT, MessageStatus.DEFERRED, MessageStatus.SENDING), strict=False):
            Message.objects.filter(pk=row.pk).update(status=status)
        control.cancel(job.pk)
        self.assertEqual(control.settle_cancelled(NOW), 2)
        self.assertEqual(statuses(), {"sent": 1, "sending": 1, "cancelled": 2})
        job.refresh_from_db()
        self.assertIsNone(job.finished_at)
        Message.objects.filter(status=MessageStatus.SENDING).update(status=MessageStatus.SENT)
        self.assertEqual(control.settle_cancelled(NOW), 0)
        job.refresh_from_db()
        self.assertEqual((job.finished_at, job.sent, job.cancelled), (NOW, 2, 2))

    def test_what_the_table_of_transitions_forbids_is_refused_and_changes_nothing(self) -> None:
        acts = {JobStatus.PAUSED: control.pause, JobStatus.CANCELLED: control.cancel}
        for status in JobStatus:
            for goal, act in acts.items():
                job = make_job(status=status)
                if goal in JOB_TRANSITIONS[status]:
                    act(job.pk)
                    continue
                with self.assertRaisesMessage(WrongState, f"it is “{status.label}”"):
                    act(job.pk)
                job.refresh_from_db()
                self.assertEqual(job.status, status)

    def test_only_drafts_are_submitted_and_only_paused_jobs_resumed(self) -> None:
        draft = make_job(status=JobStatus.DRAFT, expanded_at=None)
        control.submit(draft.pk, at=later(hours=1))
        draft.refresh_from_db()
        self.assertEqual((draft.status, draft.scheduled_at), (JobStatus.QUEUED, later(hours=1)))
        with self.assertRaises(WrongState):
            control.submit(draft.pk)
        with self.assertRaises(WrongState):
            control.resume(draft.pk)

    def test_a_queued_job_can_be_moved_to_another_time(self) -> None:
        job = make_job(status=JobStatus.QUEUED, expanded_at=None)
        control.schedule(job.pk, later(hours=3))
        job.refresh_from_db()
        self.assertEqual(job.scheduled_at, later(hours=3))
        MessageJob.objects.update(status=JobStatus.SENDING)
        with self.assertRaises(WrongState):
            control.schedule(job.pk, None)


class ResolveTests(TestCase):
    def test_what_failed_or_is_in_doubt_is_sent_again_and_opens_its_job(self) -> None:
        job = make_job(status=JobStatus.FINISHED, finished_at=NOW, total=5, sent=1, failed=1, in_doubt=1)
        rows = make_messages(job, 5)
        all_statuses = (
            MessageStatus.SENT,
            MessageStatus.FAILED,
            MessageStatus.IN_DOUBT,
            MessageStatus.SUPPRESSED,
            MessageStatus.CANCELLED,
        )
        for row, status in zip(rows, all_statuses, strict=True):
            Message.objects.filter(pk=row.pk).update(status=status)
        self.assertEqual(resolve.send_again([row.pk for row in rows]), 2)
        self.assertEqual(statuses(), {"sent": 1, "queued": 2, "suppressed": 1, "cancelled": 1})
        job.refresh_from_db()
        self.assertEqual((job.status, job.finished_at, job.failed, job.waiting), (JobStatus.SENDING, None, 0, 2))

    def test_nothing_of_a_cancelled_job_is_sent_again(self) -> None:
        rows = make_messages(make_job(status=JobStatus.CANCELLED), 2, status=MessageStatus.FAILED)
        self.assertEqual(resolve.send_again([row.pk for row in rows]), 0)

    def test_what_is_in_doubt_can_be_counted_as_sent(self) -> None:
        job = make_job(status=JobStatus.FINISHED, finished_at=NOW)
        rows = make_messages(job, 2, status=MessageStatus.IN_DOUBT)
        Message.objects.filter(pk=rows[0].pk).update(status=MessageStatus.FAILED)
        self.assertEqual(resolve.count_as_sent([row.pk for row in rows]), 1)
        job.refresh_from_db()
        self.assertEqual((job.status, job.sent, job.in_doubt), (JobStatus.FINISHED, 1, 0))

    def test_single_mails_are_sent_again_too(self) -> None:
        message = make_single(status=MessageStatus.FAILED)
        self.assertEqual(resolve.send_again([message.pk]), 1)
        self.assertEqual(statuses(), {"queued": 1})


class PurgeTests(TestCase):
    def setUp(self) -> None:
        self.old = NOW - timedelta(days=100)

    def test_old_sent_messages_go_and_their_job_stays_with_its_counters(self) -> None:
        job = make_job(status=JobStatus.FINISHED, finished_at=self.old, total=3, sent=3)
        rows = make_messages(job, 3, status=MessageStatus.SENT)
        Attempt.objects.create(message=rows[0], outcome=Outcome.REFUSED_FOR_NOW)
        self.assertEqual(purge(NOW, days=90), 3)
        job.refresh_from_db()
        self.assertEqual((job.total, job.sent, job.messages.count(), Attempt.objects.count()), (3, 3, 0, 0))

    def test_the_counters_survive_what_is_done_with_the_rest(self) -> None:
        job = make_job(status=JobStatus.FINISHED, finished_at=self.old, total=3, sent=2, failed=1)
        rows = make_messages(job, 3, status=MessageStatus.SENT)
        Message.objects.filter(pk=rows[0].pk).update(status=MessageStatus.FAILED)
        self.assertEqual(purge(NOW, days=90), 2)
        resolve.send_again([rows[0].pk])
        job.refresh_from_db()
        self.assertEqual((job.total, job.sent, job.failed, job.waiting), (3, 2, 0, 1))
        Message.objects.update(status=MessageStatus.SENT)
        finish_jobs(NOW)
        job.refresh_from_db()
        self.assertEqual((job.total, job.sent), (3, 3))

    def test_what_is_young_stays(self) -> None:
        job = make_job(status=JobStatus.FINISHED, finished_at=NOW - timedelta(days=89))
        make_messages(job, 3, status=MessageStatus.SENT)
        self.assertEqual(purge(NOW, days=90), 0)

    def test_what_is_not_finished_stays_however_old(self) -> None:
        for number, status in enumerate(MessageStatus):
            message = make_single(f"r{number}@example.org", status=status)
            Content.objects.filter(messages=message).update(created_at=self.old)
        running = make_job(created_at=self.old)
        make_messages(running, 2, status=MessageStatus.SENT)
        self.assertEqual(purge(NOW, days=90, result="all"), 4)
        self.assertEqual(statuses(), {"queued": 1, "sending": 1, "deferred": 1, "in_doubt": 1, "sent": 2})

    def test_only_the_results_asked_for_go(self) -> None:
        job = make_job(status=JobStatus.FINISHED, finished_at=self.old)
        rows = make_messages(job, 2, status=MessageStatus.SENT)
        Message.objects.filter(pk=rows[0].pk).update(status=MessageStatus.FAILED)
        self.assertEqual(purge(NOW, days=90, result="failure"), 1)
        self.assertEqual(statuses(), {"sent": 1})

    def test_content_goes_with_its_last_message(self) -> None:
        message = make_single(status=MessageStatus.SENT)
        Content.objects.update(created_at=self.old)
        other = Message.objects.create(
            content=message.content, recipient="bo@example.org", priority=1, status=MessageStatus.DEFERRED
        )
        self.assertEqual(purge(NOW, days=90), 1)
        self.assertEqual(Content.objects.count(), 1)
        Message.objects.filter(pk=other.pk).update(status=MessageStatus.SENT)
        self.assertEqual(purge(NOW, days=90), 1)
        self.assertEqual(Content.objects.count(), 0)
