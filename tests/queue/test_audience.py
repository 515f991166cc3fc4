"""Who gets a job: about how many, some of them, and one in particular, without reading all of them."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.test import TestCase
from django.test.utils import CaptureQueriesContext

from courant_mail import sources
from courant_mail.causes import Cause
from courant_mail.choices import JobStatus, MessageStatus
from courant_mail.exceptions import InvalidAddress, InvalidMail, UnknownSource
from courant_mail.models import Message, MessageJob
from courant_mail.queue import audience
from courant_mail.queue.causes_report import LIMIT
from courant_mail.queue.missed import missed
from courant_mail.queue.reopen import REST

from .helpers import make_job


@sources.register("tests.audience")
def users(fails: bool = False) -> Any:
    if fails:
        raise LookupError("no such table")
    return User.objects.order_by("pk").values("email", "first_name")


def draft(recipients: str = "", **values: Any) -> MessageJob:
    return make_job(status=JobStatus.DRAFT, expanded_at=None, recipients=recipients, **values)


class AudienceTests(TestCase):
    def address(self, job: MessageJob, wanted: str) -> str | None:
        person = audience.find(job, wanted)
        return person.address if person else None

    def test_about_how_many_there_are(self) -> None:
        self.assertEqual(audience.about(draft("a@example.org, b@example.org;\n\nnobody")), 3)
        many = "\n".join(f"reader{n}@example.org" for n in range(20_000))
        self.assertEqual(audience.about(draft(many)), 20_000)
        self.assertEqual(audience.about(make_job(total=7)), 7)
        User.objects.bulk_create(User(username=f"u{n}", email=f"u{n}@example.org") for n in range(3))
        self.assertEqual(audience.about(draft(source="tests.audience")), 3)

    def test_a_source_that_fails_says_why(self) -> None:
        failing = draft(source="tests.audience", source_params={"fails": True})
        for ask in (audience.about, lambda job: audience.some(job, 3), lambda job: audience.find(job, "a@example.org")):
            with self.assertRaisesMessage(InvalidMail, "no such table"), self.assertLogs("courant_mail", "ERROR"):
                ask(failing)
            with self.assertRaises(UnknownSource):
                ask(draft(source="tests.gone"))

    def test_some_of_them_are_those_that_a_mail_can_be_sent_to(self) -> None:
        found = audience.some(
            draft('nobody, A@example.org\n{"email": "b@example.org", "town": "Ulm"}\nc@example.org'), 2
        )
        self.assertEqual(
            [(p.address, p.merge) for p in found], [("A@example.org", None), ("b@example.org", {"town": "Ulm"})]
        )
        self.assertEqual(audience.some(draft(), 3), [])

    def test_once_they_are_read_they_are_the_rows_with_their_messages(self) -> None:
        job = make_job(recipients="other@example.org")
        for name, status in (("b", 1), ("a", 4), ("not an address", 5)):
            recipient = f"{name}@example.org" if len(name) == 1 else name
            Message.objects.create(job=job, recipient=recipient, status=status, priority=3, merge={"n": name})
        self.assertEqual([p.address for p in audience.some(job, 5)], ["a@example.org", "b@example.org"])
        person = audience.find(job, "A@EXAMPLE.org")
        assert person is not None
        self.assertEqual(
            (person.merge, person.message_id), ({"n": "a"}, Message.objects.get(recipient__startswith="a").pk)
        )
        self.assertIsNone(audience.find(job, "other@example.org"))

    def test_before_all_are_read_the_others_are_found_as_well(self) -> None:
        job = make_job(status=JobStatus.EXPANDING, expanded_at=None, recipients="a@example.org\nb@example.org")
        Message.objects.create(job=job, recipient="a@example.org", status=1, priority=3)
        self.assertEqual(self.address(job, "a@example.org"), "a@example.org")
        self.assertEqual(self.address(job, "b@example.org"), "b@example.org")

    def test_anybody_is_found_in_a_text_however_it_is_written(self) -> None:
        text = (
            'x@example.org\r\n"Quoted; name" <Quoted@example.org>, second@example.org\n'
            '{"email": "JSON@example.org", "town": "İzmir"}\rold@example.org\n'
            "İİİ <dotted@example.org>; zoë@example.org"
        )
        job = draft(text)
        for wanted in ("quoted", "second", "json", "old", "dotted", "ZOË"):
            with self.subTest(wanted):
                found = self.address(job, f"{wanted}@example.org")
                self.assertEqual(found and found.lower(), f"{wanted.lower()}@example.org")
        self.assertIsNone(audience.find(job, "cond@example.org"))
        self.assertIsNone(audience.find(job, "second@example.net"))
        with self.assertRaises(InvalidAddress):
            audience.find(job, "nobody")

    def test_a_source_is_searched_only_so_far(self) -> None:
        count = audience.SEARCHED + 1
        User.objects.bulk_create(User(username=f"u{n}", email=f"u{n}@example.org") for n in range(count))
        job = draft(source="tests.audience")
        self.assertEqual(self.address(job, f"u{count - 2}@example.org"), f"u{count - 2}@example.org")
        self.assertIsNone(audience.find(job, f"u{count - 1}@example.org"))


class MissedTests(TestCase):
    def test_each_kind_is_counted_where_it_can_be_sent_again(self) -> None:
        job, other = make_job(), make_job()
        rows = [
            (job, MessageStatus.FAILED, Cause.MAILBOX_FULL),
            (job, MessageStatus.DEFERRED, Cause.MAILBOX_FULL),
            (job, MessageStatus.CANCELLED, Cause.CANCELLED),
            (job, MessageStatus.SUPPRESSED, Cause.UNSUBSCRIBED),
            (job, MessageStatus.IN_DOUBT, Cause.IN_DOUBT),
            (job, MessageStatus.FAILED, Cause.NO_ADDRESS),
            (job, MessageStatus.SENT, None),
            (other, MessageStatus.FAILED, Cause.REFUSED),
        ]
        for n, (owner, status, cause) in enumerate(rows):
            Message.objects.create(job=owner, recipient=f"r{n}@example.org", status=status, cause=cause, priority=3)
        with CaptureQueriesContext(connection) as queries:
            found = {one.cause: one.number for one in missed(job.pk)}
        self.assertEqual(len(queries), 1)
        self.assertEqual(found, {Cause.MAILBOX_FULL: 1, Cause.CANCELLED: 1, Cause.IN_DOUBT: 1})
        self.assertEqual([one.cause for one in missed(job.pk, REST)], [Cause.MAILBOX_FULL, Cause.CANCELLED])

    def test_nobody_counts_further_than_the_limit(self) -> None:
        job = make_job()
        Message.objects.bulk_create(
            (
                Message(job=job, recipient=f"r{n}@example.org", status=5, cause=Cause.REFUSED, priority=3)
                for n in range(LIMIT + 1)
            ),
            batch_size=1000,
        )
        [found] = missed(job.pk)
        self.assertEqual((found.number, found.more), (LIMIT, True))
        Message.objects.filter(recipient="r0@example.org").delete()
        [found] = missed(job.pk)
        self.assertEqual((found.number, found.more), (LIMIT, False))
