"""What a human decides about messages that ended badly or in doubt: send them again, or count them as sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from django.db.models import QuerySet
from django.utils import timezone

from ..models import JobStatus, Message, MessageJob, MessageStatus
from .counters import recount
from .database import alias, batches, in_write_transaction, locked
from .wake import notify


def send_again(message_ids: Iterable[int]) -> int:
    """
    Queue failed messages and messages in doubt once more; those of a finished job open it again.

    Their tries so far no longer count against them. Whoever is in doubt may get the mail twice, with the same
    Message-ID. Messages in other states, and those of a cancelled job, are left alone. Returns how many
    messages were queued.
    """

    def again(messages: QuerySet[Message]) -> int:
        jobs = set(messages.using(alias()).exclude(job=None).values_list("job", flat=True))
        count = messages.update(status=MessageStatus.QUEUED, cause=None, not_before=None, attempts=0)
        opened = MessageJob.objects.filter(pk__in=jobs, status=JobStatus.FINISHED)
        opened.update(status=JobStatus.SENDING, finished_at=None, released_at=timezone.now())
        return count

    return _each_batch(message_ids, (MessageStatus.FAILED, MessageStatus.IN_DOUBT), again)


def count_as_sent(message_ids: Iterable[int]) -> int:
    """Take messages in doubt as sent, after a look at the relay's log. Returns how many there were."""

    def settle(messages: QuerySet[Message]) -> int:
        return messages.update(status=MessageStatus.SENT, cause=None)

    return _each_batch(message_ids, (MessageStatus.IN_DOUBT,), settle)


def _each_batch(
    message_ids: Iterable[int], statuses: tuple[MessageStatus, ...], work: Callable[[QuerySet[Message]], int]
) -> int:
    total = 0
    for batch in batches(message_ids):

        def change(batch: list[int] = batch) -> int:
            cancelled = MessageJob.objects.filter(status=JobStatus.CANCELLED).values("pk")
            allowed = Message.objects.filter(pk__in=batch, status__in=statuses).exclude(job__in=cancelled)
            rows = dict(locked(allowed.order_by("pk")).values_list("pk", "job"))
            # Locked, so that none of these jobs is finished meanwhile (see `finish`).
            jobs = MessageJob.objects.filter(pk__in=set(rows.values()) - {None}).order_by("pk")
            list(jobs.select_for_update().values_list("pk", flat=True))
            count = work(Message.objects.filter(pk__in=list(rows)).order_by())
            for job_id in sorted({job for job in rows.values() if job is not None}):
                recount(job_id)
            notify()
            return count

        total += in_write_transaction(change)
    return total
