"""Warnings about a finished mail: what is found, what is left in peace, and that nothing makes it slow or fail."""

from __future__ import annotations

import time
from typing import Any

from django.test import SimpleTestCase
from django.utils import translation
from hypothesis import given, settings
from hypothesis import strategies as st

from courant_mail.compose.lint import CLIPPED_BYTES, CODES, Finding, lint
from courant_mail.compose.preview import Preview, preview
from courant_mail.compose.words import AttachedFile

from .letters import letter, to

LINK = "https://www.courant.example/mail/unsubscribe/abc/"
GOOD = (
    '<p>Good morning, <a href="https://www.courant.example/news">read this</a>.</p><p><a href="{{ unsubscribe_url }}">'
)
PIXEL = bytes.fromhex("89504e470d0a1a0a")


def findings(html: str = "", *, bulk: bool = False, size: int | None = None, **words: Any) -> dict[str, Finding]:
    """What is found in a mail of these words, as it would leave."""
    text = words.pop("text", "Good morning.")
    data = letter(html=html, text=text, bulk=bulk, **words).render(to(unsubscribe_url=LINK if bulk else ""))
    found = lint(preview(data), size=len(data) if size is None else size, bulk=bulk)
    assert len({finding.code for finding in found}) == len(found), "a code twice"
    return {finding.code: finding for finding in found}


def examples(code: str, html: str) -> list[str]:
    found = findings(html)
    return list(found[code].examples) if code in found else []


class UnsubscribeTests(SimpleTestCase):
    def test_bulk_mail_without_a_way_out_is_told_with_the_parts_that_lack_it(self) -> None:
        found = findings("<p>Hello</p>", bulk=True)["no_unsubscribe_link"]
        self.assertEqual(found.examples, ("HTML", "text"))
        html = f"{GOOD}out</a></p>"
        self.assertEqual(findings(html, bulk=True)["no_unsubscribe_link"].examples, ("text",))
        self.assertEqual(findings(text="Hello", bulk=True)["no_unsubscribe_link"].examples, ("text",))

    def test_the_link_of_the_mail_will_do_and_so_will_one_of_the_site(self) -> None:
        for html in (
            f"{GOOD}out</a></p>",
            '<a href="https://courant.example/unsubscribe">x</a>',
            '<a href="https://courant.example/me">Newsletter abbestellen</a>',
            '<a href="https://courant.example/me"><b>Se désabonner</b></a>',
            '<a href="https://courant.example/me"><img src="cid:x" alt="Unsubscribe"></a>',
            '<a href="mailto:unsubscribe@courant.example">x</a>',
        ):
            with self.subTest(html=html):
                self.assertNotIn("no_unsubscribe_link", findings(html, text="", bulk=True))

    def test_words_that_are_no_link_are_no_way_out(self) -> None:
        self.assertIn("no_unsubscribe_link", findings("<p>You cannot unsubscribe.</p>", text="", bulk=True))

    def test_mail_that_is_not_bulk_needs_none(self) -> None:
        self.assertNotIn("no_unsubscribe_link", findings("<p>Your password</p>"))


class ImageTests(SimpleTestCase):
    def test_a_picture_without_alternative_text_is_told(self) -> None:
        html = '<p>Words enough to read.</p><img src="https://courant.example/a.png"><img src="cid:b">'
        found = findings(html, attachments=[AttachedFile("b.png", "image/png", PIXEL, content_id="b")])
        self.assertEqual(found["image_without_alt"].number, 2)
        self.assertEqual(
            found["image_without_alt"].examples, ("https://courant.example/a.png", "data:image/png;base64,…")
        )

    def test_decorative_pictures_are_fine(self) -> None:
        for alt in ('alt=""', "alt", "ALT=''", 'alt="A cat"'):
            with self.subTest(alt=alt):
                self.assertNotIn("image_without_alt", findings(f'<img src="https://courant.example/a.png" {alt}>'))

    def test_a_picture_that_nobody_can_load_is_told(self) -> None:
        html = '<img alt="" src="/media/a.png"><img alt=""><img alt="" src="https://courant.example/b.png">'
        self.assertEqual(examples("image_without_host", html), ["/media/a.png", ""])

    def test_pictures_without_words_are_told(self) -> None:
        picture = '<a href="https://courant.example/"><img alt="News" src="https://courant.example/a.png"></a>'
        self.assertIn("only_images", findings(picture))
        self.assertNotIn("only_images", findings(f"{picture}<p>And a few words to go with it.</p>"))
        self.assertNotIn("only_images", findings("<p>Hi</p>"))


class LinkTests(SimpleTestCase):
    def test_links_without_a_host_are_told(self) -> None:
        for address in (
            "/news",
            "news.html",
            "",
            "http:///news",
            "https://",
            "http:news",
            "//courant.example/news",
            "www.courant.example",
            "courant.example:8080/news",
            "localhost:8000/news",
            "http://[",
            " /news",
            "?page=2",
        ):
            with self.subTest(address=address):
                self.assertEqual(examples("link_without_host", f'<a href="{address}">x</a>'), [address.strip()])

    def test_links_that_need_no_host_and_good_ones_are_fine(self) -> None:
        for address in (
            "#top",
            "mailto:ed@courant.example",
            "tel:0301234567",
            "TEL:030",
            "cid:logo",
            "sms:123",
            "geo:1,2",
            "https://courant.example",
            "HTTPS://COURANT.EXAMPLE/",
            "http://user@courant.example:8080/?a=1&amp;b=2#c",
            "https://münchen.example/",
            "ht&#116;ps://courant.example/",
            "spotify:track:4711x",
        ):
            with self.subTest(address=address):
                self.assertEqual(examples("link_without_host", f'<a href="{address}">x</a>'), [])
        self.assertNotIn("link_without_host", findings('<a name="top">x</a>'))

    def test_addresses_that_only_you_can_reach_are_told(self) -> None:
        for address in (
            "http://localhost:8000/",
            "http://127.0.0.1/",
            "http://[::1]/",
            "https://10.1.2.3/x",
            "http://192.168.1.1",
            "http://intranet/news",
            "https://www.courant.local/",
            "http://newspaper.test/",
        ):
            with self.subTest(address=address):
                self.assertEqual(examples("private_address", f'<a href="{address}">x</a>'), [address])
                self.assertEqual(examples("private_address", f'<img alt="" src="{address}">'), [address])
        for address in ("https://www.courant.example/", "http://8.8.8.8/", "http://[2606:4700::1111]/", "#x", "/x"):
            with self.subTest(address=address):
                self.assertEqual(examples("private_address", f'<a href="{address}">x</a>'), [])

    def test_the_same_link_counts_once_and_only_some_are_shown(self) -> None:
        html = "".join(f'<a href="/{n % 8}">x</a>' for n in range(40))
        found = findings(html)["link_without_host"]
        self.assertEqual((found.number, found.examples), (8, ("/0", "/1", "/2", "/3", "/4")))

    def test_a_long_example_is_cut(self) -> None:
        [shown] = examples("link_without_host", f'<a href="/{"x" * 5000}">x</a>')
        self.assertLess(len(shown), 130)


class WordTests(SimpleTestCase):
    def test_a_subject_that_is_empty_or_very_long(self) -> None:
        self.assertIn("no_subject", findings(subject="{{ missing }}"))
        self.assertEqual(findings(subject="x" * 79)["long_subject"].number, 79)
        self.assertNotIn("long_subject", findings(subject="x" * 78))

    def test_a_text_part_that_is_empty(self) -> None:
        image = '<img src="https://courant.example/a.png">'
        self.assertIn("no_text", findings(image, text=""))
        self.assertIn("no_text", findings("<p>Hello</p>", text="{{ missing }}"))
        self.assertIn("no_words", findings(text="{{ missing }}"))
        self.assertEqual(findings("<p>Hello</p>", text=""), {})

    def test_a_text_part_that_is_missing(self) -> None:
        mail = Preview(subject="Hi", from_email="", text="", html="<p>Hello</p>", attachments=())
        self.assertEqual([finding.code for finding in lint(mail, size=100, bulk=False)], ["no_text"])

    def test_placeholders_that_are_left_are_told_wherever_they_stand(self) -> None:
        brace = "{% templatetag openvariable %} first_name {% templatetag closevariable %}"
        places: tuple[dict[str, Any], ...] = (
            {"subject": f"Hi {brace}"},
            {"text": f"Hi {brace}"},
            {"html": f"<p>Hi {brace}</p>"},
            {"html": f'<a href="https://courant.example/{brace}">x</a>'},
            {"html": f'<img alt="{brace}" src="https://courant.example/x.png">'},
        )
        for words in places:
            with self.subTest(words=words):
                self.assertEqual(findings(**words)["placeholder_left"].examples, ("{{ first_name }}",))
        self.assertEqual(findings(text="Dear *|FNAME|*")["placeholder_left"].examples, ("*|FNAME|*",))
        self.assertNotIn("placeholder_left", findings("<style>@media x{p{color:red}}</style><p>{a} }} {{</p>"))

    def test_what_mail_programs_remove_is_told(self) -> None:
        html = (
            '<form action="https://courant.example/"><input name="x"></form><p onclick="x()">Hi</p>'
            '<a href="javascript:x()">x</a><script>document.write("<img>")</script>'
        )
        found = findings(html)
        self.assertEqual(
            set(found["active_content"].examples), {"<form>", "<input>", "onclick", "<script>", "javascript:x()"}
        )
        self.assertEqual(set(found), {"active_content"})


class SizeTests(SimpleTestCase):
    def test_html_that_gmail_clips_counts_without_its_pictures(self) -> None:
        shell = preview(letter(html="<p></p>").render(to())).html_size
        self.assertNotIn("html_too_large", findings(f"<p>{'x' * (CLIPPED_BYTES - shell)}</p>"))
        found = findings(f"<p>{'x' * (CLIPPED_BYTES - shell + 1)}</p>")
        self.assertEqual(found["html_too_large"].number, 103)
        picture = AttachedFile("a.png", "image/png", bytes(200_000), content_id="a")
        self.assertNotIn("html_too_large", findings('<img alt="" src="cid:a">', attachments=[picture]))

    def test_letters_count_as_the_bytes_they_take(self) -> None:
        self.assertIn("html_too_large", findings(f"<p>{'ж' * 60_000}</p>"))

    def test_a_mail_that_many_servers_refuse(self) -> None:
        self.assertEqual(findings(size=10_000_001)["mail_too_large"].number, 11)
        self.assertNotIn("mail_too_large", findings(size=10_000_000))


class FindingTests(SimpleTestCase):
    def test_a_good_mail_has_none(self) -> None:
        html = f"{GOOD}Unsubscribe</a></p><img alt='' src='https://courant.example/a.png'>"
        self.assertEqual(findings(html, text="", bulk=True), {})

    def test_the_gravest_comes_first(self) -> None:
        found = list(findings('<img src="/a.png">', subject="x" * 200, bulk=True))
        self.assertEqual(found, sorted(found, key=CODES.index))
        self.assertEqual(found[0], "no_unsubscribe_link")

    def test_every_code_has_a_sentence_for_one_and_for_many(self) -> None:
        for code in CODES:
            for number in (1, 7):
                text = Finding(code, number).text
                with self.subTest(code=code, number=number):
                    self.assertRegex(text, r"\A[A-Z0-9].*\.\Z")
                    self.assertNotIn("%", text)

    def test_what_is_stored_comes_back_the_same(self) -> None:
        finding = Finding("link_without_host", 2, ("/a", "/b"))
        self.assertEqual(Finding.from_json(finding.as_json()), finding)

    def test_a_code_of_another_version_is_shown_as_it_is(self) -> None:
        self.assertEqual(Finding("something_new").text, "something_new")

    def test_the_sentence_is_made_in_the_language_of_the_reader(self) -> None:
        finding = Finding("no_subject")
        with translation.override("en"):
            self.assertEqual(finding.text, "The subject is empty.")


class HostileTests(SimpleTestCase):
    @settings(max_examples=300, deadline=None)
    @given(st.text(alphabet="<>/!-='\"&#;:ahrefimgscpt \n\ud800\x00é{}%|*", max_size=200))
    def test_whatever_stands_in_a_mail_there_is_an_answer(self, html: str) -> None:
        mail = Preview(subject=html, from_email="", text=html, html=html, attachments=())
        lint(mail, size=1, bulk=True)

    def test_hostile_html_takes_time_in_proportion_to_its_size(self) -> None:
        for piece in (
            "<a ",
            '<a x="',
            "<!",
            "<!--",
            "</a",
            "<script>",
            "&#9",
            "<",
            "{{",
            "{%",
            "*|",
            "a<a href='",
            "&" * 9,
        ):
            html = piece * 50_000
            mail = Preview(subject="", from_email="", text=html, html=f"{html}>'\">", attachments=())
            with self.subTest(piece=piece):
                began = time.process_time()
                lint(mail, size=1, bulk=True)
                # Quadratic time would be minutes.
                self.assertLess(time.process_time() - began, 5)

    def test_numbers_that_are_no_characters_do_no_harm(self) -> None:
        mail = Preview("", "", "x", f'<a href="/&#{"9" * 5000};x">&#{"9" * 5000};</a>', ())
        self.assertEqual(lint(mail, size=1, bulk=False)[1].examples, ("/x",))
