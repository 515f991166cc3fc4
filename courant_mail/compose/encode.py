"""Transfer encodings: quoted-printable in pieces that can be joined, and base64 in lines."""

from __future__ import annotations

import base64
import binascii
import re

_PLAIN = re.compile(r"(?!\.)[ -<>-~]{1,75}").fullmatch
_LONG_LINES = re.compile(rb"^[^\n]{77,}", re.MULTILINE).sub
_LEADING_DOTS = re.compile(rb"^\.+", re.MULTILINE).sub


def quoted_printable(text: str) -> bytes:
    """
    The text in UTF-8 and quoted-printable (RFC 2045, 6.7), as a piece that may stand next to any other piece.

    Every piece starts in column 0 and ends with a line break, a soft one ("=" CRLF, which is no part of the text)
    where the text does not end in one itself. So pieces can be encoded apart and joined, and no line is longer than
    76 characters. The empty text is the empty piece. All line breaks become CRLF.

    No line begins with a dot (it is written as =2E), so that nobody has to make the mail transparent for SMTP again
    for each recipient (RFC 5321, 4.5.2).
    """
    if _PLAIN(text):
        return text.encode("ascii") + b"=\r\n"
    if not text:
        return b""
    data = unified_newlines(text).encode("utf-8", "replace")
    lines = binascii.b2a_qp(data, istext=True)
    if not lines.endswith(b"\n"):
        lines += b"=\n"
    # binascii miscounts lines that end in an escaped blank, and knows nothing of the "=" added above.
    lines = _LONG_LINES(_cut, lines)
    return _LEADING_DOTS(_dots, lines).replace(b"\n", b"\r\n")


def _cut(found: re.Match[bytes]) -> bytes:
    line, pieces = found[0], []
    while len(line) > 76:
        # Not in the middle of an escape such as =C3.
        at = 75 - (line[74:75] == b"=") - 2 * (line[73:74] == b"=")
        pieces.append(line[:at] + b"=\n")
        line = line[at:]
    return b"".join([*pieces, line])


def _dots(found: re.Match[bytes]) -> bytes:
    # Each on a line of its own, since the line it stood on may be full.
    return b"=2E=\n" * len(found[0])


def unified_newlines(text: str) -> str:
    """The text with LF for every CRLF, CR and LF."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def base64_lines(data: bytes) -> bytes:
    """The data in base64, in lines of 76 characters that end in CRLF."""
    return base64.encodebytes(data).replace(b"\n", b"\r\n")
