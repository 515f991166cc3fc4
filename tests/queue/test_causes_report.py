"""Who did not get a job, by cause and by domain: exact where that is cheap, and honest where it is not."""

from __future__ import annotations

from django.test import TestCase

from courant_mail.causes import Cause
from courant_mail.choices import MessageStatus
from courant_mail.models import Message, MessageJob
from courant_mail.queue.causes_report import CauseCount, DomainReport, by_cause, by_domain

from .helpers import make_job, make_messages


def miss(job: MessageJob, cause: Cause, count: int, domain: str = "example.org") -> None:
    start = Message.objects.filter(job=job).count()
    Message.objects.bulk_create(
        Message(job=job, recipient=f"r{n}@{domain}", priority=3, status=MessageStatus.FAILED, cause=cause)
        for n in range(start, start + count)
    )


class ByCauseTests(TestCase):
    def setUp(self) -> None:
        self.job = make_job()

    def test_each_cause_is_counted_the_most_frequent_first(self) -> None:
        miss(self.job, Cause.BLOCKED, 2)
        miss(self.job, Cause.MAILBOX_FULL, 5)
        miss(make_job(), Cause.REFUSED, 9)
        with self.assertNumQueries(1):
            found = by_cause(self.job)
        self.assertEqual(found, [CauseCount(Cause.MAILBOX_FULL, 5), CauseCount(Cause.BLOCKED, 2)])

    def test_a_job_that_everybody_got_has_none(self) -> None:
        make_messages(self.job, 3, status=MessageStatus.SENT)
        self.assertEqual(by_cause(self.job), [])

    def test_beyond_the_limit_the_number_is_what_the_counters_leave(self) -> None:
        miss(self.job, Cause.BLOCKED, 7)
        miss(self.job, Cause.REFUSED, 2)
        self.job.failed = 9
        found = by_cause(self.job, limit=3)
        self.assertEqual(found, [CauseCount(Cause.BLOCKED, 7), CauseCount(Cause.REFUSED, 2)])

    def test_what_was_purged_is_not_counted_with_it(self) -> None:
        miss(self.job, Cause.BLOCKED, 7)
        self.job.failed, self.job.purged = 27, {"failed": 20, "sent": 100}
        self.assertEqual(by_cause(self.job, limit=3), [CauseCount(Cause.BLOCKED, 7)])

    def test_where_the_counters_cannot_tell_there_are_more_than_the_limit(self) -> None:
        miss(self.job, Cause.BLOCKED, 7)
        miss(self.job, Cause.REFUSED, 5)
        self.job.failed = 12
        found = by_cause(self.job, limit=3)
        self.assertEqual(found, [CauseCount(Cause.BLOCKED, 3, more=True), CauseCount(Cause.REFUSED, 3, more=True)])

    def test_counters_that_lag_behind_the_rows_are_not_believed(self) -> None:
        miss(self.job, Cause.BLOCKED, 7)
        self.assertEqual(by_cause(self.job, limit=3), [CauseCount(Cause.BLOCKED, 3, more=True)])


class ByDomainTests(TestCase):
    def setUp(self) -> None:
        self.job = make_job()

    def test_the_domains_that_refuse_most_come_first(self) -> None:
        miss(self.job, Cause.BLOCKED, 3, "gmx.example")
        miss(self.job, Cause.MAILBOX_FULL, 1, "gmx.example")
        miss(self.job, Cause.PUT_OFF, 2, "web.example")
        with self.assertNumQueries(1):
            found = by_domain(self.job.pk)
        self.assertEqual(found, DomainReport([("gmx.example", 4), ("web.example", 2)]))
        self.assertEqual(by_domain(self.job.pk, most=1).domains, [("gmx.example", 4)])

    def test_what_no_receiver_has_said_is_not_laid_to_a_domain(self) -> None:
        for cause in (Cause.CANCELLED, Cause.UNSUBSCRIBED, Cause.NOT_RENDERED, Cause.NO_ADDRESS, Cause.IN_DOUBT):
            miss(self.job, cause, 1)
        self.assertEqual(by_domain(self.job.pk).domains, [])

    def test_of_many_the_latest_of_each_cause_are_looked_at_and_that_is_said(self) -> None:
        miss(self.job, Cause.BLOCKED, 5, "old.example")
        miss(self.job, Cause.BLOCKED, 3, "new.example")
        miss(self.job, Cause.REFUSED, 1, "rare.example")
        found = by_domain(self.job.pk, latest=3)
        self.assertEqual(found, DomainReport([("new.example", 3), ("rare.example", 1)], capped=True))
