"""Watching a job: its page, the JSON that keeps that up to date, and the chart. Complete without scripts."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from xml.etree import ElementTree

from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from courant_mail.admin.chart import MOST_BARS, chart
from courant_mail.causes import Cause
from courant_mail.choices import DryRunState, JobStatus, MessageStatus
from courant_mail.models import DryRun, JobMinute, Message, MessageJob, RelayState
from courant_mail.queue import control
from courant_mail.queue.counters import recount
from courant_mail.queue.minutes import note
from courant_mail.queue.reopen import reopen
from courant_mail.queue.speed import history

from .desk import CHANGE, SECRET, SEND, VIEW, DeskTestCase, url

MESSAGES = "view_message"


def messages_url(job: MessageJob, **query: Any) -> str:
    asked = "".join(f"&{name}={int(value)}" for name, value in query.items())
    return f"{reverse('admin:courant_mail_message_changelist')}?job__id__exact={job.pk}{asked}"


class WatchTestCase(DeskTestCase):
    def watched(self, status: JobStatus = JobStatus.SENDING, **values: Any) -> MessageJob:
        """A job with 20 recipients: 10 got it, 4 wait, 1 will be tried again, 5 did not get it."""
        job = self.job(status, **values)
        fates: list[tuple[MessageStatus, Cause | None, int]] = [
            (MessageStatus.SENT, None, 10),
            (MessageStatus.QUEUED, None, 4),
            (MessageStatus.DEFERRED, Cause.PUT_OFF, 1),
            (MessageStatus.FAILED, Cause.MAILBOX_FULL, 3),
            (MessageStatus.FAILED, Cause.NO_ADDRESS, 1),
            (MessageStatus.SUPPRESSED, Cause.UNSUBSCRIBED, 1),
        ]
        Message.objects.bulk_create(
            Message(
                job=job, recipient=f"r{fate}-{n}@domain{fate}.example", priority=3, status=fate, cause=cause, reply="no"
            )
            for fate, cause, count in fates
            for n in range(10 * (cause or 0), 10 * (cause or 0) + count)
        )
        recount(job.pk)
        MessageJob.objects.filter(pk=job.pk).update(consumed=22)
        job.refresh_from_db()
        return job

    def page(self, job: MessageJob) -> Any:
        return self.client.get(url("change", job.pk))

    def news(self, job: MessageJob, **query: str) -> Any:
        answer = self.client.get(url("progress", job.pk), query)
        self.assertEqual(answer.status_code, 200)
        return answer.json()


class PermissionTests(WatchTestCase):
    def test_whoever_may_see_the_job_may_watch_it(self) -> None:
        job = self.watched()
        for codenames, own, expected in (
            ((), False, 403),
            ((MESSAGES,), False, 403),
            ((VIEW,), False, 200),
            ((CHANGE,), False, 200),
            ((SEND,), False, 403),
            ((SEND,), True, 200),
        ):
            with self.subTest(codenames, own=own):
                user = self.sign_in(*codenames)
                MessageJob.objects.update(created_by=user.username if own else "somebody")
                answer = self.client.get(url("progress", job.pk))
                self.assertEqual(answer.status_code, expected)
                if expected == 403:
                    self.assertNotIn(b"domain5", answer.content)

    def test_whoever_is_not_signed_in_is_asked_to(self) -> None:
        address = url("progress", self.watched().pk)
        self.assertRedirects(self.client.get(address), f"/admin/login/?next={address}", fetch_redirect_response=False)

    def test_a_job_that_is_not_there_is_not_found(self) -> None:
        self.sign_in(VIEW)
        self.assertEqual(self.client.get(url("progress", 10**9)).status_code, 404)
        self.sign_in()
        self.assertEqual(self.client.get(url("progress", 10**9)).status_code, 403)

    def test_who_it_is_about_is_for_those_who_may_see_messages(self) -> None:
        job = self.watched(JobStatus.FINISHED)
        self.sign_in(VIEW)
        for html in (self.page(job).content.decode(), self.news(job)["html"]["courant-watch"]):
            self.assertNotIn("domain5.example", html)
            self.assertNotIn(reverse("admin:courant_mail_message_changelist") + "?", html)
            self.assertNotIn("messages.csv", html)
            self.assertIn("the mailbox is full", html)
        self.sign_in(VIEW, MESSAGES)
        for html in (self.page(job).content.decode(), self.news(job)["html"]["courant-watch"]):
            self.assertIn("domain5.example", html)
            self.assertIn(messages_url(job, cause=Cause.MAILBOX_FULL).replace("&", "&amp;"), html)
            self.assertIn(f"{url('messages_csv', job.pk)}?which=missed", html)

    def test_another_try_is_offered_to_those_who_may_send(self) -> None:
        job = self.watched(JobStatus.FINISHED)
        retry = [url("retry", job.pk, int(cause)) for cause in (Cause.MAILBOX_FULL, Cause.UNSUBSCRIBED, Cause.PUT_OFF)]
        self.sign_in(VIEW)
        self.assertNotIn(retry[0], self.news(job)["html"]["courant-watch"])
        self.sign_in(VIEW, SEND)
        html = self.news(job)["html"]["courant-watch"]
        self.assertEqual([address in html for address in retry], [True, False, False])

    def test_watching_changes_nothing(self) -> None:
        job = self.watched()
        self.sign_in(VIEW, SEND, MESSAGES)
        before = self.rows()
        self.page(job)
        self.news(job, dry_run="done")
        for method in (self.client.post, self.client.put, self.client.delete):
            self.assertEqual(method(url("progress", job.pk)).status_code, 405)
        self.assertEqual(self.rows(), before)


class PageTests(WatchTestCase):
    def setUp(self) -> None:
        self.sign_in(VIEW, MESSAGES)

    def test_everything_is_there_without_scripts(self) -> None:
        job = self.watched()
        page = self.page(job)
        for words in (
            "being sent",
            "15 of 20 (75%)",
            "<strong>10</strong> sent",
            "<strong>4</strong> waiting",
            "<strong>1</strong> will be tried again",
            "<strong>4</strong> not delivered",
            "<strong>1</strong> unsubscribed or on the list of those who get no mail",
            "<strong>2</strong> named more than once",
            "Europe/Berlin",
            messages_url(job).replace("&", "&amp;"),
        ):
            self.assertContains(page, words)
        self.assertContains(page, '<progress max="100" value="75" aria-label="Progress">15 of 20 (75%)</progress>')

    def test_a_draft_is_not_watched(self) -> None:
        page = self.page(self.job())
        self.assertNotContains(page, 'id="courant-watch"')
        self.assertContains(page, 'data-seconds="0"')

    def test_each_reason_has_its_number(self) -> None:
        html = self.news(self.watched())["html"]["courant-watch"]
        reasons = re.findall(r'<tr><th scope="row">([^<]+)</th><td class="courant-number">([^<]+)</td><td><a', html)
        self.assertEqual(
            reasons,
            [
                ("the mailbox is full", "3 people"),
                ("not a valid address", "1 person"),
                ("put off by the receiving server", "1 person"),
                ("has unsubscribed", "1 person"),
            ],
        )

    def test_a_relay_that_stands_still_is_named_with_its_reason(self) -> None:
        job = self.watched()
        until = timezone.now() + timedelta(minutes=20)
        RelayState.objects.create(relay="smtp", paused_until=until, reason=f"421 too many connections {SECRET}")
        RelayState.objects.create(relay="default", paused_until=until, reason=f"421 too many connections {SECRET}")
        page = self.page(job)
        self.assertContains(page, "is paused until")
        self.assertContains(page, "421 too many connections")
        self.assertContains(page, timezone.localtime(until).isoformat(timespec="seconds"))
        MessageJob.objects.update(status=JobStatus.FINISHED)
        self.assertNotContains(self.page(job), "is paused until")
        MessageJob.objects.update(status=JobStatus.SENDING)
        RelayState.objects.update(paused_until=timezone.now() - timedelta(seconds=1))
        self.assertNotContains(self.page(job), "is paused until")

    def test_a_job_whose_relay_is_no_more_is_shown_all_the_same(self) -> None:
        job = self.watched()
        MessageJob.objects.update(relay="gone")
        self.assertContains(self.page(job), "15 of 20")

    def test_a_job_that_does_not_move_says_so(self) -> None:
        now = timezone.now()
        job = self.watched()
        self.assertNotContains(self.page(job), "Nothing has moved")
        MessageJob.objects.update(expanded_at=now - timedelta(minutes=30))
        self.assertContains(self.page(job), "Nothing has moved for 30 minutes")
        note({job.pk: {MessageStatus.SENT: 1}}, now)
        self.assertNotContains(self.page(job), "Nothing has moved")
        late = self.job(JobStatus.QUEUED)
        MessageJob.objects.filter(pk=late.pk).update(created_at=now - timedelta(minutes=30))
        self.assertContains(self.page(late), "Nothing has moved for 30 minutes")
        MessageJob.objects.filter(pk=late.pk).update(scheduled_at=now + timedelta(hours=1))
        self.assertNotContains(self.page(late), "Nothing has moved")
        self.assertContains(self.page(late), "Planned for")

    def test_a_job_that_somebody_has_just_let_go_has_not_stood_still(self) -> None:
        long_ago = timezone.now() - timedelta(days=2)
        ways: list[tuple[JobStatus, Callable[[int], None]]] = [
            (JobStatus.DRAFT, control.submit),
            (JobStatus.PAUSED, control.resume),
            (JobStatus.FINISHED, reopen),
            (JobStatus.QUEUED, lambda key: control.schedule(key, None)),
        ]
        for status, let_go in ways:
            with self.subTest(status):
                job = self.watched(status)
                ended = MessageJob.objects.filter(pk=job.pk)
                ended.update(created_at=long_ago)
                ended.exclude(expanded_at=None).update(expanded_at=long_ago)
                let_go(job.pk)
                self.assertNotContains(self.page(job), "Nothing has moved")
                ended.update(released_at=timezone.now() - timedelta(minutes=30))
                self.assertContains(self.page(job), "Nothing has moved for 30 minutes")

    def test_while_it_is_sent_there_are_a_speed_and_a_time_left(self) -> None:
        job = self.watched()
        MessageJob.objects.update(expanded_at=timezone.now() - timedelta(minutes=30), total=4014)
        minute = timezone.now().replace(second=0, microsecond=0)
        JobMinute.objects.bulk_create(
            JobMinute(job=job, minute=minute - timedelta(minutes=n), sent=1000) for n in range(20)
        )
        html = self.news(job)["html"]["courant-watch"]
        self.assertRegex(html, r"1,\d\d\d a minute, about [2-4] minutes left")
        MessageJob.objects.update(status=JobStatus.PAUSED)
        self.assertNotIn('class="courant-pace"', self.news(job)["html"]["courant-watch"])

    def test_nothing_of_it_can_become_markup(self) -> None:
        job = self.watched(subject=SECRET)
        MessageJob.objects.update(status_reason=SECRET, status=JobStatus.PAUSED)
        Message.objects.filter(cause=Cause.NO_ADDRESS).update(recipient="x@a.example", reply=SECRET)
        Message.objects.filter(cause=Cause.PUT_OFF).update(recipient=f"x@{SECRET}")
        page = self.page(job).content.decode()
        self.assertNotIn(SECRET, page)
        self.assertNotIn(SECRET, self.news(job)["html"]["courant-watch"])
        self.assertIn("&lt;script&gt;", page)

    def test_nothing_on_the_page_needs_inline_scripts_or_styles(self) -> None:
        job = self.watched()
        note({job.pk: {MessageStatus.SENT: 3}}, timezone.now())
        html = self.page(job).content.decode()
        self.assertEqual(re.findall(r"<[^>]+\sstyle=|<style|\son[a-z]+=|javascript:", html), [])
        self.assertEqual([tag for tag in re.findall(r"<script[^>]*>", html) if "src=" not in tag], [])

    def test_numbers_are_written_as_the_language_does_and_drawings_are_not(self) -> None:
        job = self.watched()
        MessageJob.objects.update(sent=1234567, total=2000000)
        note({job.pk: {MessageStatus.SENT: 3, MessageStatus.FAILED: 1}}, timezone.now())
        with override_settings(LANGUAGE_CODE="de", USE_THOUSAND_SEPARATOR=True):
            html = self.news(job)["html"]["courant-watch"]
        self.assertIn("1.234.567", html)
        self.assertIn('viewBox="0 0 10 1000"', html)


class NewsTests(WatchTestCase):
    def setUp(self) -> None:
        self.sign_in(VIEW, MESSAGES, SEND)

    def test_it_has_numbers_a_line_and_the_panel_of_the_page(self) -> None:
        job = self.watched()
        answer = self.client.get(url("progress", job.pk))
        self.assertIn("no-store", answer["Cache-Control"])
        self.assertEqual(answer["Content-Type"], "application/json")
        news = answer.json()
        self.assertEqual((news["status"], news["seconds"]), ("sending", 2))
        self.assertEqual(news["line"], "being sent, 15 of 20 (75%)")
        wanted = {"total": 20, "sent": 10, "waiting": 4, "deferred": 1, "failed": 4, "suppressed": 1, "percent": 75}
        self.assertEqual({name: news["numbers"][name] for name in wanted}, wanted)
        panel = re.search(r'<div id="courant-watch">(.*?)</div>\s*</section>', self.page(job).content.decode(), re.S)
        assert panel is not None
        self.assertEqual(panel[1].strip(), news["html"]["courant-watch"].strip())

    def test_it_says_how_soon_to_ask_again_and_when_to_stop(self) -> None:
        job = self.watched()
        for status, finished, seconds in (
            (JobStatus.QUEUED, False, 2),
            (JobStatus.EXPANDING, False, 2),
            (JobStatus.SENDING, False, 2),
            (JobStatus.PAUSED, False, 20),
            (JobStatus.FINISHED, True, 0),
            (JobStatus.CANCELLED, False, 2),
            (JobStatus.CANCELLED, True, 0),
            (JobStatus.DRAFT, False, 0),
        ):
            with self.subTest(status, finished=finished):
                MessageJob.objects.update(status=status, finished_at=timezone.now() if finished else None)
                self.assertEqual(self.news(job)["seconds"], seconds)
        MessageJob.objects.update(status=JobStatus.QUEUED, scheduled_at=timezone.now() + timedelta(days=1))
        self.assertEqual(self.news(job)["seconds"], 20)

    def test_what_one_can_do_now_is_sent(self) -> None:
        job = self.watched(JobStatus.PAUSED)
        html = self.news(job)["html"]["courant-acts"]
        self.assertIn(url("resume", job.pk), html)
        self.assertNotIn(url("pause", job.pk) + '"', html)

    def test_a_dry_run_is_sent_while_it_is_made_and_once_more_at_its_end(self) -> None:
        job = self.job()
        run = DryRun.objects.create(job=job, state=DryRunState.RUNNING, done=7, expected=20)
        news = self.news(job, dry_run="running")
        self.assertEqual((news["seconds"], news["dry_run"]), (2, "running"))
        self.assertIn("7 of about 20", news["html"]["courant-dry-run"])
        DryRun.objects.filter(pk=run.pk).update(state=DryRunState.FAILED, error="the source is away")
        news = self.news(job, dry_run="running")
        self.assertEqual(news["seconds"], 0)
        self.assertIn("the source is away", news["html"]["courant-dry-run"])
        self.assertNotIn("courant-dry-run", self.news(job, dry_run="failed")["html"])

    def test_each_part_has_its_place_on_the_page(self) -> None:
        page = self.page(self.watched())
        for part in ("courant-watch", "courant-acts", "courant-dry-run", "courant-line", "courant-live"):
            self.assertContains(page, f'id="{part}"', count=1)

    def test_it_costs_the_same_for_few_and_many_and_reads_no_words(self) -> None:
        counts = []
        job = self.watched()
        for turn in range(2):
            with CaptureQueriesContext(connection) as queries:
                self.news(job)
            counts.append(len(queries))
            html = f".{connection.ops.quote_name('html')}"
            self.assertFalse([query["sql"] for query in queries if html in query["sql"]])
            Message.objects.bulk_create(
                Message(job=job, recipient=f"m{turn}-{n}@x.example", priority=3, status=5, cause=n % 16 + 1)
                for n in range(64)
            )
            for n in range(30):
                note({job.pk: {MessageStatus.SENT: 3}}, timezone.now() - timedelta(hours=n))
            recount(job.pk)
        self.assertEqual(counts[0], counts[1])
        self.assertLessEqual(counts[0], 13, "of which four are about who asks")


class ChartTests(WatchTestCase):
    def setUp(self) -> None:
        self.tried = self.job(JobStatus.SENDING)
        self.begin = timezone.localtime(timezone.now() - timedelta(days=40)).replace(
            hour=8, minute=0, second=0, microsecond=0
        )

    def note(self, at: datetime, sent: int = 1, **kinds: int) -> None:
        JobMinute.objects.create(job=self.tried, minute=at, sent=sent, **kinds)

    def test_a_job_of_which_nothing_was_tried_has_no_chart(self) -> None:
        self.assertIsNone(chart(history(self.tried.pk)))

    def test_one_minute_is_one_bar(self) -> None:
        self.note(self.begin, sent=6, deferred=2, failed=2)
        drawn = chart(history(self.tried.pk))
        assert drawn is not None
        [bar] = drawn.bars
        self.assertEqual((drawn.minutes, drawn.highest, bar.start, bar.counts), (1, 10, self.begin, [6, 2, 2, 0]))
        self.assertEqual(
            [(p.outcome, p.y, p.height) for p in bar.pieces],
            [("sent", "400", "600"), ("deferred", "200", "200"), ("failed", "0", "200")],
        )
        self.assertEqual([label for _, label in drawn.outcomes], ["sent", "put off", "not delivered"])

    def test_time_goes_on_while_nothing_is_sent(self) -> None:
        self.note(self.begin)
        self.note(self.begin + timedelta(minutes=9), sent=4)
        drawn = chart(history(self.tried.pk))
        assert drawn is not None
        self.assertEqual([sum(bar.counts) for bar in drawn.bars], [1, 0, 0, 0, 0, 0, 0, 0, 0, 4])
        self.assertEqual(len(drawn.table), 2, "the table leaves out what is empty")

    def test_however_long_it_takes_there_are_few_bars_and_nothing_is_lost(self) -> None:
        for span in (
            timedelta(minutes=59),
            timedelta(minutes=60),
            timedelta(hours=3),
            timedelta(days=2, hours=5),
            timedelta(days=12),
            timedelta(days=39),
        ):
            with self.subTest(span):
                JobMinute.objects.all().delete()
                for tenth in range(11):
                    self.note((self.begin + span * tenth / 10).replace(second=0, microsecond=0), sent=7, failed=1)
                drawn = chart(history(self.tried.pk))
                assert drawn is not None
                self.assertLessEqual(len(drawn.bars), MOST_BARS)
                self.assertGreater(len(drawn.bars), 10)
                self.assertEqual([sum(bar.counts[i] for bar in drawn.bars) for i in range(4)], [77, 0, 11, 0])

    def test_bars_begin_at_full_hours_of_the_reader(self) -> None:
        self.note(self.begin + timedelta(minutes=17))
        self.note(self.begin + timedelta(hours=30))
        drawn = chart(history(self.tried.pk))
        assert drawn is not None
        self.assertEqual((drawn.minutes, drawn.bars[0].start), (60, self.begin))

    @override_settings(TIME_ZONE="Europe/Berlin")
    def test_the_night_on_which_clocks_are_changed_is_no_trouble(self) -> None:
        for night in (datetime.fromisoformat("2026-10-24T20:00+00:00"), datetime.fromisoformat("2026-03-28T20:00Z")):
            JobMinute.objects.all().delete()
            for hour in range(0, 20, 2):
                self.note(night + timedelta(hours=hour))
            drawn = chart(history(self.tried.pk))
            assert drawn is not None
            self.assertEqual(sum(sum(bar.counts) for bar in drawn.bars), 10)
            self.assertEqual([sum(bar.counts) for bar in drawn.bars], [1, *[0, 0, 0, 1] * 9][: len(drawn.bars)])

    def test_it_is_drawn_with_a_title_a_description_and_a_table(self) -> None:
        self.sign_in(VIEW)
        self.note(timezone.now().replace(second=0, microsecond=0), sent=1234, in_doubt=1)
        html = self.news(self.tried)["html"]["courant-watch"]
        figure = re.search(r"<figure.*</figure>", html, re.S)
        assert figure is not None
        tree = ElementTree.fromstring(figure[0])
        drawing = tree.findall("svg")[0]
        self.assertEqual((drawing.get("role"), drawing.get("aria-labelledby")), ("img", "chart-title chart-desc"))
        self.assertIn("1,235", drawing.findtext("desc") or "")
        self.assertEqual([rect.get("class") for rect in drawing.iter("rect")], ["courant-sent", "courant-in_doubt"])
        cells = [cell.text for cell in tree.iter("td")]
        self.assertEqual(cells, ["1,234", "1"])
        self.assertTrue(all(cell.get("scope") for cell in tree.iter("th")))
