"""Reading one recipient in any of the shapes that a source may yield."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..exceptions import InvalidAddress
from ..sources import RecipientLike
from .plain import clean_name, plain_key, plain_value
from .spelling import MAX_STORED, canonical, spellings


class Recipient(NamedTuple):
    """
    Someone who gets a mail.

    `address` is canonical; `spelled` is the address as its owner writes it, None where that is the same. `merge` holds
    plain JSON values for the templates, "name" among them when a name was given.
    """

    address: str
    spelled: str | None = None
    name: str = ""
    merge: Mapping[str, Any] = {}


def parse_recipient(given: RecipientLike) -> Recipient:
    """
    The recipient in any of the shapes that a source may yield.

    A text is an address or ``Name <address>``; a pair is (name, address); a mapping has "email", perhaps "name", and
    merge values. White space and control characters in a name become single spaces, dates and decimals among the merge
    values become text, so that every recipient can be stored as JSON in every database.

    Raises InvalidAddress with the reason when there is no valid address or a merge value is no plain data.
    """
    address, name, merge = taken_apart(given)
    if not isinstance(address, str):
        raise InvalidAddress(f"The address is {type(address).__name__}, not text.")
    known, spelled = spellings(address)
    if name:
        name = clean_name(name)
        if name:
            merge["name"] = name
    return Recipient(known, None if spelled == known else spelled, name, merge)


def taken_apart(given: Any) -> tuple[Any, str, dict[str, Any]]:
    """Address, name as given, and merge values of a recipient."""
    if isinstance(given, str):
        return *_name_and_address(given), {}
    if type(given) is dict or isinstance(given, Mapping):
        merge = dict(given)
        address, name = merge.pop("email", None), merge.pop("name", None)
        if not _is_plain_text(merge):
            merge = {plain_key(k): plain_value(k, v) for k, v in merge.items()}
        return address, _name_text(name), merge
    if isinstance(given, (tuple, list)) and len(given) == 2:
        return given[1], _name_text(given[0]), {}
    raise InvalidAddress(
        'A recipient is an address, a pair (name, address) or a mapping with "email", '
        f"not {type(given).__name__} {given!r:.80}."
    )


def _is_plain_text(merge: Mapping[Any, Any]) -> bool:
    """The common case, recognised at once: nothing but printable text."""
    for key, value in merge.items():
        if type(key) is not str or type(value) is not str or not key.isprintable() or not value.isprintable():
            return False
    return True


def _name_text(name: Any) -> str:
    return "" if name is None else str(name)


def _name_and_address(text: str) -> tuple[str, str]:
    """Address and name of ``Name <address>``, ``"Name" <address>`` or a bare address, in this order: address, name."""
    text = text.strip()
    if not text.endswith(">"):
        return text, ""
    name, bracket, address = text[:-1].rpartition("<")
    name = name.strip()
    if not bracket:
        return text, ""
    if len(name) >= 2 and name[0] == name[-1] == '"':
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    return address, name


def salvage(given: Any, error: object = "") -> str:
    """
    What to store as the recipient of an entry that `parse_recipient` refused with `error`.

    Printable, at most 254 characters, never empty; two different entries stay different.
    """
    text = given
    if isinstance(given, Mapping):
        text = given.get("email")
    elif isinstance(given, (tuple, list)) and len(given) == 2:
        text = given[1]
    try:
        return canonical(taken_apart(text)[0]) if isinstance(text, str) else _printable(repr(given), error)
    except InvalidAddress:
        return _printable(str(text), error)


def _printable(text: str, error: object) -> str:
    shown = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if not shown:
        shown = f"(no address: {error})" if str(error) else "(no address)"
    if len(shown) <= MAX_STORED:
        return shown
    digest = hashlib.blake2s(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{shown[: MAX_STORED - 17]}…{digest}"
