"""Nothing that anybody feeds in becomes a header field of its own, or the end of the header."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from django.core.mail import EmailMultiAlternatives
from django.test import SimpleTestCase, tag
from hypothesis import example, given
from hypothesis import strategies as st

from courant_mail.backend import finish
from courant_mail.choices import Priority
from courant_mail.compose.letter import AttachedFile
from courant_mail.exceptions import InvalidMail
from tests.compose.letters import letter, to
from tests.examples import examples

from . import odd

OURS = ("Date", "Message-ID", "To", "Subject", "List-Unsubscribe", "List-Unsubscribe-Post", "From", "Precedence")
UNSUBSCRIBE = "https://www.courant.example/u/abc"

texts = odd.texts | odd.any_text


def field_names(data: bytes) -> Counter[str]:
    """The names of the header fields, read line by line as a server does. Fails for anything that is no field."""
    names: Counter[str] = Counter()
    for line in data.partition(b"\r\n\r\n")[0].split(b"\r\n"):
        assert not re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", line), line
        line.decode()
        if line.startswith((b" ", b"\t")):
            assert line.strip(), "a line of nothing but white space"
            continue
        match = re.match(rb"([!-9;-~]+):", line)
        assert match, line
        names[match[1].decode()] += 1
    return names


@tag("hostile")
class LetterTests(SimpleTestCase):
    def assert_as_usual(self, data: bytes, *more: str) -> None:
        structure = {"MIME-Version", "Content-Type", "Content-Transfer-Encoding"}
        names = field_names(data)
        self.assertEqual(set(names) - structure, {*OURS, *more})
        self.assertEqual(set(names.values()), {1})

    @examples(120)
    @given(st.sampled_from(["subject", "from_email", "reply_to", "text", "html"]), texts)
    @example("from_email", "a\x0bBcc: eve@evil.example <a@x.org>")
    def test_the_words_of_a_job(self, field: str, text: str) -> None:
        try:
            data = letter(**{field: text}).render(to(unsubscribe_url=UNSUBSCRIBE))
        except InvalidMail:
            return
        self.assert_as_usual(data, *(["Reply-To"] if field == "reply_to" and text.strip() else ()))

    @examples(120)
    @given(texts, texts, texts)
    def test_the_values_of_a_recipient(self, name: str, value: str, address: str) -> None:
        mail = letter(subject="{{ v }}{{ name }}", text="{{ v }}", html="<p>{{ v }}</p>")
        self.assert_as_usual(mail.render(to(name=name, v=value, unsubscribe_url=UNSUBSCRIBE)))
        try:
            data = mail.render(to(f"{address}@example.org", name=name, v=value, unsubscribe_url=UNSUBSCRIBE))
        except InvalidMail:
            return
        self.assert_as_usual(data)

    @examples(80)
    @given(texts, texts)
    def test_headers_of_a_job(self, name: str, value: str) -> None:
        for headers in ({"X-Mine": value}, {name: "x"}, {"Sender": f"{value} <ann@example.org>"}):
            try:
                data = letter(headers=headers).render(to(unsubscribe_url=UNSUBSCRIBE))
            except InvalidMail:
                continue
            self.assert_as_usual(data, *(key for key in headers if key.lower() != "precedence"))

    @examples(80)
    @given(st.sampled_from(["filename", "content_type", "content_id"]), texts)
    def test_names_and_types_of_files(self, part: str, text: str) -> None:
        file = AttachedFile(**({"filename": "a.png", "content_type": "image/png", "content": b"x"} | {part: text}))  # type: ignore[arg-type]
        try:
            data = letter(html="x", attachments=[file]).render(to(unsubscribe_url=UNSUBSCRIBE))
        except InvalidMail:
            return
        self.assert_as_usual(data)
        pieces = re.findall(rb"\r\n--=_[^\r\n]*\r\n((?:[!-9;-~]+:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)+)\r\n", data)
        allowed = {"Content-Type", "Content-Transfer-Encoding", "Content-Disposition", "Content-ID"}
        for piece in pieces:
            self.assertLessEqual(set(field_names(piece + b"\r\n")), allowed)

    @examples(60)
    @given(texts)
    def test_links_to_unsubscribe_and_message_ids(self, text: str) -> None:
        for given_ in ({"unsubscribe_url": f"https://x.example/{text}"}, {"message_id": f"<{text}@x.example>"}):
            try:
                data = letter().render(to(**({"unsubscribe_url": UNSUBSCRIBE} | given_)))
            except InvalidMail:
                continue
            self.assert_as_usual(data)


@tag("hostile")
class SiteMailTests(SimpleTestCase):
    """Mail that comes through the backend: Django composes it, and looks at less than one would wish."""

    usual = {"Content-Type", "MIME-Version", "Subject", "From", "To", "Date", "Message-ID"}

    def finished(self, **given_: Any) -> bytes | None:
        defaults: dict[str, Any] = {"subject": "Hi", "body": "Hi", "from_email": "a@x.org", "to": ["b@x.org"]}
        files = given_.pop("files", ())
        try:
            message = EmailMultiAlternatives(**defaults | given_)
            for file in files:
                message.attach(*file)
            return finish(message, Priority.HIGH).data.replace(b"\0", b"")
        except ValueError:
            return None

    @examples(150)
    @given(st.sampled_from(["subject", "from_email", "to", "cc", "reply_to", "body"]), texts)
    @example("cc", "jörg@x.org\x0bBcc : eve@evil.example")
    @example("cc", "jörg@x.org\x0b\x0bsmuggled")
    @example("subject", "Hi\x0bBcc: eve@evil.example")
    def test_fields_of_a_message(self, field: str, text: str) -> None:
        one = text if field in ("subject", "from_email", "body") else [f"{text} <c@x.org>", text]
        data = self.finished(**{field: one})
        if data is not None:
            expected = self.usual | {"cc": {"Cc"}, "reply_to": {"Reply-To"}}.get(field, set())
            self.assertEqual(set(field_names(data)) - {"Content-Transfer-Encoding"}, expected)

    @examples(100)
    @given(texts, texts)
    @example("X-A\r\nBcc", "eve@evil.example")
    @example("X-A: b", "c")
    @example("é", "c")
    def test_headers_of_a_message(self, name: str, value: str) -> None:
        for headers in ({"X-Mine": value}, {name: "x"}, {"Reply-To": value}):
            data = self.finished(headers=headers)
            if data is not None:
                self.assertEqual(
                    set(field_names(data)) - {"Content-Transfer-Encoding"}, self.usual | set(headers) - {"Bcc"}
                )

    @examples(80)
    @given(texts)
    @example("a\x0bBcc: b")
    @example("a\x0b\x0bb")
    def test_names_of_files(self, name: str) -> None:
        data = self.finished(files=[(name, b"x", "image/png"), (name, "x", "text/plain")])
        if data is None:
            return
        self.assertEqual(set(field_names(data)), self.usual)
        for part in re.split(rb"\r?\n--=[^\r\n]*\r?\n", data)[2:4]:
            names = field_names(part.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
            self.assertLessEqual(
                set(names), {"Content-Type", "MIME-Version", "Content-Transfer-Encoding", "Content-Disposition"}
            )

    def test_the_caller_s_message_is_not_changed(self) -> None:
        message = EmailMultiAlternatives("a\x0bb", "x", "a@x.org", ["b@x.org"], headers={"X-Mine": "c\x0cd"})
        message.attach("e\x0bf", b"x", "image/png")
        mail = finish(message, Priority.HIGH)
        self.assertEqual((message.subject, message.extra_headers), ("a\x0bb", {"X-Mine": "c\x0cd"}))
        self.assertEqual(mail.subject, "a b")
        self.assertIn(b"\r\nX-Mine: c d\r\n", mail.data)
        self.assertIn(b'filename="e f"', mail.data)
