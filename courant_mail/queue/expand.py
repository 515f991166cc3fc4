"""Turn jobs into messages: one row per recipient, in short transactions, resumable anywhere."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import DataError
from django.db.models import Q

from ..addresses import storable
from ..models import JobStatus, MessageJob
from .counters import recount
from .database import in_write_transaction, locked
from .insert import insert_rows
from .readers import Page, read
from .rows import row_of, unless_suppressed
from .senders import lock_own
from .suppress import suppressed_among
from .wake import notify

logger = logging.getLogger(__name__)

PAGE = 5000


@dataclass(frozen=True, slots=True)
class Slice:
    """One committed step of an expansion. `error` is set when the source failed and the job was paused for it."""

    job_id: int
    recipients: int
    finished: bool = False
    error: str = ""


def take_job(sender_id: int, now: datetime) -> MessageJob | None:
    """Claim the most urgent job that waits for expansion; None when there is none."""

    def take() -> MessageJob | None:
        lock_own(sender_id)
        free = MessageJob.objects.expandable(now).filter(Q(claimed_by=None) | Q(claimed_by=sender_id))
        job: MessageJob | None = locked(free.order_by("priority", "pk")).first()
        if job is not None:
            job.status, job.claimed_by = JobStatus.EXPANDING, sender_id
            job.save(update_fields=["status", "claimed_by"])
        return job

    return in_write_transaction(take)


def expand(job: MessageJob, sender_id: int, now: datetime, *, page: int = PAGE) -> Iterator[Slice]:
    """
    Make the job's messages, one transaction per page of recipients; yields after each commit.

    Ends without a finished slice when somebody paused or cancelled the job, or took it over. A source that raises
    pauses the job, with the error as the reason; what was expanded stays, and resuming goes on behind it.
    """
    consumed = -1
    while True:
        try:
            if consumed < 0:
                reading = read(job, page)
                consumed = reading.consumed
            found = next(reading.pages, None)
        except Exception as error:  # the site's own source may raise anything; the job must not hang for it
            yield _source_failed(job, sender_id, error)
            return
        if found is None:
            break
        consumed += len(found.entries)
        try:
            stored = _store(job, sender_id, found, consumed)
        except DataError as error:  # one entry that the database does not take must not keep all other jobs waiting
            yield _source_failed(job, sender_id, error)
            return
        if not stored:
            return
        yield Slice(job.pk, len(found.entries))
    if _finish(job, sender_id, now):
        yield Slice(job.pk, 0, finished=True)


def release(sender_id: int) -> None:
    """Give back the jobs that this sender was expanding; another run goes on with them."""
    MessageJob.objects.filter(claimed_by=sender_id).update(claimed_by=None)


def _held(job: MessageJob, sender_id: int) -> Any:
    return MessageJob.objects.filter(pk=job.pk, status=JobStatus.EXPANDING, claimed_by=sender_id)


def _store(job: MessageJob, sender_id: int, page: Page, consumed: int) -> bool:
    """One page of recipients and the cursor behind them, in one transaction. False when the job is no longer ours."""
    rows = [row_of(entry) for entry in page.entries]

    def store() -> bool:
        if not _held(job, sender_id).update(cursor=page.cursor, consumed=consumed):
            return False
        blocked = suppressed_among([row.recipient for row in rows])
        insert_rows(
            job,
            [unless_suppressed(row, blocked.get(row.recipient), bulk=job.bulk) for row in rows] if blocked else rows,
        )
        return True

    return in_write_transaction(store)


def _source_failed(job: MessageJob, sender_id: int, error: Exception) -> Slice:
    reason = storable(f"The recipients could not be read: {type(error).__name__}: {error}")
    logger.exception("Job %s is paused: its recipients could not be read", job.pk)
    _held(job, sender_id).update(status=JobStatus.PAUSED, status_reason=reason, claimed_by=None)
    return Slice(job.pk, 0, error=reason)


def _finish(job: MessageJob, sender_id: int, now: datetime) -> bool:
    def finish() -> bool:
        ours = _held(job, sender_id)
        if not ours.update(status=JobStatus.SENDING, expanded_at=now, claimed_by=None):
            return False
        recount(job.pk)
        notify()
        return True

    done = in_write_transaction(finish)
    if done:
        logger.info("Job %s is expanded", job.pk)
    return done
