"""Pause, resume, cancel and schedule a job: one UPDATE of one row, whatever the number of its messages."""

from __future__ import annotations

import itertools
import logging
from datetime import datetime
from typing import Any

from django.db.models import Case, Q, Value, When
from django.utils import timezone

from ..addresses import storable
from ..causes import Cause
from ..choices import JOB_TRANSITIONS, JobStatus, MessageStatus
from ..exceptions import WordsChanged, WrongState
from ..models import Message, MessageJob
from .counters import recount
from .database import alias, in_write_transaction, locked
from .dry_run import fingerprint
from .wake import notify

logger = logging.getLogger(__name__)

_BATCH = 500


def pause(job_id: int, *, reason: str = "") -> None:
    """
    Stop expanding and sending the job; what is being sent at this moment still leaves.

    Raises WrongState when the job cannot be paused.
    """
    _change(job_id, JobStatus.PAUSED, status=JobStatus.PAUSED, status_reason=storable(reason), claimed_by=None)


def resume(job_id: int) -> None:
    """Go on with a paused job where it stopped. Raises WrongState when it is not paused."""
    going_on = Case(When(expanded_at=None, then=Value(JobStatus.QUEUED.value)), default=Value(JobStatus.SENDING.value))
    _change(
        job_id,
        JobStatus.SENDING,
        from_status=JobStatus.PAUSED,
        status=going_on,
        status_reason="",
        released_at=timezone.now(),
    )
    notify()


def cancel(job_id: int, *, reason: str = "") -> None:
    """
    End the job: nothing more of it is sent, unless somebody sends it to the rest (see `reopen`).

    Its waiting messages are marked cancelled by the next `process_mail_jobs`. Raises WrongState when it has ended.
    """
    _change(
        job_id,
        JobStatus.CANCELLED,
        status=JobStatus.CANCELLED,
        status_reason=storable(reason),
        claimed_by=None,
        reopening=None,
    )


def submit(job_id: int, *, at: datetime | None = None, seen: str = "") -> None:
    """
    Queue a draft, now or at a time. Raises WrongState when it is no draft.

    With `seen`, the fingerprint of what somebody has looked at (see `dry_run`), WordsChanged when it is that no more.
    """

    def change() -> None:
        if seen:
            draft = MessageJob.objects.select_for_update().filter(pk=job_id, status=JobStatus.DRAFT).first()
            if draft is not None and fingerprint(draft) != seen:
                raise WordsChanged(f"Job {job_id} is not what it was when somebody looked at it.")
        changes = {"status": JobStatus.QUEUED, "scheduled_at": at, "released_at": timezone.now()}
        _change(job_id, JobStatus.QUEUED, from_status=JobStatus.DRAFT, **changes)
        notify()

    in_write_transaction(change)


def schedule(job_id: int, at: datetime | None) -> None:
    """Let a queued job start at another time (None: at once). Raises WrongState when it has started already."""
    queued = MessageJob.objects.filter(pk=job_id, status=JobStatus.QUEUED)
    if not queued.update(scheduled_at=at, released_at=timezone.now()):
        _refuse(job_id, "scheduled")
    notify()


def settle_cancelled(now: datetime, *, batches: int | None = None) -> int:
    """Mark the waiting messages of cancelled jobs, at most so many batches of each. Returns how many messages."""
    total = 0
    for job_id in MessageJob.objects.using(alias()).unsettled().values_list("pk", flat=True):
        for _ in itertools.count() if batches is None else range(batches):
            count = in_write_transaction(lambda job_id=job_id: _cancel_batch(job_id))  # type: ignore[misc]
            total += count
            if not count:
                break
        in_write_transaction(lambda job_id=job_id: _end(job_id, now))  # type: ignore[misc]
    return total


def _cancel_batch(job_id: int) -> int:
    if not _lock_unsettled(job_id):
        return 0
    waiting = Q(status=MessageStatus.QUEUED) | Q(status=MessageStatus.DEFERRED)
    ids = list(locked(Message.objects.filter(waiting, job=job_id)).values_list("pk", flat=True)[:_BATCH])
    Message.objects.filter(pk__in=ids).update(status=MessageStatus.CANCELLED, cause=Cause.CANCELLED, not_before=None)
    return len(ids)


def _end(job_id: int, now: datetime) -> None:
    if _lock_unsettled(job_id) and not Message.objects.using(alias()).unfinished().filter(job=job_id).exists():
        recount(job_id)
        MessageJob.objects.filter(pk=job_id).update(finished_at=now)


def _lock_unsettled(job_id: int) -> bool:
    """Looked at again, and locked: somebody else may have settled the job meanwhile, and a third one reopened it."""
    unsettled = MessageJob.objects.unsettled().filter(pk=job_id)
    return unsettled.select_for_update().values_list("pk", flat=True).first() is not None


def _change(job_id: int, to: JobStatus, *, from_status: JobStatus | None = None, **changes: Any) -> None:
    allowed = [from_status] if from_status else [status for status, after in JOB_TRANSITIONS.items() if to in after]
    if not MessageJob.objects.filter(pk=job_id, status__in=allowed).update(**changes):
        _refuse(job_id, to.label)
    logger.info("Job %s: %s", job_id, to.value)


def _refuse(job_id: int, wish: Any) -> None:
    job = MessageJob.objects.using(alias()).without_words().filter(pk=job_id).first()
    state = job.get_status_display() if job else "gone"
    raise WrongState(f"Job {job_id} cannot become “{wish}”: it is “{state}”.")
