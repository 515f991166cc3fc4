"""Take back what dead senders had claimed: what was in flight is in doubt, everything else was never on the wire."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F

from ..causes import cause_of
from ..choices import MessageStatus, Outcome
from ..conf import Settings
from ..models import Attempt, InFlight, Message, MessageJob, Sender
from . import dry_run
from .attempts import first_tries
from .counters import recount
from .database import alias, batches, in_write_transaction, locked
from .decisions import decide
from .senders import retire

logger = logging.getLogger(__name__)

_REASON = "The sender died after the final dot may have gone out; the relay may or may not have the message."


@dataclass(frozen=True, slots=True)
class Rescued:
    """How many dead senders were found, and what became of the messages they had claimed."""

    senders: int = 0
    in_doubt: int = 0
    returned: int = 0


def rescue(now: datetime, *, settings: Settings) -> Rescued:
    """
    Free the claims of every sender that is not alive any more, one transaction for each.

    The messages in its in-flight rows are in doubt and go the way that the setting IN_DOUBT says.
    """
    found = [
        _rescue(pk, now, settings) for pk in Sender.objects.using(alias()).expired(now).values_list("pk", flat=True)
    ]
    freed = [one for one in found if one is not None]
    return Rescued(len(freed), sum(doubtful for doubtful, _ in freed), sum(returned for _, returned in freed))


def _rescue(sender_id: int, now: datetime, settings: Settings) -> tuple[int, int] | None:
    def free() -> tuple[int, int, set[int]] | None:
        sender: Sender | None = locked(Sender.objects.expired(now).filter(pk=sender_id)).first()
        if sender is None:
            return None
        # Locked, so that a sender which comes back waits here, and then finds its rows gone.
        flying = list(locked(InFlight.objects.filter(sender=sender)).values_list("message_id", flat=True))
        held = Message.objects.using(alias()).held_by(sender_id)
        mine = list(locked(held).values_list("pk", flat=True))
        if len(flying) < InFlight.objects.using(alias()).filter(sender=sender).count() or len(mine) < held.count():
            # It was frozen in the middle of a transaction and still holds its locks. Nobody waits for it here.
            logger.warning("%s is silent, but its transaction is still open; looking again later", sender)
            return None
        jobs = set(held.exclude(job=None).order_by().values_list("job", flat=True).distinct())
        doubtful = list(
            held.filter(pk__in=[pk for pk in flying if pk is not None]).values_list("pk", "job_id", "attempts")
        )
        _settle_doubtful(doubtful, sender, now, settings)
        # By their keys: a range of the index would make MariaDB and MySQL wait for the rows of others.
        returned = sum(
            held.filter(pk__in=batch).update(status=MessageStatus.QUEUED, claimed_by=None) for batch in batches(mine)
        )
        MessageJob.objects.filter(claimed_by=sender_id).update(claimed_by=None)
        dry_run.release(sender_id)
        retire(sender_id)
        logger.warning("%s is dead: %s messages back to the queue, %s in doubt", sender, returned, len(doubtful))
        return len(doubtful), returned, jobs

    freed = in_write_transaction(free)
    if freed is None:
        return None
    _recount(freed[2])
    return freed[0], freed[1]


def _settle_doubtful(
    doubtful: Iterable[tuple[int, int | None, int]], sender: Sender, now: datetime, settings: Settings
) -> None:
    rows = list(doubtful)
    tried_first = first_tries({pk: attempts for pk, _, attempts in rows})
    for pk, job_id, attempts in rows:
        decision = decide(
            Outcome.IN_DOUBT,
            _REASON,
            attempts=attempts,
            first_tried=tried_first.get(pk, now),
            now=now,
            retry=settings.retry,
            in_doubt=settings.in_doubt["single" if job_id is None else "job"],
            jitter=random.random(),
        )
        Message.objects.held_by(sender.pk).filter(pk=pk).update(
            status=decision.status,
            not_before=decision.not_before,
            reply=decision.reason,
            cause=cause_of(Outcome.IN_DOUBT, decision.status),
            claimed_by=None,
            attempts=F("attempts") + 1,
        )
        Attempt.objects.create(message_id=pk, at=now, host=sender.host, outcome=Outcome.IN_DOUBT, reply=_REASON)


def _recount(jobs: Iterable[int]) -> None:
    """What the dead sender had not yet added to the counters is in the rows."""
    sending = MessageJob.objects.using(alias()).filter(finished_at=None).exclude(expanded_at=None)
    for job_id in sending.filter(pk__in=list(jobs)).values_list("pk", flat=True):
        recount(job_id, finished_at=None)  # whoever has ended it meanwhile has counted better
