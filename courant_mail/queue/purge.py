"""Delete what has been finished for long, in small batches; never what is not finished."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q

from ..models import Attempt, Content, Message, MessageJob, MessageStatus
from .counters import COLUMNS
from .database import alias, in_write_transaction, locked

_BATCH = 500

#: django-mailer's names for which results are deleted → the statuses of ours they mean
RESULTS: dict[str, tuple[MessageStatus, ...]] = {
    "success": (MessageStatus.SENT,),
    "failure": (MessageStatus.FAILED, MessageStatus.SUPPRESSED, MessageStatus.CANCELLED),
    "all": (MessageStatus.SENT, MessageStatus.FAILED, MessageStatus.SUPPRESSED, MessageStatus.CANCELLED),
}


def purge(now: datetime, *, days: float, result: str = "success") -> int:
    """
    Delete the finished messages of jobs that ended, and of single mails that were queued, more than `days` ago.

    The jobs stay, with their counters. Messages in doubt wait for a human and are kept. Returns how many messages
    were deleted.
    """
    old = now - timedelta(days=days)
    ended = Q(job__finished_at__lt=old) | Q(content__created_at__lt=old)
    finished = Message.objects.using(alias()).filter(ended, status__in=RESULTS[result]).order_by("pk")
    total = 0
    while ids := list(finished.values_list("pk", flat=True)[:_BATCH]):
        deleted = in_write_transaction(lambda ids=ids: _delete(ids, RESULTS[result], old))  # type: ignore[misc]
        total += deleted
        if not deleted:
            break  # all of them are in other hands just now; the next purge finds them
    if total:
        _delete_contents(old)
    return total


def _delete(ids: Iterable[int], statuses: Iterable[MessageStatus], old: datetime) -> int:
    # Looked at again, and locked: somebody may have queued one of them anew, or its whole job.
    ended = Q(job=None) | Q(job__in=MessageJob.objects.filter(finished_at__lt=old).values("pk"))
    still = Message.objects.filter(ended, pk__in=ids, status__in=statuses).order_by("pk")
    rows = list(locked(still).values_list("pk", "job_id", "status"))
    _remember(Counter((job_id, status) for _, job_id, status in rows if job_id is not None))
    ids = [pk for pk, _, _ in rows]
    Attempt.objects.filter(message__in=ids)._raw_delete(alias())
    Message.objects.filter(pk__in=ids)._raw_delete(alias())
    return len(ids)


def _remember(gone: Counter[tuple[int, int]]) -> None:
    """The jobs keep their counters: what is gone is counted on in the jobs themselves."""
    jobs = MessageJob.objects.select_for_update().without_words()
    for job in jobs.filter(pk__in={job_id for job_id, _ in gone}).order_by("pk"):
        for (job_id, status), count in gone.items():
            if job_id == job.pk:
                job.purged[COLUMNS[status]] = job.purged.get(COLUMNS[status], 0) + count
        job.save(update_fields=["purged"])


def _delete_contents(old: datetime) -> None:
    """The bytes that no message needs any more."""
    needed = Message.objects.filter(content=OuterRef("pk"))
    unused: Any = Content.objects.using(alias()).filter(~Exists(needed), created_at__lt=old).order_by("pk")
    while ids := list(unused.values_list("pk", flat=True)[:_BATCH]):
        Content.objects.filter(~Exists(needed), pk__in=ids).delete()
