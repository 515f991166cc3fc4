"""Is there anything to do? One query tells. And for people and monitoring: how does everything stand?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, F, Min, OuterRef
from django.db.models.functions import Coalesce, Greatest

from ..models import Content, DryRun, JobStatus, Message, MessageJob, MessageStatus, Sender
from .database import alias, exist
from .relay_state import states


@dataclass(frozen=True, slots=True)
class Agenda:
    """What waits to be done."""

    rescue: bool
    expand: bool
    settle: bool
    send: bool
    retry: bool
    dry_run: bool

    def __bool__(self) -> bool:
        return self.rescue or self.expand or self.settle or self.send or self.retry or self.dry_run


def look(now: datetime) -> Agenda:
    """What waits to be done, with one cheap query."""
    messages = Message.objects.using(alias())
    jobs = MessageJob.objects.using(alias())
    dead, expandable, unsettled, reopened, singles, sending, due, dry_run = exist(
        Sender.objects.using(alias()).expired(now),
        jobs.expandable(now),
        jobs.unsettled(),
        jobs.reopened(),
        messages.queued().filter(job=None),
        jobs.sending(),
        messages.due(now),
        DryRun.objects.using(alias()).free(),
    )
    return Agenda(
        rescue=dead,
        expand=expandable,
        settle=unsettled or reopened,
        send=singles or sending,
        retry=due,
        dry_run=dry_run,
    )


def status(now: datetime, relays: Iterable[str]) -> dict[str, Any]:
    """Counts by status, the age of the oldest message that is due, the relays, and who is sending."""
    messages = dict(Message.objects.using(alias()).values_list("status").annotate(n=Count("pk")).order_by())
    jobs = dict(MessageJob.objects.using(alias()).values_list("status").annotate(n=Count("pk")).order_by())
    return {
        "messages": {s.name.lower(): messages.get(s.value, 0) for s in MessageStatus},
        "jobs": {s.value: jobs.get(s.value, 0) for s in JobStatus},
        "oldest_due_seconds": _oldest_due_seconds(now),
        "relays": _relays(now, relays),
        "senders": [
            {"host": s.host, "pid": s.pid, "command": s.command, "alive": s.alive_until >= now}
            for s in Sender.objects.using(alias()).order_by("pk")
        ],
    }


def _oldest_due_seconds(now: datetime) -> float | None:
    """Since when the message that has waited longest could have left."""
    queued = Message.objects.using(alias()).queued()
    singles = Content.objects.using(alias()).filter(Exists(queued.filter(content=OuterRef("pk"))))
    jobs = MessageJob.objects.using(alias()).sending().filter(Exists(queued.filter(job=OuterRef("pk"))))
    since = [
        singles.aggregate(at=Min("created_at"))["at"],
        jobs.aggregate(at=Min(_not_before_it_was_released(F("expanded_at"))))["at"],
        Message.objects.using(alias()).due(now).aggregate(at=Min("not_before"))["at"],
        Sender.objects.using(alias()).expired(now).aggregate(at=Min("alive_until"))["at"],
        MessageJob.objects.using(alias())
        .expandable(now)
        .aggregate(at=Min(_not_before_it_was_released(Coalesce("scheduled_at", "created_at"))))["at"],
    ]
    known = [at for at in since if at is not None]
    return max(0.0, (now - min(known)).total_seconds()) if known else None


def _not_before_it_was_released(since: Any) -> Greatest:
    """A draft that was written long ago, or a job that was paused, has waited since somebody let it go."""
    return Greatest(since, Coalesce("released_at", since))


def _relays(now: datetime, names: Iterable[str]) -> dict[str, Any]:
    known = states()
    found: dict[str, Any] = {}
    for name in names:
        state = known.get(name)
        paused = state is not None and state.paused_until is not None and state.paused_until > now
        found[name] = {
            "state": "paused" if paused else "ok",
            "paused_until": state.paused_until.isoformat() if paused and state and state.paused_until else None,
            "reason": state.reason if paused and state else "",
            "failures": state.failures if state else 0,
        }
    return found
