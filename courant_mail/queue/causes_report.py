"""Why people did not get a job, and where they have their addresses, without counting a million of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connections
from django.db.models import QuerySet

from ..causes import Cause
from ..models import Message, MessageJob
from .counters import COLUMNS
from .database import alias, count_each

#: of each cause so many rows are counted, and no more
LIMIT = 10_000
#: what a receiving server has said: here the domain of an address tells something
FROM_SERVERS = (
    Cause.UNKNOWN_ADDRESS,
    Cause.UNKNOWN_DOMAIN,
    Cause.MAILBOX_FULL,
    Cause.TOO_LARGE,
    Cause.BLOCKED,
    Cause.REFUSED,
    Cause.PUT_OFF,
    Cause.GAVE_UP,
)
#: of each of these causes so many of the latest messages are looked at: each of them is a page read from the disk
LATEST = 500
_MISSED = [column for column in COLUMNS.values() if column != "sent"]


@dataclass(frozen=True, slots=True)
class CauseCount:
    """How many did not get a job for one cause; with `more` there are more than `number`."""

    cause: Cause
    number: int
    more: bool = False


@dataclass(frozen=True, slots=True)
class DomainReport:
    """Which domains refuse a job most. With `capped`, only the latest messages of some causes were looked at."""

    domains: list[tuple[str, int]]
    capped: bool = False


def by_cause(job: MessageJob, *, limit: int = LIMIT) -> list[CauseCount]:
    """
    How many did not get the job, or not yet, by cause; the largest number first. One query.

    Exact up to `limit`, and beyond it where only one cause has more: then it is what the counters of the job leave.
    """
    causes = list(Cause)
    counts = count_each(Message.objects.filter(job=job, cause=cause)[: limit + 1] for cause in causes)
    large = [cause for cause, count in zip(causes, counts, strict=True) if count > limit]
    rest = _missed_in_all(job) - sum(count for count in counts if count <= limit)
    found = []
    for cause, count in zip(causes, counts, strict=True):
        if count <= limit:
            found.append(CauseCount(cause, count))
        elif large == [cause] and rest > limit:
            found.append(CauseCount(cause, rest))
        else:
            found.append(CauseCount(cause, limit, more=True))
    return sorted((one for one in found if one.number), key=lambda one: (-one.number, one.cause))


def by_domain(job_id: int, *, most: int = 10, latest: int = LATEST) -> DomainReport:
    """The domains of those whom a receiving server has refused or put off, the most frequent first. One query."""
    missed = Message.objects.filter(job=job_id).order_by("-pk").values("cause", "recipient")
    rows = _all_of([missed.filter(cause=cause)[:latest] for cause in FROM_SERVERS])
    looked_at = Counter(cause for cause, _ in rows)
    domains = Counter(domain for _, address in rows if (domain := address.rpartition("@")[2]))
    return DomainReport(domains.most_common(most), capped=any(n >= latest for n in looked_at.values()))


def _missed_in_all(job: MessageJob) -> int:
    """By the counters of the job, but for the rows that were purged."""
    return sum(getattr(job, column) - job.purged.get(column, 0) for column in _MISSED)


def _all_of(querysets: Sequence[QuerySet[Any, Any]]) -> list[tuple[Any, ...]]:
    """
    The rows of all of them in one query.

    Raw SQL: Django's `union` takes no slices on SQLite, which wants each of them in a query of its own.
    """
    parts, params = _compiled(querysets)
    with connections[alias()].cursor() as cursor:
        cursor.execute(" UNION ALL ".join(f"SELECT * FROM ({sql}) looked_at" for sql in parts), params)
        return list(cursor.fetchall())


def _compiled(querysets: Sequence[QuerySet[Any, Any]]) -> tuple[list[str], list[Any]]:
    connection = connections[alias()]
    parts: list[str] = []
    params: list[Any] = []
    for queryset in querysets:
        sql, values = queryset.query.get_compiler(connection=connection).as_sql()
        parts.append(sql)
        params += values
    return parts, params
