"""One process that does all of it, for ever: what `runmailer` does."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator

from django.utils import timezone

from ..conf import get_settings
from ..queue import agenda, control, expand, reopen, rescue, retry, wake
from ..queue.database import DATABASE_ERRORS, reconnect
from .coordinator import Coordinator
from .dry_run import Step, dry_run_steps
from .expansion import expansion_steps, let_go

#: recipients that one step expands, small enough that mail which is being sent hardly notices
_PAGE = 250
#: while mail is being sent, a step of a dry run is followed by this many times as long without one
_BREATH = 4.0
#: seconds between two looks where the database wakes us by itself
_SELDOM = 5.0


def run_forever(stop: threading.Event) -> None:
    """
    Expand, retry, send and make dry runs until `stop` is set; then end as `send` does.

    On PostgreSQL new mail wakes it at once; elsewhere it looks every POLL_SECONDS. Whatever fails inside and cannot
    be mended here ends it with that error.
    """
    settings = get_settings()
    with Coordinator("runmailer", settings) as coordinator:
        listener = wake.Listener(lambda: coordinator.inbox.put(None)) if wake.can_listen() else None
        if listener:
            listener.start()
        chores = _Chores(coordinator.sender_id)
        more = False
        try:
            while not stop.is_set():
                coordinator.stay_alive()
                mail = chores.step(sending=coordinator.is_busy)
                if coordinator.is_busy or mail or more:
                    more = coordinator.step()
                elif not (chores.is_busy and coordinator.inbox.empty()):
                    coordinator.rest(_SELDOM if listener else settings.poll_seconds, stop)
                    chores.look_again()
        except DATABASE_ERRORS:
            reconnect()  # what we hold is given back over a connection that works, if there is one
            raise
        finally:
            if listener:
                listener.stop()
            chores.end()


class _Chores:
    """What is done between two steps of sending: a slice of expansion or of a dry run, retries, rescue."""

    def __init__(self, sender_id: int) -> None:
        self._sender_id = sender_id
        self._settings = get_settings()
        self._expansion: Iterator[expand.Slice] | None = None
        self._dry_runs: Generator[Step] | None = None
        self._dry_run_not_before = 0.0
        self._next_look = 0.0

    @property
    def is_busy(self) -> bool:
        """Whether an expansion or a dry run is under way."""
        return self._expansion is not None or self._dry_runs is not None

    def end(self) -> None:
        """Give back what is under way."""
        if self._dry_runs is not None:
            self._dry_runs.close()
        let_go(self._sender_id)

    def look_again(self) -> None:
        """Look at the agenda with the next step."""
        self._next_look = 0.0

    def step(self, *, sending: bool) -> bool:
        """Do a piece of what is due; True when there may be mail to send."""
        self._go_on(sending)
        if time.monotonic() < self._next_look:
            return False
        self._next_look = time.monotonic() + self._settings.poll_seconds
        now = timezone.now()
        todo = agenda.look(now)
        if todo.rescue:
            rescue.rescue(now, settings=self._settings)
        # In single batches: nothing may keep the couriers waiting for their permits.
        if todo.retry and retry.retry_deferred(now, batches=1):
            self._next_look = 0.0
        if todo.settle and control.settle_cancelled(now, batches=1) + reopen.settle_reopened(batches=1):
            self._next_look = 0.0
        if todo.expand and self._expansion is None:
            self._expansion = expansion_steps(self._sender_id, page=_PAGE)
        if todo.dry_run and self._dry_runs is None:
            self._dry_runs = dry_run_steps(self._sender_id, self._settings)
        return todo.send or todo.retry or todo.rescue

    def _go_on(self, sending: bool) -> None:
        """A slice of what is under way; an expansion goes first."""
        if self._expansion is None:
            self._rehearse(sending)
        elif next(self._expansion, None) is None:
            self._expansion = None

    def _rehearse(self, sending: bool) -> None:
        """A step of a dry run; it takes a small part of the time while there is mail that waits for it."""
        began = time.monotonic()
        if self._dry_runs is None or (sending and began < self._dry_run_not_before):
            return
        if next(self._dry_runs, None) is None:
            self._dry_runs = None
        self._dry_run_not_before = time.monotonic() + _BREATH * (time.monotonic() - began)
