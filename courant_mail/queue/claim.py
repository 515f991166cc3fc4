"""Claim messages for sending: a batch of one owner, in one short transaction, lane after lane (see `lanes`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connections
from django.db.models import Exists, OuterRef

from ..models import Content, Message, MessageStatus, Suppression
from .counters import add
from .database import alias, in_write_transaction, locked
from .lanes import Lane, Turn, waiting_lanes
from .senders import lock_own
from .suppress import blocks, cause_of_suppression, explain, suppressed_among

#: the bytes of single mails that one claim loads at most (one mail may be larger)
_CONTENT_BYTES = 16 * 1024 * 1024
_FIELDS = ("pk", "job_id", "content_id", "recipient", "spelled", "merge", "priority", "attempts", "relay")


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message that is ours until it is recorded or given back."""

    id: int
    job_id: int | None
    content_id: int | None
    recipient: str
    address: str
    merge: dict[str, Any] | None
    priority: int
    attempts: int
    content: Content | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """What a claim took, and how many messages it found suppressed."""

    messages: list[Claimed]
    suppressed: int = 0


def claim(sender_id: int, limit: int, *, relays: Sequence[str], turn: Turn, urgent_than: int | None = None) -> Claim:
    """
    Claim at most `limit` messages that may leave through one of `relays` (the empty name is the default relay).

    With `urgent_than`, only those of a smaller priority number. Suppressed messages among them get their status
    and are not returned.
    """

    def take() -> Claim:
        lock_own(sender_id)
        taken: list[dict[str, Any]] = []
        suppressed = 0
        for lane in turn.order(waiting_lanes(relays, urgent_than)):
            rows = _rows(lane, limit - len(taken), relays)
            if rows:
                turn.served(lane)
            blocked = _mark_suppressed(lane, rows)
            suppressed += len(blocked)
            # The lane decides how urgent a message is: a job's priority may have changed since its expansion.
            taken += [row | {"priority": lane.priority} for row in rows if row["pk"] not in blocked]
            if len(taken) >= limit:
                break
        contents = _contents(taken)
        claimed = [
            _claimed(row, contents) for row in taken if row["content_id"] is None or row["content_id"] in contents
        ]
        _mark_claimed(sender_id, [message.id for message in claimed])
        return Claim(claimed, suppressed)

    return in_write_transaction(take)


def waits(relays: Sequence[str], *, urgent_than: int | None = None) -> bool:
    """Whether anything could be claimed for these relays now, or anything more urgent than that."""
    return bool(waiting_lanes(relays, urgent_than))


def held(sender_id: int) -> list[int]:
    """The messages that this sender holds, as the database knows it."""
    return list(Message.objects.using(alias()).held_by(sender_id).values_list("pk", flat=True))


def give_back(sender_id: int, message_ids: Sequence[int]) -> None:
    """Back to the queue, untried."""
    Message.objects.held_by(sender_id).filter(pk__in=message_ids).update(status=MessageStatus.QUEUED, claimed_by=None)


def _rows(lane: Lane, limit: int, relays: Sequence[str]) -> list[dict[str, Any]]:
    queued = Message.objects.queued().filter(job=lane.job_id)
    if lane.job_id is None:
        queued = queued.filter(priority=lane.priority, relay__in=relays)
    known = Exists(Suppression.objects.filter(address=OuterRef("recipient")))
    return list(locked(queued.order_by("priority", "pk")).values(*_FIELDS, known=known)[:limit])


def _mark_claimed(sender_id: int, ids: Sequence[int]) -> None:
    """Raw SQL: the ORM spends more on a few hundred keys than the database on the whole claim."""
    if ids:
        with connections[alias()].cursor() as cursor:
            cursor.execute(
                "UPDATE courant_mail_message SET status = %s, claimed_by = %s "
                f"WHERE id IN ({', '.join(str(int(pk)) for pk in ids)})",
                [int(MessageStatus.SENDING), sender_id],
            )


def _mark_suppressed(lane: Lane, rows: Sequence[dict[str, Any]]) -> set[int]:
    """Those of the rows that must not be sent; they get their status here."""
    found = suppressed_among({row["recipient"] for row in rows if row["known"]})
    blocked: dict[int, Suppression] = {
        row["pk"]: found[row["recipient"]] for row in rows if blocks(found.get(row["recipient"]), bulk=lane.bulk)
    }
    for pk, suppression in blocked.items():
        Message.objects.filter(pk=pk).update(
            status=MessageStatus.SUPPRESSED, cause=cause_of_suppression(suppression), reply=explain(suppression)
        )
    if blocked and lane.job_id is not None:
        add({lane.job_id: {MessageStatus.SUPPRESSED: len(blocked)}})
    return set(blocked)


def _contents(rows: Sequence[dict[str, Any]]) -> dict[int, Content]:
    """The bytes of the single mails, as many as fit; the messages of the others stay queued for the next claim."""
    wanted = list(dict.fromkeys(row["content_id"] for row in rows if row["content_id"] is not None))
    if not wanted:
        return {}
    sizes = dict(Content.objects.using(alias()).filter(pk__in=wanted).values_list("pk", "size"))
    fitting: list[int] = []
    total = 0
    for pk in wanted:
        total += sizes[pk]
        if total <= _CONTENT_BYTES or not fitting:
            fitting.append(pk)
    return Content.objects.using(alias()).in_bulk(fitting)


def _claimed(row: dict[str, Any], contents: dict[int, Content]) -> Claimed:
    return Claimed(
        id=row["pk"],
        job_id=row["job_id"],
        content_id=row["content_id"],
        recipient=row["recipient"],
        address=row["spelled"] or row["recipient"],
        merge=row["merge"],
        priority=row["priority"],
        attempts=row["attempts"],
        content=contents.get(row["content_id"]),
    )
