"""The one page before sending: what it shows, that it sends each draft once, and never what nobody has looked at."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from courant_mail import sources
from courant_mail.choices import DryRunState, JobStatus
from courant_mail.models import DryRun, MessageJob
from courant_mail.queue import control
from courant_mail.queue.drafts import draft_key
from courant_mail.testing import drain

from .desk import CHANGE, SECRET, SEND, VIEW, DeskTestCase, url


@sources.register("tests.send_page")
def readers(broken: bool = False) -> Any:
    if broken:
        raise RuntimeError("the other database is away")
    return User.objects.filter(username__startswith="reader").values("email", "first_name")


class SendPageTestCase(DeskTestCase):
    def page(self, *jobs, **query):
        return self.client.get(url("send"), {"job": [job.pk for job in jobs], **query})

    def seen(self, page):
        """What the form of the page would post, but for the time."""
        candidates = page.context["ready"]
        return {
            "job": [candidate.job.pk for candidate in page.context["candidates"]],
            "back": page.context["back"],
            **{f"seen-{candidate.job.pk}": candidate.seen for candidate in candidates},
        }

    def send(self, page, **data):
        return self.client.post(url("send"), {"when": "now", **self.seen(page), **data})

    def status(self, job):
        return MessageJob.objects.values_list("status", flat=True).get(pk=job.pk)


class SendPageTests(SendPageTestCase):
    def setUp(self):
        self.user = self.sign_in(SEND, VIEW, email="editor@example.org")

    def test_it_shows_the_mail_who_gets_it_and_what_can_be_tried_before(self):
        job = self.job(from_email="The Courant <editors@courant.example>", attachments=[("a.txt", b"x")])
        page = self.page(job)
        self.assertContains(page, "about 2 people")
        self.assertContains(page, "News for Ann")
        self.assertContains(page, "The Courant &lt;editors@courant.example&gt;")
        self.assertContains(page, "Hello Ann")
        self.assertContains(page, "a.txt")
        self.assertContains(page, f'<iframe sandbox referrerpolicy="no-referrer" src="{url("preview_html", job.pk)}?')
        self.assertContains(page, f'action="{url("dry_run", job.pk)}"')
        self.assertContains(page, f'action="{url("test", job.pk)}"')
        self.assertContains(page, "Time zone: Europe/Berlin")

    def test_it_may_be_loaded_again_and_changes_nothing(self):
        job = self.job()
        before = self.rows()
        for _ in range(2):
            self.assertEqual(self.page(job, **{"for": "bo@example.org"}).status_code, 200)
        self.assertEqual(self.rows(), before)

    def test_the_button_sends_what_was_shown(self):
        job = self.job()
        answer = self.send(self.page(job))
        self.assertRedirects(answer, url("change", job.pk), fetch_redirect_response=False)
        self.assertIn("is queued", self.messages_of(answer))
        self.assertIn(f'<a href="{url("change", job.pk)}">See how far it is</a>', self.messages_of(answer))
        self.assertEqual({mail.rcpt_to for mail in drain()}, {"ann@example.org", "Bo@example.org"})
        self.assertHistory(job, "Sent.")

    def test_pressing_twice_sends_once(self):
        job = self.job()
        page = self.page(job)
        self.send(page)
        answer = self.send(page)
        self.assertIn("was sent already", self.messages_of(answer))
        self.assertEqual(len(drain()), 2)
        self.assertHistory(job, "Sent.")
        self.assertContains(self.page(job), "is no draft any more")
        self.assertNotContains(self.page(job), 'value="Send it"')

    def test_it_is_sent_at_the_time_that_was_chosen(self):
        job = self.job()
        tomorrow = timezone.localdate() + timedelta(days=1)
        answer = self.send(self.page(job), when="later", date=tomorrow.isoformat(), time="06:00")
        job.refresh_from_db()
        local = timezone.localtime(job.scheduled_at)
        self.assertEqual((job.status, local.date(), local.hour), (JobStatus.QUEUED, tomorrow, 6))
        self.assertIn("will be sent at", self.messages_of(answer))
        self.assertHistory(job, "To be sent at ")
        self.assertEqual(drain(), [])

    def test_the_time_that_stands_in_the_draft_is_offered(self):
        at = timezone.now() + timedelta(days=2)
        page = self.page(self.job(scheduled_at=at))
        self.assertContains(page, f'value="{timezone.localtime(at).date().isoformat()}"')
        self.assertEqual(page.context["form"].initial["when"], "later")
        past = self.page(self.job(scheduled_at=timezone.now() - timedelta(days=2)))
        self.assertEqual(past.context["form"].initial, {"when": "now"})

    def test_a_time_that_is_none_sends_nothing_and_the_page_says_so(self):
        job = self.job()
        for data in ({"when": "later"}, {"when": "now", "date": "2035-01-01"}, {"when": ""}):
            page = self.send(self.page(job), **data)
            self.assertEqual(page.status_code, 200)
            self.assertTrue(page.context["form"].errors)
            self.assertContains(page, "Hello Ann")
        self.assertEqual(self.status(job), JobStatus.DRAFT)

    def test_what_was_changed_meanwhile_is_not_sent_unseen(self):
        job, other = self.job(), self.job()
        page = self.page(job, other)
        MessageJob.objects.filter(pk=job.pk).update(text="Something else")
        answer = self.send(page)
        self.assertIn("somebody has changed it meanwhile", self.messages_of(answer))
        self.assertEqual((self.status(job), self.status(other)), (JobStatus.DRAFT, JobStatus.QUEUED))
        again = self.client.get(answer.url)
        self.assertEqual([candidate.job for candidate in again.context["candidates"]], [job])
        self.send(again)
        self.assertEqual(self.status(job), JobStatus.QUEUED)

    def test_recipients_and_files_are_part_of_what_was_seen(self):
        job = self.job(attachments=[("a.txt", b"x")])
        for change in (
            lambda: MessageJob.objects.update(recipients="eve@example.org"),
            lambda: job.attachments.update(content=b"y"),
        ):
            page = self.page(job)
            change()
            self.send(page)
            self.assertEqual(self.status(job), JobStatus.DRAFT)

    def test_a_post_that_has_seen_nothing_sends_nothing(self):
        job = self.job()
        self.client.post(url("send"), {"job": job.pk, "when": "now"})
        self.assertEqual(self.status(job), JobStatus.DRAFT)

    def test_several_drafts_are_each_sent_once(self):
        jobs = [self.job(subject=f"Mail {n}") for n in range(3)]
        page = self.page(*jobs)
        self.assertContains(page, "3 mails go out, to about 6 people together.")
        self.assertContains(page, 'value="Send all 3"')
        answer = self.send(page)
        self.assertEqual({self.status(job) for job in jobs}, {JobStatus.QUEUED})
        self.assertRedirects(answer, url("changelist"), fetch_redirect_response=False)
        self.assertEqual(len(drain()), 6)

    def test_one_that_was_sent_meanwhile_does_not_hold_up_the_others(self):
        jobs = [self.job(), self.job()]
        page = self.page(*jobs)
        control.submit(jobs[0].pk)
        self.send(page)
        self.assertEqual(self.status(jobs[1]), JobStatus.QUEUED)
        self.assertHistory(jobs[0])

    def test_what_cannot_be_sent_is_told_and_has_no_button(self):
        broken = self.job()
        MessageJob.objects.filter(pk=broken.pk).update(text="{% if %}")
        nobody = self.job(recipients=[])
        unknown = self.job()
        MessageJob.objects.filter(pk=unknown.pk).update(source="tests.gone", recipients="")
        nowhere = self.job()
        MessageJob.objects.filter(pk=nowhere.pk).update(relay="nowhere")
        away = self.job(source="tests.send_page", source_params={"broken": True})
        for job, reason in (
            (broken, "text, line 1"),
            (nobody, "it has no recipients"),
            (unknown, "No recipient source is named"),
            (nowhere, "No relay is named"),
            (away, "the other database is away"),
        ):
            with self.subTest(reason):
                page = self.page(job)
                self.assertContains(page, reason)
                self.assertNotContains(page, 'value="Send it"')
                if job is not away:
                    answer = self.client.post(url("send"), {"job": job.pk, "when": "now", f"seen-{job.pk}": "x"})
                    self.assertIn("was not sent", self.messages_of(answer))
                    self.assertEqual(self.status(job), JobStatus.DRAFT)

    def test_the_chosen_recipient_is_shown_for_every_draft(self):
        page = self.page(self.job(), self.job(recipients="cy@example.org"), **{"for": "bo@example.org"})
        self.assertContains(page, "Hello Bo")
        self.assertContains(page, "not among the recipients of this mail", 1)

    def test_a_dry_run_is_asked_for_and_its_result_stands_on_the_page(self):
        job = self.job()
        page = self.page(job)
        answer = self.client.post(url("dry_run", job.pk), {"back": page.context["candidates"][0].parts["here"]})
        self.assertEqual(answer.url, f"{url('send')}?job={job.pk}#dry-run-{job.pk}")
        self.assertContains(self.client.get(answer.url), "begins within a minute")
        drain_dry_runs()
        page = self.client.get(answer.url)
        self.assertContains(page, "Would get it")
        self.assertEqual(page.context["candidates"][0].parts["dry_run"].report.to_send, 2)
        MessageJob.objects.update(text="Other words")
        self.assertContains(self.client.get(answer.url), "Made for earlier words")

    def test_hostile_words_are_text_on_the_page(self):
        job = self.job(
            subject=SECRET, text=SECRET, recipients=[{"email": "ann@example.org", "name": SECRET, "first_name": SECRET}]
        )
        page = self.page(job)
        self.assertNotContains(page, "<script>alert")
        answer = self.send(page)
        self.assertNotContains(self.client.get(answer.url), "<script>alert")

    def test_names_that_are_none_find_nothing(self):
        for named in ([], ["x"], ["-1"], ["999999"], ["9" * 40], ["1e3"]):
            self.assertEqual(self.client.get(url("send"), {"job": named}).status_code, 404)

    def test_the_way_back_leads_to_no_other_site(self):
        job = self.job()
        self.assertContains(self.page(job, back="/admin/news/"), 'href="/admin/news/"')
        self.assertNotContains(self.page(job, back="https://evil.example/"), "evil.example/&quot;")
        self.assertEqual(self.page(job, back="https://evil.example/").context["back"], url("change", job.pk))

    def test_the_number_of_queries_does_not_grow_with_the_recipients(self):
        counts = []
        for number in (2, 500):
            job = self.job(recipients=[f"r{n}@example.org" for n in range(number)])
            with CaptureQueriesContext(connection) as queries:
                self.page(job)
            counts.append(len(queries))
        self.assertEqual(counts[0], counts[1])

    def test_sending_is_one_update_whatever_the_number_of_recipients(self):
        job = self.job(recipients=[f"r{n}@example.org" for n in range(500)])
        page = self.page(job)
        with CaptureQueriesContext(connection) as queries:
            self.send(page)
        changes = [
            q["sql"] for q in queries if q["sql"].startswith(("INSERT", "UPDATE")) and "courant_mail_m" in q["sql"]
        ]
        self.assertEqual(len(changes), 1)

    def test_the_page_has_no_inline_script_or_style_of_ours(self):
        page = self.page(self.job()).content.decode()
        ours = page[page.index('<div id="content-main"') : page.rindex("</form>")]
        for inline in ("<script", "<style", " style=", "onclick="):
            self.assertNotIn(inline, ours)


class ListActionTests(SendPageTestCase):
    def setUp(self):
        self.sign_in(SEND, VIEW)

    def act(self, *jobs):
        return self.client.post(url("changelist"), {"action": "send", "_selected_action": [job.pk for job in jobs]})

    def test_the_selected_drafts_are_led_to_the_page(self):
        jobs = [self.job(), self.job(), self.job(JobStatus.SENDING)]
        answer = self.act(*jobs)
        page = self.client.get(answer.url)
        self.assertEqual({candidate.job for candidate in page.context["candidates"]}, set(jobs[:2]))
        answer = self.send(page)
        self.assertRedirects(answer, url("changelist"), fetch_redirect_response=False)
        self.assertEqual({self.status(job) for job in jobs[:2]}, {JobStatus.QUEUED})

    def test_what_is_no_draft_is_not_sent(self):
        answer = self.act(self.job(JobStatus.FINISHED))
        self.assertIn("None of the selected jobs is a draft", self.messages_of(answer))

    def test_more_than_a_page_holds_are_refused(self):
        answer = self.act(*(self.job() for _ in range(21)))
        self.assertIn("at most 20", self.messages_of(answer))


class DiscardTests(SendPageTestCase):
    def setUp(self):
        self.user = self.sign_in(SEND)

    def written_by_an_action(self, **values):
        return self.job(**{"key": draft_key("news.issue", 1, self.user.pk), "created_by": self.user.username, **values})

    def discard(self, *jobs, **data):
        return self.client.post(url("send"), {"job": [job.pk for job in jobs], "discard": "x", **data})

    def test_a_draft_that_an_action_has_written_is_thrown_away(self):
        job = self.written_by_an_action(attachments=[("a.txt", b"x")])
        self.assertContains(self.page(job), 'name="discard"')
        answer = self.discard(job, back="/admin/news/issue/")
        self.assertRedirects(answer, "/admin/news/issue/", fetch_redirect_response=False)
        self.assertFalse(MessageJob.objects.exists())
        self.assertTrue(LogEntry.objects.filter(object_id=str(job.pk)).exists())

    def test_other_drafts_stay(self):
        typed = self.job(created_by=self.user.username)
        self.assertNotContains(self.page(typed), 'name="discard"')
        self.assertNotContains(self.page(typed, self.written_by_an_action()), 'name="discard"')
        self.discard(typed)
        self.assertTrue(MessageJob.objects.filter(pk=typed.pk).exists())

    def test_what_was_sent_meanwhile_stays(self):
        job = self.written_by_an_action()
        control.submit(job.pk)
        self.discard(job)
        self.assertEqual(self.status(job), JobStatus.QUEUED)

    def test_drafts_of_others_stay(self):
        job = self.written_by_an_action()
        self.sign_in(SEND, VIEW)
        self.assertNotContains(self.page(job), 'name="discard"')
        self.discard(job)
        self.assertTrue(MessageJob.objects.exists())


class SendPermissionTests(SendPageTestCase):
    def setUp(self):
        self.found = self.job()

    def answers(self):
        got = self.page(self.found)
        data = self.seen(got) if got.status_code == 200 else {"job": self.found.pk}
        return got.status_code, self.client.post(url("send"), {"when": "now", **data}).status_code

    def test_whoever_is_not_signed_in_is_asked_to(self):
        answer = self.page(self.found)
        self.assertTrue(answer.url.startswith("/admin/login/"))
        self.assertTrue(self.client.post(url("send"), {"job": self.found.pk}).url.startswith("/admin/login/"))

    def test_who_may_not_send_has_no_such_page_and_no_button(self):
        for permissions in ((), (VIEW,), (CHANGE,), (VIEW, CHANGE, "add_messagejob", "delete_messagejob")):
            self.sign_in(*permissions)
            self.assertEqual(self.answers(), (403, 403))
            self.assertNotIn(url("send"), self.client.get(url("change", self.found.pk)).content.decode())
        self.assertEqual(self.status(self.found), JobStatus.DRAFT)

    def test_who_may_send_and_look_can_send(self):
        self.sign_in(SEND, VIEW)
        self.assertContains(self.client.get(url("change", self.found.pk)), f"{url('send')}?job={self.found.pk}")
        self.assertEqual(self.answers(), (200, 302))
        self.assertEqual(self.status(self.found), JobStatus.QUEUED)

    def test_who_may_only_send_can_send_the_own_jobs(self):
        user = self.sign_in(SEND)
        self.assertEqual(self.answers(), (403, 403))
        MessageJob.objects.update(created_by=user.username)
        own, other = self.found, self.job()
        self.assertEqual(self.page(own, other).status_code, 403)
        self.assertEqual(self.answers(), (200, 302))
        self.assertEqual(self.client.get(url("change", own.pk)).status_code, 200)

    def test_after_several_own_jobs_who_may_not_see_the_list_is_not_led_there(self):
        user = self.sign_in(SEND)
        jobs = [self.job(created_by=user.username) for _ in range(2)]
        page = self.page(*jobs)
        self.assertNotContains(page, f'href="{url("changelist")}"')
        self.assertRedirects(self.send(page), reverse("admin:index"), fetch_redirect_response=False)

    def test_the_button_needs_its_token(self):
        self.sign_in(SEND, VIEW)
        data = self.seen(self.page(self.found))
        strict = self.client_class(enforce_csrf_checks=True)
        strict.cookies = self.client.cookies
        self.assertEqual(strict.post(url("send"), {"when": "now", **data}).status_code, 403)
        self.assertEqual(self.status(self.found), JobStatus.DRAFT)


class DryRunPanelTests(DeskTestCase):
    def post(self, job):
        return self.client.post(url("dry_run", job.pk))

    def test_who_may_write_or_send_asks_for_a_dry_run_and_it_is_in_the_history(self):
        for permissions in ((CHANGE,), (SEND, VIEW)):
            user = self.sign_in(*permissions)
            job = self.job()
            self.assertContains(self.client.get(url("change", job.pk)), "Make a dry run")
            self.assertEqual(self.post(job).url, f"{url('change', job.pk)}#dry-run-{job.pk}")
            run = DryRun.objects.get(job=job)
            self.assertEqual((run.state, run.requested_by), (DryRunState.WANTED, user.username))
            self.assertHistory(job, "Asked for a dry run.")

    def test_others_do_not(self):
        job = self.job()
        self.assertTrue(self.post(job).url.startswith("/admin/login/"))
        for permissions in ((), (VIEW,), (SEND,)):
            self.sign_in(*permissions)
            self.assertEqual(self.post(job).status_code, 403)
            self.assertNotIn("Make a dry run", self.client.get(url("change", job.pk)).content.decode())
        self.assertFalse(DryRun.objects.exists())

    def test_a_get_asks_for_nothing(self):
        self.sign_in(CHANGE)
        job = self.job()
        self.assertEqual(self.client.get(url("dry_run", job.pk)).status_code, 405)
        self.assertFalse(DryRun.objects.exists())

    def test_a_job_that_is_being_sent_has_none(self):
        self.sign_in(CHANGE)
        job = self.job(JobStatus.SENDING)
        self.assertNotContains(self.client.get(url("change", job.pk)), "Make a dry run")
        self.assertIn("is for mail that is not being sent yet", self.messages_of(self.post(job)))

    def test_the_page_says_how_far_it_is(self):
        self.sign_in(VIEW)
        job = self.job()
        run = DryRun.objects.create(job=job, fingerprint="x", state=DryRunState.RUNNING, expected=5000, done=412)
        self.assertContains(self.client.get(url("change", job.pk)), "412 of about 5,000 recipients looked at")
        DryRun.objects.filter(pk=run.pk).update(expected=None)
        self.assertContains(self.client.get(url("change", job.pk)), "412 recipients looked at")
        DryRun.objects.filter(pk=run.pk).update(state=DryRunState.FAILED, error=SECRET)
        page = self.client.get(url("change", job.pk))
        self.assertContains(page, "The dry run could not be made: &lt;script&gt;")

    def test_its_result_is_told_in_sentences_and_hostile_values_are_text(self):
        self.sign_in(CHANGE)
        job = self.job(
            html=f"<p>{{{{ first_name }}}} {{{{ town }}}}</p><img src='https://x.example/{'p' * 10}.png'>",
            recipients=[
                {"email": "ann@example.org", "first_name": SECRET},
                {"email": "ann@example.org"},
                {"email": SECRET},
                {"email": "bo@example.org", "first_name": "Bo"},
            ],
        )
        self.post(job)
        drain_dry_runs()
        page = self.client.get(url("change", job.pk))
        self.assertNotContains(page, "<script>alert")
        report = page.context["dry_run"].report
        self.assertEqual((report.recipients, report.to_send, report.duplicates, report.invalid), (4, 2, 1, 1))
        for words in ("Would get it", "Named more than once", "Not a valid address", "town", "Make it again"):
            self.assertContains(page, words)


def drain_dry_runs() -> None:
    """What `process_mail_jobs` does for them."""
    from django.core.management import call_command

    call_command("process_mail_jobs", verbosity=0)
