"""The first line of a file: what separates its columns, which of them is the address, and how mails call the others."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from ..addresses import parse_recipient
from ..exceptions import InvalidAddress, InvalidFile

DELIMITERS = (",", ";", "\t")
MAX_COLUMNS = 200

#: headings of the column with the addresses, without case, accents and punctuation
_ADDRESS = {
    "adresseelectronique",
    "adresseemail",
    "adressemail",
    "courriel",
    "email",
    "emailaddress",
    "emailadresse",
    "mail",
    "mailaddress",
    "mailadresse",
    "mel",
}
#: those that may also mean where somebody lives
_PERHAPS_ADDRESS = {"address", "adresse"}
_NAME = ("name", "fullname", "vollstandigername", "nomcomplet")
#: what every mail fills in by itself, and the words of `{% if %}`
_TAKEN = {"email", "name", "unsubscribe_url"}
_WORDS = {"and", "in", "is", "not", "or"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading in the file, and the name of its values in the mail's templates."""

    heading: str
    name: str


def delimiter_of(line: str) -> str:
    """What separates the headings of the first line, and so the cells of all others."""
    bare = re.sub(r'"[^"]*"', lambda quoted: re.sub(r"[,;\t]", "", quoted[0]), line)

    def fit(delimiter: str) -> tuple[bool, int]:
        cells = bare.split(delimiter)
        return any(_plain(cell) in _ADDRESS for cell in cells), len(cells)

    return max(DELIMITERS, key=fit)


def columns_of(headings: Sequence[str], sample: Iterable[Sequence[str]]) -> tuple[Column, ...]:
    """
    The columns under these headings. One of them is called "email"; `sample` are the first rows below.

    Raises InvalidFile when the line is no line of headings, or the address is not to be found.
    """
    headings = [" ".join(heading.split()) for heading in headings]
    if len(headings) > MAX_COLUMNS:
        raise InvalidFile(
            _("The first line names %(count)d columns; %(limit)d are possible.")
            % {"count": len(headings), "limit": MAX_COLUMNS}
        )
    if any(map(is_address, headings)):
        raise InvalidFile(
            _("The first line must name the columns, such as “email” and “first name”; here it is an address already.")
        )
    address = _address_column(headings, sample)
    name = _name_column(headings, address)
    names: list[str] = []
    for index, heading in enumerate(headings):
        names.append("email" if index == address else "name" if index == name else _free(heading, index, names))
    return tuple(map(Column, headings, names))


def is_address(text: str) -> bool:
    """Whether the cell holds an address, or a name and an address."""
    if "@" not in text:
        return False
    try:
        parse_recipient(text)
    except InvalidAddress:
        return False
    return True


def _address_column(headings: Sequence[str], sample: Iterable[Sequence[str]]) -> int:
    plain = [_plain(heading) for heading in headings]
    by_value = {index for cells in sample for index, cell in enumerate(cells[: len(headings)]) if is_address(cell)}
    for found in (
        [index for index, heading in enumerate(plain) if heading in _ADDRESS],
        sorted(by_value),
        [index for index, heading in enumerate(plain) if heading in _PERHAPS_ADDRESS],
    ):
        if len(found) == 1:
            return found[0]
        if found:
            raise InvalidFile(
                _("Several columns may be the address: %(columns)s. Call the right one “email”, and no other.")
                % {"columns": ", ".join(f"“{headings[index]:.40}”" for index in found[:5])}
            )
    raise InvalidFile(
        _("No column with addresses was found. The first line must name the columns; call the one with them “email”.")
    )


def _name_column(headings: Sequence[str], address: int) -> int | None:
    plain = [_plain(heading) if index != address else "" for index, heading in enumerate(headings)]
    return next((plain.index(name) for name in _NAME if name in plain), None)


def _free(heading: str, index: int, names: Sequence[str]) -> str:
    """A name for the values of a column that no other column has and every template can write."""
    name = "_".join(re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", heading).lower()))[:60].strip("_")
    if not name:
        name = f"column_{index + 1}"
    elif name[0].isdigit() or name in _WORDS:
        name = f"column_{name}"
    taken = _TAKEN.union(names)
    if name not in taken:
        return name
    return next(other for number in range(2, MAX_COLUMNS + 4) if (other := f"{name}_{number}") not in taken)


def _plain(heading: str) -> str:
    """The heading without case, accents and punctuation."""
    return "".join(c for c in unicodedata.normalize("NFKD", heading).casefold() if c.isalnum())
