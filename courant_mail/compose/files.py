"""Attachments and inline images as finished MIME parts."""

from __future__ import annotations

import mimetypes
import re
from urllib.parse import quote

from ..exceptions import InvalidMail
from .encode import base64_lines
from .words import AttachedFile

_TOKEN = r"[A-Za-z0-9!#$&^_.+-]+"
_CONTENT_TYPE = re.compile(rf'({_TOKEN})/({_TOKEN})((?:\s*;\s*{_TOKEN}=(?:{_TOKEN}|"[ !#-\[\]-~]*"))*)').fullmatch
_MAX_NAME = 255
_CONTENT_ID = re.compile(r"[!-;=?-~]{1,200}").fullmatch


def is_inline(file: AttachedFile) -> bool:
    """Whether the file is an image of the HTML rather than an attachment."""
    return bool(file.content_id)


def file_part(file: AttachedFile) -> bytes:
    """
    The MIME part of a file: its header, base64, file names in RFC 2231 where they are not plain.

    Raises InvalidMail when name, content type or content id are not possible.
    """
    if any(ord(c) < 32 or ord(c) == 127 for c in file.filename):
        raise InvalidMail(f"attachment {file.filename!r}: a file name has no line breaks or control characters.")
    if len(file.filename) > _MAX_NAME:
        raise InvalidMail(f"attachment {file.filename[:40]!r}…: a file name has at most {_MAX_NAME} characters.")
    disposition = "inline" if is_inline(file) else "attachment"
    lines = [
        f"Content-Type: {content_type(file)}",
        "Content-Transfer-Encoding: base64",
        f"Content-Disposition: {disposition}{_filename(file.filename)}",
    ]
    if is_inline(file):
        lines.append(f"Content-ID: <{_content_id(file)}>")
    return "\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + base64_lines(bytes(file.content))


def content_type(file: AttachedFile) -> str:
    """The content type as given, else guessed from the file's name; text in UTF-8 says so. Raises InvalidMail."""
    given = file.content_type.strip() or mimetypes.guess_type(file.filename)[0] or "application/octet-stream"
    parsed = _CONTENT_TYPE(given)
    if not parsed or len(given) > 200:
        raise InvalidMail(f"attachment {file.filename!r}: {given!r} is no content type such as image/png.")
    if parsed[1].lower() in ("message", "multipart"):
        # RFC 2046, 5.1 and 5.2.1: these must not be in base64; the file stays the same.
        return "application/octet-stream"
    if parsed[1].lower() == "text" and "charset=" not in given.lower() and _is_utf8(bytes(file.content)):
        return f"{given}; charset=utf-8"
    return given


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _content_id(file: AttachedFile) -> str:
    plain = file.content_id.strip().removeprefix("<").removesuffix(">")
    if not _CONTENT_ID(plain):
        raise InvalidMail(f"attachment {file.filename!r}: {file.content_id!r} is no content id; use ASCII, no spaces.")
    return plain


def _filename(name: str) -> str:
    """The parameter `filename`: quoted where that is enough, else as RFC 2231 says, over several lines if need be."""
    if not name:
        return ""
    if len(name) <= 60 and name == name.strip() and re.fullmatch(r"[ !#-\[\]-~]+", name):
        return f';\r\n filename="{name}"'
    encoded = quote(name.encode("utf-8", "replace"), safe="")
    if len(encoded) <= 55:
        return f";\r\n filename*=utf-8''{encoded}"
    # Never inside a %XX.
    pieces = re.findall(r"(?:%..|[^%]){1,18}", encoded)
    first = f";\r\n filename*0*=utf-8''{pieces[0]}"
    return first + "".join(f";\r\n filename*{number}*={piece}" for number, piece in enumerate(pieces[1:], start=1))
