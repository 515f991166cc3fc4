"""Send what is queued, once: what `send_mail` does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from django.utils import timezone

from ..conf import get_settings
from ..queue import agenda, rescue
from .coordinator import Coordinator
from .summary import SendSummary


def send(
    *,
    limit: int | None = None,
    connections: int | None = None,
    progress: Callable[[int], None] | None = None,
    stop: threading.Event | None = None,
) -> SendSummary:
    """
    Send everything that is queued, at most `limit` messages, over at most `connections` connections a relay.

    An idle run is one query. `progress` is called with the number of messages after each commit. `stop` ends the run
    within a second or two: replies in flight are waited for, everything else goes back to the queue.
    Raises ClaimLost when this process was frozen for so long that others took over its messages.
    """
    started = time.monotonic()
    settings = get_settings()
    todo = agenda.look(timezone.now())
    if todo.rescue:
        rescue.rescue(timezone.now(), settings=settings)
    if not (todo.send or todo.rescue):
        return SendSummary(seconds=time.monotonic() - started)
    stop = stop or threading.Event()
    with Coordinator("send_mail", settings, limit=limit, connections=connections, progress=progress) as coordinator:
        while not stop.is_set() and coordinator.step():
            pass
    coordinator.summary.seconds = time.monotonic() - started
    return coordinator.summary
