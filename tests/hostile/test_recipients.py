"""Lists of recipients by anybody, through every door: each entry is a row, sent to that address or failed with why."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

from django.core.mail import EmailMessage
from django.test import tag
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from courant_mail import sources
from courant_mail.addresses import iter_recipients, parse_recipient, salvage
from courant_mail.api import queue_job
from courant_mail.backend import EmailBackend
from courant_mail.causes import Cause
from courant_mail.choices import MessageStatus
from courant_mail.engine import expand_jobs
from courant_mail.exceptions import InvalidAddress, InvalidFile, InvalidMail
from courant_mail.models import Message
from courant_mail.sheets import RecipientSheet
from courant_mail.testing import drain
from tests.examples import examples

from . import odd

texts = odd.texts | odd.any_text
addresses = (
    st.sampled_from(["ann@example.org", "Ann.B@Example.org", "é@münchen.example", "a@xn--mnchen-3ya.example"])
    | st.builds("{}@example.org".format, texts)
    | st.builds("a@{}".format, texts)
    | st.builds("{} <{}>".format, texts, st.sampled_from(["bo@example.org", "nobody", "cy@example.org>"]))
    | texts
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
entries = (
    addresses
    | st.tuples(texts, addresses)
    | st.builds(
        lambda address, name, rest: {**rest, "email": address, "name": name},
        addresses | st.none() | st.integers(),
        texts | st.none(),
        st.dictionaries(texts, values, max_size=3),
    )
)


def valid(given_: Iterable[Any]) -> set[str]:
    """The addresses of those that name somebody."""
    found = set()
    for entry in given_:
        try:
            found.add(parse_recipient(entry).address)
        except InvalidAddress:
            continue
    return found


def shown(entry: Any) -> str:
    """What stands in the row of this entry."""
    try:
        return parse_recipient(entry).address
    except InvalidAddress as error:
        return salvage(entry, error)


def read(text: str) -> list[Any]:
    return [entry for entry, _ in iter_recipients(text)]


@tag("hostile")
class RecipientsTestCase(TestCase):
    words = {"subject": "News {{ name }}", "text": "Hello {{ name }} {{ a }}"}

    def assert_reached(self, addresses_of: set[str]) -> None:
        """Expand and send what is queued: these get a mail each, and everybody else a row that says why not."""
        self.assertFalse(expand_jobs().errors)
        for row in Message.objects.all():
            self.assertTrue(row.recipient.isprintable() and 0 < len(row.recipient) <= 254)
            if row.status == MessageStatus.FAILED:
                self.assertTrue(row.reply)
                self.assertEqual(row.cause, Cause.NO_ADDRESS)
            else:
                self.assertEqual((row.status, row.cause), (MessageStatus.QUEUED, None))
        mails = drain()
        self.assertEqual({parse_recipient(mail.rcpt_to).address for mail in mails}, addresses_of)
        self.assertEqual(len(mails), len(addresses_of))


@tag("hostile")
class JobTests(RecipientsTestCase):
    @examples(20)
    @given(st.lists(entries, max_size=12))
    @example(["a\0nn@example.org", "bo@example.org"])
    @example(["\ud800@example.org", ("\0", "bo@example.org"), "", ("", "")])
    def test_a_list_from_code(self, given_: list[Any]) -> None:
        try:
            job = queue_job(**self.words, recipients=given_)
        except InvalidMail:  # a value that is no plain data: the caller's own mistake
            return
        self.assertEqual(len(read(job.recipients)), len(given_))
        self.assert_reached(valid(given_))
        self.assertEqual(
            set(Message.objects.values_list("recipient", flat=True)), set(map(shown, read(job.recipients)))
        )

    @examples(20)
    @given(st.lists(addresses, max_size=12), st.sampled_from(["\n", "\r\n", ";", ",", "\r", " ; ", "\0"]))
    @example(["a\0nn@example.org", "bo@example.org\ud800"], "\n")
    def test_a_text(self, given_: list[str], separator: str) -> None:
        text = separator.join(given_)
        job = queue_job(**self.words, recipients=text)
        self.assert_reached(valid(read(text)))
        self.assertEqual(
            set(Message.objects.values_list("recipient", flat=True)), set(map(shown, read(job.recipients)))
        )

    @examples(20)
    @given(
        st.lists(st.tuples(addresses, texts), min_size=1, max_size=8), st.sampled_from(["utf-8", "utf-16", "cp1252"])
    )
    def test_a_file(self, rows: list[tuple[str, str]], encoding: str) -> None:
        lines = ["email,first name", *(f'"{one}","{two}"' for one, two in rows)]
        try:
            sheet = RecipientSheet(io.BytesIO("\r\n".join(lines).encode(encoding, "replace")))
            found = [line.recipient for line in sheet if line.recipient]
        except InvalidFile as error:
            self.assertTrue(str(error))
            return
        queue_job(**self.words, recipients=found)
        self.assert_reached({parse_recipient(entry).address for entry in found})
        self.assertFalse(Message.objects.filter(status=MessageStatus.FAILED).exists(), "the sheet would have said so")

    def test_what_an_odd_source_yields(self) -> None:
        circle: dict[str, Any] = {"email": "cy@example.org"}
        circle["x"] = circle
        found = [None, 7, b"a@example.org", (), ("a",), ("a", "b", "c"), {}, {"name": "x"}, {"email": ["x"]}, Trap()]
        found += [circle, {"email": "bo@example.org", "x": Trap()}, "ann@example.org", ("\ud800", "di@example.org")]
        _yielded[:] = found
        queue_job(**self.words, source="tests.hostile")
        with self.assertLogs("courant_mail", "ERROR"):
            self.assert_reached({"ann@example.org", "di@example.org"})
        failed = Message.objects.filter(status=MessageStatus.FAILED).values_list("recipient", flat=True)
        self.assertLessEqual({"bo@example.org", "cy@example.org", "7", "(unreadable: Trap)"}, set(failed))


@tag("hostile")
class BackendTests(RecipientsTestCase):
    @examples(40)
    @given(st.lists(addresses, min_size=1, max_size=6))
    def test_the_recipients_of_a_mail(self, given_: list[str]) -> None:
        message = EmailMessage("Hi", "Hi", "site@courant.example", bcc=given_)
        try:
            queued = EmailBackend().send_messages([message])
        except ValueError:
            return
        self.assertEqual(Message.objects.exists(), bool(queued))
        self.assert_reached(valid(given_))


class Trap:
    """An object that cannot even be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("a\0b")


_yielded: list[Any] = []


@sources.register("tests.hostile")
def whatever() -> list[Any]:
    return _yielded
