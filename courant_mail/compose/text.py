"""A plain text part made from HTML, by html2text. `COURANT_MAIL["HTML_TO_TEXT"]` may name another function."""

from __future__ import annotations

import re

from html2text import HTML2Text

from .placeholders import Placeholders

#: what newsletters fill their preview line with, so that nothing else shows up in it
_FILLER = re.compile(
    r"(?:[\u00a0\u00ad\u034f\u200b-\u200f\u2007\u2060\ufeff ]*[\u034f\u200b-\u200f\u2007\u2060\ufeff]){3,}[\u00a0 ]*"
)


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
    # html2text leaves out the head of a document, but not a title that stands outside of one.
    source = re.sub(r"<title\b.*?</title\s*>", "", html, flags=re.IGNORECASE | re.DOTALL)
    text = converter.handle(placeholders.protect_text(source))
    text = re.sub(r"^(\s*\d+|\s*)\\([.+-])", r"\1\2", text, flags=re.MULTILINE)
    return placeholders.restore(_tidy(text, placeholders))


def _tidy(text: str, placeholders: Placeholders) -> str:
    text = _FILLER.sub("", text)
    text = re.sub(r"[ \t\u00a0]+$", "", text, flags=re.MULTILINE)

    def joined(line: re.Match[str]) -> str:
        tags = placeholders.tags_in(line[0])
        return line[1] if all(tag.startswith("{%") for tag in tags) else line[0]

    # A line of {% if %} alone would leave an empty paragraph behind.
    text = re.sub(rf"^((?:{placeholders.key}\d+z[ ]*)+)\n+", joined, text, flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"
