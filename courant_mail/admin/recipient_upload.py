"""A file of recipients that somebody uploads into a draft: what of it is taken, and a report of the rest."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from django.db.models.functions import Substr
from django.utils.translation import gettext as _

from ..addresses import format_recipients
from ..exceptions import InvalidFile
from ..models import MessageJob, RecipientFile
from ..sheets import Line, RecipientSheet, as_written, csv_text

#: whoever has more of them has chosen the wrong file
MAX_REJECTED = 50_000
#: how many rejected lines the page of the job shows; the file with all of them is beside it
SHOWN = 10
_FILES_SHOWN = 10
_HEAD = 8000


@dataclass(frozen=True)
class Upload:
    """What a file of recipients came to. `recipients` is text for a job, `file` a row that is not stored yet."""

    recipients: str
    file: RecipientFile
    notices: list[str]


@dataclass(frozen=True)
class Rejected:
    """A line that was not taken, for people to read."""

    line: str
    reason: str
    text: str


@dataclass(frozen=True)
class Report:
    """A file that was uploaded, with the first of its rejected lines."""

    file: RecipientFile
    url: str
    first: list[Rejected]

    @property
    def more(self) -> int:
        """How many rejected lines are only in the file for download."""
        return self.file.rejected - len(self.first)


def read_upload(file: BinaryIO, filename: str) -> Upload:
    """
    Read the file to its end. Every line of it is among the recipients, among the rejected, or blank.

    Raises InvalidFile, which names the fix.
    """
    sheet = RecipientSheet(file)
    rejected: list[Line] = []
    recipients = format_recipients(_taken(sheet, rejected))
    if not sheet.accepted:
        raise InvalidFile(_("No line could be taken. %(why)s") % {"why": _first_reasons(rejected)})
    headings = [_("line"), _("why it was not taken"), *(column.heading for column in sheet.columns)]
    rejects = [[line.number, line.reason, *line.cells] for line in rejected]
    row = RecipientFile(
        filename=filename[-255:],
        columns=[{"heading": column.heading, "name": column.name} for column in sheet.columns],
        accepted=sheet.accepted,
        rejected=sheet.rejected,
        rejects="".join(csv_text([headings, *rejects])) if rejects else "",
    )
    return Upload(recipients, row, sheet.notices)


def _taken(sheet: RecipientSheet, rejected: list[Line]) -> Iterator[dict[str, str]]:
    for line in sheet:
        if line.recipient is not None:
            yield line.recipient
            continue
        rejected.append(line)
        if len(rejected) > MAX_REJECTED:
            raise InvalidFile(
                _("More than %(count)d lines cannot be taken. %(why)s")
                % {"count": MAX_REJECTED, "why": _first_reasons(rejected)}
            )


def _first_reasons(rejected: list[Line]) -> str:
    return " ".join(
        _("Line %(number)d: %(reason)s") % {"number": line.number, "reason": line.reason} for line in rejected[:3]
    )


def latest_files(job: MessageJob) -> list[Any]:
    """The files that were uploaded last, newest first, with the beginning of their rejected lines as `head`."""
    return list(job.files.defer("rejects").annotate(head=Substr("rejects", 1, _HEAD)).order_by("-pk")[:_FILES_SHOWN])


def report(file: Any, url: str) -> Report:
    """The report about one of the `latest_files`."""
    rows = list(csv.reader(io.StringIO(file.head)))
    if len(file.head) == _HEAD:
        rows.pop()  # it is cut off
    first = [Rejected(row[0], as_written(row[1]), ", ".join(map(as_written, row[2:]))) for row in rows[1 : SHOWN + 1]]
    return Report(file, url, first)
