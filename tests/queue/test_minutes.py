"""Minutes: how many tries of a job ended how, whoever notes it, and how fast a job goes by them."""

from __future__ import annotations

from datetime import timedelta

from django.test import TestCase

from courant_mail.choices import MessageStatus
from courant_mail.models import JobMinute, MessageJob
from courant_mail.queue.minutes import note
from courant_mail.queue.speed import history, speeds

from .helpers import NOW, later, make_job

SENT, DEFERRED, FAILED, IN_DOUBT = (
    MessageStatus.SENT,
    MessageStatus.DEFERRED,
    MessageStatus.FAILED,
    MessageStatus.IN_DOUBT,
)


def rows(job: MessageJob) -> list[tuple[object, ...]]:
    found = JobMinute.objects.filter(job=job).order_by("minute")
    return list(found.values_list("minute", "sent", "deferred", "failed", "in_doubt"))


class NoteTests(TestCase):
    def setUp(self) -> None:
        self.job = make_job()

    def test_what_ends_within_a_minute_is_added_up_in_its_row(self) -> None:
        note({self.job.pk: {SENT: 5, FAILED: 1}}, later(seconds=3))
        note({self.job.pk: {SENT: 2, DEFERRED: 4, IN_DOUBT: 1}}, later(seconds=59.9))
        note({self.job.pk: {SENT: 1}}, later(seconds=60))
        self.assertEqual(rows(self.job), [(NOW, 7, 4, 1, 1), (later(minutes=1), 1, 0, 0, 0)])

    def test_only_what_ended_a_try_is_noted(self) -> None:
        endings: set[MessageStatus] = {SENT, DEFERRED, FAILED, IN_DOUBT}
        note({self.job.pk: dict.fromkeys(set(MessageStatus) - endings, 3)}, NOW)
        note({self.job.pk: {SENT: 0, FAILED: -2}}, NOW)
        note({}, NOW)
        self.assertEqual(rows(self.job), [])

    def test_jobs_are_kept_apart(self) -> None:
        other = make_job()
        note({self.job.pk: {SENT: 1}, other.pk: {SENT: 2}}, NOW)
        self.assertEqual((rows(self.job)[0][1], rows(other)[0][1]), (1, 2))

    def test_a_minute_that_another_sender_has_begun_is_added_to(self) -> None:
        JobMinute.objects.create(job=self.job, minute=NOW, sent=10)
        note({self.job.pk: {SENT: 1}}, later(seconds=30))
        self.assertEqual(rows(self.job), [(NOW, 11, 0, 0, 0)])

    def test_a_minute_goes_with_its_job(self) -> None:
        note({self.job.pk: {SENT: 1}}, NOW)
        self.job.delete()
        self.assertFalse(JobMinute.objects.exists())


class SpeedTests(TestCase):
    def setUp(self) -> None:
        self.job = make_job(expanded_at=NOW - timedelta(hours=1))

    def add(self, minutes_ago: int, count: int = 60, job: MessageJob | None = None, **kinds: int) -> None:
        minute = NOW.replace(second=0) - timedelta(minutes=minutes_ago)
        JobMinute.objects.create(job=job or self.job, minute=minute, sent=count, **kinds)

    def test_a_job_that_is_under_way_has_the_speed_of_the_last_minutes(self) -> None:
        for minutes_ago in range(30):
            self.add(minutes_ago, 600 if minutes_ago < 5 else 1, failed=30, deferred=0)
        now = later(seconds=30)
        self.assertAlmostEqual(speeds([self.job], now)[self.job.pk], 5 * 630 / 4.5)

    def test_a_job_that_has_just_begun_is_not_taken_for_slower_than_it_is(self) -> None:
        self.job.expanded_at = later(seconds=40)
        self.add(0, 100)
        self.assertAlmostEqual(speeds([self.job], later(seconds=50))[self.job.pk], 600)

    def test_a_second_is_too_short_to_tell_a_speed(self) -> None:
        self.job.expanded_at = later(seconds=40)
        self.add(0, 100)
        self.assertAlmostEqual(speeds([self.job], later(seconds=40.5))[self.job.pk], 600)

    def test_a_job_that_stands_still_has_no_speed(self) -> None:
        self.add(20)
        self.assertEqual(speeds([self.job], NOW), {})
        self.assertEqual(speeds([], NOW), {})

    def test_all_jobs_of_a_page_are_one_query(self) -> None:
        jobs = [self.job, *(make_job(expanded_at=None) for _ in range(5))]
        for job in jobs[:4]:
            self.add(0, 10, job)
        with self.assertNumQueries(1):
            found = speeds(jobs, later(seconds=30))
        self.assertEqual(set(found), {job.pk for job in jobs[:4]})


class HistoryTests(TestCase):
    def setUp(self) -> None:
        self.job = make_job()

    def test_a_job_of_which_nothing_was_tried_has_none(self) -> None:
        self.assertEqual((history(self.job.pk).periods, history(self.job.pk).first), ([], None))

    def test_a_short_job_is_told_minute_by_minute(self) -> None:
        note({self.job.pk: {SENT: 5, FAILED: 2}}, NOW)
        note({self.job.pk: {IN_DOUBT: 1}}, later(hours=5))
        with self.assertNumQueries(2):
            found = history(self.job.pk)
        told = [(period.start, period.sent, period.failed, period.in_doubt) for period in found.periods]
        self.assertEqual(told, [(NOW, 5, 2, 0), (later(hours=5), 0, 0, 1)])
        self.assertEqual((found.length, found.first, found.last), (timedelta(minutes=1), NOW, later(hours=5)))

    def test_a_job_of_many_days_is_told_hour_by_hour(self) -> None:
        other = make_job()
        JobMinute.objects.bulk_create(
            JobMinute(job=job, minute=later(minutes=minute), sent=2, deferred=1)
            for job in (self.job, other)
            for minute in range(0, 5 * 24 * 60, 20)
        )
        with self.assertNumQueries(2):
            found = history(self.job.pk)
        self.assertEqual((len(found.periods), found.length), (5 * 24, timedelta(hours=1)))
        self.assertEqual({(p.sent, p.deferred, p.failed) for p in found.periods}, {(6, 3, 0)})
        self.assertEqual((found.periods[0].start, found.periods[1].start), (NOW, later(hours=1)))
