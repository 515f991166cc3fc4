"""
The numbers on a job: how many of its messages stand where.

While a job is being sent they are added to a few times a second, so they may lag behind the rows by that much; after
a crash and at the end of the job they are counted anew from the rows, which are the truth.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from django.db.models import Count, F

from ..models import Message, MessageJob, MessageStatus
from .database import alias

#: a message status → the column of the job that counts it; queued and sending are what remains
COLUMNS: dict[int, str] = {
    MessageStatus.SENT: "sent",
    MessageStatus.DEFERRED: "deferred",
    MessageStatus.FAILED: "failed",
    MessageStatus.SUPPRESSED: "suppressed",
    MessageStatus.CANCELLED: "cancelled",
    MessageStatus.IN_DOUBT: "in_doubt",
}


def add(deltas: Mapping[int, Mapping[int, int]]) -> None:
    """
    Add to the counters: job id → message status → by how much (may be negative).

    Nothing is added to a job that has ended: whoever ended it has counted all its rows, ours included.
    """
    for job_id in sorted(deltas):
        changes = {COLUMNS[s]: F(COLUMNS[s]) + n for s, n in deltas[job_id].items() if s in COLUMNS and n}
        if changes:
            MessageJob.objects.filter(pk=job_id, finished_at=None).update(**changes)


def recount(job_id: int, **only_if: Any) -> None:
    """
    Set all counters of a job from its rows, and from what was purged of them; `only_if` is a condition of the job.

    For the last time it must be within the transaction that ends the job. Before that a count which is old when it is
    written does no harm, as long as the job has not ended meanwhile.
    """
    purged = MessageJob.objects.using(alias()).values_list("purged", flat=True).get(pk=job_id)
    rows = Message.objects.using(alias()).filter(job=job_id).values_list("status").annotate(n=Count("pk")).order_by()
    found = Counter(dict(rows))
    MessageJob.objects.filter(pk=job_id, **only_if).update(
        total=found.total() + sum(purged.values()),
        **{column: found[status] + purged.get(column, 0) for status, column in COLUMNS.items()},
    )
