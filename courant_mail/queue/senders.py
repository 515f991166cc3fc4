"""Running processes: they register, stay alive by one small UPDATE, and sign off."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from datetime import datetime, timedelta

from ..exceptions import ClaimLost
from ..models import InFlight, Sender
from .database import alias, in_write_transaction

LOST = "This process was silent for too long; its messages went back to the queue."


def register(command: str, now: datetime, claim_seconds: float) -> int:
    """Make a row for this process, alive for `claim_seconds` from now, and return its id."""
    sender = Sender.objects.create(
        host=socket.gethostname(),
        pid=os.getpid(),
        command=command,
        started_at=now,
        alive_until=now + timedelta(seconds=claim_seconds),
    )
    return int(sender.pk)


def add_connections(sender_id: int, numbers: Iterable[int]) -> None:
    """
    Make the in-flight rows of these connections, holding nothing yet.

    Raises ClaimLost when others have declared this sender dead meanwhile.
    """
    rows = [InFlight(sender_id=sender_id, connection=number) for number in numbers]

    def add() -> None:
        lock_own(sender_id)
        InFlight.objects.bulk_create(rows)

    in_write_transaction(add)


def renew(sender_id: int, now: datetime, claim_seconds: float) -> None:
    """
    Stay alive for another `claim_seconds`.

    Raises ClaimLost when others have declared this sender dead meanwhile.
    """
    alive_until = now + timedelta(seconds=claim_seconds)
    if not Sender.objects.filter(pk=sender_id).update(alive_until=alive_until):
        raise ClaimLost(LOST)


def lock_own(sender_id: int) -> None:
    """
    Make sure, within a transaction, that nobody declares this sender dead before it commits.

    Raises ClaimLost when somebody has done so: what it claimed now would belong to nobody.
    """
    if Sender.objects.select_for_update().filter(pk=sender_id).values_list("pk", flat=True).first() is None:
        raise ClaimLost(LOST)


def retire(sender_id: int) -> None:
    """
    Sign off, or bury who is dead: the row and its in-flight rows go. The sender must hold nothing any more.

    Each row by its key: where a few rows are the whole table, MariaDB and MySQL would read all of them, and wait for
    those that another process has locked.
    """
    for pk in list(InFlight.objects.using(alias()).filter(sender=sender_id).values_list("pk", flat=True)):
        InFlight.objects.filter(pk=pk)._raw_delete(alias())
    Sender.objects.filter(pk=sender_id)._raw_delete(alias())
