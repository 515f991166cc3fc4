"""Mails of a size that nobody expects: they arrive whole, or are refused with the limit before memory is eaten."""

from __future__ import annotations

import binascii
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

from django.core.mail import EmailMessage
from django.test import TestCase, tag

from courant_mail import engine
from courant_mail.api import queue_job
from courant_mail.backend import EmailBackend
from courant_mail.compose.letter import AttachedFile
from courant_mail.exceptions import InvalidMail
from courant_mail.models import Content, MessageJob
from courant_mail.queue.enqueue import enqueue_content
from tests.engine.base import EngineTestCase, parsed

MB = 1024 * 1024


def peak(work: Callable[[], Any]) -> int:
    """The bytes that the work has in hand at most, beyond what was there before."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@tag("hostile")
class LimitTests(TestCase):
    def refused(self, work: Callable[[], Any]) -> None:
        with self.assertRaisesMessage(InvalidMail, "COURANT_MAIL['MAX_MESSAGE_BYTES']"):
            work()

    def test_a_large_attachment_is_refused_before_it_is_encoded(self) -> None:
        file = b"x" * (50 * MB)
        words = {"subject": "News", "text": "Hello", "recipients": ["ann@example.org"]}
        message = EmailMessage("Hi", "Hi", None, ["ann@example.org"], attachments=[("a.bin", file, "image/png")])
        for work in (
            lambda: queue_job(**words, attachments=[("a.bin", file)]),
            lambda: queue_job(**words, attachments=[AttachedFile("a.bin", "", file)]),
            lambda: EmailBackend().send_messages([message]),
        ):
            self.assertLess(peak(lambda work=work: self.refused(work)), MB)
        self.assertFalse(MessageJob.objects.exists() or Content.objects.exists())

    def test_of_many_attachments_no_more_are_read_than_a_mail_can_hold(self) -> None:
        read = 0

        def files() -> Iterator[tuple[str, bytes]]:
            nonlocal read
            for _ in range(1000):
                read += 1
                yield "a.bin", b"x" * MB

        self.refused(lambda: queue_job(subject="x", text="x", recipients=["a@x.org"], attachments=files()))
        self.assertLess(read, 25)

    def test_finished_bytes_and_words_have_the_same_limit(self) -> None:
        large = "x" * (26 * MB)
        envelope: dict[str, Any] = {"mail_from": "a@x.org", "recipients": ["b@x.org"]}
        self.refused(lambda: enqueue_content(data=large.encode(), **envelope))
        for field in ("subject", "text", "html"):
            words = {"subject": "x", "recipients": ["a@x.org"]} | {field: large}
            self.refused(lambda words=words: queue_job(**words))  # type: ignore[misc]
        self.refused(lambda: EmailBackend().send_messages([EmailMessage("x", large, None, ["a@x.org"])]))


@tag("hostile")
class ArrivalTests(EngineTestCase):
    def test_ten_megabytes_arrive_whole_however_they_are_cut_into_lines(self) -> None:
        bodies = ["x" * (10 * MB), ".\n" * (MB // 2), ("ä" * 100_000 + "\r\n") * 3]
        for body in bodies:
            self.queue(1, subject="x", text=body, html="", bulk=False)
        engine.send()
        self.assertEqual(self.server.count, len(bodies))
        arrived = set()
        for mail in self.server.mails:
            self.assertLessEqual(max(map(len, mail.data.split(b"\r\n"))), 998)
            found = binascii.a2b_qp(mail.data.partition(b"\r\n\r\n")[2])
            arrived.add(found.decode().replace("\r\n", "\n").rstrip())
        self.assertEqual(arrived, {body.replace("\r\n", "\n").rstrip() for body in bodies})

    def test_a_line_of_a_hundred_thousand_characters_in_every_place(self) -> None:
        line = "x" * 100_000
        job: dict[str, Any] = {"headers": {"X-Mine": line}, "attachments": [("a.txt", line), ("b.html", line.encode())]}
        self.queue(1, subject="x", text=line, html=f"<p title='{line}'>{line}</p>", **job)
        self.queue(1, subject="x", text="{{ a }}", recipients=[{"email": "ann@example.org", "a": line[:60_000]}])
        message = EmailMessage("Hi", line, None, ["bo@example.org"], attachments=[("a.txt", line, "text/plain")])
        EmailBackend().send_messages([message])
        engine.send()
        self.assertEqual(self.server.count, 3)
        for mail in self.server.mails:
            self.assertLessEqual(max(map(len, mail.data.split(b"\r\n"))), 998)
            found = parsed(mail)
            body = found.get_body(("plain",))
            assert body is not None
            self.assertIn(body.get_content().strip(), (line, line[:60_000]))
            for part in found.iter_attachments():
                content = part.get_content()
                self.assertEqual((content if isinstance(content, str) else content.decode()).strip(), line)
