from __future__ import annotations

import datetime
import re
import statistics
import timeit
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from email import message_from_bytes
from email.header import decode_header, make_header
from email.utils import parseaddr

from django.test import SimpleTestCase, override_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from courant_mail.compose import decorators
from courant_mail.compose.letter import AttachedFile, compile_letter
from courant_mail.compose.mime import normalise_newlines
from courant_mail.compose.preview import preview
from courant_mail.exceptions import InvalidMail
from courant_mail.wire import WireBytes, is_clean

from .letters import NOW, letter, part, read, rendered, to, words

FEW = settings(max_examples=60, deadline=None)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


def display_name(data):
    """The name in To. Python's newer parser puts spaces between the encoded words of a name, against RFC 2047, 6.2."""
    name, _ = parseaddr(str(message_from_bytes(data)["To"]))
    return str(make_header(decode_header(name)))


def shape(message):
    """The content types of a mail as a nested list."""
    kind = message.get_content_type()
    return [kind, *map(shape, message.iter_parts())] if message.is_multipart() else kind


class StructureTests(SimpleTestCase):
    def test_text_alone_is_not_wrapped(self):
        self.assertEqual(shape(read(letter().render(to()))), "text/plain")

    def test_html_comes_with_a_text_made_from_it(self):
        data = letter(text="", html="<p>Hi <b>{{ x }}</b></p>").render(to(x="A&B"))
        self.assertEqual(shape(read(data)), ["multipart/alternative", "text/plain", "text/html"])
        self.assertEqual(part(data), "Hi A&B\n")

    def test_images_belong_to_the_html_and_attachments_to_the_mail(self):
        files = [
            AttachedFile("logo.png", "image/png", PNG, "logo"),
            AttachedFile("a.pdf", "", b"%PDF", ""),
        ]
        data = letter(html='<img src="cid:logo">', attachments=files).render(to())
        self.assertEqual(
            shape(read(data)),
            ["multipart/mixed",
             ["multipart/alternative", "text/plain", ["multipart/related", "text/html", "image/png"]],
             "application/pdf"],
        )  # fmt: skip
        image = next(found for found in read(data).walk() if found["Content-ID"])
        self.assertEqual(image["Content-ID"], "<logo>")
        self.assertEqual(image.get_payload(decode=True), PNG)
        self.assertIn("data:image/png;base64,iVBOR", preview(data).html)
        self.assertEqual(preview(data).attachments, ("a.pdf",))

    def test_an_image_without_html_is_an_attachment(self):
        files = [AttachedFile("logo.png", "image/png", PNG, "logo")]
        self.assertEqual(
            shape(read(letter(attachments=files).render(to()))), ["multipart/mixed", "text/plain", "image/png"]
        )

    def test_attached_mails_and_text_arrive_unchanged(self):
        files = [
            AttachedFile("m.eml", "message/rfc822", b"Subject: x\n\nlone\rCR", ""),
            AttachedFile("t.txt", "", "é\n".encode(), ""),
        ]
        mail, text = list(read(letter(attachments=files).render(to())).iter_attachments())
        self.assertEqual(mail.get_content(), b"Subject: x\n\nlone\rCR")
        self.assertEqual(text.get_content(), "é\n")

    @FEW
    @given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=120))
    def test_any_file_name_arrives(self, name):
        name = name.strip() or "x"  # Python strips what it reads
        data = letter(attachments=[AttachedFile(name, "image/png", b"x")]).render(to())
        found = next(read(data).iter_attachments())
        self.assertEqual(found.get_filename(), name)

    def test_files_that_would_forge_headers_are_refused(self):
        for file in (
            AttachedFile("a\r\nX: y", "image/png", b""),
            AttachedFile("a", "image/png\r\nX: y", b""),
            AttachedFile("a", "nonsense", b""),
            AttachedFile("a", "image/png", b"", "a>\r\nX: y"),
        ):
            with self.subTest(file=file), self.assertRaisesMessage(InvalidMail, "attachment"):
                letter(html="x", attachments=[file])


class WireTests(SimpleTestCase):
    def assert_fit_for_the_wire(self, data):
        self.assertNotRegex(data, rb"(?<!\r)\n|\r(?!\n)")
        self.assertLessEqual(max(map(len, data.split(b"\r\n"))), 998)
        self.assertEqual([type(defect) for found in read(data).walk() for defect in found.defects], [])

    @FEW
    @given(st.text(max_size=400), st.text(max_size=200), st.text(max_size=100))
    def test_any_words_and_values_become_a_valid_mail(self, value, subject, name):
        mail = letter(
            subject="Re: {{ s }}",
            text="<{{ v }}>",
            html="<p title='{{ v }}'>ä{{ v }}</p>{{ s }}",
            from_email="É <e@münchen.example>",
        )
        data = mail.render(to(name=name, v=value, s=subject, unsubscribe_url="https://x.example/u?a=b"))
        self.assert_fit_for_the_wire(data)
        self.assertIsInstance(data, WireBytes)
        self.assertTrue(is_clean(data))
        body = data.partition(b"\r\n\r\n")[2]
        self.assertLessEqual(max(map(len, body.split(b"\r\n"))), 76)
        self.assertEqual(len(read(data).get_all("To", [])), 1)
        self.assertEqual(
            set(read(data)),
            {"Date", "Message-ID", "To", "Subject", "List-Unsubscribe", "List-Unsubscribe-Post", "From", "Precedence",
             "MIME-Version", "Content-Type"},
        )  # fmt: skip

    @FEW
    @given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]), min_size=1, max_size=300))
    def test_any_subject_and_name_arrive(self, word):
        data = letter(subject="{{ w }}, {{ w }}").render(to(name=word, w=word))
        self.assertEqual(str(read(data)["Subject"]), f"{word}, {word}")
        # Python reads a name that holds an encoded word of its own as that word.
        if "=?" not in word:
            self.assertEqual(display_name(data), word)

    @FEW
    @given(st.text(max_size=2000))
    def test_any_text_without_tags_arrives(self, text):
        self.assertEqual(
            rendered(text=text.replace("{", "(")).replace("\r\n", "\n").rstrip("\n"),
            text.replace("{", "(")
            .replace("\r\n", "\n")
            .replace("\r", "\n")
            .encode("utf-8", "replace")
            .decode()
            .rstrip("\n"),
        )

    def test_long_lines_and_dots_survive(self):
        text = "." + "x" * 5000 + "\n.\n..\nFrom me\n" + "é" * 3000 + " \n"
        data = letter(text=text).render(to())
        self.assert_fit_for_the_wire(data)
        self.assertIsInstance(data, WireBytes)
        self.assertEqual(part(data), text)

    def test_the_same_mail_is_rendered_to_the_same_bytes(self):
        one, two = (letter(html="<p>{{ x }}</p>").render(to(x=1)) for _ in range(2))
        self.assertEqual(one, two)

    def test_threads_share_a_letter(self):
        mail = letter(html="<ul>{% for i in l %}<li class='{% cycle 'a' 'b' %}'>{{ i }}</li>{% endfor %}</ul>")
        recipients = [to(l=list(range(n % 7))) for n in range(200)]
        with ThreadPoolExecutor(4) as pool:
            self.assertEqual(list(pool.map(mail.render, recipients)), [mail.render(one) for one in recipients])

    def test_newlines_of_any_kind_become_crlf(self):
        self.assertEqual(normalise_newlines(b"a\rb\nc\r\nd\n\re"), b"a\r\nb\r\nc\r\nd\r\n\r\ne")


class SizeTests(SimpleTestCase):
    def test_what_all_recipients_share_is_checked_at_once(self):
        with self.assertRaisesMessage(InvalidMail, "MAX_MESSAGE_BYTES"):
            letter(attachments=[AttachedFile("a.bin", "", b"x" * 2000)], max_bytes=2000)

    def test_merge_values_count_as_well(self):
        with self.assertRaisesMessage(InvalidMail, "too large"):
            letter(text="{{ x }}", max_bytes=2000).render(to(x="x" * 3000))

    @override_settings(COURANT_MAIL={"MAX_MESSAGE_BYTES": 100})
    def test_the_setting_is_the_default(self):
        with self.assertRaisesMessage(InvalidMail, "of 100"):
            compile_letter(words(text="x" * 200))


class HookTests(SimpleTestCase):
    def test_decorators_rewrite_the_words_one_after_the_other(self):
        def first(given):
            return replace(given, text=given.text + " one")

        def second(given):
            return replace(given, text=given.text + " two")

        decorators.register(first)
        self.addCleanup(decorators.unregister, first)
        data = compile_letter(words(text="zero"), decorators=[second]).render(to())
        self.assertEqual(part(data), "zero one two\n")

    @override_settings(COURANT_MAIL={"HTML_TO_TEXT": "tests.compose.test_letter.shouted"})
    def test_a_setting_names_the_converter(self):
        data = compile_letter(words(text="", html="<p>x</p>")).render(to())
        self.assertEqual(part(data), "SHOUTED\n")


def shouted(html):
    return "SHOUTED"


class SpeedTests(SimpleTestCase):
    def test_a_recipient_costs_a_fraction_of_building_the_mail(self):
        html = "<p>Lorem ipsum dolor sit amet.</p>\n" * 900 + "<p>{{ a }} {{ b }} {{ c }}</p>"
        mail = letter(html=html, text="Hello {{ a }}")
        one = to(a="Ann", b="é", c=3)
        median = statistics.median(timeit.repeat(lambda: mail.render(one), number=50, repeat=9)) / 50
        # Some 30 µs on a plain machine; Python's email package takes 4 ms. The margin is for busy machines.
        self.assertLess(median, 0.001)


class DateTests(SimpleTestCase):
    def test_the_date_keeps_its_time_zone(self):
        zone = datetime.timezone(datetime.timedelta(hours=2))
        data = letter().render(to(date=NOW.astimezone(zone)))
        self.assertEqual(re.findall(rb"Date: (.*?)\r\n", data), [b"Wed, 01 May 2024 14:30:15 +0200"])
        with self.assertRaises(ValueError):
            letter().render(to(date=NOW.replace(tzinfo=None)))
