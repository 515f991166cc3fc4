from __future__ import annotations

import re
from typing import Any

from django.template import Context, Engine
from django.test import SimpleTestCase
from hypothesis import given, settings
from hypothesis import strategies as st

from courant_mail.exceptions import InvalidMail

from .letters import letter, rendered, to


class MergeTests(SimpleTestCase):
    def test_html_is_escaped_and_text_is_not(self):
        self.assertEqual(rendered(text="{{ x }}", x="O'Neil <&>"), "O'Neil <&>\n")
        self.assertIn("<p>O&#x27;Neil &lt;&amp;&gt;</p>", rendered("html", html="<p>{{ x }}</p>", x="O'Neil <&>"))

    def test_a_missing_value_is_empty_and_may_have_a_default(self):
        self.assertEqual(rendered(text="[{{ x }}][{{ a.b.c }}][{{ x|default:'reader' }}]"), "[][][reader]\n")

    def test_the_letter_brings_email_name_and_unsubscribe_url(self):
        data = letter(text="{{ email }} {{ name }} {{ unsubscribe_url }}").render(
            to("Ann@example.org", "Ann", email="x", unsubscribe_url="https://x.example/u")
        )
        self.assertIn(b"Ann@example.org", data.partition(b"\r\n\r\n")[2])
        self.assertIn(b"https://x.example/u", data.partition(b"\r\n\r\n")[2])

    def test_dates_that_json_keeps_as_text_are_dates(self):
        self.assertEqual(
            rendered(text="{{ d|date:'j.n.Y' }} {{ d|time:'H:i' }}", d="2024-05-01T09:05:00"), "1.5.2024 09:05\n"
        )
        self.assertEqual(rendered(text="[{{ d|date:'Y' }}]", d="no date"), "[]\n")

    def test_loops_and_conditions_say_what_django_says(self):
        source = (
            "{% for a, b in rows %}{{ forloop.counter }}/{{ forloop.revcounter0 }} {% cycle 'x' 'y' %} {{ a }}={{ b }};"
            "{% empty %}none{% endfor %}"
            "{% for r in rows reversed %}{% for c in r %}{{ forloop.parentloop.counter }}{{ c }}"
            "{% endfor %}{% endfor %}"
            "{% if n > 2 and not z %}big{% elif n %}small{% else %}no{% endif %}"
            "{% with m=n|add:1 %}{{ m }}{% endwith %}{% firstof z n %}{# gone #}{% comment %}gone{% endcomment %}"
        )
        cases: tuple[dict[str, Any], ...] = ({}, {"rows": [["a", "<"], ["é", 2]], "n": 3}, {"rows": [], "n": 1})
        for values in cases:
            with self.subTest(values=values):
                expected = Engine().from_string(source).render(Context(values, autoescape=False))
                self.assertEqual(rendered(text=source + ".", **values), expected + ".\n")

    @settings(max_examples=60, deadline=None)
    @given(st.text(max_size=300), st.text(alphabet="\r\n =.\tä", max_size=200))
    def test_any_value_arrives(self, one, two):
        text = rendered(text="{{ a }}|{{ b }}|{{ a }}", a=one, b=two)
        one, two = (re.sub("\r\n?", "\n", value).encode("utf-8", "replace").decode() for value in (one, two))
        self.assertEqual(text, f"{one}|{two}|{one}\n")


class SandboxTests(SimpleTestCase):
    def refused(self, **given):
        with self.assertRaises(InvalidMail) as caught:
            letter(**given)
        return str(caught.exception)

    def test_nothing_can_be_loaded_or_called(self):
        for tag in (
            "include 'x'",
            "extends 'x'",
            "load i18n",
            "url 'x'",
            "debug",
            "now 'Y'",
            "csrf_token",
            "lorem 9",
            "autoescape off",
            "verbatim",
            "filter safe",
            "spaceless",
            "regroup a by b as c",
            "widthratio 1 2 3",
            "querystring",
            "ssi '/etc/passwd'",
            "partial x",
        ):
            with self.subTest(tag=tag):
                self.assertIn("text, line 2", self.refused(text=f"a\n{{% {tag} %}}"))
                self.assertIn("html, line 2", self.refused(html=f"a\n{{% {tag} %}}"))

    def test_no_filter_explodes_or_trusts(self):
        for name in (
            "safe",
            "safeseq",
            "ljust:9",
            "rjust:9",
            "center:9",
            "stringformat:'s'",
            "wordwrap:9",
            "pprint",
            "addslashes",
            "dictsort:'a'",
            "random",
            "json_script",
            "striptags",
            "unordered_list",
            "urlize",
        ):
            with self.subTest(name=name):
                self.assertIn("filter", self.refused(text=f"{{{{ a|{name} }}}}"))

    def test_attributes_and_methods_are_out_of_reach(self):
        class Thing:
            secret = "secret"

            def __call__(self):
                return "called"

        for source in ("{{ x.secret }}", "{{ x.__class__ }}", "{{ s.upper }}", "{{ d.items }}", "{{ l.append }}"):
            with self.subTest(source=source):
                try:
                    self.assertEqual(rendered(text=f"[{source}]", x=Thing(), s="s", d={}, l=[]), "[]\n")
                except InvalidMail as error:
                    self.assertIn("underscore", str(error))
        self.assertNotIn("called", rendered(text="{{ x }}", x=Thing()))

    def test_keys_and_indexes_are_found(self):
        self.assertEqual(rendered(text="{{ a.b.1.c }}", a={"b": [0, {"c": "found"}]}), "found\n")

    def test_loops_have_a_budget(self):
        many = list(range(200))
        source = "{% for a in x %}{% for b in x %}{{ b }}{% endfor %}{% endfor %}"
        with self.assertRaisesMessage(InvalidMail, "10,000 turns"):
            letter(text=source).render(to(x=many))
        body = "x" * 10_000
        with self.assertRaisesMessage(InvalidMail, "too large"):
            letter(text=f"{{% for a in x %}}{body}{{% endfor %}}", max_bytes=100_000).render(to(x=many))

    def test_values_cannot_double_without_end(self):
        doubled = "{% with x=x|add:x %}" * 60 + "{{ x }}" + "{% endwith %}" * 60
        with self.assertRaisesMessage(InvalidMail, "longer than"):
            letter(text=doubled, max_bytes=10_000_000).render(to(x="ab"))
        self.assertEqual(rendered(text="[{{ x|floatformat }}]", x="1e999999999"), "[]\n")
        for source in ("{{ x|floatformat:999999999 }}", "{{ d|date:x }}", "{{ l|join:x }}"):
            with self.subTest(source=source), self.assertRaises(InvalidMail):
                values: dict[str, Any] = {"x": "r" * 600_000, "d": "2024-05-01", "l": ["a"] * 5}
                letter(text=source).render(to(**values))

    def test_a_mistake_names_its_part_and_line(self):
        self.assertIn("text, line 3", self.refused(text="a\nb\n{% if x %}"))
        self.assertIn("subject, line 1", self.refused(subject="{{ a|nothing }}"))
        self.assertIn("html, line 2", self.refused(html="<style>p{color:red}</style>\n<p>{{ x y }}</p>"))
        self.assertIn("nested", self.refused(text="{% if x %}" * 3000 + "{% endif %}" * 3000))

    def test_a_value_that_cannot_be_rendered_harms_only_its_own_mail(self):
        mail = letter(text="{% for a, b in rows %}{{ a }}{% endfor %}")
        with self.assertRaisesMessage(InvalidMail, "text: it cannot be rendered"):
            mail.render(to(rows=[1, 2]))
        self.assertIn(b"1", mail.render(to(rows=[[1, 2]])))
