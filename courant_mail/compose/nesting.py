"""
How much HTML a document holds, and how deep its elements lie inside each other.

The libraries that take documents apart walk through them by recursion: some 20,000 elements inside each other end the
whole process. So a document is measured before they see it.
"""

from __future__ import annotations

import re
from collections import Counter

from ..exceptions import InvalidMail
from .limits import MAX_ELEMENTS, MAX_NESTED_ELEMENTS
from .markup import SPECIAL

_START = re.compile(r"<[a-zA-Z]")
_NAME = re.compile(r"</?([^\s/>]*)")
#: they have no end, or need none: by themselves they do not lie inside each other
_WITHOUT_END = frozenset(
    re.findall(
        r"\w+",
        "area base body br caption col colgroup dd dt embed head hr html img input li link meta option p param rp rt "
        "source tbody td tfoot th thead tr track wbr",
    )
)


def refuse_monsters(source: str) -> None:
    """Raises InvalidMail when the document has more elements, or deeper ones, than any mail needs."""
    for number, _ in enumerate(_START.finditer(source)):
        # Whatever stands there, and however it is to be read: more elements than this there are not.
        if number >= MAX_ELEMENTS:
            raise InvalidMail(f"html: there are more than {MAX_ELEMENTS:,} elements.")
    unclosed: Counter[str] = Counter()
    depth = 0
    for tag in SPECIAL.finditer(source):
        found = _NAME.match(tag[0])
        name = found[1].lower() if found else "!"
        if name.startswith("!") or name in _WITHOUT_END:
            continue
        if not tag[0].startswith("</"):
            unclosed[name] += 1
            depth += 1
        elif unclosed[name]:
            unclosed[name] -= 1
            depth -= 1
        if depth > MAX_NESTED_ELEMENTS:
            line = source.count("\n", 0, tag.start()) + 1
            raise InvalidMail(f"html, line {line}: more than {MAX_NESTED_ELEMENTS} elements are inside each other.")
