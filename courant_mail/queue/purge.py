"""Delete what has been finished for long, in small batches; never what is not finished."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q

from ..models import Attempt, Content, Message, MessageStatus
from .database import alias, in_write_transaction

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
        in_write_transaction(lambda ids=ids: _delete(ids))  # type: ignore[misc]
        total += len(ids)
    if total:
        _delete_contents(old)
    return total


def _delete(ids: Iterable[int]) -> None:
    Attempt.objects.filter(message__in=ids)._raw_delete(alias())
    Message.objects.filter(pk__in=ids)._raw_delete(alias())


def _delete_contents(old: datetime) -> None:
    """The bytes that no message needs any more."""
    needed = Message.objects.filter(content=OuterRef("pk"))
    unused: Any = Content.objects.using(alias()).filter(~Exists(needed), created_at__lt=old).order_by("pk")
    while ids := list(unused.values_list("pk", flat=True)[:_BATCH]):
        Content.objects.filter(~Exists(needed), pk__in=ids).delete()
