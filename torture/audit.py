"""The audit after a battle: what the rows of the database say, held against what the relay has accepted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from django.db.models import Count

from courant_mail.choices import JobStatus, MessageStatus
from courant_mail.models import Attempt, InFlight, Message, MessageJob, Sender
from courant_mail.queue.counters import COLUMNS

from .relay import Copy

_WITH_CAUSE = {
    MessageStatus.DEFERRED,
    MessageStatus.FAILED,
    MessageStatus.SUPPRESSED,
    MessageStatus.CANCELLED,
    MessageStatus.IN_DOUBT,
}
_ENDED = {*_WITH_CAUSE, MessageStatus.SENT} - {MessageStatus.DEFERRED}
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Terms:
    """
    What was done to the senders, and therefore what may be in doubt, and what may be repeated.

    `blows`: processes killed or frozen, each with so many `connections`. `retry`: the policy for what is in doubt.
    `calm`: the relay was well-behaved, so that nothing else can bring doubt.
    """

    blows: int
    connections: int
    retry: bool
    calm: bool

    @property
    def in_doubt(self) -> int:
        """At most one message for each connection of each process that was killed or frozen."""
        return self.blows * self.connections


@dataclass(slots=True)
class Findings:
    """The figures of one battle, and what contradicts the guarantees."""

    messages: int = 0
    accepted: int = 0
    lost: int = 0
    repeated: int = 0
    in_doubt: int = 0
    #: how many repeats the guarantees allow
    may_repeat: int = 0
    statuses: Counter[MessageStatus] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)


def audit(asked: Mapping[str, int | None], copies: Mapping[str, Sequence[Copy]], terms: Terms) -> Findings:
    """Hold everything against everything. `asked` has the job of every recipient, None for a single mail."""
    rows = {row.recipient: row for row in Message.objects.filter(recipient__in=asked)}
    found = Findings(messages=len(asked), accepted=sum(map(len, copies.values())))
    found.statuses = Counter(MessageStatus(row.status) for row in rows.values())
    found.in_doubt = found.statuses[MessageStatus.IN_DOUBT]
    found.repeated = sum(len(given) - 1 for given in copies.values())
    lost = list(_lost(asked, rows, copies))
    found.lost = len(lost)
    found.broken += lost[:_SHOWN]
    # Where the relay itself left the client in doubt, it will get the mail once more.
    unconfirmed = sum(not copy.confirmed for given in copies.values() for copy in given)
    found.may_repeat = terms.in_doubt + unconfirmed if terms.retry else 0
    if found.repeated > found.may_repeat:
        found.broken.append(f"{found.repeated} repeated, more than {found.may_repeat}")
    if terms.calm and found.in_doubt > terms.in_doubt:
        found.broken.append(f"{found.in_doubt} in doubt, more than {terms.in_doubt}")
    found.broken += list(_message_ids(copies))
    found.broken += list(_refused_but_accepted(rows, copies, terms))
    found.broken += list(_inconsistent(rows))
    found.broken += list(_jobs())
    return found


def _lost(
    asked: Mapping[str, int | None], rows: Mapping[str, Message], copies: Mapping[str, Sequence[Copy]]
) -> Iterator[str]:
    for recipient, job in asked.items():
        row = rows.get(recipient)
        if row is None or row.job_id != job:
            yield f"{recipient} has no row"
        elif row.status not in _ENDED:
            yield f"{recipient} stays {row.get_status_display()}"
        elif row.status == MessageStatus.SENT and not copies.get(recipient):
            yield f"{recipient} counts as sent, and the relay knows nothing of it"


def _message_ids(copies: Mapping[str, Sequence[Copy]]) -> Iterator[str]:
    ids = {recipient: {copy.message_id for copy in given} for recipient, given in copies.items()}
    for recipient, found in ids.items():
        if len(found) > 1 or "" in found:
            yield f"{recipient} got the Message-IDs {found}"
    if len(set().union(*ids.values())) < len(ids):
        yield "two recipients got the same Message-ID"


def _refused_but_accepted(
    rows: Mapping[str, Message], copies: Mapping[str, Sequence[Copy]], terms: Terms
) -> Iterator[str]:
    """Who counts as refused has got nothing; but for a mail in doubt that was refused when it was sent again."""
    for recipient, row in rows.items():
        given = copies.get(recipient, ())
        if row.status == MessageStatus.FAILED and given and not (terms.retry and terms.blows + (not terms.calm)):
            yield f"{recipient} counts as refused ({row.reply}), and the relay has accepted it"
        if row.status == MessageStatus.FAILED and terms.calm:
            yield f"{recipient} was refused by a relay that refuses nobody: {row.reply}"


def _inconsistent(rows: Mapping[str, Message]) -> Iterator[str]:
    tried = dict(Attempt.objects.values_list("message").annotate(n=Count("pk")))
    for recipient, row in rows.items():
        if (row.cause is not None) != (row.status in _WITH_CAUSE):
            yield f"{recipient}: status {row.get_status_display()}, cause {row.cause}"
        if row.claimed_by is not None:
            yield f"{recipient} still belongs to a sender"
        if row.attempts != tried.get(row.pk, 0) + (row.status == MessageStatus.SENT):
            yield f"{recipient}: {row.attempts} attempts counted, {tried.get(row.pk, 0)} of them told"
    left = Sender.objects.count() + InFlight.objects.count()
    if left:
        yield f"{left} rows of senders are left"


def _jobs() -> Iterator[str]:
    for job in MessageJob.objects.all():
        if job.status not in (JobStatus.FINISHED, JobStatus.CANCELLED) or job.finished_at is None:
            yield f"job {job.pk} is {job.get_status_display()}"
        counted = Counter(dict(Message.objects.filter(job=job).values_list("status").annotate(n=Count("pk"))))
        for status, column in COLUMNS.items():
            expected = counted[status] + job.purged.get(column, 0)
            if getattr(job, column) != expected:
                yield f"job {job.pk} counts {getattr(job, column)} {column}, its rows {expected}"
        if job.total != counted.total() + sum(job.purged.values()):
            yield f"job {job.pk} counts {job.total} in all, its rows {counted.total()}, purged {job.purged}"
