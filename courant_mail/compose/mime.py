"""The structure of a mail: alternatives, images that belong to the HTML, attachments (RFC 2046, 2387)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeAlias

from .files import file_part, is_inline
from .template import Program
from .words import AttachedFile, Words

#: what a body is made of: finished bytes, and programs that are rendered for each recipient
Segment: TypeAlias = "bytes | Program[bytes]"


def body(
    words: Words, text: Program[bytes] | None, html: Program[bytes] | None, files: Sequence[AttachedFile]
) -> list[Segment]:
    """
    The body with its own header fields, ready to follow those of the mail.

    mixed( alternative( text, related( html, images )), attachments ), each layer only where it is needed. An image
    without HTML to show it is an attachment.
    """
    key = hashlib.blake2s(repr((words.subject, words.text, words.html)).encode("utf-8", "replace"), digest_size=8)
    boundary = key.hexdigest()
    images: list[list[Segment]] = [[file_part(file)] for file in files if html is not None and is_inline(file)]
    others: list[list[Segment]] = [[file_part(file)] for file in files if html is None or not is_inline(file)]
    alternatives: list[list[Segment]] = []
    if text is not None:
        alternatives.append(_text_part("plain", text))
    if html is not None:
        alternatives.append(_multipart("related", [_text_part("html", html), *images], boundary, '; type="text/html"'))
    whole = _multipart("alternative", alternatives, boundary)
    return _multipart("mixed", [whole, *others], boundary)


def _text_part(subtype: str, program: Program[bytes]) -> list[Segment]:
    header = f'Content-Type: text/{subtype}; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'
    return [header.encode("ascii"), program]


def _multipart(subtype: str, parts: list[list[Segment]], key: str, parameters: str = "") -> list[Segment]:
    """The parts in one; a single part needs no wrapping."""
    if len(parts) == 1:
        return parts[0]
    # "=_" stands neither in quoted-printable nor in base64, so no part can hold its own boundary.
    boundary = f"=_{subtype}_{key}"
    header = f'Content-Type: multipart/{subtype}{parameters};\r\n boundary="{boundary}"\r\n\r\n'
    out: list[Segment] = [header.encode("ascii")]
    for part in parts:
        out += [f"--{boundary}\r\n".encode("ascii"), *part, b"\r\n"]
    out.append(f"--{boundary}--\r\n".encode("ascii"))
    return out


def normalise_newlines(data: bytes) -> bytes:
    """The bytes with CRLF for every CRLF, CR and LF, as SMTP wants them (RFC 5321, 2.3.8)."""
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return data.replace(b"\n", b"\r\n")
