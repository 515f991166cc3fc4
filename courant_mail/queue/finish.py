"""Mark jobs as finished when all their messages have reached an end."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db.models import Exists, OuterRef

from ..models import JobStatus, Message, MessageJob
from .counters import recount
from .database import alias, in_write_transaction

logger = logging.getLogger(__name__)


def finish_jobs(now: datetime) -> list[MessageJob]:
    """The jobs that have just come to their end, their counters counted anew from the rows."""
    unfinished = Message.objects.unfinished().filter(job=OuterRef("pk"))
    ended = MessageJob.objects.using(alias()).sending().filter(~Exists(unfinished), reopening__isnull=True)
    keys = ended.values_list("pk", flat=True)
    return [job for pk in keys if (job := _finish(pk, now))]


def _finish(job_id: int, now: datetime) -> MessageJob | None:
    def finish() -> bool:
        # Locked, so that nobody queues a message of it again between the look and the end (see `resolve`).
        sending = MessageJob.objects.filter(pk=job_id, status=JobStatus.SENDING, reopening__isnull=True)
        if sending.select_for_update().values_list("pk", flat=True).first() is None:
            return False
        if Message.objects.using(alias()).unfinished().filter(job=job_id).exists():
            return False
        if not sending.update(status=JobStatus.FINISHED, finished_at=now):
            return False
        recount(job_id)
        return True

    if not in_write_transaction(finish):
        return None
    logger.info("Job %s is finished", job_id)
    return MessageJob.objects.using(alias()).without_words().get(pk=job_id)
