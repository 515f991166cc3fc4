"""The translations: every text has one, it says the same with the same placeholders, and it is compiled."""

from __future__ import annotations

import ast
import gettext
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.test import SimpleTestCase

PACKAGE = Path(__file__).resolve().parent.parent / "courant_mail"
LANGUAGES = ("de", "fr")

#: what a translation must not lose: %(name)s, {name}, {{ name }}, tags, entities
_PLACEHOLDER = re.compile(r"%\(\w+\)[.\d]*[a-z]|%%|\{\{.*?\}\}|\{\w*\}|</?\w[^>]*>|&\w+;")
_KEYWORD = re.compile(r"(msgctxt|msgid_plural|msgid|msgstr(?:\[\d\])?) (.*)")


@dataclass(frozen=True, slots=True)
class Entry:
    """A text, its plural where it has one, and its translations: one, or one for each kind of number."""

    context: str
    text: str
    plural: str
    translations: tuple[str, ...]
    fuzzy: bool


def catalogue(language: str) -> Path:
    return PACKAGE / "locale" / language / "LC_MESSAGES" / "django.po"


def entries(language: str) -> list[Entry]:
    """The entries of a catalogue without its header."""
    found = [_entry(block) for block in catalogue(language).read_text(encoding="utf-8").split("\n\n")]
    return [entry for entry in found if entry.text]


def compiled(language: str) -> gettext.GNUTranslations:
    with catalogue(language).with_suffix(".mo").open("rb") as file:
        return gettext.GNUTranslations(file)


def _entry(block: str) -> Entry:
    parts: dict[str, str] = {}
    keyword = ""
    for line in block.splitlines():
        if line.startswith("#"):
            continue
        quoted = line
        if match := _KEYWORD.fullmatch(line):
            keyword, quoted = match.groups()
        parts[keyword] = parts.get(keyword, "") + ast.literal_eval(quoted)
    fuzzy = any(line.startswith("#,") and "fuzzy" in line for line in block.splitlines())
    translations = tuple(text for name, text in parts.items() if name.startswith("msgstr"))
    return Entry(parts.get("msgctxt", ""), parts["msgid"], parts.get("msgid_plural", ""), translations, fuzzy)


def placeholders(text: str) -> list[str]:
    return sorted(_PLACEHOLDER.findall(text))


class CatalogueTests(SimpleTestCase):
    def test_every_language_is_tested(self) -> None:
        self.assertEqual(sorted(path.name for path in (PACKAGE / "locale").iterdir()), sorted(LANGUAGES))

    def test_every_text_is_translated(self) -> None:
        for language, entry in self.everything():
            with self.subTest(language, text=entry.text):
                self.assertFalse(entry.fuzzy)
                self.assertEqual([text for text in entry.translations if not text.strip()], [])
                self.assertEqual(len(entry.translations), 2 if entry.plural else 1)

    def test_all_languages_have_the_same_texts(self) -> None:
        first, *others = (
            {(entry.context, entry.text, entry.plural) for entry in entries(language)} for language in LANGUAGES
        )
        for texts in others:
            self.assertEqual(texts, first)

    def test_placeholders_and_tags_survive_translation(self) -> None:
        for language, entry in self.everything():
            for translation in entry.translations:
                with self.subTest(language, translation=translation):
                    # The form for one may name the number, or say it in words.
                    wanted = [placeholders(entry.plural or entry.text)]
                    if entry.plural and translation == entry.translations[0]:
                        wanted.append(placeholders(entry.text))
                    self.assertIn(placeholders(translation), wanted)

    def test_white_space_around_a_text_survives_translation(self) -> None:
        for language, entry in self.everything():
            for translation in entry.translations:
                with self.subTest(language, translation=translation):
                    self.assertEqual(translation != translation.strip(), entry.text != entry.text.strip())

    def test_what_is_compiled_is_what_is_written(self) -> None:
        for language in LANGUAGES:
            translations = compiled(language)
            for entry in entries(language):
                with self.subTest(language, text=entry.text):
                    self.assertEqual(tuple(_told(translations, entry)), entry.translations)

    def test_no_text_stands_inside_an_f_string(self) -> None:
        """There xgettext does not find it."""
        for path in sorted(PACKAGE.rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    with self.subTest(path.name, line=node.lineno):
                        self.assertEqual(list(_calls(node)), [])

    def everything(self) -> Iterator[tuple[str, Entry]]:
        for language in LANGUAGES:
            found = entries(language)
            self.assertGreater(len(found), 500)
            yield from ((language, entry) for entry in found)


def _told(translations: gettext.GNUTranslations, entry: Entry) -> Iterator[str]:
    if not entry.plural:
        yield translations.pgettext(entry.context, entry.text) if entry.context else translations.gettext(entry.text)
        return
    for number in (1, 2):
        if entry.context:
            yield translations.npgettext(entry.context, entry.text, entry.plural, number)
        else:
            yield translations.ngettext(entry.text, entry.plural, number)


def _calls(node: ast.AST) -> Iterator[int]:
    """The lines within the node in which something is translated."""
    names = {"_", "gettext", "ngettext", "pgettext", "npgettext"}
    for call in ast.walk(node):
        match call:
            case ast.Call(func=ast.Name(id=name)) if name.removesuffix("_lazy") in names:
                yield call.lineno
