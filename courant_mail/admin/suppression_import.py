"""Suppressions from a CSV file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from django.utils.translation import gettext as _
from django.utils.translation import override

from ..addresses import canonical
from ..choices import Scope
from ..queue.suppress_many import Tally, Wanted, suppress_many
from ..sheets import Line, RecipientSheet

#: rejected lines that the page shows; whoever mends these can upload the file again
SHOWN = 100


@dataclass
class Imported:
    """What an import came to: `tally` counts the addresses, `first` are the first of the `rejected` lines."""

    tally: Tally = field(default_factory=Tally)
    notices: list[str] = field(default_factory=list)
    rejected: int = 0
    blank: int = 0
    first: list[Line] = field(default_factory=list)

    @property
    def more(self) -> int:
        """How many rejected lines are not shown."""
        return self.rejected - len(self.first)

    def reject(self, line: Line, reason: str) -> None:
        """Count the line, and keep it if it is one of the first."""
        self.rejected += 1
        if len(self.first) < SHOWN:
            self.first.append(Line(line.number, line.cells, None, reason))


def import_suppressions(file: BinaryIO, *, scope: Scope, reason: str, source: str) -> Imported:
    """
    Suppress the addresses of the file. `scope` and `reason` hold where it has no such column, or nothing in it.

    Raises InvalidFile, which names the fix.
    """
    sheet = RecipientSheet(file)
    imported = Imported(notices=sheet.notices)
    imported.tally = suppress_many(_wanted(sheet, imported, scope, reason), source=source)
    imported.blank = sheet.blank
    return imported


def _wanted(sheet: RecipientSheet, imported: Imported, scope: Scope, reason: str) -> Iterator[Wanted]:
    scopes = _scopes()
    names = {column.name for column in sheet.columns}
    scope_column = _column(names, "scope", _("scope"))
    reason_column = _column(names, "reason", _("reason"))
    for line in sheet:
        if line.recipient is None:
            imported.reject(line, line.reason)
            continue
        given = line.recipient.get(scope_column, "")
        found = scopes.get(given.casefold()) if given else scope
        if found is None:
            imported.reject(
                line,
                _("“%(given)s” is no scope: write “bulk” (newsletters and the like) or “all”.") % {"given": given[:40]},
            )
            continue
        yield Wanted(canonical(line.recipient["email"]), found, line.recipient.get(reason_column) or reason)


def _column(names: set[str], *wanted: str) -> str:
    """The name of the column that is called so, in English or in the language of the page."""
    return next((name for name in wanted if name.lower() in names), wanted[0]).lower()


def _scopes() -> dict[str, Scope]:
    """What may stand in the column: the values, and how the pages call them."""
    found = {}
    for scope in Scope:
        found[scope.value] = found[str(scope.label).casefold()] = scope
        with override("en"):
            found[str(scope.label).casefold()] = scope
    return found
