"""The dry run of a job as it stands in the queue: asked for, claimed, lost, kept; and how its result reads."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.test import SimpleTestCase, TestCase
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from courant_mail.choices import DryRunState, JobStatus
from courant_mail.compose.lint import Finding
from courant_mail.conf import get_settings
from courant_mail.exceptions import ClaimLost, WrongState
from courant_mail.models import Attachment, DryRun, JobMinute, MessageJob
from courant_mail.queue import dry_run
from courant_mail.queue.agenda import look
from courant_mail.queue.dry_run_report import Example, Missing, Report
from courant_mail.queue.pace import pace
from courant_mail.queue.rescue import rescue

from .helpers import NOW, kill, later, make_job, make_sender


def draft(**values: Any) -> MessageJob:
    return make_job(**{"status": JobStatus.DRAFT, "expanded_at": None, "recipients": "ann@example.org"} | values)


def wanted(**values: Any) -> MessageJob:
    """A draft whose dry run was asked for."""
    job = draft(**values)
    dry_run.request(job.pk, by="ed", fingerprint=dry_run.fingerprint(job))
    return job


class RequestTests(TestCase):
    def test_it_is_noted_who_asked_for_what(self) -> None:
        job = draft()
        dry_run.request(job.pk, by="ed", fingerprint="abc")
        run = DryRun.objects.get()
        self.assertEqual((run.job_id, run.state, run.requested_by), (job.pk, DryRunState.WANTED, "ed"))
        self.assertEqual((run.fingerprint, run.done, run.claimed_by), ("abc", 0, None))
        self.assertLess((timezone.now() - run.requested_at).total_seconds(), 60)

    def test_it_costs_the_same_whatever_the_size_of_the_job(self) -> None:
        costs = []
        for count in (1, 5000):
            job = draft(recipients="\n".join(f"r{n}@example.org" for n in range(count)))
            with CaptureQueriesContext(connection) as queries:
                dry_run.request(job.pk, by="ed", fingerprint="")
            costs.append(len(queries))
        self.assertEqual(costs[0], costs[1])

    def test_another_one_replaces_the_earlier_and_its_result(self) -> None:
        job, sender = wanted(), make_sender()
        run = dry_run.take(sender, NOW)
        assert run is not None
        self.assertTrue(dry_run.store(run, sender, Report(recipients=1), NOW))
        dry_run.request(job.pk, by="another", fingerprint="y")
        again = DryRun.objects.get()
        self.assertEqual((again.state, again.requested_by, again.fingerprint), (DryRunState.WANTED, "another", "y"))
        self.assertEqual((again.report, again.started_at, again.finished_at, again.done), (None, None, None, 0))
        self.assertIsNone(dry_run.report_of(again))

    def test_a_failed_one_forgets_its_reason_when_it_is_asked_for_again(self) -> None:
        job, sender = wanted(), make_sender()
        run = dry_run.take(sender, NOW)
        assert run is not None
        self.assertTrue(dry_run.fail(run, sender, "no such source", NOW))
        run.refresh_from_db()
        self.assertEqual((run.state, run.error, run.claimed_by), (DryRunState.FAILED, "no such source", None))
        dry_run.request(job.pk, by="ed", fingerprint="")
        self.assertEqual(DryRun.objects.get().error, "")

    def test_it_is_there_for_jobs_that_can_still_be_mended(self) -> None:
        for status in JobStatus:
            job = draft(status=status)
            with self.subTest(status=status):
                if status in (JobStatus.DRAFT, JobStatus.QUEUED, JobStatus.PAUSED):
                    dry_run.request(job.pk, by="ed", fingerprint="")
                else:
                    with self.assertRaisesMessage(WrongState, str(status.label)):
                        dry_run.request(job.pk, by="ed", fingerprint="")
        self.assertEqual(DryRun.objects.count(), 3)
        with self.assertRaises(WrongState):
            dry_run.request(0, by="ed", fingerprint="")

    def test_it_goes_with_its_job(self) -> None:
        wanted().delete()
        self.assertFalse(DryRun.objects.exists())


class FingerprintTests(TestCase):
    def test_every_change_of_words_files_and_audience_is_another_one(self) -> None:
        job = draft()
        seen = {dry_run.fingerprint(job)}
        for name, value in {
            "subject": "Other news",
            "text": "Other words",
            "html": "<p>x</p>",
            "sanitize_html": True,
            "from_email": "other@courant.example",
            "reply_to": "desk@courant.example",
            "headers": {"X-Issue": "12"},
            "bulk": False,
            "recipients": "ann@example.org\nbo@example.org",
            "source": "news.subscribers",
            "source_params": {"issue": 12},
            "relay": "esp",
        }.items():
            with self.subTest(name=name):
                setattr(job, name, value)
                self.assertNotIn(dry_run.fingerprint(job), seen)
                seen.add(dry_run.fingerprint(job))
        for values in (
            {"filename": "a.txt", "content": b"abc"},
            {"filename": "b.txt", "content": b"abc"},
            {"filename": "b.txt", "content": b"abd"},
            {"filename": "b.txt", "content": b"abd", "content_id": "logo"},
        ):
            with self.subTest(**values):
                Attachment.objects.update_or_create(job=job, defaults=values)
                self.assertNotIn(dry_run.fingerprint(job), seen)
                seen.add(dry_run.fingerprint(job))

    def test_words_do_not_flow_from_one_field_into_the_next(self) -> None:
        one, other = draft(subject="a", text="b"), draft(subject="", text="ab")
        self.assertNotEqual(dry_run.fingerprint(one), dry_run.fingerprint(other))

    def test_it_is_the_same_however_often_it_is_asked_for_and_whatever_else_changes(self) -> None:
        job = draft(headers={"X-A": "1", "X-B": "2"}, source_params={"b": 1, "a": [2]})
        Attachment.objects.create(job=job, filename="a.txt", content=b"abc")
        before = dry_run.fingerprint(job)
        stored = MessageJob.objects.get(pk=job.pk)
        stored.status, stored.scheduled_at, stored.priority = JobStatus.QUEUED, NOW, 1
        self.assertEqual(dry_run.fingerprint(stored), before)
        self.assertRegex(before, r"\A[0-9a-f]{64}\Z")

    def test_a_result_says_whether_it_is_outdated(self) -> None:
        job = wanted()
        run = DryRun.objects.get()
        for state in DryRunState:
            run.state = state
            job.subject = "News"
            self.assertFalse(dry_run.is_outdated(run, job))
            job.subject = "Other news"
            made = state in (DryRunState.DONE, DryRunState.FAILED)
            self.assertEqual(dry_run.is_outdated(run, job), made, state)


class ClaimTests(TestCase):
    def setUp(self) -> None:
        self.sender = make_sender()

    def take(self) -> DryRun:
        run = dry_run.take(self.sender, NOW)
        assert run is not None
        return run

    def test_the_one_that_has_waited_longest_comes_first_and_each_once(self) -> None:
        first, second = wanted(), wanted()
        DryRun.objects.filter(job=second).update(requested_at=later(hours=-1))
        self.assertEqual([self.take().job_id, self.take().job_id], [second.pk, first.pk])
        self.assertIsNone(dry_run.take(self.sender, NOW))
        self.assertIsNone(dry_run.take(make_sender(), NOW))

    def test_the_dead_take_nothing(self) -> None:
        wanted()
        kill(self.sender)
        rescue(NOW, settings=get_settings())
        with self.assertRaises(ClaimLost):
            dry_run.take(self.sender, NOW)
        self.assertEqual(DryRun.objects.get().state, DryRunState.WANTED)

    def test_what_a_dead_sender_was_making_is_begun_anew(self) -> None:
        wanted()
        run = self.take()
        self.assertTrue(dry_run.progress(run, self.sender, done=700))
        kill(self.sender)
        rescue(NOW, settings=get_settings())
        self.assertTrue(look(NOW).dry_run)
        again = dry_run.take(make_sender(), later(minutes=5))
        assert again is not None
        self.assertEqual((again.pk, again.done, again.started_at), (run.pk, 0, later(minutes=5)))

    def test_what_is_given_back_is_begun_anew(self) -> None:
        wanted()
        self.take()
        dry_run.release(self.sender)
        self.assertEqual(DryRun.objects.get().claimed_by, None)
        self.assertIsNotNone(dry_run.take(make_sender(), NOW))

    def test_nobody_gives_back_what_another_is_making(self) -> None:
        wanted()
        self.take()
        other = make_sender()
        dry_run.release(other)
        kill(other)
        rescue(NOW, settings=get_settings())
        self.assertEqual(DryRun.objects.get().claimed_by, self.sender)

    def test_who_comes_late_changes_nothing(self) -> None:
        job = wanted()
        run = self.take()
        dry_run.request(job.pk, by="ed", fingerprint="new")
        self.assertFalse(dry_run.begin(run, self.sender, fingerprint="old", expected=5))
        self.assertFalse(dry_run.progress(run, self.sender, done=5))
        self.assertFalse(dry_run.store(run, self.sender, Report(recipients=5), NOW))
        self.assertFalse(dry_run.fail(run, self.sender, "too late", NOW))
        now = DryRun.objects.get()
        self.assertEqual((now.state, now.done, now.report, now.fingerprint), (DryRunState.WANTED, 0, None, "new"))

    def test_progress_and_result_are_kept(self) -> None:
        wanted()
        run = self.take()
        self.assertTrue(dry_run.begin(run, self.sender, fingerprint="f", expected=9))
        self.assertTrue(dry_run.progress(run, self.sender, done=5))
        run.refresh_from_db()
        self.assertEqual((run.state, run.done, run.expected), (DryRunState.RUNNING, 5, 9))
        self.assertIsNone(dry_run.report_of(run))
        self.assertTrue(dry_run.store(run, self.sender, Report(recipients=9, to_send=9), NOW))
        run.refresh_from_db()
        self.assertEqual((run.state, run.done, run.finished_at), (DryRunState.DONE, 9, NOW))
        self.assertEqual((run.fingerprint, run.claimed_by), ("f", None))
        self.assertEqual(dry_run.report_of(run), Report(recipients=9, to_send=9))

    def test_the_agenda_knows_while_it_waits(self) -> None:
        self.assertFalse(look(NOW).dry_run)
        wanted()
        self.assertTrue(look(NOW).dry_run)
        run = self.take()
        self.assertFalse(look(NOW).dry_run)
        dry_run.release(self.sender)
        with self.assertNumQueries(1):
            self.assertTrue(look(NOW).dry_run)
        run = self.take()
        dry_run.fail(run, self.sender, "x", NOW)
        self.assertFalse(look(NOW).dry_run)


class ReportTests(TestCase):
    REPORT = Report(
        recipients=100,
        duplicates=1,
        invalid=2,
        suppressed=3,
        failed=4,
        to_send=90,
        duplicate_examples=("a@example.org",),
        invalid_examples=(Example("b", "no address"),),
        suppressed_examples=(Example("c@example.org", "unsubscribed"),),
        failed_examples=(Example("d@example.org", "text: too long"),),
        missing=(Missing("first_name", 7, ("e@example.org",)),),
        total_bytes=9000,
        largest_bytes=120,
        largest_recipient="f@example.org",
        findings=(Finding("no_text"), Finding("link_without_host", 2, ("/a", "/b"))),
        sample_recipient="g@example.org",
        relay="default",
        pace=1.5,
        pace_is_limit=True,
    )

    def test_what_is_stored_comes_back_the_same(self) -> None:
        wanted()
        sender = make_sender()
        run = dry_run.take(sender, NOW)
        assert run is not None
        dry_run.store(run, sender, self.REPORT, NOW)
        self.assertEqual(dry_run.report_of(DryRun.objects.get()), self.REPORT)

    def test_every_database_keeps_whatever_stands_in_an_example(self) -> None:
        wanted()
        sender = make_sender()
        run = dry_run.take(sender, NOW)
        assert run is not None
        odd = Report(
            invalid_examples=(Example("\x00\ud800\U0001f600", "\x01"),), findings=(Finding("x", 1, ("\x00",)),)
        )
        dry_run.store(run, sender, odd, NOW)
        report = dry_run.report_of(DryRun.objects.get())
        assert report is not None
        self.assertIn("\U0001f600", report.invalid_examples[0].recipient)

    def test_a_report_of_an_older_version_can_be_read(self) -> None:
        self.assertEqual(Report.from_json({"recipients": 5, "gone": 1}), Report(recipients=5))


class DurationTests(SimpleTestCase):
    def test_it_is_told_in_words_and_where_it_comes_from(self) -> None:
        for report, words in (
            (
                Report(to_send=36_000, pace=10.0, pace_is_limit=True),
                "About 1 hour at 10 mails per second, which is what",
            ),
            (Report(to_send=90, pace=4.56), "About 20 seconds at 4.6 mails per second, which is what"),
            (Report(to_send=1, pace=50), "About 1 second at 50 mails per second, which is what"),
            (Report(to_send=12_000, pace=2000 / 3600), "About 6 hours at 2000 mails per hour, which is what"),
        ):
            with self.subTest(words=words):
                limit = " the relay is allowed." if report.pace_is_limit else " the relay reached lately."
                self.assertEqual(report.duration.replace("\xa0", " ").replace(",0", "0"), words + limit)
        self.assertEqual(Report(to_send=36_000, pace=10.0).seconds, 3600)

    def test_nothing_is_made_up(self) -> None:
        self.assertIsNone(Report(to_send=5).seconds)
        self.assertIn("not known yet", Report(to_send=5).duration)


class PaceTests(TestCase):
    def minutes(self, job: MessageJob, *sent: int, start: int = 0) -> None:
        for number, count in enumerate(sent):
            JobMinute.objects.create(job=job, minute=later(minutes=start + number), sent=count)

    def test_nothing_is_known_without_mail(self) -> None:
        self.assertIsNone(pace(["default", ""], NOW))
        self.minutes(make_job(), 5, 7, 3)
        self.assertIsNone(pace(["default", ""], NOW))

    def test_the_best_whole_minutes_count(self) -> None:
        self.minutes(make_job(), 900, 600, 600, 120, 1200)
        self.assertEqual(pace(["default", ""], NOW), (600 + 600 + 120) / 3 / 60)

    def test_where_no_minute_was_whole_the_best_one_counts(self) -> None:
        self.minutes(make_job(), 100, 300)
        self.assertEqual(pace(["default", ""], NOW), 5)

    def test_jobs_that_shared_a_minute_are_added_up_and_every_try_counts(self) -> None:
        self.minutes(make_job(), 60)
        job = make_job()
        JobMinute.objects.create(job=job, minute=NOW, sent=20, deferred=20, failed=15, in_doubt=5)
        self.assertEqual(pace(["default", ""], NOW), 2)

    def test_other_relays_and_old_jobs_do_not_count(self) -> None:
        self.minutes(make_job(relay="esp"), 600)
        self.minutes(make_job(expanded_at=later(days=-91)), 600)
        self.assertIsNone(pace(["default", ""], NOW))
        self.assertEqual(pace(["esp"], NOW), 10)
