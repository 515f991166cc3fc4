"""The tries that did not end in "sent": since when has a message been tried?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

from ..models import Attempt
from .database import alias


def first_tries(attempts: Mapping[int, int]) -> dict[int, datetime]:
    """
    When the messages were tried first; `attempts` maps their ids to the number of their tries so far.

    Only that many of the latest tries count: a message that was sent again by hand starts anew.
    """
    tried = [pk for pk, count in attempts.items() if count > 0]
    rows = Attempt.objects.using(alias()).filter(message__in=tried).order_by("-pk").values_list("message", "at")
    times: dict[int, list[datetime]] = defaultdict(list)
    for pk, at in rows:
        if len(times[pk]) < attempts[pk]:
            times[pk].append(at)
    return {pk: min(found) for pk, found in times.items()}
