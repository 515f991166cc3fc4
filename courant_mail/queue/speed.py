"""How fast jobs are going, and how they went: read from what was noted of them minute by minute."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Max, Min, Sum
from django.db.models.functions import TruncHour

from ..models import JobMinute, MessageJob
from .database import alias

#: the speed of now is that of the last few minutes
LATELY = timedelta(minutes=5)
_SHORTEST = timedelta(seconds=10)
#: a history with more minutes than this is read hour by hour
_MOST_MINUTES = timedelta(days=3)
_KINDS = ("sent", "deferred", "failed", "in_doubt")


@dataclass(frozen=True, slots=True)
class Period:
    """How many tries ended how from `start` on, within a minute or an hour."""

    start: datetime
    sent: int
    deferred: int
    failed: int
    in_doubt: int


@dataclass(frozen=True, slots=True)
class History:
    """The periods of a job in which something ended, oldest first; all of them minutes, or all of them hours."""

    periods: list[Period]
    length: timedelta
    #: the beginning of the first and of the last minute
    first: datetime | None = None
    last: datetime | None = None


def speeds(jobs: Iterable[MessageJob], now: datetime) -> dict[int, float]:
    """Tries a minute for each of the jobs of which something was tried in the last minutes. One query for all."""
    expanded = {job.pk: job.expanded_at for job in jobs}
    lately = JobMinute.objects.using(alias()).filter(job__in=list(expanded), minute__gt=now - LATELY)
    found: dict[int, list[tuple[datetime, int]]] = defaultdict(list)
    for job_id, minute, *counts in lately.order_by("job", "minute").values_list("job", "minute", *_KINDS):
        found[job_id].append((minute, sum(counts)))
    return {job_id: _speed(minutes, expanded[job_id], now) for job_id, minutes in found.items()}


def _speed(minutes: list[tuple[datetime, int]], expanded_at: datetime | None, now: datetime) -> float:
    """Minutes are noted whole; a job that has begun in the midst of the first one had only a part of it."""
    begin = minutes[0][0]
    if expanded_at is not None and begin < expanded_at < begin + timedelta(minutes=1):
        begin = expanded_at
    return sum(count for _, count in minutes) / (max(now - begin, _SHORTEST) / timedelta(minutes=1))


def history(job_id: int) -> History:
    """What is known of the whole job. Two queries; few thousand rows, however long it took."""
    minutes = JobMinute.objects.using(alias()).filter(job=job_id)
    ends: dict[str, Any] = minutes.aggregate(first=Min("minute"), last=Max("minute"))
    first, last = ends["first"], ends["last"]
    if first is None or last - first <= _MOST_MINUTES:
        rows = minutes.order_by("minute").values_list("minute", *_KINDS)
        return History([Period(*row) for row in rows], timedelta(minutes=1), first, last)
    # In UTC: many MariaDB and MySQL servers know no other zone.
    hours = minutes.annotate(hour=TruncHour("minute", tzinfo=UTC if first.tzinfo else None)).values("hour")
    sums = hours.annotate(**{f"all_{kind}": Sum(kind) for kind in _KINDS}).order_by("hour")
    rows = sums.values_list("hour", *(f"all_{kind}" for kind in _KINDS))
    return History([Period(*row) for row in rows], timedelta(hours=1), first, last)
