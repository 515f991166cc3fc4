"""The whole site's mail through the queue."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage as ParsedMessage
from unittest import skipIf

import django
from django.conf import settings
from django.core import mail
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.db import connection, transaction
from django.test import TestCase, TransactionTestCase, override_settings
from django.utils.translation import gettext_lazy

from courant_mail.backend import EmailBackend
from courant_mail.choices import MessageStatus, Priority, Scope
from courant_mail.exceptions import ImproperlyConfiguredMail, InvalidMail
from courant_mail.models import Content, Message
from courant_mail.queue.suppress import suppress
from courant_mail.testing import drain

OURS = "courant_mail.backend.EmailBackend"


def through_the_queue():
    """The backend of the tests' settings: the test runner puts locmem in its place."""
    if django.VERSION >= (6, 1):
        smtp = {"BACKEND": "django.core.mail.backends.smtp.EmailBackend", "OPTIONS": {"host": "127.0.0.1", "port": 1}}
        urgent = {"BACKEND": OURS, "OPTIONS": {"relay": "smtp", "priority": "low"}}
        queue = {"BACKEND": OURS, "OPTIONS": {"relay": "smtp"}}
        return override_settings(MAILERS={"default": queue, "smtp": smtp, "slow": urgent})
    return override_settings(EMAIL_BACKEND=OURS)


def parsed(content: Content) -> ParsedMessage:
    return email.message_from_bytes(bytes(content.body), policy=email.policy.default)


def stored() -> tuple[Content, ParsedMessage]:
    content = Content.objects.get()
    return content, parsed(content)


@through_the_queue()
class BackendTests(TestCase):
    def test_every_recipient_gets_a_message_of_his_own_and_all_share_one_content(self):
        message = EmailMessage(
            "Hi",
            "Body",
            "me@courant.example",
            ["a@example.org", "B <b@example.org>"],
            cc=["c@example.org"],
            bcc=["d@example.org"],
        )
        self.assertEqual(message.send(), 1)
        content, _ = stored()
        rows = Message.objects.order_by("pk")
        self.assertEqual([row.recipient for row in rows], [f"{name}@example.org" for name in "abcd"])
        self.assertEqual({row.content_id for row in rows}, {content.pk})
        self.assertEqual({row.status for row in rows}, {MessageStatus.QUEUED})

    def test_bcc_is_in_no_byte(self):
        headers = {"bcc": "hidden@example.org"} if django.VERSION < (6, 1) else {}  # 6.1 refuses it
        EmailMessage("Hi", "Body", None, ["a@example.org"], bcc=["secret@example.org"], headers=headers).send()
        content, _ = stored()
        self.assertNotIn(b"secret", bytes(content.body))
        self.assertNotIn(b"hidden", bytes(content.body))
        self.assertNotIn(b"bcc", bytes(content.body).lower())

    def test_the_mail_arrives_as_it_was_written(self):
        message = EmailMultiAlternatives(
            "Grüße",
            "Text: ä\n.dot\n",
            "Zoë <zoe@courant.example>",
            ["Ann <ann@example.org>"],
            cc=["Bo <bo@example.org>"],
            reply_to=["answers@courant.example"],
            headers={"X-Mine": "yes"},
        )
        message.attach_alternative("<p>HTML: ä</p>", "text/html")
        message.attach("bytes.bin", bytes(range(256)), "application/octet-stream")
        message.send()
        for sent in drain():
            with self.subTest(sent.rcpt_to):
                self.assertEqual(sent.mail_from, "zoe@courant.example")
                self.assertEqual(sent.subject, "Grüße")
                self.assertEqual(str(sent.message["From"]), "Zoë <zoe@courant.example>")
                self.assertEqual(str(sent.message["To"]), "Ann <ann@example.org>")
                self.assertEqual(str(sent.message["Cc"]), "Bo <bo@example.org>")
                self.assertEqual(str(sent.message["Reply-To"]), "answers@courant.example")
                self.assertEqual(str(sent.message["X-Mine"]), "yes")
                self.assertEqual(sent.text.replace("\r\n", "\n"), "Text: ä\n.dot\n")
                self.assertIn("<p>HTML: ä</p>", sent.html)
                [attachment] = sent.message.iter_attachments()
                self.assertEqual(attachment.get_content(), bytes(range(256)))

    def test_the_bytes_have_no_line_end_but_crlf(self):
        EmailMessage("Hi", "one\ntwo\r\nthree\rfour", None, ["a@example.org"]).send()
        content, _ = stored()
        body = bytes(content.body)
        rest = body.replace(b"\r\n", b"")
        self.assertNotIn(b"\r", rest)
        self.assertNotIn(b"\n", rest)
        self.assertEqual(content.size, len(body))

    def test_the_message_id_is_fixed_when_it_is_queued(self):
        EmailMessage("Hi", "Body", None, ["a@example.org", "b@example.org"]).send()
        content, message = stored()
        self.assertTrue(content.message_id)
        self.assertEqual(str(message["Message-ID"]), content.message_id)
        self.assertEqual({str(sent.message["Message-ID"]) for sent in drain()}, {content.message_id})

    def test_mail_is_high_priority_by_default(self):
        EmailMessage("Hi", "Body", None, ["a@example.org"]).send()
        self.assertEqual(Message.objects.get().priority, Priority.HIGH)

    def test_a_header_sets_the_priority_and_is_taken_out(self):
        for name, value, priority in (
            ("X-Courant-Mail-Priority", "low", Priority.LOW),
            ("x-courant-mail-priority", "Medium", Priority.MEDIUM),
            ("X-COURANT-MAIL-PRIORITY", " HIGH ", Priority.HIGH),
        ):
            with self.subTest(name=name, value=value):
                Message.objects.all().delete()
                Content.objects.all().delete()
                message = EmailMessage("Hi", "Body", None, ["a@example.org"], headers={name: value})
                message.send()
                content, _ = stored()
                self.assertEqual(Message.objects.get().priority, priority)
                self.assertNotIn(b"courant-mail-priority", bytes(content.body).lower())
                self.assertEqual(message.extra_headers, {name: value}, "the caller's message is not changed")

    def test_a_priority_that_is_none_is_refused(self):
        message = EmailMessage("Hi", "Body", None, ["a@example.org"], headers={"X-Courant-Mail-Priority": "urgent"})
        with self.assertRaisesMessage(InvalidMail, "'urgent' is no priority"):
            message.send()
        self.assertFalse(Message.objects.exists())

    def test_header_injection_is_refused_and_nothing_is_queued(self):
        for message in (
            EmailMessage("Hi\nBcc: x@example.org", "Body", None, ["a@example.org"]),
            EmailMessage("Hi", "Body", None, ["a@example.org\nb@example.org"]),
            EmailMessage("Hi", "Body", "me@courant.example\r\nX: y", ["a@example.org"]),
            EmailMessage("Hi", "Body", None, ["a@example.org"], headers={"X-A": "b\nc: d"}),
        ):
            with self.subTest(message=vars(message)), self.assertRaises(ValueError):
                message.send()
        self.assertFalse(Message.objects.exists())

    def test_one_bad_mail_of_several_leaves_none_in_the_queue(self):
        good = EmailMessage("Hi", "Body", None, ["a@example.org"])
        bad = EmailMessage("Hi\nX: y", "Body", None, ["a@example.org"])
        with self.assertRaises(ValueError):
            EmailBackend().send_messages([good, bad])
        self.assertFalse(Content.objects.exists())

    def test_a_from_address_that_is_none_is_refused(self):
        with self.assertRaises(ValueError):
            EmailMessage("Hi", "Body", "nobody", ["a@example.org"]).send()

    def test_an_impossible_recipient_fails_alone_with_the_reason(self):
        EmailMessage("Hi", "Body", None, ["a@example.org", "not an address"]).send()
        good, bad = Message.objects.order_by("pk")
        self.assertEqual(good.status, MessageStatus.QUEUED)
        self.assertEqual(bad.status, MessageStatus.FAILED)
        self.assertTrue(bad.reply)

    def test_how_many_mails_were_queued_is_returned(self):
        mails = [EmailMessage("Hi", "Body", None, ["a@example.org", "b@example.org"]) for _ in range(3)]
        mails.append(EmailMessage("Hi", "Body", None, []))
        self.assertEqual(EmailBackend().send_messages(mails), 3)
        self.assertEqual(EmailBackend().send_messages([]), 0)
        self.assertEqual(Content.objects.count(), 3)

    def test_lazy_words_are_taken(self):
        EmailMessage(gettext_lazy("Yes"), gettext_lazy("No"), None, ["a@example.org"]).send()
        _, message = stored()
        self.assertEqual(str(message["Subject"]), "Yes")

    def test_international_addresses_keep_their_letters(self):
        EmailMessage(
            "Hi", "Bödy", "jörg@courant.example", ["Zoë <zoë@bücher.example>"], cc=["ann@bücher.example"]
        ).send()
        content, _ = stored()
        self.assertEqual(content.mail_from, "jörg@courant.example")
        recipients = set(Message.objects.values_list("recipient", flat=True))
        self.assertEqual(recipients, {"zoë@bücher.example", "ann@bücher.example"})
        head = bytes(content.body).partition(b"\r\n\r\n")[0]
        self.assertIn("From: jörg@courant.example".encode(), head)
        self.assertIn("zoë@".encode(), head)
        self.assertNotIn(b"=?utf-8?q?zo=C3=AB?=@", head.lower())
        message = email.message_from_bytes(bytes(content.body), policy=email.policy.SMTPUTF8)
        self.assertEqual(message.get_body(("plain",)).get_content().strip(), "Bödy")  # type: ignore[union-attr]

    def test_mail_larger_than_allowed_is_refused(self):
        limited = override_settings(COURANT_MAIL={**settings.COURANT_MAIL, "MAX_MESSAGE_BYTES": 1000})
        with limited, self.assertRaisesMessage(InvalidMail, "MAX_MESSAGE_BYTES"):
            EmailMessage("Hi", "x" * 2000, None, ["a@example.org"]).send()

    def test_an_unknown_relay_is_named(self):
        with self.assertRaisesMessage(ImproperlyConfiguredMail, "nowhere"):
            EmailBackend(relay="nowhere")

    def test_people_who_want_no_mail_at_all_get_none_and_others_get_theirs(self):
        suppress("never@example.org", scope=Scope.ALL)
        suppress("no-news@example.org", scope=Scope.BULK)
        EmailMessage("Hi", "Body", None, ["never@example.org", "no-news@example.org"]).send()
        self.assertEqual([sent.rcpt_to for sent in drain()], ["no-news@example.org"])
        self.assertEqual(Message.objects.get(recipient="never@example.org").status, MessageStatus.SUPPRESSED)

    def test_django_s_own_functions_end_in_the_queue(self):
        sent = mail.send_mail("Hi", "Body", None, ["a@example.org"], html_message="<p>Hi</p>")
        self.assertEqual(sent, 1)
        _, message = stored()
        self.assertEqual(message.get_content_type(), "multipart/alternative")

    @skipIf(django.VERSION >= (6, 1), "deprecated in Django 6.1")
    def test_fail_silently_reaches_the_backend(self):
        self.assertTrue(mail.get_connection(fail_silently=True).fail_silently)
        with self.assertRaises(ValueError):
            EmailMessage("Hi\nX: y", "Body", None, ["a@example.org"]).send(fail_silently=True)

    @skipIf(django.VERSION < (6, 1), "MAILERS came with Django 6.1")
    def test_the_options_of_mailers_set_relay_and_priority(self):
        EmailMessage("Hi", "Body", None, ["a@example.org"]).send(using="slow")
        row = Message.objects.get()
        self.assertEqual((row.relay, row.priority), ("smtp", Priority.LOW))

    @skipIf(django.VERSION < (6, 1), "MAILERS came with Django 6.1")
    def test_unknown_options_are_refused(self):
        wrong = {"BACKEND": OURS, "OPTIONS": {"relais": "smtp"}}
        mailers = override_settings(MAILERS={"default": wrong, "smtp": {"OPTIONS": {"host": "localhost"}}})
        with mailers, self.assertRaisesMessage(Exception, "relais"):
            EmailMessage("Hi", "Body", None, ["a@example.org"]).send()


class Nowhere(EmailBackend):
    """A queue whose table has gone."""

    def _queue(self, mail):
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM no_such_table")


@through_the_queue()
class TransactionTests(TransactionTestCase):
    def test_a_request_that_is_rolled_back_sends_nothing(self):
        with self.assertRaises(ZeroDivisionError), transaction.atomic():
            EmailMessage("Hi", "Body", None, ["a@example.org"]).send()
            self.assertTrue(Message.objects.exists())
            raise ZeroDivisionError
        self.assertFalse(Content.objects.exists())
        self.assertFalse(Message.objects.exists())

    def test_a_database_that_takes_no_mail_is_an_error_unless_it_shall_be_silent(self):
        mails = [EmailMessage("Hi", "Body", None, ["a@example.org"])] * 2
        with self.assertRaises(Exception):  # noqa: B017 - each database has its own
            Nowhere().send_messages(mails)
        with transaction.atomic():
            with self.assertLogs("courant_mail.backend", "ERROR"):
                self.assertEqual(Nowhere(fail_silently=True).send_messages(mails), 0)
            self.assertFalse(Message.objects.exists(), "the caller's transaction can go on")
