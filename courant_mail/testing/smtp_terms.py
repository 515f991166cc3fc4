"""What follows from the extensions that a server offers: what it takes, and what it objects to."""

from __future__ import annotations

import re
from collections.abc import Sequence

#: what a client may say beside the address, and the extension under which it may
_PARAMETERS = (("SIZE=", "SIZE"), ("BODY=", "8BITMIME"), ("SMTPUTF8", "SMTPUTF8"))
_TOO_LARGE = b"552 5.3.4 too large\r\n"


def offers(extensions: Sequence[str], name: str) -> bool:
    """Whether one of the lines is about this extension."""
    return any(line.split()[0].upper() == name for line in extensions)


def objection_to_mail(extensions: Sequence[str], mail_from: str, parameters: str) -> bytes:
    """What is wrong with this MAIL, as an answer; empty where nothing is."""
    given = parameters.upper().split()
    size = next((int(word[5:]) for word in given if re.fullmatch(r"SIZE=\d+", word)), 0)
    if 0 < _size_limit(extensions) < size:
        return _TOO_LARGE
    for word, extension in _PARAMETERS:
        if any(parameter.startswith(word) for parameter in given) and not offers(extensions, extension):
            return b"555 5.5.4 not offered\r\n"
    if not mail_from.isascii() and "SMTPUTF8" not in given:
        return b"553 5.6.7 say SMTPUTF8\r\n"
    return b""


def objection_to_body(extensions: Sequence[str], data: bytes) -> bytes:
    """What is wrong with a mail of these bytes, as an answer; empty where nothing is."""
    return _TOO_LARGE if 0 < _size_limit(extensions) < len(data) else b""


def is_announced(data: bytes, parameters: str) -> bool:
    """Whether MAIL has said that bytes like these would follow (RFC 6152)."""
    return data.isascii() or bool({"BODY=8BITMIME", "SMTPUTF8"} & set(parameters.upper().split()))


def _size_limit(extensions: Sequence[str]) -> int:
    return int(next((line.split()[1] for line in extensions if re.fullmatch(r"SIZE \d+", line.upper())), 0))
