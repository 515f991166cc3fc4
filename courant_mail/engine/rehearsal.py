"""One job, rehearsed: every recipient is looked at as sending would, and counted."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime

from django.utils import timezone

from ..choices import MessageStatus
from ..compose.lint import CODES, Finding, lint
from ..compose.preview import preview
from ..conf import Settings
from ..exceptions import InvalidMail
from ..models import MessageJob
from ..queue.dry_run_report import Example, Missing, Report
from ..queue.pace import pace
from ..queue.rows import Row, row_of, unless_suppressed
from ..queue.suppress import suppressed_among
from ..sources import RecipientLike
from .rendering import JobLetter

_EXAMPLES = 10
_SHORT = 5
_LONGEST_REASON = 500
#: where there are no recipients yet
_SOMEBODY = "reader@example.org"


class Seen:
    """
    The addresses that were met, in a temporary file of SQLite that goes by itself: a million of them need no memory.

    Which address is the same is what the messages' own table says: the one with exactly the same bytes.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        for statement in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            "PRAGMA cache_size = -8000",
            "CREATE TABLE seen (address BLOB PRIMARY KEY) WITHOUT ROWID",
            "BEGIN",
        ):
            self._database.execute(statement)

    def add(self, address: str) -> bool:
        """Remember the address; False when it was met before."""
        key = address.encode("utf-8", "surrogatepass")
        return self._database.execute("INSERT OR IGNORE INTO seen VALUES (?)", (key,)).rowcount == 1

    def close(self) -> None:
        self._database.close()


class Rehearsal:
    """
    What a dry run counts. Raises InvalidMail when the words cannot become a mail for anybody.

    `rows` and `look` are called for the whole audience, `check_samples` and `report` in the end.
    """

    def __init__(self, job: MessageJob, settings: Settings) -> None:
        self._job = job
        self._relay = settings.relay(job.relay)
        self._relay_names = (
            (self._relay.name, "") if self._relay.name == settings.default_relay else (self._relay.name,)
        )
        self._letter = JobLetter(job, settings)
        self._seen = Seen()
        self.recipients = 0
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[Example]] = defaultdict(list)
        self._missing: Counter[str] = Counter()
        self._lacking: dict[str, list[str]] = defaultdict(list)
        self._bytes = self._largest_bytes = 0
        self._sample: Row | None = None
        self._largest: Row | None = None
        self._findings: dict[str, Finding] = {}

    def close(self) -> None:
        """Remove the temporary file."""
        self._seen.close()

    def rows(self, entries: Iterable[RecipientLike]) -> list[Row]:
        """What an expansion would make of these entries: one query, for their suppressions."""
        rows = [row_of(entry) for entry in entries]
        blocked = suppressed_among([row.recipient for row in rows])
        return [unless_suppressed(row, blocked.get(row.recipient), bulk=self._job.bulk) for row in rows]

    def look(self, row: Row) -> None:
        """Count one recipient, and make the mail as far as its bytes, where there would be one."""
        self.recipients += 1
        if not self._seen.add(row.recipient):
            self._count("duplicates", row, "")
        elif row.status == MessageStatus.FAILED:
            self._count("invalid", row, row.reply)
        elif row.status == MessageStatus.SUPPRESSED:
            self._count("suppressed", row, row.reply)
        else:
            self._measure(row)

    def check_samples(self) -> Iterator[Row]:
        """Look for faults in the first mail and in the largest, or in that to nobody in particular; yields each."""
        rows = [row for row in (self._sample, self._largest) if row is not None] or [row_of(_SOMEBODY)]
        for row in rows[:1] if rows[0] is rows[-1] else rows:
            try:
                data = self._letter.render(self.recipients, _address(row), _merge(row), _date())
            except InvalidMail:
                continue  # nobody can get this mail, and the failures say why
            for finding in lint(preview(data), size=len(data), bulk=self._job.bulk):
                known = self._findings.get(finding.code)
                if known is None or finding.number > known.number:
                    self._findings[finding.code] = finding
            yield row

    def report(self, now: datetime) -> Report:
        """What was found out."""
        lately, limit = pace(self._relay_names, now), self._relay.rate
        limited = limit is not None and (lately is None or limit <= lately)
        return Report(
            recipients=self.recipients,
            duplicates=self._counts["duplicates"],
            invalid=self._counts["invalid"],
            suppressed=self._counts["suppressed"],
            failed=self._counts["failed"],
            to_send=self._counts["to_send"],
            duplicate_examples=tuple(example.recipient for example in self._examples["duplicates"]),
            invalid_examples=tuple(self._examples["invalid"]),
            suppressed_examples=tuple(self._examples["suppressed"]),
            failed_examples=tuple(self._examples["failed"]),
            missing=tuple(Missing(name, n, tuple(self._lacking[name])) for name, n in self._missing.most_common()),
            total_bytes=self._bytes,
            largest_bytes=self._largest_bytes,
            largest_recipient=_address(self._largest) if self._largest else "",
            findings=tuple(sorted(self._findings.values(), key=lambda finding: CODES.index(finding.code))),
            sample_recipient=_address(self._sample) if self._sample else "",
            relay=self._relay.name,
            pace=limit if limited else lately,
            pace_is_limit=limited,
        )

    def _measure(self, row: Row) -> None:
        blanks: set[str] = set()
        try:
            size = self._letter.measure(self.recipients, _address(row), _merge(row), _date(), blanks)
        except InvalidMail as error:
            self._count("failed", row, str(error))
        except Exception as error:  # as when it is sent, a mail harms nobody but its own recipient
            self._count("failed", row, f"{type(error).__name__}: {error}")
        else:
            self._count("to_send", row)
            self._bytes += size
            self._sample = self._sample or row
            if size > self._largest_bytes:
                self._largest, self._largest_bytes = row, size
        for name in sorted(blanks):
            self._missing[name] += 1
            if len(self._lacking[name]) < _SHORT:
                self._lacking[name].append(_address(row))

    def _count(self, what: str, row: Row, reason: str | None = None) -> None:
        self._counts[what] += 1
        if reason is not None and len(self._examples[what]) < _EXAMPLES:
            self._examples[what].append(Example(_address(row), reason[:_LONGEST_REASON]))


def _address(row: Row) -> str:
    """The address as its owner spells it."""
    return row.spelled or row.recipient


def _merge(row: Row) -> dict[str, object] | None:
    return dict(row.merge) if row.merge else None


def _date() -> datetime:
    return timezone.now().astimezone()
