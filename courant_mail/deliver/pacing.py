"""How fast and how parallel: arithmetic without a clock. Times are datetimes of one zone, rates messages per second."""

from __future__ import annotations

import math
from datetime import datetime

#: the first and the longest pause after relay trouble, in seconds
FIRST_PAUSE = 5.0
LONGEST_PAUSE = 300.0
#: seconds without throttling after which one more connection is tried
RAMP_SECONDS = 30.0


def burst(rate: float) -> float:
    """How many tokens a bucket holds: those of one second, at least one."""
    return max(1.0, rate)


def refill(tokens: float, refilled_at: datetime | None, now: datetime, rate: float) -> float:
    """
    The tokens in the bucket at `now`; one token is one message.

    `refilled_at` None means a bucket never used: it is full. A clock that went backwards adds nothing.
    """
    if refilled_at is None:
        return burst(rate)
    elapsed = max(0.0, (now - refilled_at).total_seconds())
    return min(burst(rate), tokens + elapsed * rate)


def whole_tokens(tokens: float) -> int:
    """How many messages may leave now."""
    # A thousandth is forgiven, so that the sum of many small refills does not make a sender wait once more.
    return max(0, math.floor(tokens + 0.001))


def pause_after(failures: int) -> float:
    """Seconds to leave a relay alone after so many troubles in a row: 0, 5, 10, 20 … up to five minutes."""
    if failures <= 0:
        return 0.0
    return float(min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 30)))


def ramped_connections(reduced: int, configured: int, quiet_seconds: float) -> int:
    """How many connections to use so long after a throttling left `reduced`: one more every RAMP_SECONDS."""
    return max(1, min(configured, reduced + int(max(0.0, quiet_seconds) // RAMP_SECONDS)))
