from __future__ import annotations

import re
from pathlib import Path
from unittest import skipUnless

from django.template.base import tag_re
from django.test import SimpleTestCase
from hypothesis import given, settings
from hypothesis import strategies as st

from courant_mail.compose.html import prepare_html, tags_as_typed
from courant_mail.compose.placeholders import Placeholders
from courant_mail.compose.preview import preview
from courant_mail.compose.text import html_to_text
from courant_mail.exceptions import InvalidMail

from .letters import letter, rendered, to

MAILS = Path(__file__).resolve().parents[3] / "shared" / "mails"
#: what HTML and templates are made of, in any order
_PIECES = [
    *("<p>", "</p>", "<td ", ">", "'", '"', "=", "a", " ", "style=", "<!--", "-->", "<![if x]>", "<title>", "</title>"),
    *(
        "{{ a }}",
        "{% if a %}",
        "{% endif %}",
        "{{ b|default:'\"' }}",
        "{# c #}",
        "<",
        "/",
        "zq0z",
        "<tbody>",
        "<h{{ n }}",
    ),
]
STYLE = "<style>td{color:red}p{margin:0}</style>"


class DocumentTests(SimpleTestCase):
    def test_a_fragment_becomes_a_document(self):
        html = prepare_html("<p>é {{ x }}</p>")
        self.assertTrue(html.startswith("<!DOCTYPE html>"))
        self.assertIn("<body>\n<p>é {{ x }}</p>\n</body>", html)

    def test_trusted_html_without_a_style_sheet_stays_as_it_is(self):
        html = "<html><body bgcolor=red><![if !mso]><P title='a'>&copy;<o:p></P><![endif]></body></html>"
        self.assertEqual(prepare_html(html), html)

    def test_rules_are_inlined_and_kept(self):
        html = prepare_html("<style>p{color:red} @media print{p{color:blue}} a:hover{color:green}</style><p>x</p>")
        self.assertIn('<p style="color: red;">', html)
        self.assertIn("@media print{p{color:blue}}", html)
        self.assertIn("a:hover", html)

    def test_nothing_is_loaded(self):
        sheet = Path(__file__).with_name("sheet.css")
        sheet.write_text("p{color:red}")
        self.addCleanup(sheet.unlink)
        html = prepare_html(
            f'<html><head><link rel="stylesheet" href="{sheet}"><style>b{{x:y}}</style></head><p>x</p></html>'
        )
        self.assertIn("<p>x</p>", html)
        self.assertIn('<link rel="stylesheet"', html)

    def test_outlooks_comments_stay(self):
        comment = "<!--[if mso]><table><tr><td>{{ x }}<![endif]-->"
        html = prepare_html(f"{STYLE}{comment}<![if !mso]><p>y</p><![endif]>")
        self.assertIn(comment, html)
        self.assertIn("<![if !mso]>", html)
        self.assertIn("<![endif]>", html)


class TemplateTagTests(SimpleTestCase):
    def test_tags_survive_wherever_they_stand(self):
        for piece in (
            "<p>{{ a }}</p>",
            "<table>{% for r in rows %}<tr><td>{{ r }}</td></tr>{% endfor %}</table>",
            '<table><tbody>{% if a %}<tr><td colspan="2">x</td></tr>{% endif %}</tbody></table>',
            '<a href="{{ url }}?a=1&amp;b={{ b|default:"&lt;" }}">x</a>',
            "<p title=\"{{ a|default:'x>y' }}\">x</p>",
            '<p title="{{ a|default:"x>y" }}">x</p>',
            "<select>{% for o in os %}<option>{{ o }}</option>{% endfor %}</select>",
            "<title>{{ a }} &amp; b</title>",
            "<!-- {{ a }} {% if b --> %}x{% endif %} -->",
            '<p style="color: {{ c }}">x</p>',
            '<p style="width: {{ w }}px;margin: {% if a %}1px{% else %}2px{% endif %}">x</p>',
            "{% with a=b %}<p>x</p>{% endwith %}",
        ):
            with self.subTest(piece=piece):
                html = prepare_html(STYLE + piece)
                self.assertEqual(tag_re.findall(html), tag_re.findall(piece))

    def test_rows_in_a_loop_stay_in_their_table(self):
        html = rendered(
            "html", html=STYLE + "<table>{% for r in l %}<tr><td>{{ r }}</td></tr>{% endfor %}</table>", l=[1, 2]
        )
        cells = '<tr><td style="color: red;">1</td></tr><tr><td style="color: red;">2</td></tr>'
        self.assertIn(f"<table>{cells}</table>", html.replace("\n", ""))

    def test_the_author_s_own_tbody_stays(self):
        table = '<table><tbody class="x"><tr><td><table><tr><th>x</th></tr></table></td></tr></tbody></table>'
        html = prepare_html("<style>b{color:red}</style>" + table)
        self.assertIn(table, html)
        comment = "<!--[if mso]><table><tbody><tr><td><![endif]-->"
        self.assertIn(comment, prepare_html(f"{STYLE}<table><tr><td>{comment}x</td></tr></table>"))

    def test_conditional_attributes_stay_conditional(self):
        source = STYLE + '<table><tr><td{% if a %} class="x" id=y{% endif %} width="3">c</td></tr></table>'
        self.assertRegex(rendered("html", html=source, a=1), r'<td\b[^>]*class="x"')
        self.assertNotRegex(rendered("html", html=source, a=0), r'<td\b[^>]*class="x"')
        self.assertRegex(rendered("html", html=source, a=0), r'<td\b[^>]*style="color: red;"')

    def test_conditional_declarations_stay_conditional(self):
        source = STYLE + '<p style="font-size:3px;{% if a %}margin:9px{% endif %};{{ b }}">x</p>'
        self.assertRegex(
            rendered("html", html=source, a=1, b="top:1px"), r"margin: ?0;font-size:3px;margin:9px;top:1px"
        )
        self.assertNotIn("margin:9px", rendered("html", html=source, a=0))

    def test_style_attributes_that_are_no_declarations_harm_nobody(self):
        html = prepare_html(STYLE + "<p style='nonsense'>x</p><p style=\"color:blue;*zoom:1\">y</p>")
        self.assertIn('style="margin: 0;nonsense"', html)
        self.assertIn("*zoom:1", html)

    def test_a_tag_name_may_be_a_variable(self):
        html = rendered("html", html=STYLE + "<h{{ n }}>x</h{{ n }}><{{ t }} class=y>z</{{ t }}>", n=2, t="p")
        self.assertIn("<h2>x</h2>", html)
        self.assertRegex(html, r'<p class="?y"?>z</p>')

    @settings(max_examples=80, deadline=None)
    @given(
        st.lists(
            st.sampled_from(_PIECES),
            max_size=25,
        )
    )
    def test_protecting_and_restoring_lose_no_tag(self, pieces):
        source = "".join(pieces)
        placeholders = Placeholders(source)
        restored = placeholders.restore(placeholders.merge_styles(placeholders.protect(source)))
        tags = [tag for tag in tag_re.findall(source) if not tag.startswith("{#")]
        self.assertEqual(tag_re.findall(restored), tags)


class TextTests(SimpleTestCase):
    def test_the_text_reads_like_a_mail(self):
        text = html_to_text(
            "<style>x</style><title>no</title><h1>Head</h1>"
            "<p>One <b>two</b> <a href='{{ url }}'>link</a> {{ my_name|default:\"a_b\" }}</p>"
            "<ul>{% for i in l %}<li>{{ i }}</li>{% endfor %}</ul>"
            "<table><tr><td>1. cell</td></tr></table><img src=x alt=Logo>"
        )
        self.assertEqual(
            re.sub(r"\n+", "\n", text),
            '# Head\nOne two [link]({{ url }}) {{ my_name|default:"a_b" }}\n'
            "{% for i in l %}  - {{ i }}\n{% endfor %}1. cell\nLogo\n",
        )

    def test_an_untaken_branch_leaves_no_hole(self):
        text = rendered(text="", html="<p>a</p>{% if x %}<p>b</p>{% endif %}<p>c</p>")
        self.assertEqual(text, "a\n\nc\n")

    def test_a_preview_line_s_filler_goes(self):
        text = html_to_text("<p>Preview" + "&zwnj;&nbsp;" * 50 + "</p><p>Body</p>")
        self.assertEqual(text, "Preview\n\nBody\n")

    def test_html_that_is_never_closed_is_read_once(self):
        # A hundred times as much takes a hundred times as long; with a second look at every "<" it would be hours.
        for count, pieces in ((9_000, ("<a ", '<a b="', "{{ a }}<")), (100_000, ("<!-- ", "</", "<!"))):
            for piece in pieces:
                with self.subTest(piece):
                    letter(text="x", html="<p>Hello</p>" + piece * count, sanitize_html=True)

    def test_numbers_that_are_no_characters_are_left_out_of_template_tags(self):
        self.assertEqual(tags_as_typed("{{ a&#" + "9" * 5000 + "; }}"), "{{ a }}")

    def test_a_tag_torn_apart_is_explained(self):
        with self.assertRaisesMessage(InvalidMail, "Give the mail a text"):
            letter(text="", html="<html><head>{% if a %}</head><body>x{% endif %}</body></html>")


@skipUnless(MAILS.is_dir(), f"the newsletters of other people are not at {MAILS}")
class NewsletterTests(SimpleTestCase):
    def test_real_newsletters_keep_everything(self):
        for path in sorted(MAILS.glob("*.html")):
            with self.subTest(path.name):
                source = path.read_text()
                end = source.rindex("</body>")
                source = source[:end] + '<p class="x">Dear {{ name }}</p>' + source[end:]
                shown = preview(letter(text="", html=source, max_bytes=500_000).render(to(name="Zoë")))
                self.assertIn("Dear Zoë", shown.html)
                self.assertIn("Dear Zoë", shown.text)
                for pattern in (
                    r"<!--\[if.*?-->",
                    r"@media[^{]*",
                    r"<(?:table|td|img|a)\b",
                    r'(?:href|src)="[^"]*"',
                    r"</style>",
                ):
                    self.assertEqual(len(re.findall(pattern, shown.html)), len(re.findall(pattern, source)), pattern)
                self.assertGreater(shown.html.count("style="), source.count("style="))
