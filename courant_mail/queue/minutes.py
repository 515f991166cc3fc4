"""How fast a job goes: how many of its tries ended how, minute by minute."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F

from ..models import JobMinute, MessageJob, MessageStatus
from .database import alias

COLUMNS: dict[int, str] = {
    MessageStatus.SENT: "sent",
    MessageStatus.DEFERRED: "deferred",
    MessageStatus.FAILED: "failed",
    MessageStatus.IN_DOUBT: "in_doubt",
}


def note(deltas: Mapping[int, Mapping[int, int]], now: datetime) -> None:
    """
    Add to the minute of `now`: job id → message status → how many tries have just ended so.

    A chart, not a ledger: what a crash keeps from being noted is missing here, and in the counters it is not.
    """
    minute = now.replace(second=0, microsecond=0)
    for job_id in sorted(deltas):
        ended = {COLUMNS[s]: n for s, n in deltas[job_id].items() if s in COLUMNS and n > 0}
        if ended and not _add(job_id, minute, ended):
            _begin(job_id, minute, ended)


def _add(job_id: int, minute: datetime, ended: Mapping[str, int]) -> bool:
    more: dict[str, Any] = {column: F(column) + count for column, count in ended.items()}
    return bool(JobMinute.objects.filter(job=job_id, minute=minute).update(**more))


def _begin(job_id: int, minute: datetime, ended: Mapping[str, int]) -> None:
    try:
        with transaction.atomic(using=alias()):
            JobMinute.objects.create(job=MessageJob(pk=job_id), minute=minute, **ended)
    except IntegrityError:
        # Another sender has begun this minute; or the job is gone, and then nothing is changed here either.
        _add(job_id, minute, ended)
