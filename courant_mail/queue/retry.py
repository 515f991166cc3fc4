"""Put deferred messages back into the queue, at their old priority."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from itertools import count

from ..models import Message, MessageStatus
from ..models.message import MessageQuerySet
from .counters import add
from .database import alias, in_write_transaction, locked
from .wake import notify

_BATCH = 500


def retry_deferred(now: datetime, *, everything: bool = False, batches: int | None = None) -> int:
    """
    Queue again what is due (or, with `everything`, all that is deferred), at most so many batches.

    Returns how many messages.
    """
    if not _deferred(now, everything).using(alias()).exists():
        return 0  # an idle run takes no write lock
    total = 0
    for _ in count() if batches is None else range(batches):
        queued = in_write_transaction(lambda: _retry_batch(now, everything))
        total += queued
        if queued < _BATCH:
            break
    return total


def _deferred(now: datetime, everything: bool) -> MessageQuerySet:
    return Message.objects.filter(status=MessageStatus.DEFERRED) if everything else Message.objects.due(now)


def _retry_batch(now: datetime, everything: bool) -> int:
    rows: list[tuple[int, int | None]] = list(
        locked(_deferred(now, everything).order_by("not_before", "pk")).values_list("pk", "job_id")[:_BATCH]
    )
    if not rows:
        return 0
    Message.objects.filter(pk__in=[pk for pk, _ in rows]).update(
        status=MessageStatus.QUEUED, cause=None, not_before=None
    )
    jobs = Counter(job_id for _, job_id in rows if job_id is not None)
    add({job_id: {MessageStatus.DEFERRED: -count} for job_id, count in jobs.items()})
    notify()
    return len(rows)
