"""A process that watches others waits for no lock: those who hold it may be frozen."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, connections
from django.db.backends.signals import connection_created

_MOMENT = {
    "sqlite": "PRAGMA busy_timeout = 200",
    "postgresql": "SET lock_timeout = 200",
    "mysql": "SET SESSION innodb_lock_wait_timeout = 1",
}


@contextmanager
def impatient() -> Iterator[None]:
    """Inside, a lock that is held by somebody else raises OperationalError in a moment; in this process alone."""
    me = os.getpid()

    def hurry(**_: Any) -> None:
        if os.getpid() == me:
            with connection.cursor() as cursor:
                cursor.execute(_MOMENT[connection.vendor])

    connections.close_all()
    connection_created.connect(hurry)
    try:
        yield
    finally:
        connection_created.disconnect(hurry)
        connections.close_all()
