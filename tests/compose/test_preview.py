"""What is read back from a finished mail to be shown."""

from __future__ import annotations

from django.test import SimpleTestCase

from courant_mail.compose.preview import preview

MAIL = (
    b"Date: Mon, 2 Mar 2026 12:00:00 +0100\r\n"
    b"Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\n"
    b"X-Long: one\r\n two\r\n"
    b'From: "Editors" <editors@courant.example>\r\n'
    b"To: j\xc3\xb6rg@example.org\r\n"
    b"X-Empty:\r\n"
    b"X-Long: again\r\n"
    b"MIME-Version: 1.0\r\n"
    b'Content-Type: text/html; charset="utf-8"\r\n'
    b"Content-Transfer-Encoding: quoted-printable\r\n"
    b"\r\n"
    b"<p>Gr=C3=BC=C3=9Fe</p>\r\nX-Not: a header\r\n"
)
HTML = "<p>Grüße</p>\r\nX-Not: a header\r\n"


class PreviewTests(SimpleTestCase):
    def setUp(self) -> None:
        self.found = preview(MAIL)

    def test_the_headers_are_those_of_the_mail_in_their_order_with_their_folds(self) -> None:
        self.assertEqual(
            self.found.headers[:7],
            (
                ("Date", "Mon, 2 Mar 2026 12:00:00 +0100"),
                ("Subject", "=?utf-8?b?R3LDvMOfZQ==?="),
                ("X-Long", "one\r\n two"),
                ("From", '"Editors" <editors@courant.example>'),
                ("To", "jörg@example.org"),
                ("X-Empty", ""),
                ("X-Long", "again"),
            ),
        )
        self.assertEqual(len(self.found.headers), 10)

    def test_the_sizes_are_those_of_the_bytes_and_of_the_html_alone(self) -> None:
        self.assertEqual(self.found.size, len(MAIL))
        self.assertEqual(self.found.html_size, len(HTML.encode()))

    def test_people_read_it_decoded(self) -> None:
        self.assertEqual((self.found.subject, self.found.html), ("Grüße", HTML))
