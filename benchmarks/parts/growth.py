"""
Memory of the commands, and time per message, from a thousand messages to a million.

One job each, made by `process_mail_jobs` and sent by one `send_mail` to `smtp-sink`, with eight connections and 2 kB
mails. The time per message comes from the times at which the database says that they were sent.
"""

from __future__ import annotations

import itertools
import math

from .. import jobs, readers
from ..sites import Site
from ..stage import Stage
from .sending import UNIT

KIND = "postgresql"
KILOBYTES = 2
CONNECTIONS = 8


def measure(stage: Stage) -> None:
    """`memory/COMMAND/COUNT` in MB; `window/first`, `/last` and `/all` in µs per message of the largest queue."""
    if not stage.has(KIND):
        return
    site = stage.site(KIND, port=stage.sink.port, connections=CONNECTIONS)
    readers.fill(site.database, max(stage.sizes.growth))
    for count in stage.sizes.growth:
        stage.say(f"expanding and sending {count:,} messages")
        site.empty()
        site.inside("queue_job", "bench.readers", count, KILOBYTES)
        expanded = site.manage("process_mail_jobs", "--verbosity", "0")
        site.database.analyze("courant_mail_")
        sent = jobs.send(site, count)
        for command, run in (("process_mail_jobs", expanded), ("send_mail", sent)):
            what = f"memory of {command} at {count:,} messages"
            stage.book.add(f"memory/{command}/{count}", run.memory, what=what, unit="MB", database=KIND)
        what = f"send_mail, {count:,} messages of {KILOBYTES} kB, {CONNECTIONS} connections"
        stage.book.add(f"growth/{count}", count / sent.seconds, what=what, unit=UNIT, database=KIND)
    _windows(stage, site, max(stage.sizes.growth), stage.sizes.window)
    site.empty()


def _windows(stage: Stage, site: Site, count: int, size: int) -> None:
    """Microseconds per message of each so many messages, in the order of sending."""
    times = [float(row[0]) for row in site.database.rows(_EVERY.format(size=size))]
    spans = [1e6 * (after - before) / size for before, after in itertools.pairwise(times)]
    each = f"each {size:,} of {count:,}"
    for name, what, values in (
        ("all", f"time per message, {each}", spans),
        ("first", f"time per message, the first {size:,} of {count:,}", spans[:1]),
        ("last", f"time per message, the last {size:,} of {count:,}", spans[-1:]),
    ):
        for value in values:
            stage.book.add(f"window/{name}", value, what=what, unit="µs", database=KIND)
    drift = _drift(spans)
    if math.isfinite(drift):
        what = f"drift of the time per message over {count:,} messages (a line through {each})"
        stage.book.add("window/drift", 100 * drift, what=what, unit="%", database=KIND)


def _drift(spans: list[float]) -> float:
    """How much longer a message takes at the end than at the beginning, by the line through all spans."""
    count = len(spans)
    if count < 3:
        return math.nan
    middle, mean = (count - 1) / 2, sum(spans) / count
    slope = sum((x - middle) * (y - mean) for x, y in enumerate(spans)) / sum((x - middle) ** 2 for x in range(count))
    start = mean - slope * middle
    return slope * (count - 1) / start


#: the times of the first message, of each further so many, and of the last
_EVERY = (
    "SELECT EXTRACT(EPOCH FROM sent_at) FROM "
    "(SELECT sent_at, row_number() OVER (ORDER BY sent_at, id) AS n FROM courant_mail_message) AS m "
    "WHERE n = 1 OR mod(n, {size}) = 0 ORDER BY n"
)
