"""No text, value, header, file or finished mail becomes more than one mail on the wire (SMTP smuggling)."""

from __future__ import annotations

import random
from typing import Any

from django.core.mail import EmailMultiAlternatives
from django.test import SimpleTestCase, tag
from hypothesis import example, given
from hypothesis import strategies as st

from courant_mail import engine
from courant_mail.backend import EmailBackend
from courant_mail.compose.letter import AttachedFile
from courant_mail.compose.mime import normalise_newlines
from courant_mail.deliver.channel import Envelope
from courant_mail.deliver.outcomes import TryEnded
from courant_mail.deliver.smtp_wire import Offers, wire_mail
from courant_mail.models import Content, Message
from courant_mail.queue.enqueue import enqueue_content
from courant_mail.testing.smtp_server import EXTENSIONS, SmtpServer
from tests.engine.base import EngineTestCase, parsed
from tests.examples import SEED, TIMES, examples

from . import odd
from .wiretap import Wiretap

#: a second mail, behind something that a careless server takes for the end of the first
SECOND = "MAIL FROM:<eve@evil.example>{0}RCPT TO:<eve@evil.example>{0}DATA{0}Subject: second{0}{0}smuggled{1}"
HEAD = b"From: site@courant.example\r\nSubject: first\r\n\r\nfirst"


def attacks(count: int = 60) -> list[str]:
    """Every known form of the attack, and so many mixtures of odd pieces."""
    known = [end + SECOND.format(end[:-1] or "\r\n", end) for end in odd.ENDS_OF_DATA]
    known += ["\r\n\0.\r\n" + SECOND.format("\r\n", "\r\n.\r\n"), ".", "..", ".\r\n", "\n.", "\r.", "\r\n.", "\0", "."]
    dice = random.Random(SEED if TIMES > 1 else 1)
    return known + ["".join(dice.choices(odd.PIECES, k=dice.randrange(12))) for _ in range(count * TIMES)]


@tag("hostile")
class WiretapTests(EngineTestCase):
    """Through every door to a real server, with every byte on the way looked at."""

    def setUp(self) -> None:
        super().setUp()
        self.tap = self.enterContext(Wiretap(self.server.port))
        self.use_relay(self.tap.port)

    def assert_delivered(self, count: int) -> None:
        """So many mails, each one as it was meant, and nothing on the wire that could be read in another way."""
        engine.send()
        self.assertEqual(self.server.count, count)
        self.assertEqual(self.server.violations, [])
        self.assertEqual(self.tap.faults(), [])
        self.assertEqual(len(self.tap.mails()), count)
        for mail in self.server.mails:
            self.assertEqual(len(mail.rcpt_to), 1)
            self.assertNotIn("evil", mail.mail_from + mail.rcpt_to[0])
        self.assertEqual(
            {command.line.partition(b" ")[0].upper() for command in self.server.commands},
            {b"EHLO", b"MAIL", b"RCPT", b"DATA", b"QUIT"},
        )

    def test_merge_values(self) -> None:
        values = attacks()
        self.queue(
            subject="{{ x }}",
            text="{{ x }}a{{ x }}\n{{ x }}",
            html="<p title='{{ x }}'>{{ x }}</p>\n{{ x }}",
            recipients=[
                {"email": f"reader{n}@example.org", "name": value, "x": value} for n, value in enumerate(values)
            ],
        )
        self.assert_delivered(len(values))
        for mail in self.server.mails:
            self.assertIsNone(parsed(mail)["Bcc"])
            self.assertIsNone(parsed(mail)["X-Injected"])

    def test_words_and_files_of_a_job(self) -> None:
        every = "".join(text for text in attacks(5) if "{" not in text)
        file = AttachedFile("a.txt", "text/plain", every.encode("utf-8", "replace"))
        mail = AttachedFile("m.eml", "message/rfc822", HEAD + every.encode("utf-8", "replace"))
        image = AttachedFile("i.png", "image/png", every.encode("utf-8", "replace"), "i")
        for words in (
            {"text": every},
            {"text": "", "html": every},
            {"text": "", "html": every, "sanitize_html": True},
            {"html": "<img src='cid:i'>", "attachments": [file, mail, image]},
        ):
            self.queue(1, subject="x", **words)
        self.assert_delivered(4)
        files = [part.get_content() for mail in self.server.mails for part in parsed(mail).iter_attachments()]
        self.assertIn(every.encode("utf-8", "replace").decode(), files)

    def test_mail_of_the_site_and_its_files(self) -> None:
        count = 0
        for text in attacks(20):
            message = EmailMultiAlternatives("x", text, "site@courant.example", ["ann@example.org"])
            message.attach_alternative(text, "text/html")
            message.attach("a.txt", text.encode("utf-8", "replace"), "text/plain")
            message.attach("a.bin", text.encode("utf-8", "replace"), "application/octet-stream")
            try:
                count += EmailBackend().send_messages([message])
            except UnicodeEncodeError:  # half of a character
                continue
        self.assertGreater(count, 20)
        self.assert_delivered(count)

    def test_finished_bytes(self) -> None:
        bodies = [HEAD + text.encode("utf-8", "replace") for text in attacks()]
        bodies += [text.encode("utf-8", "replace") for text in attacks(5)]
        for data in bodies:
            enqueue_content(data=data, mail_from="site@courant.example", recipients=["ann@example.org"])
        self.assert_delivered(len(bodies))
        stored = [bytes(body) for body in Content.objects.order_by("pk").values_list("body", flat=True)]
        whole = sorted(body if body.endswith(b"\r\n") else body + b"\r\n" for body in stored)
        self.assertEqual(sorted(mail.data for mail in self.server.mails), whole)
        self.assertEqual(stored, [normalise_newlines(data.replace(b"\0", b"")) for data in bodies])


@tag("hostile")
class OldServerTests(EngineTestCase):
    def test_nothing_changes_where_the_server_offers_nothing(self) -> None:
        server = self.enterContext(SmtpServer(extensions=()))
        tap = self.enterContext(Wiretap(server.port))
        self.use_relay(tap.port)
        eight_bit = b"\r\nMIME-Version: 1.0\r\nContent-Type: text/plain%s\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        for text in attacks(20):
            for charset in (b"; charset=utf-8", b"", b"; charset=nonsense"):
                body = HEAD.replace(b"\r\n\r\n", eight_bit % charset) + text.encode("utf-8", "replace")
                enqueue_content(data=body, mail_from="site@courant.example", recipients=["ann@example.org"])
        engine.send()
        failed = Message.objects.filter(sent_at=None).values_list("reply", flat=True)
        self.assertTrue(all("8BITMIME" in reply for reply in failed), failed)
        self.assertGreater(server.count, len(failed))
        self.assertEqual((server.violations, tap.faults()), ([], []))


@tag("hostile")
class WireTests(SimpleTestCase):
    offers = Offers(pipelining=True, size=True, eight_bit=True, smtputf8=True)

    @examples(300)
    @given(
        st.lists(st.sampled_from([b"\r\n", b"\r", b"\n", b".", b"a", b"\0", b" ", b"\xff"]), max_size=14).map(b"".join)
    )
    @example(b"\r\n.\r\n")
    @example(b".")
    def test_any_bytes_are_one_mail_or_none(self, data: bytes) -> None:
        try:
            body = wire_mail(Envelope("a@x.org", "b@x.org", data), self.offers).body
        except TryEnded:
            self.assertRegex(data, rb"(?s)\0|\r(?!\n)|(?<!\r)\n")
            return
        lines = body.split(b"\r\n")
        self.assertEqual(lines.pop(), b"")
        self.assertFalse([line for line in lines if b"\r" in line or b"\n" in line or line == b"."])
        unstuffed = b"".join(line.removeprefix(b".") + b"\r\n" for line in lines)
        self.assertEqual(unstuffed, data if data.endswith(b"\r\n") else data + b"\r\n")

    @examples(200)
    @given(odd.texts | odd.any_text, st.booleans())
    def test_any_address_is_one_command_or_none(self, text: str, sender: bool) -> None:
        given_: dict[str, Any] = {"mail_from": "a@x.org", "rcpt_to": "b@x.org"} | {
            "mail_from" if sender else "rcpt_to": text
        }
        try:
            mail = wire_mail(Envelope(data=b"x\r\n", **given_), self.offers)
        except TryEnded:
            return
        for command in (mail.mail, mail.rcpt):
            self.assertEqual(command.count(b"\r") + command.count(b"\n"), 2)
            self.assertTrue(command.endswith(b"\r\n"))
            path = command.partition(b"<")[2].partition(b">")[0]
            self.assertNotRegex(path.decode(), "[\\s\x00-\x1f\x7f<>]" if b'"' not in path else "[\x00-\x1f\x7f<>]")

    def test_the_server_of_the_tests_offers_what_real_ones_do(self) -> None:
        self.assertLessEqual({"PIPELINING", "8BITMIME", "SMTPUTF8"}, {line.split()[0] for line in EXTENSIONS})
