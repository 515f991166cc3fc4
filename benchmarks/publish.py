"""
Put results into the documentation: the tables of `docs/explanation/performance.md`, and its chart.

    python benchmarks/run.py publish var/benchmarks/20260504-table.json [MORE.json …]

Where several files have the same figure, the last one counts. Everything outside the marks of the page stays.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from .chart import svg
from .figures import Book
from .processes import ROOT
from .report import Report, table_of_facts, table_of_targets, tables_of_figures
from .targets import rows

PAGE = ROOT / "docs" / "explanation" / "performance.md"
CHART = ROOT / "docs" / "_static" / "performance.svg"

_IMAGE = """\
```{{image}} ../_static/{name}
:alt: {alt}
```"""

#: which figures stand between which marks of the page
TABLES = {
    "sending": ("limit", "sending"),
    "cpu": ("commit", "cpu"),
    "growth": ("growth", "memory", "window"),
    "ten-million": ("huge",),
    "exim": ("exim",),
}


def main(arguments: Sequence[str]) -> int:
    """Write the page and the chart."""
    parser = argparse.ArgumentParser(
        prog="run.py publish", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", nargs="+", type=Path, help="JSON files that run.py has written")
    reports = [Report.load(path) for path in parser.parse_args(arguments).results]
    book = Book()
    for report in reports:
        book.take(report.book)
    text = PAGE.read_text()
    for mark, content in _contents(book, reports):
        text = put(text, mark, content)
    PAGE.write_text(text)
    if book.under("sending/"):
        CHART.write_text(svg(book))
    return 0


def put(text: str, mark: str, content: str) -> str:
    """The text with this content between `<!-- mark: begin -->` and `<!-- mark: end -->`. ValueError without them."""
    begin, end = f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"The page must have the marks {begin} and {end} once.")
    return re.sub(rf"(?s){begin}.*?{end}", lambda _: f"{begin}\n\n{content}\n\n{end}", text)


def _contents(book: Book, reports: list[Report]) -> Iterator[tuple[str, str]]:
    if found := rows(book):
        yield "targets", "\n".join(table_of_targets(found))
    if book.under("sending/"):
        alt = "Bars of messages a second: smtp-source, this project, and its peers, for mails of 30 kB and of 2 kB."
        yield "chart", _IMAGE.format(name=CHART.name, alt=alt)
    for mark, kinds in TABLES.items():
        if tables := tables_of_figures(book, only=kinds):
            yield mark, "\n\n".join(table for _, table in tables)
    facts = [f"`{report.command}`:\n\n" + "\n".join(table_of_facts(report.machine)) for report in reports]
    yield "facts", "\n\n".join(facts)
