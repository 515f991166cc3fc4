"""
CSV that is safe to open: no cell of it is a formula, whoever wrote what stands there (OWASP, "CSV Injection").

A text that a spreadsheet program would take for a formula gets an apostrophe in front, and all cells are quoted, so
that nobody begins a cell of their own. `as_written` takes the apostrophe off again.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

#: what begins a formula, also in full-width letters; white space and control characters before it do not help
_FORMULA = r"(?:[\t\r\n]|[\s\x00-\x1f]*[=+\-@＝＋－＠])"
_DANGEROUS = re.compile(rf"'*{_FORMULA}").match
_DEFUSED = re.compile(rf"'+{_FORMULA}").match
_ROWS_AT_ONCE = 500


def csv_text(rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """The rows as CSV, some at a time. Numbers stay numbers, None is an empty cell, everything else is text."""
    remaining = iter(rows)
    while some := list(islice(remaining, _ROWS_AT_ONCE)):
        text = io.StringIO()
        csv.writer(text, quoting=csv.QUOTE_ALL).writerows([_cell(value) for value in row] for row in some)
        yield text.getvalue()


def csv_bytes(rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """The rows as a CSV file, some at a time: UTF-8 with the mark by which Excel knows it."""
    yield b"\xef\xbb\xbf"
    for text in csv_text(rows):
        yield text.encode("utf-8", "replace")


def as_written(cell: str) -> str:
    """The text of a cell before `csv_text` made it harmless; any other text as it is."""
    return cell[1:] if cell.startswith("'") and _DEFUSED(cell) else cell


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = str(value)
    if isinstance(value, (int, float)):
        return text
    text = text.replace("\0", "")
    # One that begins with apostrophes gets another, so that the way back is clear.
    return f"'{text}" if _DANGEROUS(text) else text
