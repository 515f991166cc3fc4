"""How many queries an empty run of each command makes: `python -m benchmarks.inside.queries COMMAND…`."""

from __future__ import annotations

import sys

from benchmarks.inside import program

if __name__ == "__main__":
    program.begin()
    from django.core.management import call_command
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    # What a connection asks when it is opened is not the command's.
    connection.ensure_connection()
    counts: dict[str, int] = {}
    for command in sys.argv[1:]:
        with CaptureQueriesContext(connection) as queries:
            call_command(command, verbosity=0)
        counts[command] = len(queries)
    program.tell(counts)
