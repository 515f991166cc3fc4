"""
The lanes of the queue: single mails by priority, and the jobs that are sending.

A claim takes from the most urgent lanes first and goes round the jobs of equal priority, so that no job starves
another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connections

from ..models import JobStatus, MessageStatus, Priority
from .database import alias


@dataclass(frozen=True, slots=True)
class Lane:
    """What is served in turn: a job, or (without one) the single mails of a priority."""

    priority: int
    job_id: int | None
    bulk: bool


class Turn:
    """Whose turn it is among the jobs of equal priority; kept by one sender over its claims."""

    def __init__(self) -> None:
        self._last = 0

    def order(self, lanes: Sequence[Lane]) -> list[Lane]:
        """Most urgent first; single mails before jobs; the jobs of one priority go round."""
        return sorted(lanes, key=lambda lane: (lane.priority, lane.job_id is not None, *self._round(lane)))

    def served(self, lane: Lane) -> None:
        if lane.job_id is not None:
            self._last = lane.job_id

    def _round(self, lane: Lane) -> tuple[bool, int]:
        number = lane.job_id or 0
        return (number <= self._last, number)


def waiting_lanes(relays: Sequence[str], urgent_than: int | None = None) -> list[Lane]:
    """
    The lanes that have a queued message for one of `relays`; with `urgent_than`, those of a smaller priority number.

    One query, and raw SQL: it is asked several times a second while mail is being sent, and to put it together in the
    ORM took twenty times as long as to answer it.
    """
    marks = ", ".join(["%s"] * len(relays))
    limit = max(Priority) + 1 if urgent_than is None else urgent_than
    parts = [
        "SELECT j.priority, j.id, j.bulk FROM courant_mail_messagejob j "
        f"WHERE j.status = %s AND j.relay IN ({marks}) AND j.priority < {limit:d} AND EXISTS "
        "(SELECT 1 FROM courant_mail_message WHERE courant_mail_message.status = %s AND job_id = j.id)"
    ]
    params: list[Any] = [JobStatus.SENDING.value, *relays, int(MessageStatus.QUEUED)]
    for priority in Priority:
        if priority < limit:
            parts.append(
                f"SELECT {priority:d}, NULL, NULL FROM (SELECT 1 AS one) AS one "
                "WHERE EXISTS (SELECT 1 FROM courant_mail_message WHERE status = %s AND job_id IS NULL "
                f"AND priority = {priority:d} AND relay IN ({marks}))"
            )
            params += [int(MessageStatus.QUEUED), *relays]
    with connections[alias()].cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts), params)
        return [Lane(priority, job, bool(bulk)) for priority, job, bulk in cursor.fetchall()]
