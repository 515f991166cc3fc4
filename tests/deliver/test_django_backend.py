from __future__ import annotations

import io
import smtplib
import tempfile
from pathlib import Path
from typing import Any

import django
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.core.mail.backends.base import BaseEmailBackend
from django.test import SimpleTestCase

from courant_mail.choices import Outcome
from courant_mail.conf import RelaySettings
from courant_mail.deliver.channel import Envelope
from courant_mail.deliver.django_backend import BackendChannel
from courant_mail.deliver.outcomes import Result
from courant_mail.deliver.parsed_mail import ParsedMail

PARTS = "\r\n".join(
    [
        'From: "The Courant" <news@example.org>',
        "To: Ann <Ann@example.org>",
        "Reply-To: desk@example.org",
        "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=",
        "Message-ID: <17@example.org>",
        "Date: Sun, 29 Mar 2026 12:00:00 +0000",
        "List-Unsubscribe: <https://example.org/u/17>",
        "MIME-Version: 1.0",
        'Content-Type: multipart/mixed; boundary="m"',
        "",
        "--m",
        'Content-Type: multipart/related; boundary="r"',
        "",
        "--r",
        'Content-Type: multipart/alternative; boundary="a"',
        "",
        "--a",
        'Content-Type: text/plain; charset="utf-8"',
        "Content-Transfer-Encoding: quoted-printable",
        "",
        "Sch=C3=B6n",
        "--a",
        'Content-Type: text/html; charset="utf-8"',
        "Content-Transfer-Encoding: quoted-printable",
        "",
        '<p>Sch=C3=B6n <img src=3D"cid:logo"></p>',
        "--a--",
        "--r",
        "Content-Type: image/png",
        "Content-ID: <logo>",
        "Content-Disposition: inline; filename=logo.png",
        "Content-Transfer-Encoding: base64",
        "",
        "iVBORw0KGgo=",
        "--r--",
        "--m",
        "Content-Type: text/csv; charset=utf-8",
        'Content-Disposition: attachment; filename="list.csv"',
        "",
        "a,b",
        "--m--",
        "",
    ]
).encode()


class Moody(BaseEmailBackend):
    """Raises or returns what it was told."""

    def __init__(self, mood: Any = None, opening: Exception | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mood, self.opening = mood, opening

    def open(self) -> None:
        if self.opening is not None:
            raise self.opening

    def send_messages(self, email_messages: Any) -> Any:
        if isinstance(self.mood, Exception):
            raise self.mood
        return self.mood


class ServiceError(Exception):
    def __init__(self, status_code: int) -> None:
        super().__init__(f"the service said {status_code}")
        self.status_code = status_code


def relay(backend: str, **options: Any) -> RelaySettings:
    return RelaySettings(name="test", backend=backend, options=options)


def send(channel: BackendChannel, data: bytes = PARTS) -> Result:
    ended = channel.prepare(Envelope("bounces@example.org", "ann@example.org", data))
    return channel.finish() if ended is None else ended


class ParsedMailTests(SimpleTestCase):
    def setUp(self):
        self.mail = ParsedMail(Envelope("bounces@example.org", "ann@example.org", PARTS))

    def test_shows_what_an_email_service_wants_to_see(self):
        self.assertEqual(self.mail.subject, "Grüße")
        self.assertEqual(self.mail.from_email, "The Courant <news@example.org>")
        self.assertEqual((self.mail.body, self.mail.content_subtype), ("Schön", "plain"))
        self.assertEqual(
            [tuple(a) for a in self.mail.alternatives], [('<p>Schön <img src="cid:logo"></p>', "text/html")]
        )
        self.assertEqual(self.mail.reply_to, ["desk@example.org"])
        self.assertEqual(set(self.mail.extra_headers), {"Message-ID", "Date", "List-Unsubscribe"})
        self.assertEqual(self.mail.envelope_sender, "bounces@example.org")

    def test_the_recipient_of_the_envelope_is_alone(self):
        self.assertEqual(self.mail.recipients(), ["ann@example.org"])
        self.assertEqual(self.mail.to, ["Ann <Ann@example.org>"])
        other = ParsedMail(Envelope("news@example.org", "bcc@example.org", PARTS))
        self.assertEqual(
            (other.to, other.cc, other.bcc, other.recipients()), (["bcc@example.org"], [], [], ["bcc@example.org"])
        )

    def test_attachments_and_inline_images(self):
        image, table = self.mail.attachments
        self.assertEqual((image["Content-ID"], image.get_payload(decode=True)), ("<logo>", b"\x89PNG\r\n\x1a\n"))
        self.assertEqual(tuple(table), ("list.csv", "a,b", "text/csv"))

    def test_html_alone_is_the_body(self):
        only = ParsedMail(Envelope("a@x.org", "b@x.org", b"Content-Type: text/html\r\n\r\n<b>x</b>\r\n"))
        self.assertEqual((only.body, only.content_subtype, only.alternatives), ("<b>x</b>", "html", []))

    def test_a_charset_that_nobody_knows(self):
        odd = ParsedMail(Envelope("a@x.org", "b@x.org", b"Content-Type: text/plain; charset=klingon\r\n\r\nx\r\n"))
        self.assertEqual(odd.body, "x")

    def test_the_message_is_the_original(self):
        self.assertEqual(self.mail.message().as_bytes(linesep="\r\n"), PARTS)
        self.assertEqual(self.mail.message().as_bytes(), PARTS.replace(b"\r\n", b"\n"))
        self.assertEqual(self.mail.message()["Message-ID"], "<17@example.org>")


class BackendChannelTests(SimpleTestCase):
    def opened(self, backend: str, **options: Any) -> BackendChannel:
        channel = BackendChannel(relay(backend, **options))
        self.addCleanup(channel.abandon)
        self.assertIsNone(channel.open())
        return channel

    def moody(self, mood: Any) -> tuple[Outcome, bool]:
        channel = self.opened(f"{__name__}.Moody", mood=mood)
        return send(channel).outcome, channel.is_open

    def test_locmem(self):
        channel = self.opened("django.core.mail.backends.locmem.EmailBackend")
        self.assertIs(send(channel).outcome, Outcome.SENT)
        [sent] = mail.outbox
        self.assertEqual((sent.subject, sent.recipients(), channel.used), ("Grüße", ["ann@example.org"], 1))

    def test_nothing_is_sent_before_finish(self):
        channel = self.opened("django.core.mail.backends.locmem.EmailBackend")
        self.assertIsNone(channel.prepare(Envelope("a@x.org", "b@x.org", PARTS)))
        channel.abandon()
        self.assertEqual((mail.outbox, channel.is_open), ([], False))

    def test_console(self):
        stream = io.StringIO()
        channel = self.opened("django.core.mail.backends.console.EmailBackend", stream=stream)
        self.assertIs(send(channel).outcome, Outcome.SENT)
        self.assertIn("Message-ID: <17@example.org>\n", stream.getvalue())

    def test_file(self):
        with tempfile.TemporaryDirectory() as folder:
            channel = self.opened("django.core.mail.backends.filebased.EmailBackend", file_path=folder)
            self.assertIs(send(channel).outcome, Outcome.SENT)
            self.assertIs(send(channel).outcome, Outcome.SENT)
            channel.close()
            [path] = Path(folder).iterdir()
            self.assertEqual(path.read_bytes().count(PARTS.replace(b"\r\n", b"\n")), 2)

    def test_what_a_backend_returns(self):
        for returned, outcome in ((1, Outcome.SENT), (None, Outcome.SENT), (0, Outcome.REFUSED_FOR_NOW)):
            self.assertEqual(self.moody(returned), (outcome, True))

    def test_what_a_backend_raises(self):
        for error, outcome, still_open in (
            (smtplib.SMTPRecipientsRefused({"a": (550, b"5.1.1 no")}), Outcome.REFUSED, True),
            (smtplib.SMTPRecipientsRefused({"a": (450, b"4.2.0 no")}), Outcome.REFUSED_FOR_NOW, True),
            (smtplib.SMTPSenderRefused(550, b"5.7.1 no", "a"), Outcome.SENDER_REFUSED, False),
            (smtplib.SMTPDataError(554, b"5.7.1 spam"), Outcome.REFUSED, True),
            (smtplib.SMTPServerDisconnected("gone"), Outcome.IN_DOUBT, False),
            (TimeoutError("timed out"), Outcome.IN_DOUBT, False),
            (ConnectionRefusedError("no"), Outcome.RELAY_TROUBLE, False),
            (ServiceError(429), Outcome.THROTTLED, False),
            (ServiceError(401), Outcome.MISCONFIGURED, False),
            (ServiceError(422), Outcome.REFUSED, True),
            (ServiceError(503), Outcome.RELAY_TROUBLE, False),
            (ImproperlyConfigured("no key"), Outcome.MISCONFIGURED, False),
            (ValueError("bad header"), Outcome.OUR_FAULT, True),
            (RuntimeError("what"), Outcome.REFUSED, True),
        ):
            with self.subTest(error=error):
                self.assertEqual(self.moody(error), (outcome, still_open))

    def test_what_cannot_be_opened(self):
        for error, outcome in (
            (ConnectionRefusedError("no"), Outcome.RELAY_TROUBLE),
            (smtplib.SMTPAuthenticationError(535, b"5.7.8 no"), Outcome.MISCONFIGURED),
            (ImproperlyConfigured("no key"), Outcome.MISCONFIGURED),
        ):
            trouble = BackendChannel(relay(f"{__name__}.Moody", opening=error)).open()
            self.assertIs(trouble and trouble.outcome, outcome)

    def test_a_backend_that_is_not_there(self):
        trouble = BackendChannel(relay("nowhere.Backend")).open()
        self.assertIs(trouble and trouble.outcome, Outcome.MISCONFIGURED)
        self.assertIn("nowhere", trouble.reply if trouble else "")

    def test_a_mailers_alias(self):
        if django.VERSION < (6, 1):
            self.skipTest("MAILERS came with Django 6.1")
        backend = "django.core.mail.backends.locmem.EmailBackend"
        with self.settings(MAILERS={"fast": {"BACKEND": backend}}):
            channel = BackendChannel(RelaySettings(name="fast", backend=backend, alias="fast"))
            self.assertIsNone(channel.open())
            self.assertIs(send(channel).outcome, Outcome.SENT)
        self.assertEqual(getattr(mail.outbox[0], "sent_using", None), "fast")
