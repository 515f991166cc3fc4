"""Suppress a list of addresses, and lift many suppressions."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from ..models import Scope, Suppression
from .database import alias, batches, in_write_transaction

logger = logging.getLogger(__name__)


class Wanted(NamedTuple):
    """A suppression that is wished for. The address is in canonical spelling."""

    address: str
    scope: Scope = Scope.BULK
    reason: str = ""


@dataclass
class Tally:
    """What came of it: addresses that are suppressed now, those suppressed for more mail than before, the others."""

    added: int = 0
    widened: int = 0
    known: int = 0


def suppress_many(entries: Iterable[Wanted], *, source: str = "") -> Tally:
    """
    Suppress the addresses as `suppress` does one of them, in one transaction for some hundreds.

    Whoever is suppressed already keeps the first reason, unless the new scope is wider; so doing it twice changes
    nothing more. When it is interrupted, what was done stays.
    """
    tally = Tally()
    for batch in batches(entries):
        wanted = _once_each(batch)
        added, widened = in_write_transaction(lambda wanted=wanted: _suppress(wanted, source))  # type: ignore[misc]
        tally.added += added
        tally.widened += widened
        tally.known += len(batch) - added - widened
    logger.info("%d addresses are suppressed, %d for more mail than before", tally.added, tally.widened)
    return tally


def lift_many(addresses: Iterable[str]) -> int:
    """The addresses (in canonical spelling) may get mail again. Returns how many were suppressed."""
    lifted = 0
    for batch in batches(addresses):
        lifted += Suppression.objects.filter(address__in=batch).delete()[0]
    logger.info("%d suppressions are lifted", lifted)
    return lifted


def _once_each(batch: list[Wanted]) -> list[Wanted]:
    """Each address once, with its widest scope, in one order for all (else two such transactions block each other)."""
    found: dict[str, Wanted] = {}
    for entry in batch:
        known = found.get(entry.address)
        if known is None or (entry.scope == Scope.ALL and known.scope != Scope.ALL):
            found[entry.address] = entry
    return [found[address] for address in sorted(found)]


def _suppress(wanted: list[Wanted], source: str) -> tuple[int, int]:
    addresses = [entry.address for entry in wanted]
    rows = Suppression.objects.using(alias())
    known = set(rows.filter(address__in=addresses).values_list("address", flat=True))
    new = [
        Suppression(address=entry.address, scope=entry.scope, reason=entry.reason, source=source)
        for entry in wanted
        if entry.address not in known
    ]
    # Somebody else may be suppressing them at this moment.
    rows.bulk_create(new, ignore_conflicts=True)
    for_more: defaultdict[str, list[str]] = defaultdict(list)
    for entry in wanted:
        if entry.scope == Scope.ALL:
            for_more[entry.reason].append(entry.address)
    widened = sum(
        rows.filter(address__in=some, scope=Scope.BULK).update(scope=Scope.ALL, reason=reason, source=source)
        for reason, some in for_more.items()
    )
    return len(new), widened
