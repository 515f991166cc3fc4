"""The table: for the terminal and as Markdown; everything behind it as JSON."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from .databases import NAMES
from .figures import Book, Figure
from .targets import Row, rows

_MET = {True: "yes", False: "**no**", None: "cannot tell"}
#: what the figures are about whose keys begin like this
_HEADINGS = {
    "limit": "The limit: Postfix's smtp-source",
    "sending": "Sending",
    "commit": "A commit",
    "cpu": "Where the time goes: CPU per message while sending",
    "two": "Two processes",
    "slow": "A relay that takes 100 ms a mail",
    "queueing": "Queueing a job",
    "queueing-queries": "Queueing a job: queries",
    "empty": "Empty runs",
    "empty-queries": "Empty runs: queries",
    "idle": "The idle daemon",
    "urgent": "Urgent mail during a bulk job",
    "expansion": "Expansion",
    "bytes": "Size",
    "memory": "Memory",
    "growth": "Growing queues",
    "window": "Time per message in a growing queue",
    "huge": "Ten million rows",
    "exim": "A local mail server or a remote service",
}


@dataclass
class Report:
    """One run of the benchmarks: on what, how it was called, and all figures."""

    book: Book
    machine: dict[str, str] = field(default_factory=dict)
    command: str = ""

    def markdown(self) -> str:
        """Ratios first, then the figures behind them, then what it was measured on."""
        parts = [f"Measured with `{self.command}`."]
        if found := rows(self.book):
            parts.append("\n".join(table_of_targets(found)))
        parts += [f"{heading}:\n\n{table}" for heading, table in tables_of_figures(self.book)]
        parts.append("\n".join(table_of_facts(self.machine)))
        return "\n\n".join(parts)

    def save(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Write `name.json` and `name.md` into the folder; returns both paths."""
        folder.mkdir(parents=True, exist_ok=True)
        as_json, as_markdown = folder / f"{name}.json", folder / f"{name}.md"
        content = {"command": self.command, "machine": self.machine, "figures": self.book.as_json()}
        as_json.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        as_markdown.write_text(self.markdown() + "\n")
        return as_json, as_markdown

    @classmethod
    def load(cls, path: Path) -> Report:
        """What `save` has written."""
        content = json.loads(path.read_text())
        return cls(Book.from_json(content["figures"]), content["machine"], content["command"])


def table_of_targets(found: Sequence[Row]) -> list[str]:
    """A row for each target: what counts, and the least and the most of all runs."""
    lines = ["| measured | must reach | reached | from – to | met | | part |", "|---|---|---|---|---|---|---|"]
    for row in found:
        spread = f"{number(min(row.values))} – {number(max(row.values))}" if len(row.values) > 1 else ""
        reached, part = f"{number(row.reached)} {row.unit}", f"`{row.part}`"
        lines.append(_line((row.measured, row.must, reached, spread, _MET[row.met], row.note, part)))
    return lines


def tables_of_figures(book: Book, *, only: Sequence[str] = tuple(_HEADINGS)) -> list[tuple[str, str]]:
    """What the figures are about, and their table, in the order of measuring."""

    def kind(figure: Figure) -> str:
        return figure.key.partition("/")[0]

    # Figures of one kind may have been measured at different times.
    order = {name: number for number, name in enumerate(dict.fromkeys(map(kind, book)))}
    figures = sorted(book, key=lambda figure: order[kind(figure)])
    return [
        (_HEADINGS.get(name, name), "\n".join(table_of_figures(list(group))))
        for name, group in groupby(figures, kind)
        if name in only
    ]


def table_of_figures(figures: Sequence[Figure]) -> list[str]:
    """A row for each figure: minimum, median and maximum of its runs."""
    lines = ["| figure | database | unit | median | minimum | maximum | runs |", "|---|---|---|---|---|---|---|"]
    for figure in figures:
        values = [number(value) for value in (figure.median, figure.least, figure.most)]
        database = NAMES.get(figure.database, figure.database)
        lines.append(_line((figure.what, database, figure.unit, *values, str(len(figure.values)))))
    return lines


def table_of_facts(machine: dict[str, str]) -> list[str]:
    """What it was measured on."""
    return ["| on | |", "|---|---|", *(_line(pair) for pair in machine.items())]


def number(value: float) -> str:
    """With three digits that mean something, and separators of thousands."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def command_line(program: str, arguments: Sequence[str]) -> str:
    """How somebody would call it again, wherever the results were to go."""
    given = iter(arguments)
    kept = [word for word in given if not (word == "--output" and next(given, None))]
    return shlex.join(["python", program, *kept])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
