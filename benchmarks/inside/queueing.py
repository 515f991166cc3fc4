"""Time of `queue_job` for jobs of several sizes: `python -m benchmarks.inside.queueing FEW MANY TIMES`."""

from __future__ import annotations

import sys
import time

from benchmarks import mails
from benchmarks.inside import program


def once(count: int) -> tuple[float, int]:
    """Milliseconds of one call, to its commit, and the number of its queries."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from courant_mail.api import queue_job

    with CaptureQueriesContext(connection) as queries:
        started = time.perf_counter()
        queue_job(
            subject=mails.SUBJECT,
            text=mails.TEXT,
            html=_HTML,
            from_email=mails.FROM,
            source="bench.readers",
            source_params={"limit": count},
        )
        seconds = time.perf_counter() - started
    return 1000 * seconds, len(queries)


_HTML = mails.html(30)

if __name__ == "__main__":
    program.begin()
    few, many, times = map(int, sys.argv[1:])
    for _ in range(3):
        once(few)  # what is imported and prepared once is not counted
    measured: dict[int, list[tuple[float, int]]] = {few: [], many: []}
    for _ in range(times):
        for count in (few, many):
            measured[count].append(once(count))
    program.tell(measured)
