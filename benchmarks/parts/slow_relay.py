"""
A relay that takes 100 ms a mail: ours over 50 connections, against django-mailer, and against what 50 ÷ 0.1 s allows.

`smtp-sink` can wait for whole seconds only, so the relay is the project's own.
"""

from __future__ import annotations

from .. import jobs, sinks
from ..peers import MAILER, POST_OFFICE
from ..stage import Stage
from .sending import UNIT

KIND = "postgresql"
KILOBYTES = 30
DELAY = 0.1
CONNECTIONS = 50


def measure(stage: Stage) -> None:
    """`slow/courant_mail`, `slow/django-mailer`, `slow/post_office` and `slow/limit`, in messages a second."""
    if not stage.has(KIND):
        return
    limit = CONNECTIONS / DELAY
    stage.book.add("slow/limit", limit, what=f"{CONNECTIONS} connections ÷ {DELAY * 1000:.0f} ms", unit=UNIT)
    with sinks.watching(delay=DELAY, watch="") as sink:
        for number in range(stage.sizes.runs):
            stage.say(f"a relay of 100 ms, round {number + 1} of {stage.sizes.runs}")
            site = stage.site(KIND, port=sink.port, connections=CONNECTIONS)
            idle = jobs.idle(site)
            jobs.fill(site, stage.sizes.delayed, KILOBYTES)
            done = jobs.send(site, stage.sizes.delayed)
            stage.book.add(
                "slow/courant_mail",
                stage.sizes.delayed / (done.seconds - idle.seconds),
                what=f"courant_mail, relay of 100 ms, {CONNECTIONS} connections",
                unit=UNIT,
                database=KIND,
            )
            for key, contestant, messages in (
                ("slow/django-mailer", MAILER, stage.sizes.delayed_peer),
                ("slow/post_office", POST_OFFICE, 5 * stage.sizes.delayed_peer),
            ):
                peer = stage.site(KIND, contestant.app, port=sink.port, **contestant.settings)
                start = contestant.idle(peer)
                contestant.fill(peer, messages, KILOBYTES)
                took = contestant.send(peer, messages, KILOBYTES)
                rate = messages / (took.seconds - start.seconds)
                stage.book.add(key, rate, what=f"{contestant.what}, relay of 100 ms", unit=UNIT, database=KIND)
