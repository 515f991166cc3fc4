"""The blanks in a site's templates that each recipient's mail fills for itself."""

from __future__ import annotations

from django.template import Context, Template
from django.test import SimpleTestCase
from hypothesis import given
from hypothesis import strategies as st

from courant_mail.admin.placeholders import Placeholders
from courant_mail.compose.sandbox import new_context, parse
from courant_mail.exceptions import InvalidMail


def site(source, *, html=False, defaults=None, **values):
    """The template of the mail that this template of the site becomes."""
    blanks = Placeholders(defaults or {})
    rendered = Template(source).render(Context({**values, "recipient": blanks.recipient}, autoescape=html))
    return blanks.template_of(rendered, html=html)


def mail(source, **values):
    """What a mail says."""
    context = new_context(values)
    return "".join(str(node.render_annotated(context)) for node in parse(source))


class PlaceholderTests(SimpleTestCase):
    def test_a_value_of_the_recipient_becomes_a_variable_of_the_mail(self):
        self.assertEqual(site("Hello {{ recipient.first_name }}!"), "Hello {{ first_name }}!")
        self.assertEqual(site("{{ recipient.address.city }}"), "{{ address.city }}")
        self.assertEqual(
            site('<a href="{{ recipient.unsubscribe_url }}">', html=True), '<a href="{{ unsubscribe_url }}">'
        )

    def test_a_default_goes_with_it(self):
        template = site("Hello {{ recipient.first_name }}", defaults={"first_name": 'dear "reader" \\ & friend'})
        self.assertEqual(mail(template, first_name="Ann"), "Hello Ann")
        self.assertEqual(mail(template), 'Hello dear "reader" \\ & friend')

    def test_a_default_is_escaped_in_html(self):
        template = site("Hello {{ recipient.first_name }}", html=True, defaults={"first_name": '"me" & <you>'})
        self.assertEqual(mail(template), "Hello &quot;me&quot; &amp; &lt;you&gt;")

    def test_a_default_that_would_open_a_tag_is_refused(self):
        for default in ("a }} b", "a %} b", "two\nlines"):
            with self.assertRaisesMessage(InvalidMail, "merge_defaults['first_name']"):
                site("{{ recipient.first_name }}", defaults={"first_name": default})

    def test_the_site_s_own_braces_stay_what_they_are(self):
        for words in (
            "{{ first_name }} {% load x %} {# no #}",
            "{",
            "{{{",
            "{{{% x %}}}",
            "ends with {",
            "{% templatetag openbrace %}",
            "{{",
            "}} %} #} }",
        ):
            with self.subTest(words):
                template = site("{{ words }}{{ recipient.name }}{{ words }}", words=words)
                self.assertEqual(mail(template, name="Ann", first_name="wrong"), f"{words}Ann{words}")

    @given(st.text(alphabet="{}%# ax\n", max_size=12), st.text(alphabet="{}%# ax\n", max_size=12))
    def test_no_text_of_the_site_can_become_a_tag(self, before, after):
        template = site("{{ before }}{{ recipient.name }}{{ after }}", before=before, after=after)
        self.assertEqual(mail(template, name="Ann", a="wrong", x="wrong"), f"{before}Ann{after}")

    def test_style_sheets_stay_readable_for_tools(self):
        html = "<style>@media print{#nav{display:none}}</style><p>{{ words }}</p>"
        template = site("{{ page|safe }}", html=True, page=html)
        self.assertIn("@media print{ #nav{display:none}}", template)
        self.assertNotIn("templatetag", template.partition("</style>")[0])
        self.assertIn("<p>{{ words }}</p>", mail(template, words="wrong"))

    def test_nothing_can_be_asked_about_what_is_not_known_yet(self):
        for source in (
            "{% if recipient.first_name %}x{% endif %}",
            "{% if x or recipient.first_name %}x{% endif %}",
            "{{ recipient.first_name|default:'x' }}",
            "{% for name in recipient.names %}x{% endfor %}",
            "{{ recipient.first_name|upper }}",
            "{{ recipient.first_name|length }}",
            "{{ recipient.first_name|truncatechars:30 }}",
            "{{ recipient }}",
        ):
            with self.subTest(source), self.assertRaises(InvalidMail):
                site(source)

    def test_the_words_cannot_be_guessed(self):
        one, other = Placeholders({}), Placeholders({})
        self.assertNotEqual(one.word_for("name"), other.word_for("name"))
        self.assertEqual(one.word_for("name"), one.word_for("name"))
        self.assertNotEqual(one.word_for("name"), one.word_for("email"))
        self.assertTrue(one.word_for("name").isalnum())
