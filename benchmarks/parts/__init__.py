"""The parts of the benchmarks, each a module with a function `measure`, by the names under which they are called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from ..stage import Stage


@dataclass(frozen=True, slots=True)
class Part:
    """A part: its module, what it measures, and whether it belongs to the table that `make bench` makes."""

    name: str
    what: str
    in_table: bool = True

    def measure(self, stage: Stage) -> None:
        """Measure, and write the figures into the stage's book."""
        function: Callable[[Stage], None] = import_module(f"{__name__}.{self.name.replace('-', '_')}").measure
        function(stage)


PARTS = {
    part.name: part
    for part in (
        Part("sending", "messages a second, against the peers and against smtp-source"),
        Part("two-processes", "two send_mail processes against one"),
        Part("slow-relay", "a relay that takes 100 ms a mail, 50 connections"),
        Part("queueing", "queueing a job for 10 people and for a million"),
        Part("empty", "runs of the commands with nothing to do"),
        Part("idle", "mail to the idle daemon on PostgreSQL: from commit to accepted"),
        Part("urgent", "high-priority mail while a bulk job runs"),
        Part("expansion", "a million recipients with two merge values, and the bytes that they take"),
        Part("growth", "memory, and time per message, from a thousand messages to a million"),
        Part("ten-million", "a queue of ten million rows on PostgreSQL", in_table=False),
        Part("exim", "a mail server on this host against a remote service", in_table=False),
    )
}
