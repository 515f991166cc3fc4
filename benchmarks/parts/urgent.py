"""
High-priority mail while a bulk job runs: from the call that queues it to the relay's acceptance.

`send_mail` sends the job over four connections, to a relay without delay and to one that takes 100 ms a mail; both are
the project's own, which write down when each urgent mail was accepted.
"""

from __future__ import annotations

from .. import jobs, sinks
from ..processes import Failed, Program, wait_for
from ..sinks import Sink
from ..sites import Site
from ..stage import Stage

KIND = "postgresql"
KILOBYTES = 30
DELAYS = {"fast": 0.0, "slow": 0.1}
#: mean seconds between two urgent mails
PAUSE = 0.12
#: the bulk job is to outlast them at this many messages a second
_PACE = {"fast": 5000, "slow": 50}


def measure(stage: Stage) -> None:
    """`urgent/fast` and `urgent/slow`, in ms, each mail a value."""
    if not stage.has(KIND):
        return
    for name, delay in DELAYS.items():
        stage.say(f"urgent mail, a relay of {delay * 1000:.0f} ms")
        with sinks.watching(delay=delay) as sink:
            site = stage.site(KIND, port=sink.port)
            count = stage.sizes.urgent
            jobs.fill(site, int(_PACE[name] * (count * PAUSE + 5)), KILOBYTES)
            with site.begin("send_mail", "--verbosity", "0") as bulk:
                times = _while_running(site, bulk, sink, count)
        for before, at in times:
            what = f"urgent mail during a bulk job, a relay of {delay * 1000:.0f} ms: queued to accepted"
            stage.book.add(f"urgent/{name}", 1000 * (at - before), what=what, unit="ms", database=KIND)
        site.empty()


def _while_running(site: Site, bulk: Program, sink: Sink, count: int) -> list[tuple[float, float]]:
    """When each was about to be queued, and when it was accepted."""
    wait_for(lambda: jobs.sent(site) > 0, "The bulk job does not begin.")
    queued = site.inside("urgent", count, PAUSE).told
    wait_for(lambda: len(sink.accepted()) >= count, "Not all urgent mails were accepted.")
    if not bulk.is_running:
        raise Failed("The bulk job was over before the last urgent mail.")
    accepted = sink.accepted()
    return [(before, accepted[recipient].at) for recipient, (before, _) in queued.items()]
