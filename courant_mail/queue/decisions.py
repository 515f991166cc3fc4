"""What follows an outcome, as pure functions: no clock, no database, no chance of their own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ..choices import MessageStatus, Outcome
from ..conf import RetryPolicy


@dataclass(frozen=True, slots=True)
class Decision:
    """The next status of a message, and why. `counted` says whether the try counts as one of the message's own."""

    status: MessageStatus
    reason: str
    not_before: datetime | None = None
    counted: bool = True


def decide(
    outcome: Outcome,
    reply: str,
    *,
    attempts: int,
    first_tried: datetime,
    now: datetime,
    retry: RetryPolicy,
    in_doubt: str,
    jitter: float,
) -> Decision:
    """
    The next status of a message whose try ended in `outcome`.

    `attempts` counts earlier tries, the first of them at `first_tried`; `in_doubt` is "retry" or "hold"; `jitter`
    lies between 0 and 1 and spreads the delay by up to a tenth.
    """
    match outcome:
        case Outcome.SENT:
            return Decision(MessageStatus.SENT, reply)
        case Outcome.REFUSED_FOR_NOW:
            return _again_or_give_up(reply, attempts, first_tried, now, retry, jitter)
        case Outcome.REFUSED | Outcome.SENDER_REFUSED | Outcome.OUR_FAULT:
            return Decision(MessageStatus.FAILED, reply)
        case Outcome.THROTTLED | Outcome.RELAY_TROUBLE | Outcome.MISCONFIGURED:
            return Decision(MessageStatus.QUEUED, reply, counted=False)
        case Outcome.IN_DOUBT:
            if in_doubt != "retry":
                return Decision(MessageStatus.IN_DOUBT, reply)
            if attempts == 0:
                return Decision(MessageStatus.QUEUED, reply)
            # Once more at once, then ever more slowly: a relay that never answers must not get a thousand copies.
            again = _again_or_give_up(reply, attempts - 1, first_tried, now, retry, jitter)
            return again if again.status == MessageStatus.DEFERRED else Decision(MessageStatus.IN_DOUBT, reply)


def retry_delay(attempts: int, retry: RetryPolicy, jitter: float) -> timedelta:
    """How long to wait after `attempts` earlier refusals: exponential up to the ceiling, spread by the jitter."""
    # The exponent is bounded, since 2.0 ** 2000 is an OverflowError and the ceiling holds long before.
    seconds = min(retry.ceiling, retry.first * retry.factor ** min(attempts, 64))
    return timedelta(seconds=seconds * (0.95 + jitter / 10))


def _again_or_give_up(
    reply: str, attempts: int, first_tried: datetime, now: datetime, retry: RetryPolicy, jitter: float
) -> Decision:
    if now - first_tried >= timedelta(seconds=retry.age_limit):
        hours = retry.age_limit / 3600
        return Decision(MessageStatus.FAILED, f"given up after {hours:g} hours: {reply}")
    return Decision(MessageStatus.DEFERRED, reply, not_before=now + retry_delay(attempts, retry, jitter))
