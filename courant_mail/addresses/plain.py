"""Merge values and names as every database can store them and every mail can say them."""

from __future__ import annotations

import datetime
import decimal
import json
import math
import re
import unicodedata
import uuid
from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise

from ..exceptions import InvalidAddress, InvalidMail

#: what no database stores in a text, or not every one: NUL, and lone surrogates, which are no characters
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
#: NUL as JSON writes it
_NUL_IN_JSON = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
#: lists and dicts inside each other; MariaDB takes 32
_MAX_DEPTH = 20
#: a number that every database gives back as it was, and Python as well
_MAX_BITS = 1000


def storable(text: str, *, nul: str = "") -> str:
    """The text as every database can store it: `nul` in the place of each NUL, U+FFFD in that of a lone surrogate."""
    return _UNSTORABLE.sub(lambda found: nul if found[0] == "\0" else "\N{REPLACEMENT CHARACTER}", text)


def clean_name(name: str) -> str:
    """The name without control characters, on one line, encodable in UTF-8."""
    if name.isprintable() and "  " not in name:
        return name.strip()
    return storable(" ".join("".join(" " if _is_control(c) else c for c in name).split()))


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Zl", "Zp")


def plain_key(key: Any) -> str:
    """The name of a merge value as text that can be stored."""
    return key if type(key) is str and key.isprintable() else storable(str(key))


def plain_value(key: Any, value: Any, depth: int = 0) -> Any:
    """A merge value as JSON can say it and every database can store it. Raises InvalidAddress for anything else."""
    kind = type(value)
    if kind is str:
        # Printable text is the common case, and holds neither NUL (PostgreSQL's JSON refuses it) nor surrogates.
        return value if value.isprintable() else storable(value)
    if value is None or kind is bool:
        return value
    if kind is int:
        if value.bit_length() > _MAX_BITS:
            raise InvalidAddress(f"The merge value {key!r} is too large a number.")
        return value
    if kind is float:
        return value if math.isfinite(value) else str(value)
    if depth >= _MAX_DEPTH:
        raise InvalidAddress(f"The merge value {key!r} holds lists or dicts more than {_MAX_DEPTH} deep.")
    return _less_plain(key, value, depth + 1)


def _less_plain(key: Any, value: Any, depth: int) -> Any:
    if isinstance(value, (str, Promise, decimal.Decimal, uuid.UUID)):
        return plain_value(key, str(value) + "", depth)
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {plain_key(inner): plain_value(inner, item, depth) for inner, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain_value(key, item, depth) for item in value]
    if isinstance(value, int):
        return plain_value(key, int(value), depth)
    raise InvalidAddress(
        f"The merge value {key!r} is {type(value).__name__}; give text, a number, a date, or lists and dicts of them."
    )


def plain_params(what: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The given as a dict that every database can store. Raises InvalidMail, which says `what` is wrong."""
    if _is_deep(given, _MAX_DEPTH):
        raise InvalidMail(f"{what}: it holds lists or dicts more than {_MAX_DEPTH} deep.")
    try:
        text = json.dumps(given := dict(given), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidMail(
            f"{what}: {error}. Give text, numbers, true and false, and lists and dicts of them."
        ) from None
    if _NUL_IN_JSON.search(text) or _UNSTORABLE.search(text):
        raise InvalidMail(f"{what}: it holds NUL, or half of a character.")
    return given


def _is_deep(value: Any, depth: int) -> bool:
    inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    return bool(inside) and (depth == 0 or any(_is_deep(item, depth - 1) for item in inside))
