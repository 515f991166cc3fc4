"""NUL, halves of characters and control characters: refused with a reason, or stored and sent, on every database."""

from __future__ import annotations

from typing import Any

from django.core.mail import EmailMessage
from django.test import tag
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from courant_mail.api import pause_job, queue_job
from courant_mail.backend import EmailBackend
from courant_mail.choices import JobStatus, MessageStatus
from courant_mail.compose.letter import AttachedFile
from courant_mail.exceptions import InvalidMail
from courant_mail.models import Content, Message, MessageJob
from courant_mail.queue.expand import expand, take_job
from courant_mail.queue.suppress import suppress
from courant_mail.testing import drain
from tests.examples import examples
from tests.queue.helpers import NOW, make_sender

from . import odd

#: the arguments of `queue_job` that hold text
FIELDS = ("subject", "text", "html", "from_email", "reply_to", "recipients", "created_by", "key")


def words(**given: Any) -> dict[str, Any]:
    return {"subject": "News", "text": "Hello", "recipients": "ann@example.org"} | given


@tag("hostile")
class JobTests(TestCase):
    @examples(100)
    @given(st.sampled_from(FIELDS), odd.texts | odd.any_text)
    @example("text", "a\0b")
    @example("subject", "a\ud800")
    @example("from_email", "\ud800 <a@x.org>")
    def test_any_text_in_any_field_is_stored_or_refused_with_a_reason(self, field: str, text: str) -> None:
        try:
            job = queue_job(**words(**{field: text}))
        except InvalidMail as error:
            self.assertTrue(str(error))
            return
        job.refresh_from_db()
        for name in ("subject", "text", "html", "from_email", "reply_to", "recipients"):
            self.assertNotRegex(getattr(job, name), "[\0\ud800-\udfff]")

    @examples(60)
    @given(
        odd.texts | odd.any_text, odd.texts | odd.any_text, st.sampled_from(("filename", "content_type", "content_id"))
    )
    def test_so_it_is_with_headers_attachments_and_parameters(self, one: str, two: str, part: str) -> None:
        file = AttachedFile(**({"filename": "a.png", "content_type": "image/png", "content": b"x"} | {part: one}))
        for more in ({"headers": {"X-Mine": one}}, {"headers": {one: two}}, {"attachments": [file]}):
            try:
                queue_job(**words(**more))
            except InvalidMail as error:
                self.assertTrue(str(error))

    def test_parameters_of_a_source_that_cannot_be_stored_are_refused(self) -> None:
        deep: list[Any] = []
        for _ in range(5000):
            deep = [deep]
        for number, value in enumerate(("a\0b", "a\ud800", float("nan"), object(), {"x": ["\0"]}, deep)):
            with self.subTest(number=number), self.assertRaisesMessage(InvalidMail, "source_params"):
                queue_job(**words(recipients=None, source="news.subscribers", source_params={"issue": value}))
        queue_job(**words(recipients=None, source="news.subscribers", source_params={"issue": "\\u0000 \U0001f600"}))

    def test_what_is_longer_than_its_column_is_refused(self) -> None:
        for more in (
            {"from_email": f"{'x' * 2000} <a@example.org>"},
            {"reply_to": ["ann@example.org"] * 200},
            {"key": "k" * 300},
            {"attachments": [("n" * 300, b"x")]},
        ):
            with self.subTest(more=repr(more)[:40]), self.assertRaisesMessage(InvalidMail, "characters"):
                queue_job(**words(**more))

    def test_reasons_may_hold_anything(self) -> None:
        job = queue_job(**words())
        pause_job(job.pk, reason="a\0b\ud800")
        job.refresh_from_db()
        self.assertEqual(job.status_reason, "ab\ufffd")


@tag("hostile")
class ValueTests(TestCase):
    def expanded(self, **given: Any) -> MessageJob:
        job = queue_job(**words(**given))
        sender = make_sender()
        for _ in iter(lambda: take_job(sender, NOW), None):
            for step in expand(MessageJob.objects.get(pk=job.pk), sender, NOW):
                self.assertEqual(step.error, "")
        job.refresh_from_db()
        self.assertEqual(job.status, JobStatus.SENDING)
        return job

    def test_a_monstrous_value_costs_its_own_recipient_only(self) -> None:
        deep: list[Any] = []
        for _ in range(500):
            deep = [deep]
        for number, value in enumerate((deep, 10**4000, [10**400], {"x": deep}, "x" * 70_000)):
            with self.subTest(number=number):
                entries = [{"email": "bo@example.org"}, {"email": "ann@example.org", "x": value}]
                try:
                    job = self.expanded(recipients=entries)
                except InvalidMail as error:
                    self.assertIn("'x'", str(error))
                    continue
                rows = job.messages.values_list("recipient", "status")
                self.assertEqual(
                    dict(rows), {"bo@example.org": MessageStatus.QUEUED, "ann@example.org": MessageStatus.FAILED}
                )

    def test_so_it_does_in_the_text_of_a_job(self) -> None:
        lines = ["bo@example.org"]
        for number, value in enumerate(("[" * 500 + "]" * 500, "[" * 100_000, "1" * 5000, '"\\ud800\\u0000"', "1e999")):
            lines.append(f'{{"email": "ann{number}@example.org", "x": {value}}}')
        job = self.expanded(recipients="\n".join(lines), text="[{{ x }}]")
        self.assertEqual(job.total, len(lines))
        self.assertEqual(job.messages.filter(status=MessageStatus.FAILED).count(), 3)
        self.assertEqual({mail.text.strip() for mail in drain()}, {"[]", "[\ufffd]", "[inf]"})

    @examples(25)
    @given(
        st.dictionaries(odd.any_text, odd.any_text | st.integers() | st.floats() | st.lists(odd.any_text), max_size=4)
    )
    def test_any_values_are_stored_and_rendered(self, values: dict[str, Any]) -> None:
        Message.objects.all().delete()
        self.expanded(
            recipients=[{"email": "ann@example.org", "name": "x"} | {f"v{k}": v for k, v in values.items()}],
            text="{% for k in x %}{{ k }}{% endfor %}{{ v }}",
        )
        self.assertEqual(len(drain()), 1)


@tag("hostile")
class BackendTests(TestCase):
    @examples(100)
    @given(
        odd.texts | odd.any_text, odd.texts | odd.any_text, st.sampled_from(("subject", "body", "to", "headers", "id"))
    )
    @example("a\0b", "", "subject")
    @example("a\0b", "", "id")
    @example("x" * 2000, "", "id")
    def test_a_mail_of_the_site_is_queued_or_refused_with_a_value_error(self, one: str, two: str, part: str) -> None:
        given_: dict[str, Any] = {"subject": "Hi", "body": "Hi", "to": ["ann@example.org"]}
        given_ |= {
            "subject": {"subject": one},
            "body": {"body": one},
            "to": {"to": [one, f"{two}@example.org"]},
            "headers": {"headers": {"X-Mine": one}},
            "id": {"headers": {"Message-ID": one}},
        }[part]
        before = Content.objects.count()
        try:
            queued = EmailBackend().send_messages([EmailMessage(**given_)])
        except ValueError:
            queued = 0
        self.assertEqual(Content.objects.count() - before, queued)

    def test_an_address_that_is_suppressed_may_have_any_reason(self) -> None:
        self.assertEqual(suppress("ann@example.org", reason="a\0b").reason, "ab")
