"""What can be done to a job: who may do it, what the page before says, and that nothing is done but by its button."""

from __future__ import annotations

from datetime import timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from courant_mail.admin.progress import STATUSES
from courant_mail.causes import Cause
from courant_mail.choices import JobStatus, MessageStatus
from courant_mail.models import Message, MessageJob
from courant_mail.queue import control
from courant_mail.queue.causes_report import LIMIT
from courant_mail.queue.counters import recount
from courant_mail.queue.missed import missed
from courant_mail.queue.reopen import settle_reopened
from courant_mail.testing import drain

from .desk import CHANGE, SECRET, SEND, VIEW, DeskTestCase, url

ACTS = {
    "pause": JobStatus.SENDING,
    "resume": JobStatus.PAUSED,
    "cancel": JobStatus.SENDING,
    "schedule": JobStatus.QUEUED,
    "rest": JobStatus.FINISHED,
    "retry": JobStatus.FINISHED,
}
STOPPING = {"pause", "cancel"}


class ActsTestCase(DeskTestCase):
    def with_messages(self, status=JobStatus.SENDING, **causes):
        """A job with one queued and one sent message, and so many that ended for each cause."""
        job = self.job(status)
        rows = [Message(recipient="sent@example.org", status=MessageStatus.SENT)]
        if status in (JobStatus.SENDING, JobStatus.PAUSED):
            rows.append(Message(recipient="queued@example.org", status=MessageStatus.QUEUED))
        for name, count in causes.items():
            cause = Cause[name]
            fate = {
                Cause.IN_DOUBT: MessageStatus.IN_DOUBT,
                Cause.CANCELLED: MessageStatus.CANCELLED,
                Cause.UNSUBSCRIBED: MessageStatus.SUPPRESSED,
                Cause.PUT_OFF: MessageStatus.DEFERRED,
            }.get(cause, MessageStatus.FAILED)
            rows += [
                Message(recipient=f"{name.lower()}{n}@example.org", status=fate, cause=cause) for n in range(count)
            ]
        for row in rows:
            row.job, row.priority = job, job.priority
        Message.objects.bulk_create(rows)
        recount(job.pk)
        job.refresh_from_db()
        return job

    def address(self, act, job):
        return url("retry", job.pk, int(Cause.MAILBOX_FULL)) if act == "retry" else url(act, job.pk)

    def ready(self, act):
        return self.with_messages(ACTS[act], MAILBOX_FULL=1)

    def status(self, job):
        return MessageJob.objects.values_list("status", flat=True).get(pk=job.pk)


class PermissionTests(ActsTestCase):
    def answers(self, act, *permissions, own=False):
        """What GET and POST answer to somebody with these permissions, and whether the button is offered."""
        user = self.sign_in(*permissions)
        job = self.ready(act)
        if own:
            MessageJob.objects.filter(pk=job.pk).update(created_by=user.username)
        address = self.address(act, job)
        page = self.client.get(url("change", job.pk))
        offered = page.status_code == 200 and f'href="{address}"' in page.content.decode()
        before = self.rows()
        got = self.client.get(address).status_code
        self.assertEqual(self.rows(), before, "a GET changes nothing")
        posted = self.client.post(address, {"when": "now", "confirmed": "yes"}).status_code
        if posted != 302:
            self.assertEqual(self.rows(), before)
        return got, posted, offered

    def test_staff_without_permission_can_do_nothing(self):
        for act in ACTS:
            with self.subTest(act):
                self.assertEqual(self.answers(act), (403, 403, False))

    def test_who_may_only_view_can_do_nothing(self):
        for act in ACTS:
            with self.subTest(act):
                self.assertEqual(self.answers(act, VIEW), (403, 403, False))

    def test_who_may_write_can_stop_and_not_send(self):
        for act in ACTS:
            with self.subTest(act):
                expected = (200, 302, True) if act in STOPPING else (403, 403, False)
                self.assertEqual(self.answers(act, CHANGE), expected)

    def test_who_may_send_can_do_all_of_it(self):
        for act in ACTS:
            with self.subTest(act):
                self.assertEqual(self.answers(act, SEND, VIEW), (200, 302, True))
                self.assertEqual(self.answers(act, SEND, own=True), (200, 302, True))

    def test_who_may_send_has_no_hand_in_jobs_of_others_that_are_not_to_be_seen(self):
        for act in ACTS:
            with self.subTest(act):
                self.assertEqual(self.answers(act, SEND), (403, 403, False))

    def test_whoever_is_not_signed_in_is_asked_to(self):
        for act in ACTS:
            address = self.address(act, self.ready(act))
            for answer in (self.client.get(address), self.client.post(address)):
                self.assertRedirects(answer, f"/admin/login/?next={address}", fetch_redirect_response=False)

    def test_the_buttons_need_their_token(self):
        self.sign_in(SEND, VIEW)
        strict = self.client_class(enforce_csrf_checks=True)
        strict.cookies = self.client.cookies
        for act, status in ACTS.items():
            job = self.ready(act)
            self.assertEqual(strict.post(self.address(act, job), {"when": "now"}).status_code, 403)
            self.assertEqual(self.status(job), status)


class SingleActTests(ActsTestCase):
    def setUp(self):
        self.user = self.sign_in(SEND, VIEW)

    def page(self, act, job):
        return self.client.get(self.address(act, job))

    def act(self, act, job, **data):
        return self.client.post(self.address(act, job), data)

    def test_a_job_is_paused_resumed_and_cancelled_each_with_a_word_in_its_history(self):
        job = self.with_messages(PUT_OFF=2)
        self.assertContains(self.page("pause", job), "3 people will wait until somebody resumes it")
        answer = self.act("pause", job)
        self.assertRedirects(answer, url("change", job.pk), fetch_redirect_response=False)
        self.assertIn("Paused: 3 people", self.messages_of(answer))
        self.assertEqual(self.status(job), JobStatus.PAUSED)
        self.assertContains(self.page("resume", job), "3 people will get it")
        self.act("resume", job)
        self.assertEqual(self.status(job), JobStatus.SENDING)
        page = self.page("cancel", job)
        self.assertContains(page, "3 people will not get it")
        self.assertContains(page, "It was sent to 1 person so far")
        self.act("cancel", job)
        self.assertEqual(self.status(job), JobStatus.CANCELLED)
        job.refresh_from_db()
        self.assertEqual(job.status_reason, f"cancelled by {self.user.username}")
        self.assertHistory(job, "Paused: 3 people", "Resumed: 3 people", "Cancelled: 3 people")

    def test_before_the_recipients_are_read_the_page_says_about_how_many_there_are(self):
        job = self.job(JobStatus.QUEUED)
        for act in ("pause", "cancel", "schedule"):
            self.assertContains(self.page(act, job), "about 2 people")

    def test_a_job_is_sent_to_the_rest(self):
        job = self.with_messages(
            JobStatus.FINISHED, MAILBOX_FULL=2, GAVE_UP=1, NO_ADDRESS=1, UNSUBSCRIBED=1, IN_DOUBT=1
        )
        page = self.page("rest", job)
        self.assertContains(page, "It is sent to 3 people who did not get it.")
        self.assertContains(page, "the mailbox is full")
        self.assertNotContains(page, "not a valid address")
        self.act("rest", job)
        settle_reopened()
        self.assertEqual(self.status(job), JobStatus.SENDING)
        again = Message.objects.filter(status=MessageStatus.QUEUED).values_list("recipient", flat=True)
        self.assertEqual(set(again), {"mailbox_full0@example.org", "mailbox_full1@example.org", "gave_up0@example.org"})
        self.assertHistory(job, "Sent to the rest: 3 people")

    def test_one_kind_is_tried_again_by_itself(self):
        job = self.with_messages(JobStatus.FINISHED, MAILBOX_FULL=2, GAVE_UP=1)
        self.assertContains(self.client.get(url("change", job.pk)), f'href="{self.address("retry", job)}"')
        self.assertContains(
            self.page("retry", job), "2 people who did not get it, for this reason: the mailbox is full"
        )
        self.act("retry", job)
        settle_reopened()
        again = Message.objects.filter(status=MessageStatus.QUEUED).values_list("recipient", flat=True)
        self.assertEqual(set(again), {"mailbox_full0@example.org", "mailbox_full1@example.org"})
        self.assertHistory(job, "Tried again: 2 people")

    def test_those_in_doubt_are_tried_again_after_a_warning_that_they_may_get_it_twice(self):
        job = self.with_messages(JobStatus.FINISHED, IN_DOUBT=1)
        page = self.client.get(url("retry", job.pk, int(Cause.IN_DOUBT)))
        self.assertContains(page, "Then they get it a second time.")
        self.client.post(url("retry", job.pk, int(Cause.IN_DOUBT)))
        settle_reopened()
        self.assertEqual(Message.objects.filter(status=MessageStatus.QUEUED).count(), 1)

    def test_what_is_never_tried_again_has_no_page(self):
        job = self.with_messages(JobStatus.FINISHED, NO_ADDRESS=1, UNSUBSCRIBED=1)
        for cause in (Cause.NO_ADDRESS, Cause.UNSUBSCRIBED, Cause.SUPPRESSED, Cause.PUT_OFF, 999):
            self.assertEqual(self.client.get(url("retry", job.pk, int(cause))).status_code, 404)
            self.assertEqual(self.client.post(url("retry", job.pk, int(cause))).status_code, 404)

    def test_where_nobody_is_left_there_is_no_button_and_nothing_happens(self):
        job = self.with_messages(JobStatus.FINISHED, NO_ADDRESS=1)
        self.assertNotContains(self.client.get(url("change", job.pk)), url("rest", job.pk))
        self.assertContains(self.page("rest", job), "There is nobody left")
        before = self.rows()
        self.assertIn("There is nobody left", self.messages_of(self.act("rest", job)))
        self.assertEqual(self.rows(), before)

    def test_a_job_that_was_cancelled_before_anybody_was_read_goes_to_the_rest_as_well(self):
        job = self.job(JobStatus.QUEUED)
        self.act("cancel", job)
        control.settle_cancelled(timezone.now())
        self.assertContains(self.page("rest", job), "It is sent to about 2 people")
        self.assertContains(self.page("retry", job), "Send it to the rest instead.")
        self.act("rest", job)
        self.assertEqual(len(drain()), 2)

    def test_numbers_that_nobody_counts_to_the_end_are_told_from_the_counters(self):
        job = self.with_messages(JobStatus.FINISHED, REFUSED=3, NO_ADDRESS=1)
        Message.objects.bulk_create(
            (
                Message(job=job, recipient=f"r{n}@example.org", status=7, cause=Cause.CANCELLED, priority=3)
                for n in range(LIMIT + 5)
            ),
            batch_size=2000,
        )
        recount(job.pk)
        [cancelled, _refused] = sorted(missed(job.pk), key=lambda one: -one.number)
        self.assertEqual((cancelled.number, cancelled.more), (LIMIT, True))
        page = self.page("rest", job)
        self.assertContains(page, "about 10,008 people")
        self.assertContains(page, "more than 10,000 people")

    def test_a_queued_job_gets_another_time(self):
        job = self.job(JobStatus.QUEUED)
        page = self.page("schedule", job)
        self.assertContains(page, "Time zone: Europe/Berlin")
        tomorrow = timezone.localdate() + timedelta(days=1)
        self.act("schedule", job, when="later", date=tomorrow.isoformat(), time="14:30")
        job.refresh_from_db()
        local = timezone.localtime(job.scheduled_at)
        self.assertEqual((local.date(), local.hour, local.minute), (tomorrow, 14, 30))
        self.assertContains(self.page("schedule", job), f'value="{tomorrow.isoformat()}"')
        self.act("schedule", job, when="now")
        job.refresh_from_db()
        self.assertIsNone(job.scheduled_at)
        self.assertHistory(job, "Time changed: ", "Time changed: at once")

    def test_a_time_that_is_none_is_refused_in_the_form(self):
        job = self.job(JobStatus.QUEUED)
        before = self.rows()
        for data in (
            {},
            {"when": "later"},
            {"when": "later", "date": "2030-01-01"},
            {"when": "later", "date": "2030-02-30", "time": "10:00"},
            {"when": "later", "date": "2020-01-01", "time": "10:00"},
            {"when": "later", "date": "2030-03-31", "time": "02:30"},  # summer time begins: there is no such time
            {"when": "now", "date": "2030-01-01", "time": "10:00"},
        ):
            with self.subTest(data):
                page = self.act("schedule", job, **data)
                self.assertEqual(page.status_code, 200)
                self.assertTrue(page.context["form"].errors)
        self.assertEqual(self.rows(), before)

    def test_who_comes_too_late_is_told_the_state_and_changes_nothing(self):
        for act, status, meanwhile in (
            ("pause", JobStatus.SENDING, JobStatus.FINISHED),
            ("resume", JobStatus.PAUSED, JobStatus.CANCELLED),
            ("cancel", JobStatus.SENDING, JobStatus.FINISHED),
            ("schedule", JobStatus.QUEUED, JobStatus.SENDING),
            ("rest", JobStatus.FINISHED, JobStatus.DRAFT),
            ("retry", JobStatus.FINISHED, JobStatus.DRAFT),
        ):
            with self.subTest(act):
                job = self.with_messages(status, MAILBOX_FULL=1)
                self.assertNotContains(self.page(act, job), "Nothing was changed")
                MessageJob.objects.filter(pk=job.pk).update(status=meanwhile, finished_at=timezone.now())
                before = self.rows()
                answer = self.act(act, job, when="now")
                self.assertIn(f"is “{STATUSES[meanwhile]}”", self.messages_of(answer))
                self.assertEqual(self.rows(), before)
                self.assertContains(self.page(act, job), f"is “{STATUSES[meanwhile]}”")

    def test_while_a_job_is_being_cancelled_it_cannot_be_sent_to_the_rest(self):
        job = self.with_messages(JobStatus.SENDING, MAILBOX_FULL=1)
        control.cancel(job.pk)
        answer = self.act("rest", job)
        self.assertIn("still being cancelled", self.messages_of(answer))
        self.assertHistory(job)

    def test_nobody_is_said_to_be_left_while_those_who_are_left_are_being_marked(self):
        job = self.with_messages(JobStatus.SENDING)
        control.cancel(job.pk)
        page = self.client.get(url("rest", job.pk))
        self.assertContains(page, "still being cancelled")
        self.assertNotContains(page, "nobody left")
        self.assertIn("still being cancelled", self.messages_of(self.act("rest", job)))
        control.settle_cancelled(timezone.now())
        self.assertContains(self.client.get(url("rest", job.pk)), "1 person")

    def test_the_words_of_a_mail_are_text_on_the_pages(self):
        job = self.with_messages(JobStatus.SENDING, MAILBOX_FULL=1)
        MessageJob.objects.update(subject=SECRET)
        for act in ("pause", "cancel", "rest", "retry"):
            page = self.page(act, job)
            self.assertContains(page, "&lt;script&gt;alert(1)")
            self.assertNotContains(page, "<script>alert")
        self.assertNotContains(self.client.get(self.act("pause", job).url), "<script>alert")

    def test_the_pages_cost_the_same_for_few_and_many(self):
        counts = []
        for number in (2, 200):
            job = self.with_messages(JobStatus.FINISHED, MAILBOX_FULL=number, REFUSED=number)
            with CaptureQueriesContext(connection) as queries:
                self.page("rest", job)
                self.page("retry", job)
            counts.append(len(queries))
        self.assertEqual(counts[0], counts[1])


class ListActionTests(ActsTestCase):
    def setUp(self):
        self.sign_in(SEND, VIEW, CHANGE)

    def act(self, action, *jobs, **data):
        selected = [job.pk for job in jobs]
        return self.client.post(url("changelist"), {"action": action, "_selected_action": selected, **data})

    def test_several_jobs_are_paused_after_a_page_that_names_the_people(self):
        jobs = [self.with_messages(PUT_OFF=1), self.with_messages(), self.job(JobStatus.QUEUED), self.job()]
        before = self.rows()
        page = self.act("pause", *jobs)
        self.assertContains(page, "It is done to 3 mails, for which 3 people are waiting.")
        self.assertContains(page, "Of 1 mail among them nobody has counted the recipients yet.")
        self.assertContains(page, "1 other mail is not in a state for this and stays as it is.")
        self.assertEqual(self.rows(), before)
        self.act("pause", *jobs[:3], confirmed="yes")
        self.assertEqual([self.status(job) for job in jobs], [*[JobStatus.PAUSED] * 3, JobStatus.DRAFT])
        for job in jobs[:3]:
            self.assertHistory(job, "Paused: ")

    def test_several_jobs_are_resumed_and_cancelled(self):
        jobs = [self.with_messages(JobStatus.PAUSED), self.with_messages(JobStatus.PAUSED)]
        self.assertContains(self.act("resume", *jobs), "2 people are waiting")
        self.act("resume", *jobs, confirmed="yes")
        self.assertEqual({self.status(job) for job in jobs}, {JobStatus.SENDING})
        self.act("cancel", *jobs, confirmed="yes")
        self.assertEqual({self.status(job) for job in jobs}, {JobStatus.CANCELLED})

    def test_one_that_comes_too_late_does_not_hold_up_the_others(self):
        late, job = self.with_messages(JobStatus.FINISHED), self.with_messages()
        answer = self.act("cancel", late, job, confirmed="yes")
        self.assertIn("is “finished”", self.messages_of(answer))
        self.assertEqual(self.status(job), JobStatus.CANCELLED)

    def test_where_nothing_is_in_the_right_state_there_is_no_button(self):
        page = self.act("resume", self.job())
        self.assertContains(page, "Nothing that was chosen is in a state for this.")
        self.assertNotContains(page, 'name="confirmed"')

    def test_who_may_not_send_can_stop_and_not_resume(self):
        self.sign_in(CHANGE)
        paused, sending = self.with_messages(JobStatus.PAUSED), self.with_messages()
        self.act("resume", paused, confirmed="yes")
        self.act("pause", sending, confirmed="yes")
        self.assertEqual({self.status(paused), self.status(sending)}, {JobStatus.PAUSED})

    def test_who_may_only_view_has_no_actions(self):
        self.sign_in(VIEW)
        sending = self.with_messages()
        for action in ("pause", "cancel", "send"):
            self.act(action, sending, confirmed="yes")
        self.assertEqual(self.status(sending), JobStatus.SENDING)

    def test_a_get_does_nothing(self):
        sending = self.with_messages()
        before = self.rows()
        self.client.get(url("changelist"), {"action": "cancel", "confirmed": "yes", "_selected_action": sending.pk})
        self.assertEqual(self.rows(), before)
