"""What stands in an HTML document, one piece after the other; whatever is written in it, in linear time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from .markup import ATTRIBUTE, RAW_ELEMENTS, SCANNED_TAG, resolved

_COMMENT = re.compile(r"<!--(?:-?>|.*?(?:--!?>|\Z))", re.DOTALL)
_NAME = re.compile(r"</?([^\s/>]*)")


@dataclass(frozen=True, slots=True)
class Tag:
    """A start tag with its attributes (a value that is left out is empty), or an end tag."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    ends: bool = False


def scan(source: str) -> Iterator[Tag | str]:
    """
    The tags of the document and the text between them, entities resolved.

    Comments, scripts, style sheets and titles are left out. As in a browser, a tag that is never closed swallows what
    follows it; so nothing is read twice.
    """
    position = 0
    while (start := source.find("<", position)) >= 0:
        if start > position:
            yield resolved(source[position:start])
        tag = SCANNED_TAG.match(source, start)
        if tag:
            yield _tag(tag[0])
            position = _behind_raw(source, tag)
        elif source.startswith(("<!", "<?", "</"), start):
            position = _behind_comment(source, start)
        elif source[start + 1 : start + 2].isalpha() and source[start + 1].isascii():
            return
        else:
            yield "<"
            position = start + 1
    if position < len(source):
        yield resolved(source[position:])


def _tag(whole: str) -> Tag:
    name = _NAME.match(whole)
    lower = name[1].lower() if name else ""
    if whole.startswith("</") or name is None:
        return Tag(lower, ends=True)
    attributes: dict[str, str] = {}
    for unit in ATTRIBUTE.finditer(whole, name.end(), len(whole) - 1):
        key, _, value = unit[0].partition("=")
        key, value = key.strip().strip("/").lower(), value.strip()
        if value[:1] in ('"', "'") and value[-1:] == value[:1] and len(value) > 1:
            value = value[1:-1]
        if key:
            # Of two attributes of one name the first counts.
            attributes.setdefault(key, resolved(value))
    return Tag(lower, attributes)


def _behind_raw(source: str, tag: re.Match[str]) -> int:
    """Where the scan goes on: behind the text of an element in which there are no elements."""
    raw = RAW_ELEMENTS.match(tag[0])
    if not raw:
        return tag.end()
    end = re.compile(rf"</{raw[1]}(?=[\s/>])", re.IGNORECASE).search(source, tag.end())
    return end.start() if end else len(source)


def _behind_comment(source: str, start: int) -> int:
    comment = _COMMENT.match(source, start)
    if comment:
        return comment.end()
    if source[start + 2 : start + 3].isalpha() and source.startswith("</", start):
        return len(source)
    end = source.find(">", start)
    return end + 1 if end >= 0 else len(source)
