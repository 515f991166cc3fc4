"""Test sends: marked, with somebody's values, to oneself or to a few others, through the queue like everything else."""

from __future__ import annotations

from django.contrib.admin.models import LogEntry
from django.test import override_settings
from django.urls import reverse

from courant_mail.choices import JobStatus, Priority, Scope
from courant_mail.compose.letter import AttachedFile
from courant_mail.models import Content, Message, MessageJob
from courant_mail.queue.suppress import suppress
from courant_mail.testing import drain

from .desk import CHANGE, SECRET, SEND, VIEW, DeskTestCase, url

TWO_RELAYS = {
    "SITE_URL": "https://www.courant.example",
    "RELAYS": {"default": {"OPTIONS": {"host": "127.0.0.1"}}, "slow": {"OPTIONS": {"host": "127.0.0.1"}}},
}


class SendingATestTests(DeskTestCase):
    def setUp(self):
        self.user = self.sign_in(VIEW, SEND, email="editor@example.org")

    def to_oneself(self, job, **data):
        return self.client.post(url("test", job.pk), {"to": "oneself", **data})

    def to_others(self, job, addresses, **data):
        return self.to_oneself(job, to="others", addresses=addresses, **data)

    def test_it_is_the_mail_with_the_values_of_the_chosen_recipient_marked_as_a_test(self):
        job = self.job(
            text="Hello {{ first_name }}, you are {{ email }}, {{ name }}.", headers={"X-Campaign": "spring"}
        )
        answer = self.to_oneself(job, **{"for": "ANN@example.org"})
        self.assertRedirects(answer, f"{url('change', job.pk)}#test-{job.pk}", fetch_redirect_response=False)
        [mail] = drain()
        self.assertEqual(mail.rcpt_to, "editor@example.org")
        self.assertEqual(mail.message["To"], "editor@example.org")
        self.assertEqual(mail.subject, "[Test] News for Ann")
        self.assertEqual(mail.message["X-Courant-Mail-Test"], "yes")
        self.assertEqual(mail.message["X-Campaign"], "spring")
        self.assertEqual(mail.text.strip(), "Hello Ann, you are ann@example.org, Ann A..")
        self.assertIn("<b>Ann</b>", mail.html)

    def test_but_for_its_marks_it_is_what_would_be_sent(self):
        job = self.job(attachments=[AttachedFile("a.txt", "text/plain", b"a file")])
        self.to_oneself(job, **{"for": "bo@example.org"})
        [trial] = drain()
        MessageJob.objects.update(status=JobStatus.QUEUED)
        [mail] = [mail for mail in drain() if mail.rcpt_to == "Bo@example.org"]
        own = {"date", "message-id", "to", "subject", "list-unsubscribe", "x-courant-mail-test", "content-type"}
        for name in {*mail.message.keys(), *trial.message.keys()}:
            if name.lower() not in own:
                self.assertEqual(mail.message[name], trial.message[name], name)
        for kept, tried in zip(mail.message.walk(), trial.message.walk(), strict=True):
            self.assertEqual(kept.get_content_type(), tried.get_content_type())
            if not kept.is_multipart():
                self.assertEqual(kept.get_payload(decode=True), tried.get_payload(decode=True))

    def test_its_link_to_unsubscribe_unsubscribes_nobody(self):
        job = self.job(html='<a href="{{ unsubscribe_url }}">x</a>')
        self.to_oneself(job)
        [mail] = drain()
        self.assertTrue(mail.unsubscribe_url.startswith("https://www.courant.example/"))
        self.assertIn(mail.unsubscribe_url, mail.html)
        path = mail.unsubscribe_url.removeprefix("https://www.courant.example")
        self.assertEqual(self.client.post(path).status_code, 404)

    @override_settings(COURANT_MAIL=TWO_RELAYS)
    def test_it_goes_through_the_relay_of_the_job_before_everything_else(self):
        self.to_oneself(self.job(relay="slow"))
        message = Message.objects.get()
        self.assertEqual((message.priority, message.relay, message.job), (Priority.HIGH, "slow", None))
        self.assertEqual(Content.objects.get().subject, "[Test] News for Ann")

    def test_others_can_be_named_and_each_gets_a_mail_of_their_own(self):
        job = self.job()
        self.to_others(job, "Cy@example.org; Dee <dee@example.org>, cy@EXAMPLE.org", **{"for": "bo@example.org"})
        mails = drain()
        self.assertEqual([mail.rcpt_to for mail in mails], ["Cy@example.org", "dee@example.org"])
        self.assertEqual({mail.subject for mail in mails}, {"[Test] News for Bo"})
        self.assertEqual(len({mail.message["Message-ID"] for mail in mails}), 2)
        self.assertNotIn(b"cy@", mails[1].data.lower())

    def test_the_job_stays_as_it_is(self):
        job = self.job()
        before = MessageJob.objects.values().get()
        self.to_oneself(job)
        drain()
        self.assertEqual(MessageJob.objects.values().get(), before)

    def test_who_has_unsubscribed_from_mass_mail_can_test_it(self):
        suppress("editor@example.org")
        self.to_oneself(self.job())
        self.assertEqual(len(drain()), 1)
        suppress("editor@example.org", scope=Scope.ALL)
        self.to_oneself(self.job())
        self.assertEqual(drain(), [])

    def test_it_is_told_and_in_the_history(self):
        job = self.job()
        answer = self.to_others(job, "cy@example.org", **{"for": "bo@example.org"})
        self.assertEqual(self.messages_of(answer), "A test is on its way to cy@example.org.")
        self.assertHistory(job, "Sent a test to cy@example.org, with the values of Bo@example.org.")

    def test_a_link_to_the_message_is_for_those_who_may_see_it(self):
        self.sign_in(SEND, VIEW, "view_message", email="editor@example.org")
        answer = self.to_oneself(self.job())
        link = reverse("admin:courant_mail_message_change", args=[Message.objects.get().pk])
        self.assertIn(f'<a href="{link}">', self.messages_of(answer))

    def test_what_cannot_be_sent_is_said_and_nothing_is_queued(self):
        job = self.job()
        for addresses, reason in (
            ("", "name at least one address"),
            ("cy@example.org, nobody", "“nobody” is not an address"),
            (SECRET, "is not an address"),
            (", ".join(f"r{n}@example.org" for n in range(11)), "to 10 addresses at most"),
        ):
            with self.subTest(addresses):
                answer = self.to_others(job, addresses)
                self.assertIn(reason, self.messages_of(answer))
                page = self.client.get(answer.url)
                self.assertNotContains(page, SECRET)
        self.assertFalse(Message.objects.exists())
        self.assertFalse(LogEntry.objects.exists())

    def test_ten_addresses_are_not_too_many(self):
        self.to_others(self.job(), ", ".join(f"r{n}@example.org" for n in range(10)))
        self.assertEqual(len(drain()), 10)

    def test_without_an_address_of_ones_own_there_is_no_test_to_oneself(self):
        self.sign_in(SEND, VIEW)
        job = self.job()
        self.assertContains(self.client.get(url("change", job.pk)), "Your account has no e-mail address")
        answer = self.to_oneself(job)
        self.assertIn("your account has no e-mail address", self.messages_of(answer))
        self.assertFalse(Message.objects.exists())

    def test_words_that_are_no_mail_are_told(self):
        job = self.job()
        MessageJob.objects.update(text="{% if %}")
        self.assertIn("text, line 1", self.messages_of(self.to_oneself(job)))
        self.assertFalse(Message.objects.exists())

    def test_values_of_somebody_who_does_not_get_the_mail_are_none(self):
        answer = self.to_oneself(self.job(), **{"for": "eve@example.org"})
        self.assertIn("not among the recipients", self.messages_of(answer))
        [mail] = drain()
        self.assertEqual(mail.subject, "[Test] News for")

    def test_it_leads_back_to_the_page_it_came_from_and_to_no_other_site(self):
        job = self.job()
        answer = self.to_oneself(job, back=f"/admin/x/?job={job.pk}")
        self.assertEqual(answer.url, f"/admin/x/?job={job.pk}#test-{job.pk}")
        for elsewhere in ("https://evil.example/", "//evil.example/", "javascript:alert(1)"):
            self.assertTrue(self.to_oneself(job, back=elsewhere).url.startswith(url("change", job.pk)))


class TestPermissionTests(DeskTestCase):
    def setUp(self):
        self.found = self.job()

    def post(self, to):
        data = {"to": to, "addresses": "cy@example.org"}
        return self.client.post(url("test", self.found.pk), data).status_code

    def test_whoever_is_not_signed_in_is_asked_to(self):
        address = url("test", self.found.pk)
        answer = self.client.post(address, {"to": "oneself"})
        self.assertRedirects(answer, f"/admin/login/?next={address}", fetch_redirect_response=False)

    def test_who_may_not_write_or_send_cannot_test(self):
        for permissions in ((), (VIEW,)):
            self.sign_in(*permissions, email="a@example.org")
            self.assertEqual((self.post("oneself"), self.post("others")), (403, 403))
        self.assertNotContains(self.client.get(url("change", self.found.pk)), "Send a test")
        self.assertFalse(Message.objects.exists())

    def test_who_may_write_tests_to_oneself_alone(self):
        self.sign_in(CHANGE, email="writer@example.org")
        page = self.client.get(url("change", self.found.pk))
        self.assertContains(page, "Send a test to me (writer@example.org)")
        self.assertNotContains(page, 'name="addresses"')
        self.assertEqual((self.post("oneself"), self.post("others")), (302, 403))
        self.assertEqual([mail.rcpt_to for mail in drain()], ["writer@example.org"])

    def test_who_may_send_tests_to_others_too_and_only_what_may_be_seen(self):
        user = self.sign_in(SEND, email="sender@example.org")
        self.assertEqual((self.post("oneself"), self.post("others")), (403, 403))
        MessageJob.objects.update(created_by=user.username)
        self.assertEqual((self.post("oneself"), self.post("others")), (302, 302))
        self.assertContains(self.client.get(url("change", self.found.pk)), 'name="addresses"')
        self.assertEqual([mail.rcpt_to for mail in drain()], ["sender@example.org", "cy@example.org"])

    def test_a_get_sends_nothing(self):
        self.sign_in(SEND, VIEW, email="sender@example.org")
        before = self.rows()
        answer = self.client.get(url("test", self.found.pk), {"to": "oneself"})
        self.assertEqual(answer.status_code, 405)
        self.assertEqual(self.rows(), before)

    def test_the_button_needs_its_token(self):
        self.sign_in(SEND, VIEW, email="sender@example.org")
        strict = self.client_class(enforce_csrf_checks=True)
        strict.cookies = self.client.cookies
        self.assertEqual(strict.post(url("test", self.found.pk), {"to": "oneself"}).status_code, 403)
        self.assertFalse(Message.objects.exists())
