"""
Send some of the queue and time each kind of statement: `python -m benchmarks.inside.statements LIMIT`.

Tells the seconds of the run, how many were sent, and the times of each kind of statement in milliseconds.
"""

from __future__ import annotations

import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from benchmarks.inside import program

#: a kind of statement, and how one knows it
KINDS = {
    "claim: which rows": r"SELECT.*courant_mail_message.*FOR UPDATE",
    "claim: mark them": r"UPDATE \"?courant_mail_message\"? SET \"?status\"? = .*claimed_by",
    "commit before the dots": r"WITH flight",
    "lanes: what waits": r"SELECT.*EXISTS",
}


def kind(sql: str) -> str:
    """What the statement is for, or its first word and its first table."""
    for name, pattern in KINDS.items():
        if re.match(pattern, sql, re.DOTALL):
            return name
    table = re.search(r"courant_mail_\w+", sql)
    return f"{sql.split(maxsplit=1)[0]} {table[0] if table else ''}".strip()


def main(limit: int) -> dict[str, Any]:
    """One run of the engine, with a stopwatch around each statement."""
    from django.db import connection

    from courant_mail import engine

    times: dict[str, list[float]] = defaultdict(list)

    def stopwatch(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        started = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            times[kind(sql)].append(1000 * (time.perf_counter() - started))

    with connection.execute_wrapper(stopwatch):
        done = engine.send(limit=limit)
    return {"seconds": done.seconds, "sent": done.sent, "statements": times}


if __name__ == "__main__":
    program.begin()
    program.tell(main(int(sys.argv[1])))
