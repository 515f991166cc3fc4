"""A file of recipients: one to a row, with values for the mails in its other columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import BinaryIO

from django.utils.translation import gettext as _

from ..addresses import parse_recipient
from ..exceptions import InvalidAddress, InvalidFile
from .decode import LEGACY, text_lines
from .headings import DELIMITERS, Column, columns_of, delimiter_of
from .rows import Row, rows
from .writing import as_written

#: how many rows are looked at to find the addresses when no heading names them
_SAMPLE = 50


@dataclass(frozen=True, slots=True)
class Line:
    """
    A row that is not blank: the number of its first line, its cells, and its recipient or the reason why it has none.

    A recipient is a mapping with "email", perhaps "name", and the values of the other columns that are not empty.
    """

    number: int
    cells: list[str]
    recipient: dict[str, str] | None
    reason: str = ""


class RecipientSheet:
    """
    A CSV file of recipients, with a first line of headings.

    Iterate over it once: each row below the headings is yielded as a `Line`, or counted as blank; `accepted`,
    `rejected` and `blank` add up to the rows. Memory does not grow with the file. Who stands there twice is yielded
    twice. `notices` are words for people about what was read otherwise than they may expect.

    Raises InvalidFile, which names the fix, when the file is no such file.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.accepted = self.rejected = self.blank = 0
        lines, encoding = text_lines(file)
        found, headings = _below_headings(lines)
        sample = list(islice(found, _SAMPLE))
        self.columns: tuple[Column, ...] = columns_of(headings, [_cells(row) for row in sample])
        if not sample:
            raise InvalidFile(_("The file has a line of headings and nothing below it."))
        self.notices: list[str] = list(_notices(encoding, self.columns))
        self._rows: Iterator[Row] = chain(sample, found)
        self._names = [column.name for column in self.columns]
        self._address = self._names.index("email")

    def __iter__(self) -> Iterator[Line]:
        for row in self._rows:
            cells = _cells(row)
            if not any(cells):
                self.blank += 1
                continue
            try:
                recipient = self._recipient(row, cells)
            except InvalidAddress as error:
                self.rejected += 1
                yield Line(row.line, row.cells, None, str(error))
            else:
                self.accepted += 1
                yield Line(row.line, row.cells, recipient)

    def _recipient(self, row: Row, cells: list[str]) -> dict[str, str]:
        """What the row says. Raises InvalidAddress with the reason when it names nobody."""
        if row.problem:
            raise InvalidAddress(row.problem)
        if any(cells[len(self._names) :]):
            raise InvalidAddress(_("There are more cells than the first line names."))
        address = cells[self._address] if len(cells) > self._address else ""
        if not address:
            raise InvalidAddress(_("There is no address in this line."))
        try:
            known = parse_recipient(address)
        except InvalidAddress as error:
            raise InvalidAddress(_("This is not an address: %(why)s") % {"why": error}) from None
        values = {name: cell for name, cell in zip(self._names, cells, strict=False) if cell}
        values["email"] = known.spelled or known.address
        if known.name:
            values.setdefault("name", known.name)
        return values


def _below_headings(lines: Iterator[str]) -> tuple[Iterator[Row], list[str]]:
    """The rows below the headings, and the headings. Raises InvalidFile when there are none."""
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.lower() in _SEPARATOR_LINES:
            continue
        found = rows(chain([line], lines), delimiter_of(line), number)
        first = next(found)
        if first.problem:
            raise InvalidFile(_("The first line cannot be read: %(why)s") % {"why": first.problem})
        return found, first.cells
    raise InvalidFile(_("The file is empty."))


#: Excel's own hint at what separates the cells, above the headings; those say it as well
_SEPARATOR_LINES = {f"sep={delimiter}".strip() for delimiter in DELIMITERS}


def _cells(row: Row) -> list[str]:
    return [as_written(cell.strip()) for cell in row.cells]


def _notices(encoding: str, columns: tuple[Column, ...]) -> Iterator[str]:
    if encoding == LEGACY:
        yield _(
            "The file is not in UTF-8; its letters were read as those of Windows (Western Europe). Look at names with "
            "accents, and save the file as “CSV UTF-8” if they are wrong."
        )
    for column in columns:
        if column.name == "unsubscribe_url_2":
            yield _(
                "“unsubscribe_url” is filled in for each recipient by itself; the column is called “%(name)s” here."
            ) % {"name": column.name}
