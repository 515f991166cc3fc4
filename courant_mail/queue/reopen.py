"""Send a job to those who did not get it: put its failed and cancelled messages back into the queue, kind by kind."""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.utils import timezone

from ..causes import Cause
from ..choices import JobStatus, MessageStatus
from ..exceptions import WrongState
from ..models import Message, MessageJob
from .counters import add, recount
from .database import alias, in_write_transaction
from .wake import notify

logger = logging.getLogger(__name__)

_BATCH = 500
#: messages that can be queued again
STATUSES = (MessageStatus.FAILED, MessageStatus.CANCELLED, MessageStatus.IN_DOUBT)

#: What "send to the rest" takes. Not those who could never get it or must not, and not those who may have it already.
REST: tuple[Cause, ...] = tuple(
    cause for cause in Cause if cause not in (Cause.NO_ADDRESS, Cause.UNSUBSCRIBED, Cause.SUPPRESSED, Cause.IN_DOUBT)
)


def reopen(job_id: int, causes: Iterable[Cause] = REST) -> None:
    """
    Queue again the messages of the job that failed, were cancelled or are in doubt for one of these causes.

    One short transaction, whatever their number: `process_mail_jobs` and `runmailer` do the rest. A job that has ended
    is sending again; one that was cancelled before all its recipients were read goes on reading them. Nobody gets a
    second message of the job: the old ones are queued again, with their Message-IDs. What waits for another try by
    itself is left to do so.

    Raises WrongState when the job was never started or is being cancelled right now.
    """
    wanted = {int(cause) for cause in causes}

    def change() -> None:
        job = MessageJob.objects.select_for_update().without_words().filter(pk=job_id).first()
        if job is None:
            raise WrongState(f"Job {job_id} is gone.")
        status = _status_after(job, wanted)
        still = set((job.reopening or {}).get("causes", ()))
        MessageJob.objects.filter(pk=job_id).update(
            status=status,
            finished_at=None,
            released_at=timezone.now(),
            status_reason=job.status_reason if status == JobStatus.PAUSED else "",
            reopening={"causes": sorted(wanted | still), "after": 0},
        )
        notify()

    in_write_transaction(change)
    logger.info("Job %s goes on with those who did not get it", job_id)


def settle_reopened(*, batches: int | None = None) -> int:
    """Do what `reopen` has asked for, at most so many batches of each job. Returns how many messages were queued."""
    total = 0
    for job_id in MessageJob.objects.using(alias()).reopened().values_list("pk", flat=True):
        for _ in itertools.count() if batches is None else range(batches):
            count = in_write_transaction(lambda job_id=job_id: _batch(job_id))  # type: ignore[misc]
            total += count
            if not count:
                break
    return total


def _status_after(job: MessageJob, causes: set[int]) -> JobStatus:
    if job.status in (JobStatus.SENDING, JobStatus.PAUSED):
        return JobStatus(job.status)
    if job.status == JobStatus.FINISHED:
        return JobStatus.SENDING
    if job.status == JobStatus.CANCELLED:
        if job.finished_at is None:
            raise WrongState(f"Job {job.pk} is still being cancelled; try again in a minute.")
        if job.expanded_at is not None:
            return JobStatus.SENDING
        if Cause.CANCELLED in causes:
            return JobStatus.QUEUED
        raise WrongState(f"Job {job.pk} was cancelled before it reached everybody; send to all of the rest instead.")
    raise WrongState(f"Job {job.pk} has not been sent to anybody: it is “{job.get_status_display()}”.")


def _batch(job_id: int) -> int:
    job = MessageJob.objects.reopened().select_for_update().without_words().filter(pk=job_id).first()
    if job is None:
        return 0
    wanted: dict[str, Any] = job.reopening or {}
    causes, after = wanted["causes"], wanted["after"]
    rows: list[tuple[int, int]] = []
    while causes and not (rows := _next_rows(job_id, causes[0], after)):
        causes, after = causes[1:], 0
    if not rows:
        MessageJob.objects.filter(pk=job_id).update(reopening=None)
        if job.expanded_at is not None:
            recount(job_id)
        return 0
    Message.objects.filter(pk__in=[pk for pk, _ in rows]).update(
        status=MessageStatus.QUEUED, cause=None, not_before=None, attempts=0
    )
    add({job_id: {status: -count for status, count in Counter(status for _, status in rows).items()}})
    MessageJob.objects.filter(pk=job_id).update(reopening={"causes": causes, "after": rows[-1][0]})
    notify()
    return len(rows)


def _next_rows(job_id: int, cause: int, after: int) -> list[tuple[int, int]]:
    """In the order of the index, and each once: what fails again meanwhile is not queued for ever."""
    missed = Message.objects.filter(job=job_id, cause=cause, status__in=STATUSES, pk__gt=after).order_by("pk")
    return list(missed.select_for_update().values_list("pk", "status")[:_BATCH])
