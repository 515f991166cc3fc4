"""
Two `send_mail` processes on one queue against one.

Each has a folder of locks of its own, as two hosts have. On a machine of two cores one process, the database and the
sink need both of them already, and nothing is left for a second: so it is also measured with a relay that takes a
little time, where cores are free. How many were idle while one process sent is told beside it.
"""

from __future__ import annotations

import os
import time

from .. import jobs, sinks
from ..processes import Program, machine_cpu_seconds
from ..sites import Site
from ..stage import Stage
from .sending import UNIT

KIND = "postgresql"
KILOBYTES = 30
#: seconds that a mail takes at the relay that leaves cores free
DELAY = 0.02


def measure(stage: Stage) -> None:
    """`two/fast/…` and `two/slow/…`: `1`, `2` (messages a second) and `idle` (cores)."""
    if not stage.has(KIND):
        return
    stage.say("two processes against one")
    for _ in range(stage.sizes.runs):
        _pair(stage, "fast", stage.sink.port, 2 * stage.sizes.fast)
    with sinks.watching(delay=DELAY, watch="") as sink:
        for _ in range(stage.sizes.runs):
            _pair(stage, "slow", sink.port, stage.sizes.fast // 4)


def _pair(stage: Stage, relay: str, port: int, messages: int) -> None:
    words = "a relay without delay" if relay == "fast" else f"a relay of {DELAY * 1000:.0f} ms a mail"
    for count in (1, 2):
        sites = [_site(stage, port, number) for number in range(count)]
        sites[0].empty()
        idle = _together(sites)
        jobs.fill(sites[0], messages, KILOBYTES)
        cpu = machine_cpu_seconds()
        seconds = _together(sites)
        cpu = machine_cpu_seconds() - cpu
        jobs.must_be_sent(sites[0], messages)
        stage.book.add(
            f"two/{relay}/{count}",
            messages / (seconds - idle),
            what=f"{count} process{'es' if count > 1 else ''}, {words}",
            unit=UNIT,
            database=KIND,
        )
        if count == 1:
            cores = os.cpu_count() or 1
            stage.book.add(
                f"two/{relay}/idle",
                max(0.0, cores - cpu / seconds),
                what=f"cores idle of {cores} while one process sends, {words}",
                unit="cores",
                database=KIND,
            )


def _site(stage: Stage, port: int, number: int) -> Site:
    folder = stage.folder / f"host{number}"
    folder.mkdir(exist_ok=True)
    return Site("courant_mail", stage.database(KIND), folder, port=port)


def _together(sites: list[Site]) -> float:
    """Seconds until a run of `send_mail` on each of the sites, all begun at once, has ended."""
    started = time.perf_counter()
    programs: list[Program] = []
    try:
        programs += [site.begin("send_mail", "--verbosity", "0") for site in sites]
        for program in programs:
            program.finish()
    finally:
        for program in programs:
            program.stop()
    return time.perf_counter() - started
