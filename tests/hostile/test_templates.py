"""Templates that will not end, grow without end, or reach for what is none of their business."""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.template.base import tag_re
from django.test import SimpleTestCase, tag
from hypothesis import example, given
from hypothesis import strategies as st

from courant_mail.compose.limits import MAX_NESTED_TAGS, MAX_TAG_LENGTH, MAX_TAGS
from courant_mail.compose.tags import split_tags
from courant_mail.exceptions import InvalidMail
from tests.compose.letters import letter, rendered, to
from tests.examples import examples

MB = 1024 * 1024
#: values as large as a recipient may bring along
LONG = "ab " * 20_000
LIST = list(range(9_000))


@tag("hostile")
class MonsterTests(SimpleTestCase):
    def refused(self, words: str, source: str, **values: Any) -> None:
        """The mail is refused with these words, soon."""
        began = time.thread_time()
        with self.assertRaisesMessage(InvalidMail, words):
            letter(max_bytes=3 * MB, text=source).render(to(**values))
        self.assertLess(time.thread_time() - began, 3.0)

    def test_loops_end(self) -> None:
        inner = "{% for a in l %}" * 3 + "x" + "{% endfor %}" * 3
        self.refused("10,000 turns", inner, l=LIST)
        self.refused("10,000 turns", "{% for a in s %}{% for b in s %}{% endfor %}{% endfor %}", s=LONG)

    def test_a_template_that_only_computes_ends(self) -> None:
        filters = "title|upper|slugify|title|lower|truncatewords:9999|linebreaks"
        heavy = f"{{% if s|{filters} %}}{{% endif %}}"
        self.refused("of computing", f"{{% for a in l %}}{heavy}{{% endfor %}}", l=LIST, s=LONG)
        self.refused("of computing", "{% for a in l %}" + "{% if a %}{% endif %}" * 3_000 + "{% endfor %}", l=LIST)

    def test_what_grows_without_end_is_refused_before_it_is_there(self) -> None:
        self.refused("too large", "{{ s }}" * 9_000, s=LONG)
        self.refused("too large", "{% for a in l %}{{ s }}{% endfor %}", l=LIST, s=LONG)
        self.refused("too large", "{% for a in l %}" + "x" * 9_000 + "{% endfor %}", l=LIST)
        self.refused("too large", "{% if s %}" + "{{ s }}" * 9_000 + "{% endif %}", s=LONG)
        self.refused("too large", "{% for a in l %}{% firstof s %}{% endfor %}", l=LIST, s=LONG)
        self.refused("too large", "{% with x=s|upper %}" * 90 + "x" + "{% endwith %}" * 90, s=LONG)
        self.refused("longer than", "{{ x|add:x" + "|add:x" * 18 + " }}", x=LONG)
        with self.assertRaisesMessage(InvalidMail, "subject"):
            letter(subject="{% for a in l %}{{ s }}{% endfor %}").render(to(l=LIST, s=LONG))

    def test_templates_that_are_monsters_themselves(self) -> None:
        self.refused(f"{MAX_TAGS:,} template tags", "{{ x }}" * (MAX_TAGS + 1))
        self.refused(f"{MAX_TAG_LENGTH:,} characters", "{{ x|default:'" + "y" * MAX_TAG_LENGTH + "' }}")
        for start, end in (("{% if x %}", "{% endif %}"), ("{% for y in x %}", "{% endfor %}")):
            for depth in (MAX_NESTED_TAGS, 3 * MAX_NESTED_TAGS, 3000):
                self.refused("nested too deeply", start * depth + "z" + end * depth)
        depth = MAX_NESTED_TAGS - 1
        self.assertEqual(rendered(text="{% if x %}" * depth + "z" + "{% endif %}" * depth, x=1), "z\n")

    def test_braces_that_are_never_closed_take_no_longer_than_others(self) -> None:
        # Django's own lexer looks from each of them to the end of the line: hours for a megabyte.
        for piece in ("{{", "{%", "{#", "{{ x|", "{{%", "{{ x }} {%"):
            source = piece * (300_000 // len(piece) if "}" not in piece else 9_000)
            began = time.thread_time()
            letter(text=source)
            self.assertLess(time.thread_time() - began, 3.0, piece)

    @examples(300)
    @given(st.text(alphabet="{}%# \nx", max_size=60))
    @example("{{ a }}{{{ b }}}{%%}{%}{#}{{{%}}{#x#}\n{{\n}}")
    def test_tags_are_those_that_django_sees(self, source: str) -> None:
        self.assertEqual(split_tags(source), tag_re.split(source))


@tag("hostile")
class ReachTests(SimpleTestCase):
    def test_nothing_leads_to_settings_files_or_objects(self) -> None:
        class Treasure:
            secret = settings.SECRET_KEY

            def __str__(self) -> str:
                return "shown"

        thing = Treasure()
        values: dict[str, Any] = {"o": thing, "d": {"k": thing}, "l": [thing], "f": open, "t": Treasure}
        paths = (
            "o.secret o.__class__ d.k.secret l.0.secret f.__globals__ t.secret o.__init__.__globals__ settings.DEBUG "
            "request forloop block.super self True.__class__ d.items d.__class__ email.__class__ name.format l.append "
            "unsubscribe_url.encode messages perms user csrf_token"
        )
        for path in paths.split():
            for source in (f"{{{{ {path} }}}}", f"{{% if {path} %}}{{{{ {path} }}}}{{% endif %}}"):
                with self.subTest(source):
                    try:
                        text = rendered(text=f"[{source}]", **values)
                    except InvalidMail as error:
                        text = str(error)
                    self.assertNotIn(settings.SECRET_KEY, text)
                    self.assertNotIn("built-in", text)
                    self.assertNotIn("<class", text)
        for statement in (
            "include '/etc/passwd'",
            "ssi '/etc/passwd'",
            "load log",
            "extends 'x'",
            "debug",
            "url 'admin:index'",
        ):
            for part in ("subject", "text", "html"):
                with (
                    self.subTest(statement=statement, part=part),
                    self.assertRaisesMessage(InvalidMail, "is not possible here"),
                ):
                    letter(**{part: f"{{% {statement} %}}"})
