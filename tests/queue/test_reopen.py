"""Sending a job to those who did not get it: who is queued again, how often, and what waits for it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import connection
from django.test import TestCase
from django.test.utils import CaptureQueriesContext

from courant_mail.causes import Cause
from courant_mail.choices import JobStatus, MessageStatus
from courant_mail.exceptions import WrongState
from courant_mail.models import Message, MessageJob
from courant_mail.queue import control
from courant_mail.queue.agenda import look
from courant_mail.queue.endings import Ending
from courant_mail.queue.expand import expand, take_job
from courant_mail.queue.finish import finish_jobs
from courant_mail.queue.purge import purge
from courant_mail.queue.reopen import REST, reopen, settle_reopened

from .helpers import NEVER, NOW, SENT, claim_all, later, make_job, make_messages, make_sender, record_all, statuses

COUNTERS = ("total", "sent", "deferred", "failed", "suppressed", "cancelled", "in_doubt", "waiting")

#: one recipient of each kind: status, cause
KINDS: dict[str, tuple[MessageStatus, Cause | None]] = {
    "sent": (MessageStatus.SENT, None),
    "unknown": (MessageStatus.FAILED, Cause.UNKNOWN_ADDRESS),
    "blocked": (MessageStatus.FAILED, Cause.BLOCKED),
    "gave-up": (MessageStatus.FAILED, Cause.GAVE_UP),
    "invalid": (MessageStatus.FAILED, Cause.NO_ADDRESS),
    "unsubscribed": (MessageStatus.SUPPRESSED, Cause.UNSUBSCRIBED),
    "suppressed": (MessageStatus.SUPPRESSED, Cause.SUPPRESSED),
    "cancelled": (MessageStatus.CANCELLED, Cause.CANCELLED),
    "doubtful": (MessageStatus.IN_DOUBT, Cause.IN_DOUBT),
    "full": (MessageStatus.DEFERRED, Cause.MAILBOX_FULL),
    "put-off": (MessageStatus.DEFERRED, Cause.PUT_OFF),
}


def fill(job: MessageJob) -> None:
    """One message of each kind, and the counters that say so."""
    Message.objects.bulk_create(
        Message(
            job=job,
            recipient=f"{name}@example.org",
            priority=job.priority,
            status=status,
            cause=cause,
            attempts=3,
            not_before=later(hours=1) if status == MessageStatus.DEFERRED else None,
        )
        for name, (status, cause) in KINDS.items()
    )
    MessageJob.objects.filter(pk=job.pk).update(
        total=11, sent=1, failed=4, suppressed=2, cancelled=1, in_doubt=1, deferred=2
    )


def queued() -> set[str]:
    found = Message.objects.filter(status=MessageStatus.QUEUED).values_list("recipient", flat=True)
    return {address.partition("@")[0] for address in found}


def counters(job: MessageJob) -> dict[str, int]:
    job.refresh_from_db()
    return {name: getattr(job, name) for name in COUNTERS}


class WhoTests(TestCase):
    def setUp(self) -> None:
        self.job = make_job(status=JobStatus.FINISHED, finished_at=NOW)
        fill(self.job)

    def test_the_rest_are_those_who_may_get_it_and_did_not(self) -> None:
        reopen(self.job.pk)
        self.assertEqual(settle_reopened(), 4)
        self.assertEqual(queued(), {"unknown", "blocked", "gave-up", "cancelled"})

    def test_one_kind_can_be_tried_again_by_itself(self) -> None:
        for name in ("blocked", "doubtful", "invalid"):
            with self.subTest(name):
                cause = KINDS[name][1]
                assert cause is not None
                reopen(self.job.pk, [cause])
                self.assertEqual(settle_reopened(), 1)
                self.assertIn(name, queued())

    def test_whoever_got_it_unsubscribed_or_waits_for_another_try_is_never_touched(self) -> None:
        reopen(self.job.pk, list(Cause))
        settle_reopened()
        self.assertEqual(set(KINDS) - queued(), {"sent", "unsubscribed", "suppressed", "full", "put-off"})

    def test_those_who_are_queued_again_begin_anew(self) -> None:
        before = dict(Message.objects.values_list("recipient", "pk"))
        reopen(self.job.pk)
        settle_reopened()
        again = Message.objects.filter(status=MessageStatus.QUEUED)
        self.assertEqual(set(again.values_list("cause", "attempts", "not_before")), {(None, 0, None)})
        self.assertEqual(dict(Message.objects.values_list("recipient", "pk")), before, "the rows are the same ones")

    def test_the_counters_are_those_of_the_rows(self) -> None:
        reopen(self.job.pk)
        settle_reopened()
        expected = {"total": 11, "sent": 1, "deferred": 2, "failed": 1, "suppressed": 2, "cancelled": 0}
        self.assertEqual(counters(self.job), {**expected, "in_doubt": 1, "waiting": 4})

    def test_other_jobs_are_left_alone(self) -> None:
        other = make_job(status=JobStatus.FINISHED, finished_at=NOW)
        fill(other)
        reopen(self.job.pk)
        settle_reopened()
        self.assertEqual(statuses(Message.objects.filter(job=other)).get("queued", 0), 0)
        other.refresh_from_db()
        self.assertEqual(other.status, JobStatus.FINISHED)


class HowTests(TestCase):
    def failed_job(self, count: int, **values: object) -> MessageJob:
        job = make_job(**{"status": JobStatus.FINISHED, "finished_at": NOW, "total": count, "failed": count} | values)
        make_messages(job, count, status=MessageStatus.FAILED, cause=Cause.BLOCKED)
        return job

    def test_asking_costs_the_same_for_few_and_many(self) -> None:
        costs = []
        for count in (1, 50):
            job = self.failed_job(count)
            with CaptureQueriesContext(connection) as queries:
                reopen(job.pk)
            costs.append(len(queries))
            table = connection.ops.quote_name(Message._meta.db_table)
            self.assertFalse([query["sql"] for query in queries if table in query["sql"]])
        self.assertEqual(costs[0], costs[1])

    def test_it_is_done_in_batches_and_goes_on_where_it_stopped(self) -> None:
        job = self.failed_job(1203)
        reopen(job.pk)
        self.assertTrue(look(NOW).settle)
        counts = [settle_reopened(batches=1) for _ in range(5)]
        self.assertEqual(counts, [500, 500, 203, 0, 0])
        self.assertEqual(statuses(), {"queued": 1203})
        self.assertEqual((counters(job)["failed"], job.waiting, job.reopening), (0, 1203, None))
        self.assertFalse(look(NOW).settle)

    def test_the_counters_are_right_after_each_batch(self) -> None:
        job = self.failed_job(700)
        reopen(job.pk)
        settle_reopened(batches=1)
        self.assertEqual((counters(job)["failed"], job.waiting), (200, 500))

    def test_what_fails_again_meanwhile_is_not_queued_for_ever(self) -> None:
        job = self.failed_job(600)
        reopen(job.pk)
        sender = make_sender()
        handled = 0
        for _ in range(10):
            handled += settle_reopened(batches=1)
            taken = claim_all(sender, 1000).messages
            record_all(sender, [Ending(message, "smtp", NEVER) for message in taken])
        self.assertEqual(handled, 600)
        self.assertEqual(statuses(), {"failed": 600})
        self.assertIsNone(MessageJob.objects.get(pk=job.pk).reopening)

    def test_nobody_gets_it_twice_when_it_is_asked_for_twice(self) -> None:
        job = self.failed_job(10)
        for _ in range(2):
            reopen(job.pk)
            settle_reopened()
        sender = make_sender()
        taken = claim_all(sender).messages
        record_all(sender, [Ending(message, "smtp", SENT) for message in taken])
        self.assertEqual(len(taken), 10)
        finish_jobs(NOW)
        reopen(job.pk)
        self.assertEqual(settle_reopened(), 0)
        self.assertEqual(claim_all(sender).messages, [])

    def test_a_second_wish_is_added_to_the_first(self) -> None:
        job = self.failed_job(3)
        Message.objects.filter(recipient="reader0@example.org").update(cause=Cause.GAVE_UP)
        reopen(job.pk, [Cause.GAVE_UP])
        reopen(job.pk, [Cause.BLOCKED])
        self.assertEqual(settle_reopened(), 3)

    def test_a_job_does_not_end_before_it_is_done(self) -> None:
        job = self.failed_job(501)
        reopen(job.pk)
        self.assertEqual(finish_jobs(NOW), [], "nothing is queued yet, and nothing is over")
        settle_reopened(batches=1)
        Message.objects.filter(status=MessageStatus.QUEUED).update(status=MessageStatus.SENT)
        self.assertEqual(finish_jobs(NOW), [], "the second batch is still to come")
        settle_reopened()
        Message.objects.filter(status=MessageStatus.QUEUED).update(status=MessageStatus.SENT)
        self.assertEqual(finish_jobs(NOW), [job])
        self.assertEqual((counters(job)["sent"], job.status), (501, JobStatus.FINISHED))

    def test_a_job_with_nobody_left_ends_again(self) -> None:
        job = make_job(status=JobStatus.FINISHED, finished_at=NOW, total=2, sent=2)
        make_messages(job, 2, status=MessageStatus.SENT)
        reopen(job.pk)
        self.assertEqual(settle_reopened(), 0)
        self.assertEqual(finish_jobs(later(minutes=1)), [job])

    def test_purging_does_not_touch_what_is_being_sent_again(self) -> None:
        old = NOW - timedelta(days=100)
        job = self.failed_job(3, finished_at=old)
        reopen(job.pk)
        self.assertEqual(purge(NOW, days=90, result="all"), 0)
        settle_reopened()
        self.assertEqual(purge(NOW, days=90, result="all"), 0)
        self.assertEqual(statuses(), {"queued": 3})

    def test_what_was_purged_before_is_still_counted(self) -> None:
        job = self.failed_job(2, finished_at=NOW - timedelta(days=100), total=3, sent=1)
        Message.objects.create(job=job, recipient="old@example.org", priority=3, status=MessageStatus.SENT)
        self.assertEqual(purge(NOW, days=90), 1)
        reopen(job.pk)
        settle_reopened()
        found = counters(job)
        self.assertEqual((found["total"], found["sent"], found["failed"], found["waiting"]), (3, 1, 0, 2))


class StateTests(TestCase):
    def test_a_job_that_is_under_way_or_paused_stays_so(self) -> None:
        for status in (JobStatus.SENDING, JobStatus.PAUSED):
            with self.subTest(status):
                job = make_job(status=status, status_reason="by ann" if status == JobStatus.PAUSED else "")
                fill(job)
                reopen(job.pk)
                settle_reopened()
                job.refresh_from_db()
                self.assertEqual((job.status, bool(job.status_reason)), (status, status == JobStatus.PAUSED))
                self.assertEqual(counters(job)["waiting"], 4)
                Message.objects.all().delete()

    def test_a_paused_job_sends_none_of_them_before_it_is_resumed(self) -> None:
        job = make_job(status=JobStatus.PAUSED)
        fill(job)
        reopen(job.pk)
        settle_reopened()
        sender = make_sender()
        self.assertEqual(claim_all(sender).messages, [])
        control.resume(job.pk)
        self.assertEqual(len(claim_all(sender).messages), 4)

    def test_a_job_that_was_never_sent_is_refused(self) -> None:
        for status in (JobStatus.DRAFT, JobStatus.QUEUED, JobStatus.EXPANDING):
            job = make_job(status=status, expanded_at=None)
            with self.assertRaises(WrongState):
                reopen(job.pk)
            job.refresh_from_db()
            self.assertEqual((job.status, job.reopening), (status, None))
        with self.assertRaises(WrongState):
            reopen(10**9)

    def test_a_cancelled_job_is_reopened_once_it_is_settled(self) -> None:
        job = make_job(total=5)
        make_messages(job, 5)
        control.cancel(job.pk)
        with self.assertRaisesMessage(WrongState, "still being cancelled"):
            reopen(job.pk)
        control.settle_cancelled(NOW)
        reopen(job.pk)
        self.assertEqual(settle_reopened(), 5)
        found = counters(job)
        self.assertEqual((job.status, job.finished_at, found["cancelled"], found["waiting"]), ("sending", None, 0, 5))

    def test_what_was_reopened_is_not_cancelled_by_somebody_who_comes_late(self) -> None:
        # Two processes settle the same two jobs; one of them is slow, and an editor is quick.
        slow, quick = make_job(), make_job(total=5)
        make_messages(slow, 1)
        make_messages(quick, 5)
        control.cancel(slow.pk)
        control.cancel(quick.pk)
        meanwhile = [True]

        def interrupted(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            found = execute(sql, params, many, context)
            if meanwhile and sql.startswith("UPDATE") and "courant_mail_message" in sql:
                meanwhile.clear()
                control.settle_cancelled(NOW)
                reopen(quick.pk)
                settle_reopened()
            return found

        with connection.execute_wrapper(interrupted):
            control.settle_cancelled(later(minutes=1))
        found = counters(quick)
        self.assertEqual(statuses(Message.objects.filter(job=quick)), {"queued": 5})
        self.assertEqual((quick.status, quick.finished_at, found["waiting"]), ("sending", None, 5))

    def test_cancelling_ends_it(self) -> None:
        job = make_job(status=JobStatus.FINISHED, finished_at=NOW)
        fill(job)
        reopen(job.pk)
        control.cancel(job.pk)
        self.assertEqual(settle_reopened(), 0)
        control.settle_cancelled(NOW)
        self.assertEqual(queued(), set())

    def test_a_job_cancelled_in_the_midst_of_its_recipients_goes_on_reading_them(self) -> None:
        addresses = [f"reader{n}@example.org" for n in range(7)]
        job = make_job(status=JobStatus.QUEUED, expanded_at=None, recipients="\n".join(addresses))
        sender = make_sender()
        taken = take_job(sender, NOW)
        assert taken is not None
        steps = expand(taken, sender, NOW, page=2)
        next(steps)
        next(steps)
        control.cancel(job.pk)
        self.assertEqual(list(steps), [])
        control.settle_cancelled(NOW)
        self.assertEqual(statuses(), {"cancelled": 4})
        with self.assertRaisesMessage(WrongState, "send to all of the rest"):
            reopen(job.pk, [Cause.BLOCKED])
        reopen(job.pk, REST)
        self.assertEqual(settle_reopened(), 4)
        taken = take_job(sender, later(minutes=1))
        assert taken is not None
        list(expand(taken, sender, later(minutes=1), page=2))
        self.assertEqual(statuses(), {"queued": 7})
        self.assertEqual(set(Message.objects.values_list("recipient", flat=True)), set(addresses))
        self.assertEqual((counters(job)["total"], job.cancelled, job.status), (7, 0, JobStatus.SENDING))
        # One of them after the other, and each of them once.
        self.assertEqual(len(claim_all(sender).messages), 7)
