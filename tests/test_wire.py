"""What may go on the wire without a second look."""

from __future__ import annotations

from django.test import SimpleTestCase

from courant_mail.wire import is_clean


class CleanTests(SimpleTestCase):
    def test_lines_that_end_in_crlf_and_begin_with_no_dot_are_clean(self) -> None:
        for part in (b"", b"\r\n", b"a\r\n", b"a.b\r\n..c"[:5] + b"\r\n", b"=2E\r\n\r\nx=\r\n"):
            with self.subTest(part):
                self.assertTrue(is_clean(part))

    def test_everything_that_a_server_could_read_otherwise_is_not(self) -> None:
        dirty = (
            b"a",
            b"\n",
            b"\r",
            b"a\n",
            b"a\r",
            b"a\rb\r\n",
            b"a\nb\r\n",
            b"a\n.\nMAIL FROM:<x>\r\n",
            b"a\r.\r\n",
            b".\r\n",
            b"a\r\n.\r\n",
            b"a\r\n.b\r\n",
            b"gr\xc3\xbc\xc3\x9fe\r\n",
            b"\r\n\n",
            b"\r\r\n",
        )
        for part in dirty:
            with self.subTest(part):
                self.assertFalse(is_clean(part))
