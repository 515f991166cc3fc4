"""Hold a transaction open that has read something, until SIGTERM: `python -m benchmarks.inside.old_transaction`."""

from __future__ import annotations

import time

from benchmarks.inside import program

if __name__ == "__main__":
    program.begin()
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SELECT 1 FROM courant_mail_message LIMIT 1")
        time.sleep(1800)
