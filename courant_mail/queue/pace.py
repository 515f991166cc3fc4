"""How fast a relay was lately, from what was noted of its jobs minute by minute."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import F, Sum

from ..models import JobMinute, MessageJob
from .database import alias

_LATELY = timedelta(days=90)
_JOBS = 50
_BEST = 5
#: a minute with fewer tries says that there was little to send, not how fast the relay is
_LEAST = 60


def pace(relays: Sequence[str], now: datetime) -> float | None:
    """
    Tries per second through a relay (with all names that jobs know it by) in its best minutes; None when unknown.

    Whole minutes count, with sending before and after them; only where there are none, the best of the others, which
    is less than the relay can do.
    """
    jobs = MessageJob.objects.using(alias()).filter(relay__in=relays, expanded_at__gte=now - _LATELY)
    recent = list(jobs.order_by("-pk").values_list("pk", flat=True)[:_JOBS])
    rows = JobMinute.objects.using(alias()).filter(job__in=recent).order_by("minute").values("minute")
    counted = rows.annotate(tries=Sum(F("sent") + F("deferred") + F("failed") + F("in_doubt")))
    tries: dict[datetime, int] = {row["minute"]: int(row["tries"]) for row in counted}
    busy = {minute: count for minute, count in tries.items() if count >= _LEAST}
    step = timedelta(minutes=1)
    whole = sorted((n for minute, n in busy.items() if {minute - step, minute + step} <= tries.keys()), reverse=True)
    best = whole[:_BEST] or [max(busy.values(), default=0)]
    return sum(best) / len(best) / 60 or None
