"""From the lines of a CSV file to its rows, whatever stands in them (RFC 4180, and what programs really write)."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from django.utils.translation import gettext as _

#: how many lines a cell in quotation marks may have; a mark that is never closed must not swallow the rest of the file
MAX_LINES_IN_ROW = 50
#: after so many lines were read ahead in vain, a row is one line: a file of such marks would take for ever
PATIENCE = 10_000
#: merge values are meant for names and dates, not for articles
MAX_ROW_CHARACTERS = 32 * 1024


class Row(NamedTuple):
    """A row: the number of its first line, its cells as they stand there, and what is wrong with it as a row."""

    line: int
    cells: list[str]
    problem: str = ""


def rows(lines: Iterable[str], delimiter: str, number: int = 1) -> Iterator[Row]:
    """The rows of the lines, blank ones included; `number` is that of the first line. Every line is in one row."""
    source = _Lines(lines)
    for line in source:
        if '"' in line:
            gathered, closed = _gathered(line, source, delimiter)
            yield _quoted_row(number, gathered, closed, delimiter)
            number += len(gathered)
        else:
            yield Row(number, line.split(delimiter), _too_long(len(line)))
            number += 1


class _Lines:
    """An iterator that takes back what was read too far."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._taken_back: list[str] = []
        self.in_vain = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        return self._taken_back.pop() if self._taken_back else next(self._lines)

    def take_back(self, lines: list[str]) -> None:
        self._taken_back += reversed(lines)
        self.in_vain += len(lines)


def _gathered(line: str, source: _Lines, delimiter: str) -> tuple[list[str], bool]:
    """The lines of a row that begins with this one, and whether its quotation marks are closed."""
    gathered = [line]
    inside = _ends_inside(line, False, delimiter)
    limit = MAX_LINES_IN_ROW if source.in_vain < PATIENCE else 1
    while inside:
        following = next(source, None) if len(gathered) < limit else None
        if following is None:
            source.take_back(gathered[1:])
            return [line], False
        gathered.append(following)
        inside = _ends_inside(following, True, delimiter)
    return gathered, True


def _ends_inside(line: str, inside: bool, delimiter: str) -> bool:
    """Whether the line ends between quotation marks, as the csv module sees them: they count at a cell's beginning."""
    at = 0
    while True:
        if not inside and line.startswith('"', at):
            inside, at = True, at + 1
        if inside:
            at = _behind_closing(line, at)
            if not at:
                return True
            inside = False
        at = line.find(delimiter, at) + 1
        if not at:
            return False


def _behind_closing(line: str, at: int) -> int:
    """Where a cell in quotation marks is over; 0 when it goes on in the next line. Two marks are one that is meant."""
    while at := line.find('"', at) + 1:
        if not line.startswith('"', at):
            return at
        at += 1
    return 0


def _quoted_row(number: int, lines: list[str], closed: bool, delimiter: str) -> Row:
    text = "\n".join(lines)
    problem = _too_long(len(text)) if closed else _("A quotation mark is opened and not closed.")
    if problem:
        return Row(number, [text], problem)
    try:
        return Row(number, next(csv.reader([text], delimiter=delimiter)))
    except csv.Error as error:  # the site has set csv.field_size_limit
        return Row(number, [text], str(error))


def _too_long(characters: int) -> str:
    if characters <= MAX_ROW_CHARACTERS:
        return ""
    return _("The line is too long: %(count)d characters of %(limit)d.") % {
        "count": characters,
        "limit": MAX_ROW_CHARACTERS,
    }
