"""The functions a site's code calls."""

from __future__ import annotations

import inspect
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.test import TestCase, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.translation import gettext_lazy

from courant_mail import api, sources
from courant_mail.api import Priority, mail_admins, mail_managers, queue_job, send_html_mail, send_mail, send_mass_mail
from courant_mail.exceptions import ImproperlyConfiguredMail, InvalidMail, UnknownSource
from courant_mail.models import JobStatus, Message, MessageJob
from courant_mail.testing import drain

#: the arguments of the functions of django-mailer 2.3.2
DJANGO_MAILER = {
    "send_mail": "subject message from_email recipient_list priority fail_silently auth_user auth_password",
    "send_html_mail": (
        "subject message message_html from_email recipient_list priority fail_silently auth_user auth_password headers"
    ),
    "send_mass_mail": "datatuple fail_silently auth_user auth_password connection",
    "mail_admins": "subject message fail_silently connection priority",
    "mail_managers": "subject message fail_silently connection priority",
}


@sources.register("tests.crowd", count=lambda size: size)
def crowd(size: int):
    return ({"email": f"reader{n}@example.org", "first_name": f"R{n}"} for n in range(size))


class QueueJobTests(TestCase):
    def test_a_job_reaches_each_recipient_in_his_own_words(self):
        job = queue_job(
            subject="News for {{ name }}",
            text="Hello {{ first_name|default:'reader' }}",
            from_email="Us <us@courant.example>",
            recipients=[
                "a@example.org",
                ("Ann", "ann@example.org"),
                {"email": "b@example.org", "first_name": "Bo"},
            ],
        )
        self.assertEqual(job.status, JobStatus.QUEUED)
        sent = {mail.rcpt_to: mail for mail in drain()}
        self.assertEqual(set(sent), {"a@example.org", "ann@example.org", "b@example.org"})
        self.assertEqual(sent["ann@example.org"].subject, "News for Ann")
        self.assertIn("Hello Bo", sent["b@example.org"].text)
        self.assertIn("Hello reader", sent["a@example.org"].text)

    def test_queueing_costs_the_same_for_ten_and_for_a_hundred_thousand(self):
        counts = []
        for size in (10, 100_000):
            with CaptureQueriesContext(connection) as queries:
                queue_job(subject="News", text="Hi", source="tests.crowd", source_params={"size": size})
            counts.append(self._statements(queries))
        self.assertEqual(counts[0], counts[1])
        self.assertEqual([words for words in counts[0] if words == "INSERT"], ["INSERT"])
        rest = {"NOTIFY"} if connection.vendor == "postgresql" else set()
        self.assertEqual(set(counts[0]) - {"INSERT", "SAVEPOINT", "RELEASE"}, rest)
        self.assertFalse(Message.objects.exists())

    def test_ten_thousand_given_recipients_are_one_insert_as_well(self):
        with CaptureQueriesContext(connection) as queries:
            queue_job(subject="News", text="Hi", recipients=[f"r{n}@example.org" for n in range(10_000)])
        self.assertEqual([words for words in self._statements(queries) if words == "INSERT"], ["INSERT"])

    @staticmethod
    def _statements(queries):
        return [query["sql"].split()[0].upper() for query in queries.captured_queries]

    def test_a_key_queues_once(self):
        first = queue_job(subject="News", text="Hi", recipients=["a@example.org"], key="issue-12")
        again = queue_job(subject="News", text="Hi", recipients=["a@example.org"], key="issue-12")
        self.assertEqual(first.pk, again.pk)
        self.assertEqual(MessageJob.objects.count(), 1)

    def test_the_priority_may_be_a_name(self):
        for given, priority in (("high", Priority.HIGH), ("Medium", Priority.MEDIUM), (3, Priority.LOW)):
            job = queue_job(subject="News", text="Hi", recipients=["a@example.org"], priority=given)
            self.assertEqual(job.priority, priority)

    def test_a_scheduled_job_waits(self):
        later = timezone.now() + timedelta(hours=1)
        queue_job(subject="News", text="Hi", recipients=["a@example.org"], scheduled_at=later)
        self.assertEqual(drain(), [])

    def test_what_cannot_be_sent_is_said_at_once(self):
        good: dict[str, Any] = {"subject": "News", "text": "Hi", "recipients": ["a@example.org"]}
        for error, wrong in (
            (InvalidMail, {"text": "{% if %}"}),
            (InvalidMail, {"subject": "two\nlines"}),
            (InvalidMail, {"from_email": "nobody"}),
            (InvalidMail, {"headers": {"X-A": "b\nc: d"}}),
            (InvalidMail, {"source": "tests.crowd"}),
            (InvalidMail, {"recipients": None}),
            (UnknownSource, {"recipients": None, "source": "tests.nobody"}),
            (ImproperlyConfiguredMail, {"relay": "nowhere"}),
            (ValueError, {"priority": "urgent"}),
        ):
            with self.subTest(wrong=wrong), self.assertRaises(error):
                queue_job(**{**good, **wrong})
        self.assertFalse(MessageJob.objects.exists())

    def test_attachments_reply_to_and_headers_go_with_the_mail(self):
        queue_job(
            subject="News",
            text="Hi",
            recipients=["a@example.org"],
            attachments=[("a.csv", "1,2\n")],
            reply_to=["x@courant.example", "y@courant.example"],
            headers={"X-Campaign": "12"},
        )
        [mail] = drain()
        self.assertEqual(str(mail.message["Reply-To"]), "x@courant.example, y@courant.example")
        self.assertEqual(str(mail.message["X-Campaign"]), "12")
        self.assertEqual([part.get_filename() for part in mail.message.iter_attachments()], ["a.csv"])

    def test_typed_html_is_cleaned_and_a_site_s_own_is_not(self):
        html = '<p onclick="x()">Hi</p><script>x()</script>'
        queue_job(subject="News", html=html, recipients=["a@example.org"], sanitize_html=True)
        [mail] = drain()
        self.assertNotIn("x()", mail.html)

    def test_a_job_of_a_rolled_back_request_is_not_there(self):
        with self.assertRaises(ZeroDivisionError), transaction.atomic():
            queue_job(subject="News", text="Hi", recipients=["a@example.org"])
            raise ZeroDivisionError
        self.assertFalse(MessageJob.objects.exists())


class DjangoMailerTests(TestCase):
    def test_the_functions_take_django_mailer_s_arguments_in_its_order(self):
        for name, arguments in DJANGO_MAILER.items():
            ours = list(inspect.signature(getattr(api, name)).parameters)
            theirs = arguments.split()
            self.assertEqual(ours[: len(theirs)], theirs, name)

    def test_send_mail_queues_at_medium_priority(self):
        self.assertEqual(send_mail("Hi", "Body", "me@courant.example", ["a@example.org", "b@example.org"]), 1)
        self.assertEqual(set(Message.objects.values_list("priority", flat=True)), {Priority.MEDIUM})
        self.assertEqual({mail.rcpt_to for mail in drain()}, {"a@example.org", "b@example.org"})

    def test_numbers_names_and_members_are_priorities(self):
        for given in (1, "high", "HIGH", Priority.HIGH):
            Message.objects.all().delete()
            send_mail("Hi", "Body", None, ["a@example.org"], given)
            self.assertEqual(Message.objects.get().priority, Priority.HIGH)
        for given in (4, "deferred", "urgent", 0):
            with self.assertRaisesMessage(ValueError, "is no priority"):
                send_mail("Hi", "Body", None, ["a@example.org"], given)

    def test_mail_is_queued_whatever_backend_the_site_has(self):
        from django.core import mail

        send_mail("Hi", "Body", None, ["a@example.org"])
        self.assertEqual(Message.objects.count(), 1)
        self.assertEqual(mail.outbox, [])

    def test_send_html_mail_has_both_parts_and_headers(self):
        send_html_mail("Hi", "Text", "<p>HTML</p>", None, ["a@example.org"], headers={"X-Mine": "yes"})
        [mail] = drain()
        self.assertEqual((mail.text.strip(), mail.html.strip()), ("Text", "<p>HTML</p>"))
        self.assertEqual(str(mail.message["X-Mine"]), "yes")

    def test_lazy_words_are_taken(self):
        send_html_mail(gettext_lazy("Yes"), gettext_lazy("No"), gettext_lazy("Home"), None, ["a@example.org"])
        [mail] = drain()
        self.assertEqual((mail.subject, mail.html.strip()), ("Yes", "Home"))

    def test_send_mass_mail_queues_all_or_none(self):
        mails = [("One", "Body", None, ["a@example.org"]), ("Two", "Body", None, ["b@example.org"])]
        self.assertEqual(send_mass_mail(mails), 2)
        with self.assertRaises(ValueError):
            send_mass_mail([*mails, ("bad\nsubject", "Body", None, ["c@example.org"])])
        self.assertEqual(Message.objects.count(), 2)

    def test_nobody_to_mail_is_no_mail(self):
        self.assertEqual(send_mail("Hi", "Body", None, []), 0)

    @override_settings(ADMINS=[("Ann", "ann@example.org")], MANAGERS=["bo@example.org"], EMAIL_SUBJECT_PREFIX="[site] ")
    def test_admins_and_managers_are_found_in_either_form_of_their_settings(self):
        mail_admins("Help", "Body", priority="low")
        mail_managers("Look", "Body", html_message="<p>Body</p>")
        managers, admins = drain()
        self.assertEqual((admins.rcpt_to, admins.subject), ("ann@example.org", "[site] Help"))
        self.assertEqual((managers.rcpt_to, managers.subject), ("bo@example.org", "[site] Look"))
        self.assertEqual(admins.mail_from, "server@courant.example")
        self.assertTrue(managers.html)
