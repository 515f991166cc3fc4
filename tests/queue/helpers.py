"""Rows for the tests of the queue, and a stand-in for what the deliver room returns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from courant_mail.choices import JobStatus, MessageStatus, Outcome, Priority
from courant_mail.conf import get_settings
from courant_mail.deliver.outcomes import Result
from courant_mail.models import Content, InFlight, Message, MessageJob, Sender
from courant_mail.queue import senders
from courant_mail.queue.claim import Claim, claim
from courant_mail.queue.endings import Ending
from courant_mail.queue.lanes import Turn
from courant_mail.queue.record import Recorded, record

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SENT = Result(Outcome.SENT, 250, "2.0.0", "2.0.0 Ok: queued as 4711")
LATER = Result(Outcome.REFUSED_FOR_NOW, 451, "4.7.1", "4.7.1 Greylisted, try again")
NEVER = Result(Outcome.REFUSED, 550, "5.1.1", "5.1.1 No such user")
TROUBLE = Result(Outcome.RELAY_TROUBLE, None, "", "connection refused")
DOUBT = Result(Outcome.IN_DOUBT, None, "", "connection lost after the final dot")


def make_job(**values: Any) -> MessageJob:
    """A stored job that is being sent, unless the values say otherwise."""
    defaults: dict[str, Any] = {
        "subject": "News",
        "text": "Hello {{ first_name }}",
        "from_email": "editors@courant.example",
        "recipients": "",
        "status": JobStatus.SENDING,
        "expanded_at": NOW,
        "message_id_domain": "courant.example",
    }
    return MessageJob.objects.create(**defaults | values)


def make_messages(job: MessageJob, count: int, **values: Any) -> list[Message]:
    defaults: dict[str, Any] = {"priority": job.priority, "status": MessageStatus.QUEUED}
    Message.objects.bulk_create(
        Message(job=job, recipient=f"reader{n}@example.org", **defaults | values) for n in range(count)
    )
    return list(Message.objects.filter(job=job).order_by("pk"))


def make_single(recipient: str = "ann@example.org", priority: int = Priority.HIGH, **values: Any) -> Message:
    body = b"Subject: Hi\r\n\r\nHi\r\n"
    content = Content.objects.create(mail_from="site@courant.example", subject="Hi", body=body, size=len(body))
    return Message.objects.create(content=content, recipient=recipient, priority=priority, **values)


def make_sender(connections: int = 2, now: datetime = NOW, seconds: float = 60.0) -> int:
    sender_id = senders.register("send_mail", now, seconds)
    senders.add_connections(sender_id, range(connections))
    return sender_id


def claim_all(sender_id: int, limit: int = 1000, turn: Turn | None = None, **values: Any) -> Claim:
    return claim(sender_id, limit, relays=("smtp", "default", ""), turn=turn or Turn(), **values)


def record_all(
    sender_id: int,
    endings: list[Ending],
    in_flight: dict[int, int | None] | None = None,
    now: datetime = NOW,
) -> Recorded:
    return record(sender_id, endings, in_flight or {}, now, host="mailhost", settings=get_settings())


def later(**delta: float) -> datetime:
    return NOW + timedelta(**delta)


def statuses(queryset: Any = None) -> dict[str, int]:
    """How many messages stand where, by the names of the statuses."""
    found: dict[str, int] = {}
    for status in (queryset if queryset is not None else Message.objects).values_list("status", flat=True):
        name = MessageStatus(status).name.lower()
        found[name] = found.get(name, 0) + 1
    return found


def kill(sender_id: int) -> None:
    """What a SIGKILL leaves behind, a minute later: the rows of a sender that is not alive any more."""
    Sender.objects.filter(pk=sender_id).update(alive_until=NOW - timedelta(seconds=1))


def flying(sender_id: int) -> set[int]:
    rows = InFlight.objects.filter(sender=sender_id).values_list("message_id", flat=True)
    return {row for row in rows if row is not None}
