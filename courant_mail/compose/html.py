"""The HTML part: whole documents with their CSS inlined, sanitised where people typed it, template tags intact."""

from __future__ import annotations

import css_inline

from ..exceptions import InvalidMail
from .markup import DOCUMENT, resolved
from .nesting import refuse_monsters
from .placeholders import Placeholders
from .sanitize import sanitize
from .tags import split_tags

_START = """\
<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
</head>
<body>
"""
_END = "\n</body>\n</html>\n"

#: Style sheets are inlined and kept as well: only from there can media queries and :hover work. Nothing is loaded.
_inliner = css_inline.CSSInliner(keep_style_tags=True, keep_link_tags=True, load_remote_stylesheets=False)


def prepare_html(source: str, *, sanitized: bool = False) -> str:
    """
    The HTML template as it is compiled: a whole document in standards mode, the rules of its style sheets inlined.

    A fragment becomes a document, a document stays one, and trusted HTML without a style sheet stays as it is, byte
    for byte. Nothing is loaded from network or disk. With `sanitized` the HTML was typed by people: its style sheets
    are inlined and dropped, and `sanitize.sanitize` decides what stays.

    Raises InvalidMail when the style sheets cannot be inlined, or the document is a monster.
    """
    refuse_monsters(source)
    if not sanitized and "<style" not in source.lower():
        return _as_document(source)
    placeholders = Placeholders(source, trusted=not sanitized)
    protected = _inlined(_as_document(placeholders.protect(source)), placeholders)
    if sanitized:
        return _as_document(sanitize(protected, placeholders).strip())
    return placeholders.restore(placeholders.without_implied(protected))


def _as_document(source: str) -> str:
    return source if DOCUMENT.search(source) else f"{_START}{source}{_END}"


def _inlined(protected: str, placeholders: Placeholders) -> str:
    if "<style" in protected.lower():
        try:
            protected = _inliner.inline(protected)
        except css_inline.InlineError as error:
            raise InvalidMail(f"html: the style sheets cannot be inlined: {error}.") from error
    return placeholders.merge_styles(protected)


def tags_as_typed(source: str) -> str:
    """
    The source with the entities inside template tags resolved.

    Editors that write HTML save ``{% if n &gt; 3 %}`` and put non-breaking spaces anywhere. What would be no single
    tag any more afterwards stays as it was.
    """

    pieces = split_tags(source)
    pieces[1::2] = map(_typed, pieces[1::2])
    return "".join(pieces)


def _typed(tag: str) -> str:
    plain = resolved(tag).replace("\xa0", " ")
    return plain if split_tags(plain) == ["", plain, ""] else tag
