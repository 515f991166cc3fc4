from __future__ import annotations

from html.parser import HTMLParser

import css_inline
from django.test import SimpleTestCase
from hypothesis import given, settings
from hypothesis import strategies as st

from courant_mail.exceptions import InvalidMail

from .letters import rendered


def shown(html, **values):
    return rendered("html", html=html if html.strip() else "<br>", text="x", sanitize_html=True, **values)


class Seen(HTMLParser):
    """What a browser would make of it: the elements, and the attributes."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        # Read as browsers do first: Python's parser knows nothing of foreign content and of misplaced tags.
        self.feed(css_inline.inline(html, inline_style_tags=False, keep_style_tags=True))

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


class KeptTests(SimpleTestCase):
    def test_what_mail_needs_stays(self):
        html = (
            '<table width="600" cellpadding="0" bgcolor="#fff"><tbody><tr><td align="center" '
            'style="padding:3px;color:red">'
            '<a href="https://x.org/?a=1&amp;b=2" target="_blank"><img src="cid:logo" alt="Logo" width="9"></a>'
            '<font face="Arial">é</font><img src="data:image/png;base64,aGk="></td></tr></tbody></table>'
        )
        self.assertEqual(Seen(shown(html)).tags[5:], Seen(html).tags[3:])  # without html, head, meta and body
        self.assertEqual(Seen(shown(html)).attributes[3:], Seen(html).attributes)

    def test_a_typed_style_sheet_is_inlined_and_dropped(self):
        html = shown("<style>p{color:red;position:fixed}</style><p>x</p>")
        self.assertIn('<p style="color:red">', html)
        self.assertNotIn("<style", html)

    def test_tags_survive(self):
        html = shown(
            "<table>{% for r in l %}<tr><td>{{ r }}</td></tr>{% endfor %}</table>"
            '<p style="color: {{ c }}" title="{{ c }}">'
            "{% if n &gt; 2 %}many{% endif %}{{ x|default:&quot;none&quot; }}</p>",
            l=["a&b"],
            c="red",
            n=3,
        )
        self.assertIn("<tr><td>a&amp;b</td></tr></table>", html.replace("\n", ""))
        self.assertIn("manynone", html)
        self.assertIn('title="red"', html)
        self.assertRegex(html, r"color: ?red")


class DroppedTests(SimpleTestCase):
    def assert_harmless(self, html):
        seen = Seen(html)
        self.assertFalse(
            set(seen.tags)
            & {"script", "iframe", "object", "form", "input", "svg", "math", "style", "base", "link", "x"},
            html,
        )
        for name, value in seen.attributes:
            self.assertFalse(name.startswith("on"), html)
            if name in ("href", "src", "background"):
                scheme = "".join(value.split()).lower().partition(":")[0] if ":" in value else ""
                self.assertNotIn(scheme, ("javascript", "vbscript", "file"), html)
                self.assertFalse(value.lower().startswith("data:text"), html)

    def test_what_acts_goes(self):
        for html in (
            "<script>alert(1)</script><p onclick=x>y</p>",
            "<svg><style><img src=x onerror=alert(1)></style></svg>",
            "<!--[if mso]><script>x</script><![endif]--><![if x]><script>x</script>",
            '<a href="javascript:x">y</a><a href=" java\tscript:x">y</a><img src="data:text/html,x">',
            '<a title="<!--"><!-- x -->" onmouseover="alert(1)">z</a>',
            "<form action=x><input></form><iframe src=x></iframe><base href=x><link rel=stylesheet href=x>",
        ):
            with self.subTest(html=html):
                self.assert_harmless(shown(html))

    def test_template_literals_are_no_way_around(self):
        for html in (
            '{{ "<script>x</script>" }}{{ a|default:"<script>x</script>" }}{% firstof a "<script>x</script>" %}',
            '{% with b="<script>x</script>" %}{{ b }}{{ b|add:"<script>" }}{{ b|linebreaks }}{% endwith %}',
            '{% for c in "<script>" %}{% cycle "<script>" "<x>" %}{% endfor %}{{ l|join:"<script>" }}',
            '<a href="{{ "javascript:alert(1)" }}">x</a><a href="{{ a|default:"javascript:x" }}">x</a>',
            '<a href="{% if 1 %}javascript:x{% endif %}">x</a>',
            '<a href="{{ "java" }}{{ "script:x" }}">x</a><a href="java{{ "script:x" }}">x</a>',
            '<p {{ "onclick=x" }} {% if 1 %}onclick="x"{% endif %}>x</p><{{ "script" }}>x</{{ "script" }}>',
            '{<x></x># <a title="#} <img src=x onerror=alert(1)>">x</a>',
            '{<b></b>{ "x" }}{<!-- -->% if 1 %}{<!-- -->{ a|default:"<script>x</script>" }}',
            "{# <script>x</script> #}{% comment %}<script>x</script>{% endcomment %}",
        ):
            with self.subTest(html=html):
                self.assert_harmless(shown(html, l=["<script>", "<x>"]))

    def test_entities_in_a_tag_cannot_end_it(self):
        for html in ('{{ "x" &#125;&#125;<script>x</script> }}', '{% if "x" %&#125;<script>x</script> %}'):
            with self.subTest(html=html), self.assertRaises(InvalidMail):
                shown(html)
        self.assert_harmless(shown('{{ "x"&#10;|default:"<script>x</script>" }}'.replace("&#10;", "\n")))

    def test_verbatim_cannot_hide_anything(self):
        with self.assertRaises(InvalidMail):
            shown('{% verbatim %}{{ "<script>x</script>" }}{% endverbatim %}')

    def test_a_link_made_of_a_value_stays_a_link(self):
        html = '<a href="{{ u }}">x</a><a href="{{ u }}/tail">x</a><a href="https://x.org/{{ u }}">x</a>'
        links = [value for name, value in Seen(shown(html, u="https://a.org/?b=1&c=2")).attributes if name == "href"]
        self.assertEqual(
            links, ["https://a.org/?b=1&c=2", "https://a.org/?b=1&c=2/tail", "https://x.org/https://a.org/?b=1&c=2"]
        )
        self.assert_harmless(shown(html, u="javascript:alert(1)"))
        self.assert_harmless(shown(html, u=" \x01java\nscript:alert(1)"))

    @settings(max_examples=150, deadline=None)
    @given(
        st.lists(
            st.sampled_from(
                [
                    "<p ",
                    "<a ",
                    ">",
                    "'",
                    '"',
                    "=",
                    "/",
                    " ",
                    "<",
                    "onclick",
                    "href",
                    "title",
                    "javascript:x",
                    "<script>x</script>",
                    "<!--",
                    "-->",
                    "<![if x]>",
                    "<title>",
                    "</title>",
                    "<svg>",
                    "<style>",
                    "</style>",
                    "{{",
                    "}}",
                    "{%",
                    "%}",
                    "{#",
                    "#}",
                    "{",
                    "}",
                    "{{ s }}",
                    '{{ "<script>x</script>" }}',
                    "{% if 1 %}",
                    "{% endif %}",
                    "<textarea>",
                    "</textarea>",
                    "style=",
                    "<table>",
                    "<tr>",
                    "{% comment %}",
                    "{% endcomment %}",
                    "&#123;",
                    "\n",
                    "<math>",
                    "<xmp>",
                    "<noscript>",
                ]
            ),
            max_size=25,
        )
    )
    def test_no_mixture_acts(self, pieces):
        try:
            html = shown("".join(pieces), s="<script>x</script>")
        except InvalidMail:
            return
        self.assert_harmless(html)
