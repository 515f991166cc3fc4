"""A plain text part made from HTML, by html2text. `COURANT_MAIL["HTML_TO_TEXT"]` may name another function."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

from html2text import HTML2Text

from .placeholders import Placeholders
from .scan import Tag, scan

#: what newsletters fill their preview line with, so that nothing else shows up in it: invisible characters and blanks
_INVISIBLE = re.compile("[\u034f\u200b-\u200f\u2007\u2060\ufeff]")
_FILLER = re.compile("[\u00a0\u00ad\u034f\u200b-\u200f\u2007\u2060\ufeff ]{3,}+")
_BLANK_LINES = re.compile(r"\n(?:[^\S\n]*+\n){2,}+")
_ELEMENT = re.compile(r"[a-z][a-z0-9]*").fullmatch
_KEPT_ATTRIBUTES = ("href", "title", "src", "alt", "start")


def html_to_text(html: str) -> str:
    """
    The text of an HTML document: paragraphs, lists and headings as in Markdown, links as ``[words](address)``.

    Lines are not wrapped, layout tables leave no trace, images become their alternative text, and template tags come
    through unchanged, so the text can be rendered with the same merge values.
    """
    placeholders = Placeholders(html)
    converter = HTML2Text(bodywidth=0)
    converter.unicode_snob = True
    converter.ignore_emphasis = True
    converter.ignore_tables = True
    converter.images_to_alt = True
    converter.protect_links = False
    converter.ul_item_mark = "-"
    source = "".join(_plain_html(placeholders.protect_text(html)))
    # Of many blank lines one is left in the end; html2text takes a minute for 100,000 of them.
    text = converter.handle(_BLANK_LINES.sub("\n\n", source))
    text = re.sub(r"^([^\S\n]*+\d*+)\\([.+-])", r"\1\2", text, flags=re.MULTILINE)
    return placeholders.restore(_tidy(text, placeholders))


def _plain_html(source: str) -> Iterator[str]:
    """
    The document in plain and well-formed HTML.

    Python's parser, on which html2text is built, takes hours for what is never closed (CVE-2025-6069).
    """
    for piece in scan(source):
        if isinstance(piece, str):
            yield escape(piece, quote=False).replace("\xa0", "&nbsp;")
        elif _ELEMENT(piece.name):
            yield f"</{piece.name}>" if piece.ends else f"<{piece.name}{_attributes(piece)}>"


def _attributes(tag: Tag) -> str:
    kept = ((name, tag.attributes.get(name)) for name in _KEPT_ATTRIBUTES)
    return "".join(f' {name}="{escape(value)}"' for name, value in kept if value is not None)


def _tidy(text: str, placeholders: Placeholders) -> str:
    text = _FILLER.sub(_without_filler, text)
    text = "\n".join(line.rstrip(" \t\u00a0") for line in text.split("\n"))

    def joined(line: re.Match[str]) -> str:
        tags = placeholders.tags_in(line[0])
        return line[1] if all(tag.startswith("{%") for tag in tags) else line[0]

    # A line of {% if %} alone would leave an empty paragraph behind.
    text = re.sub(rf"^((?:{placeholders.key}\d+z[ ]*)+)\n+", joined, text, flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _without_filler(run: re.Match[str]) -> str:
    return "" if len(_INVISIBLE.findall(run[0])) >= 3 else run[0]
