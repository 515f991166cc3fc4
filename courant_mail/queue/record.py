"""
Record how messages ended and which ones come next: the commit before every final dot.

Only the holder of a claim may record (the fence): a sender that was declared dead meanwhile changes nothing.
"""

from __future__ import annotations

import logging
import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connections
from django.db.models import F

from ..addresses import redact, redact_all
from ..causes import Cause, cause_of
from ..choices import MessageStatus, Outcome, Scope
from ..conf import Settings
from ..models import Attempt, Message
from .attempts import first_tries
from .claim import Claimed
from .database import alias, in_write_transaction
from .decisions import Decision, decide
from .endings import Ending, in_words
from .sent import fly_and_mark_sent
from .suppress import suppress

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Recorded:
    """What one commit changed: ids by new status, and the changes to the counters of the jobs."""

    ids: dict[MessageStatus, list[int]] = field(default_factory=lambda: defaultdict(list))
    deltas: dict[int, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))

    def note(self, message: Claimed, status: MessageStatus) -> None:
        self.ids[status].append(message.id)
        if message.job_id is not None:
            self.deltas[message.job_id][status] += 1


def record(
    sender_id: int,
    endings: Sequence[Ending],
    in_flight: Mapping[int, int | None],
    now: datetime,
    *,
    host: str,
    settings: Settings,
) -> Recorded:
    """
    Commit, in one transaction, how these messages ended and what each connection is about to finish.

    `in_flight` maps connection numbers to the message whose final dot is next (None: nothing is).
    Raises ClaimLost, with nothing changed, when this sender was declared dead.
    """

    sent = [ending for ending in endings if ending.result.outcome == Outcome.SENT]
    others = [ending for ending in endings if ending.result.outcome != Outcome.SENT]

    def commit() -> Recorded:
        done = Recorded()
        for ending in fly_and_mark_sent(sender_id, sent, in_flight, now):
            done.note(ending.message, MessageStatus.SENT)
        if others:
            _record_others(sender_id, others, now, host, settings, done)
        return done

    if not others and connections[alias()].vendor == "postgresql":
        # One statement is a transaction by itself: one trip to the server instead of four, for every commit that a
        # final dot waits for.
        return commit()
    return in_write_transaction(commit)


def _record_others(
    sender_id: int, endings: Sequence[Ending], now: datetime, host: str, settings: Settings, done: Recorded
) -> None:
    tried_first = first_tries({ending.message.id: ending.message.attempts for ending in endings})
    attempts = []
    for ending in endings:
        message, result = ending.message, ending.result
        decision = decide(
            result.outcome,
            in_words(result),
            attempts=message.attempts,
            first_tried=tried_first.get(message.id, now),
            now=now,
            retry=settings.retry,
            in_doubt=settings.in_doubt["single" if message.job_id is None else "job"],
            jitter=random.random(),
        )
        cause = cause_of(result.outcome, decision.status, enhanced=result.enhanced, reply=result.reply)
        if not _apply(sender_id, message.id, decision, cause, ending.relay):
            logger.warning("Message %s was not ours any more when its result came", message.id)
            continue
        done.note(message, decision.status)
        logger.info(
            "Message %s to %s: %s (%s)",
            message.id,
            redact(message.address),
            result.outcome.value,
            redact_all(in_words(result)),
        )
        if decision.counted:
            attempts.append(_attempt(ending, now, host))
        if ending.address_is_dead:
            suppress(message.recipient, scope=Scope.ALL, reason=result.reply, source="refusal")
    Attempt.objects.bulk_create(attempts)


def _apply(sender_id: int, message_id: int, decision: Decision, cause: Cause | None, relay: str) -> bool:
    changes: dict[str, Any] = {
        "status": decision.status,
        "not_before": decision.not_before,
        "reply": decision.reason,
        "cause": cause,
        "claimed_by": None,
    }
    if decision.counted:
        changes |= {"attempts": F("attempts") + 1, "relay": relay}
    return bool(Message.objects.held_by(sender_id).filter(pk=message_id).update(**changes))


def _attempt(ending: Ending, now: datetime, host: str) -> Attempt:
    result = ending.result
    return Attempt(
        message_id=ending.message.id,
        at=now - timedelta(seconds=result.seconds),
        seconds=result.seconds,
        relay=ending.relay,
        host=host,
        outcome=result.outcome,
        code=result.code,
        enhanced=result.enhanced,
        reply=result.reply,
    )
