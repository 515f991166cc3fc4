"""The admin pages of jobs, messages, suppressions, senders and relays."""

from __future__ import annotations

from django.contrib.auth.models import Permission, User
from django.core import mail
from django.db import connection
from django.test import TestCase, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from courant_mail.admin.base import CappedPaginator
from courant_mail.api import send_mail
from courant_mail.choices import JobStatus, MessageStatus, Outcome
from courant_mail.models import Attempt, Message, MessageJob, RelayState, Sender
from courant_mail.queue import control
from courant_mail.testing import drain


def url(model, page, *args):
    return reverse(f"admin:courant_mail_{model}_{page}", args=args)


@override_settings(ALLOWED_HOSTS=["*"])
class AdminTestCase(TestCase):
    def setUp(self):
        self.sign_in()

    def sign_in(self, *permissions, superuser=None):
        superuser = not permissions if superuser is None else superuser
        user = User.objects.create(username=f"user{User.objects.count()}", is_staff=True, is_superuser=superuser)
        names = [name.split(".")[1] for name in permissions]
        user.user_permissions.set(Permission.objects.filter(codename__in=names))
        self.client.force_login(user)
        return user

    def draft(self, **values):
        defaults = {
            "subject": "News",
            "text": "Hello {{ name }}",
            "html": "",
            "recipients": "Ann <ann@example.org>\nbo@example.org",
            "from_email": "",
            "source_params": "{}",
            "priority": 3,
            "bulk": "on",
        }
        return self.client.post(url("messagejob", "add"), {**defaults, **values})

    def act(self, action, *jobs, model="messagejob", **data):
        selected = [job.pk for job in jobs]
        return self.client.post(url(model, "changelist"), {"action": action, "_selected_action": selected, **data})


class JobAdminTests(AdminTestCase):
    def test_a_job_that_is_typed_is_a_draft_and_sends_nothing(self):
        editor = self.sign_in(superuser=True)
        self.assertEqual(self.draft(html='<p onclick="x()">Hi</p>').status_code, 302)
        job = MessageJob.objects.get()
        self.assertEqual((job.status, job.created_by), (JobStatus.DRAFT, editor.username))
        self.assertTrue(job.sanitize_html)
        self.assertEqual(job.from_email, "The Courant <editors@courant.example>")
        self.assertEqual(drain(), [])

    def test_what_would_fail_later_is_said_in_the_form(self):
        for wrong in (
            {"text": "{% if %}"},
            {"subject": ""},
            {"recipients": "", "source": ""},
            {"source": "tests.nobody", "recipients": ""},
            {"relay": "nowhere"},
            {"from_email": "nobody"},
        ):
            with self.subTest(wrong):
                page = self.draft(**wrong)
                self.assertEqual(page.status_code, 200)
                self.assertTrue(page.context["adminform"].form.errors)
        self.assertFalse(MessageJob.objects.exists())

    def test_a_draft_that_was_typed_is_looked_at_and_sent(self):
        self.draft(html="<p>Hi {{ name }}</p><script>x()</script>")
        job = MessageJob.objects.get()
        page = self.client.get(self.act("send", job).url)
        self.assertContains(page, "about 2 people")
        frame = self.client.get(url("messagejob", "preview_html", job.pk))
        self.assertContains(frame, "Hi Ann</p>")
        self.assertNotContains(frame, "x()")
        self.assertEqual(drain(), [])
        [candidate] = page.context["ready"]
        send = {"job": job.pk, "when": "now", f"seen-{job.pk}": candidate.seen}
        self.client.post(url("messagejob", "send"), send)
        self.assertEqual({m.rcpt_to for m in drain()}, {"ann@example.org", "bo@example.org"})

    def test_sending_needs_its_own_permission(self):
        self.draft()
        job = MessageJob.objects.get()
        self.sign_in("courant_mail.view_messagejob", "courant_mail.change_messagejob", "courant_mail.add_messagejob")
        self.assertNotContains(self.client.get(url("messagejob", "changelist")), "Send the selected drafts")
        self.act("send", job)
        job.refresh_from_db()
        self.assertEqual(job.status, JobStatus.DRAFT)

    def test_who_may_only_look_cannot_act(self):
        self.draft()
        job = MessageJob.objects.get()
        self.sign_in("courant_mail.view_messagejob")
        for action in ("send", "pause", "resume", "cancel", "delete_selected"):
            self.act(action, job, confirmed="yes")
        job.refresh_from_db()
        self.assertEqual(job.status, JobStatus.DRAFT)
        self.assertEqual(self.client.get(url("messagejob", "change", job.pk)).status_code, 200)
        self.assertEqual(self.client.post(url("messagejob", "change", job.pk), {"subject": "x"}).status_code, 403)

    def test_what_is_under_way_cannot_be_rewritten_or_deleted(self):
        self.draft()
        job = MessageJob.objects.get()
        control.submit(job.pk)
        page = self.client.post(url("messagejob", "change", job.pk), {"subject": "other"})
        job.refresh_from_db()
        self.assertEqual(job.subject, "News")
        self.assertIn(page.status_code, (200, 302))
        self.assertEqual(self.client.post(url("messagejob", "delete", job.pk), {"post": "yes"}).status_code, 403)
        self.assertTrue(MessageJob.objects.exists())

    def test_a_draft_can_be_rewritten_and_deleted(self):
        self.draft()
        job = MessageJob.objects.get()
        data = {"subject": "Other", "text": "Hi", "recipients": "a@example.org", "source_params": "{}", "priority": 2}
        self.assertEqual(self.client.post(url("messagejob", "change", job.pk), data).status_code, 302)
        job.refresh_from_db()
        self.assertEqual((job.subject, job.priority, job.status), ("Other", 2, JobStatus.DRAFT))
        self.client.post(url("messagejob", "delete", job.pk), {"post": "yes"})
        self.assertFalse(MessageJob.objects.exists())

    def test_the_list_reads_no_words(self):
        self.draft(text="word " * 1000)
        with CaptureQueriesContext(connection) as queries:
            self.client.get(url("messagejob", "changelist"))
        lists = [q["sql"] for q in queries if "courant_mail_messagejob" in q["sql"] and "COUNT" not in q["sql"]]
        self.assertTrue(lists)
        for name in (".text", "html", "recipients", "headers"):
            quoted = connection.ops.quote_name(name.strip("."))
            self.assertFalse([sql for sql in lists if f"{quoted}" in sql and "sanitize" not in quoted], name)


class MessageAdminTests(AdminTestCase):
    def setUp(self):
        super().setUp()
        send_mail("Hi", "Body", None, ["a@example.org", "refused@example.org"])
        drain(refuse={"refused@example.org": "550 5.7.1 Not here"})
        self.message = Message.objects.get(recipient="refused@example.org")

    def test_a_message_shows_why_it_failed(self):
        page = self.client.get(url("message", "change", self.message.pk))
        self.assertContains(page, "Not here")
        self.assertContains(page, "550")
        self.assertContains(page, "refused for good")
        self.assertEqual(Attempt.objects.get().outcome, Outcome.REFUSED)

    def test_messages_are_found_by_the_beginning_of_the_address(self):
        page = self.client.get(url("message", "changelist"), {"q": "Refused@"})
        self.assertContains(page, "refused@example.org")
        self.assertNotContains(page, "a@example.org<")
        page = self.client.get(url("message", "changelist"), {"status__exact": MessageStatus.SENT})
        self.assertContains(page, "a@example.org")
        self.assertNotContains(page, "refused@example.org")

    def test_nobody_writes_messages_in_the_admin(self):
        self.assertEqual(self.client.get(url("message", "add")).status_code, 403)
        self.assertEqual(self.client.post(url("message", "change", self.message.pk), {"status": 1}).status_code, 403)
        self.assertEqual(self.client.post(url("message", "delete", self.message.pk), {"post": "yes"}).status_code, 403)
        self.act("delete_selected", self.message, model="message", post="yes")
        self.message.refresh_from_db()
        self.assertEqual(self.message.status, MessageStatus.FAILED)

    def test_the_list_costs_the_same_for_few_and_many_and_never_counts_them_all(self):
        rows = Message.objects.filter(content__isnull=False)
        counts = []
        for _ in range(2):
            with CaptureQueriesContext(connection) as queries:
                self.client.get(url("message", "changelist"))
            counts.append(len(queries))
            self.assertFalse([q["sql"] for q in queries if "COUNT" in q["sql"] and "LIMIT" not in q["sql"]])
            self.assertFalse([q["sql"] for q in queries if connection.ops.quote_name("body") in q["sql"]])
            Message.objects.bulk_create(
                Message(content=rows[0].content, recipient=f"r{n}@example.org", priority=1) for n in range(50)
            )
        self.assertEqual(counts[0], counts[1])

    def test_pages_end_where_nobody_turns_them(self):
        class Short(CappedPaginator):
            limit = 1

        self.assertEqual(Short(Message.objects.order_by("pk"), 10).count, 1)
        self.assertEqual(CappedPaginator(Message.objects.order_by("pk"), 10).count, 2)
        self.assertEqual(CappedPaginator([1, 2, 3], 10).count, 3)

    def test_who_may_not_see_messages_sees_none(self):
        self.sign_in("courant_mail.view_messagejob")
        self.assertEqual(self.client.get(url("message", "changelist")).status_code, 403)
        self.sign_in("courant_mail.view_message")
        self.assertContains(self.client.get(url("message", "change", self.message.pk)), "Not here")


class SenderAdminTests(AdminTestCase):
    def test_senders_and_relays_are_shown_and_not_written(self):
        sender = Sender.objects.create(host="mx1", pid=1, command="send_mail", alive_until=timezone.now())
        relay = RelayState.objects.create(relay="smtp", failures=3, reason="connection refused")
        for model, row, words in (("sender", sender, "mx1"), ("relaystate", relay, "connection refused")):
            self.assertContains(self.client.get(url(model, "changelist")), words)
            self.assertContains(self.client.get(url(model, "change", row.pk)), words)
            self.assertEqual(self.client.get(url(model, "add")).status_code, 403)
            self.assertEqual(self.client.post(url(model, "delete", row.pk), {"post": "yes"}).status_code, 403)

    def test_every_page_is_there(self):
        self.assertEqual(mail.outbox, [])
        page = self.client.get(reverse("admin:app_list", args=["courant_mail"]))
        for name in ("Message jobs", "Messages", "Suppressions", "Senders", "Relay states"):
            self.assertContains(page, name)
