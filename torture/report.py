"""The table of all battles, as Markdown, and its place in the documentation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parent.parent / "docs" / "explanation" / "guarantees.md"
_TEXTS = ("database", "senders are", "IN_DOUBT")
_NUMBERS = ("messages", "killed", "frozen", "ended", "lost", "repeated", "in doubt")
_BLOWS = ("kill", "freeze", "end")


@dataclass(frozen=True, slots=True)
class Row:
    """One battle on one database, as the campaign has told it."""

    database: str
    told: dict[str, Any]

    def cells(self) -> tuple[str, ...]:
        told, blows = self.told, self.told["blows"]
        repeated = f"{told['repeated']:,}"
        if told["may_repeat"]:
            repeated += f" (at most {told['may_repeat']:,})"
        counts = [told["messages"], *(blows.get(blow, 0) for blow in _BLOWS), told["lost"]]
        texts = (self.database, told["name"], told["policy"])
        return (*texts, *(f"{count:,}" for count in counts), repeated, f"{told['in_doubt']:,}")


def table(rows: Iterable[Row]) -> str:
    """As Markdown."""
    return "\n".join(_lines(list(rows)))


def _lines(rows: Sequence[Row]) -> Iterator[str]:
    yield _line([*_TEXTS, *_NUMBERS])
    yield _line(["---"] * len(_TEXTS) + ["---:"] * len(_NUMBERS))
    for row in rows:
        yield _line(row.cells())
    if rows:
        yield _line(_sum(rows))


def _sum(rows: Sequence[Row]) -> tuple[str, ...]:
    def total(key: str) -> str:
        return f"**{sum(row.told[key] for row in rows):,}**"

    blows = [f"**{sum(row.told['blows'].get(blow, 0) for row in rows):,}**" for blow in _BLOWS]
    return ("**all**", "", "", total("messages"), *blows, total("lost"), total("repeated"), total("in_doubt"))


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def publish(text: str, page: Path = PAGE) -> None:
    """Put the text between the marks of the page. ValueError where the page has no such marks."""
    begin, end = "<!-- torture: begin -->", "<!-- torture: end -->"
    old = page.read_text()
    if old.count(begin) != 1 or old.count(end) != 1:
        raise ValueError(f"{page} must have the marks {begin} and {end} once.")
    page.write_text(re.sub(rf"(?s){begin}.*?{end}", lambda _: f"{begin}\n\n{text}\n\n{end}", old))
