"""How many people of a job could get it after all, kind by kind: what `reopen` would put back into the queue."""

from __future__ import annotations

from collections.abc import Iterable

from ..causes import Cause
from ..models import Message
from .causes_report import LIMIT, CauseCount
from .database import count_each
from .reopen import REST, STATUSES

#: the kinds that can be sent again; the others could never get it, must not, or are tried again by themselves
RETRYABLE: tuple[Cause, ...] = (*(cause for cause in REST if cause is not Cause.PUT_OFF), Cause.IN_DOUBT)


def anybody_missed(job_id: int, causes: Iterable[Cause]) -> bool:
    """Whether there is somebody of these kinds."""
    # One by one and in the order of the index: asked for all kinds together, PostgreSQL reads the table from its
    # beginning until it meets somebody, and where there is nobody it reads all of it.
    rows = Message.objects.filter(job=job_id, status__in=STATUSES).order_by("cause", "pk")
    return any(count_each(rows.filter(cause=cause)[:1] for cause in causes))


def missed(job_id: int, causes: Iterable[Cause] = RETRYABLE) -> list[CauseCount]:
    """Those of these kinds who did not get the job, in one query that reads no more than `LIMIT` rows of each kind."""
    wanted = list(causes)
    rows = Message.objects.filter(job=job_id, status__in=STATUSES)
    counts = count_each(rows.filter(cause=cause)[: LIMIT + 1] for cause in wanted)
    found = zip(wanted, counts, strict=True)
    return [CauseCount(cause, min(count, LIMIT), count > LIMIT) for cause, count in found if count]
