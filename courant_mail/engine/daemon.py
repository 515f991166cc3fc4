"""One process that does all of it, for ever: what `runmailer` does."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from django.utils import timezone

from ..conf import get_settings
from ..queue import agenda, control, expand, reopen, rescue, retry, wake
from .coordinator import Coordinator
from .expansion import expansion_steps

#: recipients that one step expands, small enough that mail which is being sent hardly notices
_PAGE = 250
#: seconds between two looks where the database wakes us by itself
_SELDOM = 5.0


def run_forever(stop: threading.Event) -> None:
    """
    Expand, retry and send until `stop` is set; then end as `send` does.

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
                mail = chores.step()
                if coordinator.is_busy or mail or more:
                    more = coordinator.step()
                elif not chores.is_busy:
                    coordinator.rest(_SELDOM if listener else settings.poll_seconds, stop)
                    chores.look_again()
        finally:
            if listener:
                listener.stop()
            expand.release(coordinator.sender_id)


class _Chores:
    """What is done between two steps of sending: a slice of expansion, retries, rescue."""

    def __init__(self, sender_id: int) -> None:
        self._sender_id = sender_id
        self._settings = get_settings()
        self._expansion: Iterator[expand.Slice] | None = None
        self._next_look = 0.0

    @property
    def is_busy(self) -> bool:
        """Whether an expansion is under way."""
        return self._expansion is not None

    def look_again(self) -> None:
        """Look at the agenda with the next step."""
        self._next_look = 0.0

    def step(self) -> bool:
        """Do a piece of what is due; True when there may be mail to send."""
        if self._expansion is not None and next(self._expansion, None) is None:
            self._expansion = None
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
        if todo.settle and control.settle_cancelled(now, batches=1):
            self._next_look = 0.0
        if todo.settle and reopen.settle_reopened(batches=1):
            self._next_look = 0.0
        if todo.expand and self._expansion is None:
            self._expansion = expansion_steps(self._sender_id, page=_PAGE)
        return todo.send or todo.retry or todo.rescue
