"""The list of jobs: how far each is, at a fixed cost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from courant_mail.choices import JobStatus, Priority
from courant_mail.models import JobMinute, MessageJob

from .desk import SECRET, SEND, VIEW, DeskTestCase, url


class JobListTests(DeskTestCase):
    def setUp(self) -> None:
        self.sign_in(VIEW)

    def listed(self, **query: str) -> Any:
        return self.client.get(url("changelist"), query)

    def change(self, job: MessageJob, **values: Any) -> None:
        MessageJob.objects.filter(pk=job.pk).update(**values)

    def subjects(self, **query: str) -> set[str]:
        return {job.subject for job in self.listed(**query).context["cl"].result_list}

    def test_each_state_has_words_that_everybody_knows(self) -> None:
        for status, words in (
            (JobStatus.DRAFT, "draft"),
            (JobStatus.QUEUED, "waits to begin"),
            (JobStatus.EXPANDING, "reading the recipients"),
            (JobStatus.SENDING, "being sent"),
            (JobStatus.PAUSED, "paused"),
            (JobStatus.FINISHED, "finished"),
            (JobStatus.CANCELLED, "cancelled"),
        ):
            with self.subTest(status):
                MessageJob.objects.all().delete()
                self.job(status)
                self.assertContains(self.listed(), f'courant-status-{status}">{words}</span>')

    def test_a_job_that_is_being_sent_shows_its_bar_numbers_speed_and_time_left(self) -> None:
        now = timezone.now()
        job = self.job(JobStatus.SENDING)
        self.change(job, total=10_000, sent=2400, failed=90, suppressed=10, expanded_at=now - timedelta(hours=1))
        minute = now.replace(second=0, microsecond=0)
        JobMinute.objects.bulk_create(
            JobMinute(job=job, minute=minute - timedelta(minutes=n), sent=500) for n in range(1, 60)
        )
        page = self.listed()
        self.assertContains(page, '<progress max="100" value="25" aria-hidden="true"></progress> 2,500 of 10,000 (25%)')
        self.assertContains(page, "2,400 sent, 90 not delivered, 10 unsubscribed")
        # The last minute has just begun, so that they are 2,000 in more than four minutes.
        self.assertRegex(page.content.decode(), r"[45]\d\d a minute, about 1\d minutes left")

    def test_before_the_recipients_are_read_there_is_no_false_bar(self) -> None:
        job = self.job(JobStatus.EXPANDING)
        self.change(job, consumed=45_000)
        page = self.listed()
        self.assertContains(page, "45,000 recipients read")
        self.assertNotContains(page, "<progress")

    def test_what_is_planned_names_the_time_and_its_zone(self) -> None:
        job = self.job(JobStatus.QUEUED)
        self.change(job, scheduled_at=datetime(2099, 1, 31, 17, 5, tzinfo=UTC))
        page = self.listed()
        self.assertContains(page, "scheduled</span>")
        self.assertContains(page, '<time datetime="2099-01-31T18:05:00+01:00">')
        self.assertContains(page, "(Europe/Berlin)")
        with timezone.override("Asia/Tokyo"):
            page = self.listed()
        self.assertContains(page, "2099-02-01T02:05:00+09:00")
        self.assertContains(page, "(Asia/Tokyo)")

    def test_it_says_who_wrote_it(self) -> None:
        job = self.job()
        self.change(job, created_by="ann <b>")
        self.assertContains(self.listed(), "by ann &lt;b&gt;")
        self.change(job, created_by="")
        self.assertNotContains(self.listed(), " by ")

    def test_jobs_are_found_by_words_of_the_subject_state_and_priority(self) -> None:
        self.job(subject="Lights on", priority=Priority.HIGH)
        self.job(JobStatus.PAUSED, subject="Lights off")
        self.job(JobStatus.FINISHED, subject="Elections")
        self.assertEqual(self.subjects(), {"Lights on", "Lights off", "Elections"})
        self.assertEqual(self.subjects(q="lights"), {"Lights on", "Lights off"})
        self.assertEqual(self.subjects(status__exact="paused"), {"Lights off"})
        self.assertEqual(self.subjects(priority__exact="1"), {"Lights on"})
        self.assertEqual(self.subjects(q="lights", status__exact="draft"), {"Lights on"})
        self.assertEqual(self.subjects(status__exact="<script>"), {"Lights on", "Lights off", "Elections"})

    def test_it_costs_the_same_for_few_and_many_and_counts_no_further_than_people_turn_pages(self) -> None:
        costs = []
        self.job(JobStatus.SENDING)
        for _ in range(2):
            with CaptureQueriesContext(connection) as queries:
                self.listed()
            costs.append(len(queries))
            counting = [query["sql"] for query in queries if "COUNT(" in query["sql"]]
            self.assertTrue(counting)
            self.assertFalse([sql for sql in counting if "LIMIT" not in sql])
            for _ in range(20):
                job = self.job(JobStatus.SENDING)
                JobMinute.objects.create(job=job, minute=timezone.now(), sent=3)
        self.assertEqual(costs[0], costs[1])
        self.assertLessEqual(costs[0], 8)

    def test_nothing_of_it_can_become_markup(self) -> None:
        job = self.job(subject=SECRET)
        self.change(job, created_by=SECRET)
        page = self.listed(q=SECRET)
        self.assertNotContains(page, SECRET)
        self.assertContains(page, "&lt;script&gt;")

    def test_a_job_without_a_subject_can_be_opened(self) -> None:
        job = self.job()
        self.change(job, subject="")
        self.assertContains(self.listed(), f'<a href="{url("change", job.pk)}">(no subject)</a>')

    def test_looking_changes_nothing(self) -> None:
        self.job(JobStatus.SENDING)
        before = self.rows()
        self.listed()
        self.assertEqual(self.rows(), before)

    def test_whoever_may_not_see_jobs_sees_no_list(self) -> None:
        self.job()
        self.sign_in()
        self.assertEqual(self.listed().status_code, 403)
        self.client.logout()
        self.assertEqual(self.listed().status_code, 302)

    def test_whoever_may_send_sees_no_more_than_before(self) -> None:
        self.job(subject="Of somebody else")
        user = self.sign_in(SEND)
        self.assertNotIn("Of somebody else", self.listed().content.decode())
        self.assertTrue(user.is_active)
