"""A relay in use by this process: its couriers, their stock, its pace and its pauses."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from ..choices import Outcome
from ..conf import RelaySettings
from ..deliver import pacing
from ..deliver.courier import Stock, Task
from ..deliver.outcomes import Result
from ..models import RelayState
from ..queue import relay_state
from ..queue.endings import in_words

#: never claim more than about this much work, so that urgent mail does not wait behind it
WORK_SECONDS = 0.5
_MOST = 1000
#: so many messages in doubt without one accepted between them, and the relay is paused
_DOUBTS = 2
_IN_CONVERSATION = {"mail", "rcpt", "data", "dot"}


class Outlet:
    """
    The couriers of one relay. After trouble it is paused, for every process, and then tried with one connection.

    `names` are those under which messages ask for it; `hire` makes and starts a courier for it.
    """

    def __init__(
        self,
        relay: RelaySettings,
        names: tuple[str, ...],
        connections: int,
        hire: Callable[[RelaySettings, Stock], None],
        state: RelayState | None,
    ) -> None:
        self.relay = relay
        self.names = names
        self.stock = Stock()
        self._couriers = 0
        self.paused_until: datetime | None = state.paused_until if state else None
        self.reason = state.reason if state else ""
        self.in_trouble = bool(state and state.failures)
        self._allowed = 1 if self.in_trouble else connections
        self._connections = connections
        self._throttled_at: float | None = None
        self._doubts = 0
        self._hire = hire
        self._recorded = 0
        self._measured = time.monotonic()
        self._speed = 0.0

    def is_paused(self, now: datetime) -> bool:
        return self.paused_until is not None and self.paused_until > now

    def put(self, tasks: list[Task]) -> None:
        """Hand tasks to the couriers, with as many couriers as there is work for."""
        if self.stock.closed:
            self.stock, self._couriers = Stock(), 0
        while self._couriers < min(self._allowed, len(self.stock) + len(tasks)):
            self._hire(self.relay, self.stock)
            self._couriers += 1
        self.stock.put(tasks)

    def wanted(self) -> int:
        """How many more messages this outlet should have in stock; 0 while there is enough."""
        target = min(_MOST, max(2 * self._allowed, int(self._pace() * WORK_SECONDS)))
        stock = len(self.stock)
        return target - stock if stock <= target // 2 else 0

    def spend(self, wanted: int, now: datetime) -> int:
        """How many of the wanted messages the relay's rate allows now, over all processes and hosts."""
        rate = self.relay.rate
        if rate is None or not wanted:
            return wanted

        def work(state: RelayState) -> int:
            tokens = pacing.refill(state.tokens, state.refilled_at, now, rate)
            allowed = min(wanted, pacing.whole_tokens(tokens))
            # Never back: a host whose clock is behind would fill the bucket twice.
            state.tokens, state.refilled_at = tokens - allowed, max(now, state.refilled_at or now)
            return allowed

        return relay_state.change(self.relay.name, work)

    @property
    def patience(self) -> float:
        """Seconds until the relay's rate allows another message, at most a quarter of one."""
        return min(0.25, 1 / self.relay.rate) if self.relay.rate else 0.0

    def unspend(self, count: int) -> None:
        """Give back what was allowed and not used."""
        if self.relay.rate is not None and count > 0:

            def work(state: RelayState) -> None:
                state.tokens += count

            relay_state.change(self.relay.name, work)

    def succeeded(self, count: int, now: datetime) -> None:
        """Messages were accepted: the relay works; after throttling, connections come back one by one."""
        self._recorded += count
        self._doubts = 0
        if self.is_paused(now):
            return  # that was on the wire already when the trouble came
        if self.in_trouble:
            self.in_trouble, self.reason, self.paused_until = False, "", None
            relay_state.clear(self.relay.name)
        if self._throttled_at is None:
            self._allowed = self._connections
        else:
            quiet = time.monotonic() - self._throttled_at
            self._allowed = pacing.ramped_connections(1, self._connections, quiet)

    def is_serious(self, result: Result) -> bool:
        """Whether the relay should be left alone for this; one message in doubt alone is not, two in a row are."""
        self._doubts += result.outcome == Outcome.IN_DOUBT
        return result.outcome != Outcome.IN_DOUBT or self._doubts >= _DOUBTS

    def judged(self, result: Result, now: datetime) -> Result:
        """
        The result as the message should bear it.

        A connection that is lost is the relay's trouble. But when it is lost in the middle of a message although
        this relay was in trouble before, it may be the message that breaks it: then that message waits, as if
        refused for now, and lets the others pass.
        """
        if (
            self.in_trouble
            and not self.is_paused(now)
            and result.outcome == Outcome.RELAY_TROUBLE
            and result.stage in _IN_CONVERSATION
        ):
            return replace(result, outcome=Outcome.REFUSED_FOR_NOW)
        return result

    def trouble(self, result: Result, now: datetime) -> list[Task]:
        """Pause the relay for everybody; returns what no courier has taken, to be given back."""
        self.in_trouble, self.reason = True, f"{result.outcome.label}: {in_words(result)}"
        self.paused_until = relay_state.pause(
            self.relay.name,
            now,
            lambda failures: now + timedelta(seconds=pacing.pause_after(failures)),
            self.reason,
        )
        self._allowed = 1
        self._throttled_at = time.monotonic() if result.outcome == Outcome.THROTTLED else None
        return self.close()

    def learn(self, state: RelayState | None, now: datetime) -> list[Task]:
        """What others have written about the relay; returns what no courier has taken when they have paused it."""
        was_paused, was_in_trouble = self.is_paused(now), self.in_trouble
        self.paused_until, self.reason = (state.paused_until, state.reason) if state else (None, "")
        self.in_trouble = bool(state and state.failures)
        if self.is_paused(now) and not was_paused:
            self._allowed = 1
            return self.close()
        if was_in_trouble and not self.in_trouble and self._throttled_at is None:
            self._allowed = self._connections
        return []

    def close(self) -> list[Task]:
        """The couriers end after what they have in hand; returns what nobody has taken."""
        self.stock.close()
        return self.stock.drain()

    def _pace(self) -> float:
        """Messages per second, smoothed over about half a second."""
        elapsed = time.monotonic() - self._measured
        if elapsed > 0.1:
            now = self._recorded / elapsed
            self._speed = now if not self._speed else (self._speed + now) / 2
            self._measured, self._recorded = time.monotonic(), 0
        return self._speed
