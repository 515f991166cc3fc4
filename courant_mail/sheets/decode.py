"""From the bytes of a file to its text: in which encoding it is, and whether it is text at all."""

from __future__ import annotations

import codecs
import io
import os
from collections.abc import Iterator
from typing import BinaryIO

from django.utils.translation import gettext as _

from ..exceptions import InvalidFile

#: about 400,000 recipients; whoever has more is better served by a recipient source
MAX_FILE_BYTES = 25 * 1024 * 1024
#: what a text is taken for that is not UTF-8: spreadsheet programs under Windows write it
LEGACY = "cp1252"

_CHUNK = 64 * 1024
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Zip (xlsx, ods, numbers) and OLE (xls).
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


def text_lines(file: BinaryIO) -> tuple[Iterator[str], str]:
    """
    The lines of the file without their breaks, and its encoding.

    The file is read twice, in pieces, and stays open: whoever reads the lines meets no error in them. Raises
    InvalidFile, which names the fix.
    """
    _refuse_by_size(file)
    start = _start_of(file)
    if start.startswith(_WORKBOOKS):
        raise InvalidFile(
            _("This is a workbook of a spreadsheet program. Save it there as “CSV UTF-8” and upload that.")
        )
    encoding = _encoding(file, start)
    return _lines(file, encoding), encoding


def _lines(file: BinaryIO, encoding: str) -> Iterator[str]:
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)(), translate=True)
    file.seek(0)
    rest = ""
    while chunk := file.read(_CHUNK):
        *lines, rest = (rest + decoder.decode(chunk)).split("\n")
        yield from lines
    *lines, rest = (rest + decoder.decode(b"", final=True)).split("\n")
    yield from lines
    if rest:
        yield rest


def _refuse_by_size(file: BinaryIO) -> None:
    size = file.seek(0, os.SEEK_END)
    if size == 0:
        raise InvalidFile(_("The file is empty."))
    if size > MAX_FILE_BYTES:
        raise InvalidFile(
            _("The file is too large: %(size)d MB of %(limit)d MB. Split it and upload the parts one after the other.")
            % {"size": -(-size // 2**20), "limit": MAX_FILE_BYTES // 2**20}
        )


def _start_of(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read(4)


def _encoding(file: BinaryIO, start: bytes) -> str:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if start.startswith(mark):
            candidates = [encoding]
            break
    else:
        candidates = ["utf-8", LEGACY]
    for encoding in candidates:
        if _can_be(file, encoding):
            return encoding
    raise InvalidFile(_("The letters of the file cannot be told. Save it as “CSV UTF-8” and upload it again."))


def _can_be(file: BinaryIO, encoding: str) -> bool:
    """Whether the whole file is text in this encoding. Raises InvalidFile when it is no text in any."""
    decoder = codecs.getincrementaldecoder(encoding)()
    file.seek(0)
    try:
        while chunk := file.read(_CHUNK):
            _refuse_binary(decoder.decode(chunk))
        _refuse_binary(decoder.decode(b"", final=True))
    except UnicodeDecodeError:
        return False
    return True


def _refuse_binary(text: str) -> None:
    if "\0" in text:
        raise InvalidFile(_("This is no text file. Save the table as “CSV UTF-8” and upload that."))
