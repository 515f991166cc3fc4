"""Many recipients as one text, and back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..exceptions import InvalidAddress
from ..sources import RecipientLike
from .plain import clean_name, plain_value, storable
from .recipient import salvage, taken_apart

#: an entry that may stand in a list of recipients as it is
_BARE = re.compile('[^\\s"<>;,{}\\\\\0\ud800-\udfff]+').fullmatch
#: One entry of a line. Quotes and angle brackets hide separators, but only where they are closed on the same line; a
#: quote that is not closed hides nothing. What is tried twice is bounded, so that hostile text takes linear time.
_ENTRY = re.compile(r'(?:"(?:[^"\\\r\n]|\\[^\r\n]){0,998}"|<[^<>\r\n]*+>|[^;,\r\n"<]++|"[^;,\r\n]*+|<)*+')
_LINE = re.compile(r"[^\r\n]*+")
_SPACES = re.compile(r"[ \t]*+")


def iter_recipients(text: str, offset: int = 0) -> Iterator[tuple[RecipientLike, int]]:
    """
    The entries of a job's `recipients` text from `offset` on, each with the offset behind it.

    Entries stand one to a line or are separated by ";" or ","; quotes and angle brackets hide a separator. A line that
    starts with "{" is one JSON object: a mapping with "email", perhaps "name", and merge values. Blank entries are
    dropped. An entry that is no valid recipient is yielded as it stands: `parse_recipient` will say what is wrong.

    Going on from any yielded offset yields exactly the entries that followed.
    """
    end = len(text)
    while offset < end:
        start = _behind(_SPACES, text, offset)
        if text.startswith("{", start) and (offset == 0 or text[offset - 1] in "\r\n"):
            offset = min(_behind(_LINE, text, start) + 1, end)
            yield _json_entry(text[start:offset].strip()), offset
            continue
        stop = _behind(_ENTRY, text, start)
        offset = min(stop + 1, end)
        entry = text[start:stop].strip()
        if entry:
            yield entry, offset


def _behind(pattern: re.Pattern[str], text: str, offset: int) -> int:
    """Where a pattern that matches anywhere, perhaps emptily, ends."""
    match = pattern.match(text, offset)
    return match.end() if match else offset


def _json_entry(line: str) -> RecipientLike:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return line
    return entry if isinstance(entry, dict) else line


def format_recipients(recipients: Iterable[RecipientLike]) -> str:
    """
    The text from which `iter_recipients` and `parse_recipient` read the same recipients again, one to a line.

    Invalid entries are kept as well: they become failed rows with their reason, not gaps.
    Raises InvalidAddress when a merge value is no plain data.
    """
    return "\n".join(map(_line, recipients))


def _line(given: Any) -> str:
    if isinstance(given, str) and _BARE(given):
        return given
    try:
        address, name, merge = taken_apart(given)
    except InvalidAddress:
        if isinstance(given, Mapping):
            raise
        return _json_line({"email": salvage(given)})
    if merge or not isinstance(address, str) or not _BARE(address):
        # What cannot be stored must not make another address of it.
        shown = storable(address, nul="\N{REPLACEMENT CHARACTER}") if isinstance(address, str) else address
        return _json_line({"email": plain_value("email", shown), "name": clean_name(name), **merge})
    name = clean_name(name)
    if not name:
        return address
    if len(name) > 200:
        return _json_line({"email": address, "name": name})
    return '"{}" <{}>'.format(name.replace("\\", "\\\\").replace('"', '\\"'), address)


def _json_line(entry: Mapping[str, Any]) -> str:
    return json.dumps({key: value for key, value in entry.items() if key != "name" or value}, ensure_ascii=False)
