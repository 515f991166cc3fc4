"""Queueing a job through a recipient source: for 10 people and for a million, in turn."""

from __future__ import annotations

from .. import readers
from ..databases import KINDS
from ..stage import Stage

FEW = 10


def measure(stage: Stage) -> None:
    """`queueing/DATABASE/few` and `…/many` in ms, and the number of queries under `queueing-queries/…`."""
    many = stage.sizes.expand
    for kind in [kind for kind in KINDS if stage.has(kind)]:
        stage.say(f"queueing jobs on {kind}")
        site = stage.site(kind)
        site.empty()
        readers.fill(site.database, many)
        told = site.inside("queueing", FEW, many, stage.sizes.queueing).told
        for name, count in (("few", FEW), ("many", many)):
            for milliseconds, queries in told[str(count)]:
                what = f"queueing a job of {count:,}"
                stage.book.add(f"queueing/{kind}/{name}", milliseconds, what=what, unit="ms", database=kind)
                stage.book.add(
                    f"queueing-queries/{kind}/{name}", queries, what=f"{what}: queries", unit="", database=kind
                )
        site.empty()
