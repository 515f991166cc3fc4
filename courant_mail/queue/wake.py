"""Wake the daemon: NOTIFY and LISTEN on PostgreSQL; the other databases are polled."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from django.db import connections

from .database import alias

CHANNEL = "courant_mail"
_LOST_SECONDS = 2.0

logger = logging.getLogger(__name__)


def can_listen() -> bool:
    """Whether the queue's database can wake a daemon by itself: PostgreSQL through psycopg 3.2 or newer."""
    connection: Any = connections[alias()]
    driver = connection.Database if connection.vendor == "postgresql" else None
    return hasattr(getattr(driver, "Connection", None), "notifies")


def notify() -> None:
    """Tell listening daemons that there is mail, once the current transaction commits."""
    if connections[alias()].vendor == "postgresql":
        with connections[alias()].cursor() as cursor:
            cursor.execute(f"NOTIFY {CHANNEL}")


class Listener(threading.Thread):
    """Calls `woken` for every NOTIFY, over a connection of its own; a lost connection is made anew."""

    def __init__(self, woken: Callable[[], None]) -> None:
        super().__init__(name="courant_mail-listener", daemon=True)
        self._woken = woken
        self._stop_asked = threading.Event()

    def run(self) -> None:
        while not self._stop_asked.is_set():
            try:
                self._listen()
            except Exception as error:  # whatever it is, the daemon must know that it has to look by itself
                logger.warning("Listening for new mail was interrupted (%s); polling meanwhile", error)
                self._stop_asked.wait(_LOST_SECONDS)
            finally:
                connections[alias()].close()

    def stop(self) -> None:
        """End within a second."""
        self._stop_asked.set()

    def _listen(self) -> None:
        connection = connections[alias()]
        with connection.cursor() as cursor:
            cursor.execute(f"LISTEN {CHANNEL}")
        # What was queued while nobody listened.
        self._woken()
        with connection.wrap_database_errors:
            while not self._stop_asked.is_set():
                for _ in connection.connection.notifies(timeout=1.0, stop_after=1):
                    self._woken()
