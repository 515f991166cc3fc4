"""Mail to the idle daemon, which PostgreSQL wakes: from the commit to the relay's acceptance."""

from __future__ import annotations

import time

from .. import sinks
from ..processes import wait_for
from ..stage import Stage

KIND = "postgresql"
#: mean seconds between two mails, so that the daemon has nothing to do when one comes
PAUSE = 0.3
_SETTLE = 2.0


def measure(stage: Stage) -> None:
    """`idle/POSTGRESQL` in ms, each mail a value."""
    if not stage.has(KIND):
        return
    stage.say("mail to the idle daemon")
    count = stage.sizes.idle
    with sinks.watching() as sink:
        site = stage.site(KIND, port=sink.port)
        site.empty()
        with site.begin("runmailer") as daemon:
            wait_for(lambda: "Quit with" in daemon.output, "runmailer does not start.")
            time.sleep(_SETTLE)
            queued = site.inside("urgent", count, PAUSE).told
            wait_for(lambda: len(sink.accepted()) >= count, "Not all mails were accepted.")
        accepted = sink.accepted()
    for recipient, (_, committed) in queued.items():
        stage.book.add(
            f"idle/{KIND}",
            1000 * (accepted[recipient].at - committed),
            what="one mail to the idle runmailer: commit to accepted",
            unit="ms",
            database=KIND,
        )
