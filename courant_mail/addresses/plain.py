"""Merge values and names as every database can store them and every mail can say them."""

from __future__ import annotations

import datetime
import decimal
import math
import unicodedata
import uuid
from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise

from ..exceptions import InvalidAddress


def clean_name(name: str) -> str:
    """The name without control characters, on one line, encodable in UTF-8."""
    if name.isprintable() and "  " not in name:
        return name.strip()
    return " ".join("".join(" " if _is_control(c) else _encodable(c) for c in name).split())


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Zl", "Zp")


def _encodable(character: str) -> str:
    # A lone surrogate is no character: UTF-8 cannot say it, and neither can a database.
    return "\N{REPLACEMENT CHARACTER}" if "\ud800" <= character <= "\udfff" else character


def plain_key(key: Any) -> str:
    """The name of a merge value as text that can be stored."""
    return key if type(key) is str and key.isprintable() else _stored(str(key))


def _stored(text: str) -> str:
    return "".join(map(_encodable, text)).replace("\0", "")


def plain_value(key: Any, value: Any) -> Any:
    """A merge value as JSON can say it and every database can store it. Raises InvalidAddress for anything else."""
    kind = type(value)
    if kind is str:
        # Printable text is the common case, and holds neither NUL (PostgreSQL's JSON refuses it) nor surrogates.
        return value if value.isprintable() else _stored(value)
    if value is None or kind in (bool, int):
        return value
    if kind is float:
        return value if math.isfinite(value) else str(value)
    return _less_plain(key, value)


def _less_plain(key: Any, value: Any) -> Any:
    if isinstance(value, (str, Promise, decimal.Decimal, uuid.UUID)):
        return plain_value(key, str(value) + "")
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {plain_key(inner): plain_value(inner, item) for inner, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain_value(key, item) for item in value]
    if isinstance(value, int):
        return int(value)
    raise InvalidAddress(
        f"The merge value {key!r} is {type(value).__name__}; give text, a number, a date, or lists and dicts of them."
    )
