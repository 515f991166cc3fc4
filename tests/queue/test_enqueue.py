"""Queueing: what is stored, what is refused, and that it costs the same for ten people and for a hundred thousand."""

from __future__ import annotations

from django.db import connection, transaction
from django.test import TestCase, override_settings

from courant_mail import sources
from courant_mail.addresses import iter_recipients, parse_recipient
from courant_mail.choices import JobStatus, MessageStatus, Priority
from courant_mail.compose.letter import AttachedFile
from courant_mail.exceptions import ImproperlyConfiguredMail, InvalidMail, UnknownSource
from courant_mail.models import Content, Message, MessageJob
from courant_mail.queue.enqueue import enqueue_content, enqueue_job
from courant_mail.sources import RecipientLike

from .helpers import statuses

#: PostgreSQL is told to wake the daemon
NOTIFY = 1 if connection.vendor == "postgresql" else 0
SAVEPOINTS = 2


class JobTests(TestCase):
    def test_recipients_of_every_shape_come_back_as_they_were_given(self) -> None:
        given: list[RecipientLike] = [
            "a@example.org",
            ("Ann, the 1st", "Ann@example.org"),
            {"email": "b@example.org", "first_name": "Bo"},
        ]
        job = enqueue_job(subject="News", text="Hello", recipients=given)
        found = [parse_recipient(entry) for entry, _ in iter_recipients(job.recipients)]
        self.assertEqual(found, [parse_recipient(entry) for entry in given])
        self.assertEqual((job.status, job.priority), (JobStatus.QUEUED, Priority.LOW))

    def test_queueing_costs_the_same_for_ten_people_and_for_a_hundred_thousand(self) -> None:
        sources.register("test.many")(lambda count: (f"r{n}@example.org" for n in range(count)))
        self.addCleanup(sources._registry.pop, "test.many")
        for count in (10, 100_000):
            with self.assertNumQueries(1 + NOTIFY + SAVEPOINTS):
                enqueue_job(subject="News", text="Hello", source="test.many", source_params={"count": count})
            text = "\n".join(f"r{n}@example.org" for n in range(count))
            with self.assertNumQueries(1 + NOTIFY + SAVEPOINTS):
                enqueue_job(subject="News", text="Hello", recipients=text)

    def test_attachments_are_stored_with_the_job(self) -> None:
        logo = AttachedFile("logo.png", "image/png", b"\x89PNG", content_id="logo")
        job = enqueue_job(
            subject="News",
            html='<img src="cid:logo" alt="">',
            recipients="a@example.org",
            attachments=[("notes.txt", "Grüße"), ("data.bin", b"\x00\x01", "application/x-data"), logo],
        )
        rows = [(a.filename, a.content_type, bytes(a.content), a.content_id) for a in job.attachments.order_by("pk")]
        self.assertEqual(
            rows,
            [
                ("notes.txt", "text/plain", "Grüße".encode(), ""),
                ("data.bin", "application/x-data", b"\x00\x01", ""),
                ("logo.png", "image/png", b"\x89PNG", "logo"),
            ],
        )

    def test_the_same_key_is_queued_once(self) -> None:
        first = enqueue_job(subject="News", text="Hello", recipients="a@example.org", key="issue-12")
        again = enqueue_job(subject="News", text="Hello", recipients="a@example.org", key="issue-12")
        self.assertEqual((again.pk, MessageJob.objects.count()), (first.pk, 1))

    def test_what_cannot_become_a_mail_is_refused_and_nothing_is_stored(self) -> None:
        refused = [
            ({"text": "Hello"}, "Give either recipients or"),
            ({"text": "Hello", "recipients": "a@example.org", "source": "x"}, "Give either recipients or"),
            ({"text": "{% include 'x' %}", "recipients": "a@example.org"}, "include"),
            ({"text": "Hello {{ name", "html": "{% if %}", "recipients": "a@example.org"}, ""),
            ({"text": "Hello", "recipients": "a@example.org", "headers": {"X-A": "1\r\nBcc: all@example.org"}}, "X-A"),
            ({"text": "Hello", "recipients": "a@example.org", "from_email": "nobody"}, "nobody"),
        ]
        for values, text in refused:
            with self.subTest(values=values), self.assertRaisesMessage(InvalidMail, text):
                enqueue_job(subject="News", **values)  # type: ignore[arg-type]
        self.assertFalse(MessageJob.objects.exists())

    def test_an_unknown_source_or_relay_is_refused_with_the_known_ones(self) -> None:
        with self.assertRaisesMessage(UnknownSource, "No recipient source is named 'nobody'"):
            enqueue_job(subject="News", text="Hello", source="nobody")
        with self.assertRaisesMessage(ImproperlyConfiguredMail, "No relay is named 'pigeon'. Configured are: "):
            enqueue_job(subject="News", text="Hello", recipients="a@example.org", relay="pigeon")


class ContentTests(TestCase):
    def test_the_bytes_are_stored_once_for_all_recipients(self) -> None:
        ids = enqueue_content(
            data=b"Subject: Hi\n\nHi\n",
            mail_from="site@courant.example",
            recipients=["a@example.org", "B@example.org", "b@example.org"],
            subject="Hi",
        )
        content = Content.objects.get()
        self.assertEqual(bytes(content.body), b"Subject: Hi\r\n\r\nHi\r\n")
        rows = Message.objects.filter(pk__in=ids).order_by("pk")
        self.assertEqual(
            [(m.recipient, m.address) for m in rows], [("a@example.org",) * 2, ("b@example.org", "B@example.org")]
        )
        self.assertEqual({m.priority for m in rows}, {Priority.HIGH})

    def test_what_is_no_address_fails_with_the_reason_and_the_others_are_queued(self) -> None:
        enqueue_content(data=b"\r\n\r\n", mail_from="", recipients=["nobody", "a@example.org"])
        self.assertEqual(statuses(), {"failed": 1, "queued": 1})
        self.assertTrue(Message.objects.get(status=MessageStatus.FAILED).reply)

    def test_a_rolled_back_transaction_queues_nothing(self) -> None:
        with self.assertRaises(ZeroDivisionError), transaction.atomic():
            enqueue_content(data=b"\r\n\r\n", mail_from="", recipients=["a@example.org"])
            raise ZeroDivisionError
        self.assertEqual((Content.objects.count(), Message.objects.count()), (0, 0))

    @override_settings(COURANT_MAIL={"MAX_MESSAGE_BYTES": 100})
    def test_a_mail_above_the_limit_is_refused_and_the_setting_is_named(self) -> None:
        with self.assertRaisesMessage(InvalidMail, "MAX_MESSAGE_BYTES"):
            enqueue_content(data=b"x" * 101, mail_from="", recipients=["a@example.org"])
        with self.assertRaisesMessage(InvalidMail, "at least one recipient"):
            enqueue_content(data=b"x", mail_from="", recipients=[])
