"""How the relays are doing, shared by every process and host through one row each."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from ..addresses import redact_all
from ..models import RelayState
from .database import alias, in_write_transaction

T = TypeVar("T")

logger = logging.getLogger(__name__)


def states() -> dict[str, RelayState]:
    """All known states by the name of the relay; a relay that never had trouble may have none."""
    return {state.relay: state for state in RelayState.objects.using(alias()).filter(domain="")}


def change(relay: str, work: Callable[[RelayState], T]) -> T:
    """Run `work` on the relay's row, locked, and save what it changed: one short transaction."""

    def locked_work() -> T:
        RelayState.objects.get_or_create(relay=relay, domain="")
        state = RelayState.objects.select_for_update().get(relay=relay, domain="")
        answer = work(state)
        state.save()
        return answer

    return in_write_transaction(locked_work)


def pause(relay: str, now: datetime, until: Callable[[int], datetime], reason: str) -> datetime:
    """
    Pause the relay for everybody, `until(troubles in a row)`; returns when it may be tried again.

    A pause that somebody else has set already is kept: several connections that fail together are one trouble.
    """

    def work(state: RelayState) -> datetime:
        if state.paused_until is None or state.paused_until <= now:
            state.failures += 1
            state.paused_until, state.reason = until(state.failures), reason
            logger.warning("Relay %s is paused until %s: %s", relay, state.paused_until, redact_all(reason))
        return state.paused_until

    return change(relay, work)


def clear(relay: str) -> None:
    """The relay works again."""
    if RelayState.objects.filter(relay=relay, domain="", failures__gt=0).update(
        failures=0, paused_until=None, reason=""
    ):
        logger.info("Relay %s works again", relay)
