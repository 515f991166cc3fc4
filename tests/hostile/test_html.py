"""HTML that would keep a process busy for hours, or end it."""

from __future__ import annotations

import time
from typing import Any

from django.test import SimpleTestCase, tag

from courant_mail.compose.limits import MAX_ELEMENTS, MAX_NESTED_ELEMENTS
from courant_mail.exceptions import InvalidMail
from tests.compose.letters import letter, part, rendered, to

#: how many pieces → what took minutes when there were so many of it
PIECES = {
    250: [
        "<title >x",
        "<title ",
        "<div>",
        "<table><tr><td>",
        "<ul><li>",
        "<blockquote>",
        "<pre> ",
        "<q>",
        "<dl><dd>",
        "<font>",
        "<a x='",
    ],
    2_500: ["<a ", "<a href='", '<a title="', "<p>", "<li>", "<td>", "<br>", "<b></b>", "<!-- -->"],
    10_000: ["\n", " \n", "\t", "\u00a0", "\u200b", "&nbsp;", "&", "&#", "</", "<!", "<!--", "<?", "</a", "\n1."],
}


@tag("hostile")
class MonsterTests(SimpleTestCase):
    def each_way(self, html: str) -> tuple[dict[str, Any], ...]:
        """As trusted HTML, with a style sheet, as typed by people; the text is made from it."""
        styled = f"<style>p {{ color: red }}</style>{html}"
        return ({"html": html}, {"html": styled}, {"html": html, "sanitize_html": True})

    def test_nothing_takes_longer_than_its_length_deserves(self) -> None:
        for count, pieces in PIECES.items():
            for piece in pieces:
                for words in self.each_way(piece * count):
                    began = time.thread_time()
                    letter(text="", **words)
                    self.assertLess(time.thread_time() - began, 3.0, (piece, list(words)))

    def test_elements_inside_each_other_are_refused_before_they_end_the_process(self) -> None:
        for element in ("<div>", "<b>", "<x>", "<table><tr><td>", "<ul><li>", "<svg>", "<DIV CLASS=x>\n"):
            for count in (MAX_NESTED_ELEMENTS + 1, 50_000):
                for words in self.each_way("<p>Hello</p>\n" + element * count):
                    with self.subTest(element=element, count=count), self.assertRaisesMessage(InvalidMail, "html"):
                        letter(text="", **words)

    def test_more_elements_than_any_mail_has_are_refused_however_they_stand(self) -> None:
        many = MAX_ELEMENTS + 1
        for source in ("<p>x</p>" * many, "<div></div>" * many, f"<style><!--</style>{'<i>' * many}-->"):
            with self.assertRaisesMessage(InvalidMail, f"{MAX_ELEMENTS:,} elements"):
                letter(text="x", html=source)

    def test_what_mails_are_made_of_is_not_refused(self) -> None:
        nested = "<table><tr><td>" * 60 + "{{ x }}" + "</td></tr></table>" * 60
        rows = "<tr><td>a<p>b<li>c" * 1_000
        unclosed = "<p>one<p>two<br><hr><img src=x>" * 500
        for source in (nested, f"<table>{rows}</table>", unclosed, "<ul>" + "<li>a" * 1_000 + "</ul>"):
            for words in self.each_way(source):
                letter(text="", **words)
        self.assertIn(">here<", part(letter(html=nested).render(to(x="here")), "html"))

    def test_the_text_of_odd_html_is_what_a_reader_would_see(self) -> None:
        for source, text in (
            ("<p>a &lt;b&gt; &amp;amp; c</p>", "a <b> &amp; c\n"),
            ("<p>a&nbsp;b</p><!-- no --><script>no</script><style>no</style>", "a\u00a0b\n"),
            ("<p title='>'>a</p><a href='{{ url }}?a=1&amp;b=2'>link</a>", "a\n\n[link](https://x.org/?a=1&b=2)\n"),
            ("<textarea>no</textarea><p>a < b</p>", "a < b\n"),
            ("<pre>a\n\n\n\n\nb</pre>", "a\n\n    b\n"),
            ("<p>1. one</p><p>- two</p>", "1. one\n\n- two\n"),
        ):
            with self.subTest(source):
                self.assertEqual(rendered(text="", html=source, url="https://x.org/").lstrip(), text)
