"""
What must be reached, as a table: pure functions from the figures to one row of the report each.

A target whose figures were not measured has no row.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from .databases import NAMES
from .figures import Book


@dataclass(frozen=True, slots=True)
class Row:
    """
    One row: what was measured, what must be reached, what was reached.

    `values` are one ratio (or figure) per run, `reached` is the one that counts: where nothing else is said, their
    median. `met` is None where the machine cannot tell, and `note` says why. `part` measures it again.
    """

    measured: str
    must: str
    values: tuple[float, ...]
    reached: float
    unit: str
    met: bool | None
    note: str = ""
    part: str = ""


Rule = Callable[[Book], Iterator[Row]]


def rows(book: Book) -> list[Row]:
    """The rows of all targets whose figures are in the book, in the order of the targets."""
    return [replace(row, part=part) for part, rule in _RULES for row in rule(book)]


def _at_least(measured: str, least: float, against: str, values: Iterable[float], note: str = "") -> Iterator[Row]:
    """A ratio."""
    found = tuple(values)
    if found:
        reached = statistics.median(found)
        yield Row(measured, f"≥ {least:g} × {against}", found, reached, "×", reached >= least, note)


def _at_most(measured: str, most: float, unit: str, values: Iterable[float], note: str = "") -> Iterator[Row]:
    """A figure."""
    found = tuple(values)
    if found:
        reached = statistics.median(found)
        yield Row(measured, f"≤ {most:g} {unit}", found, reached, unit, reached <= most, note)


def _within(measured: str, percent: float, values: Iterable[float], note: str = "") -> Iterator[Row]:
    """A difference in percent."""
    found = tuple(values)
    if found:
        reached = statistics.median(found)
        yield Row(measured, f"within {percent:g} %", found, reached, "%", abs(reached) <= percent, note)


def _against_the_peers(book: Book) -> Iterator[Row]:
    for kind, kilobytes, prefix, against, least in (
        ("postgresql", 30, "django-mailer", "django-mailer", 25),
        ("postgresql", 30, "post_office", "post_office at its best", 12),
        ("postgresql", 2, "django-mailer", "django-mailer", 25),
        ("sqlite", 30, "django-mailer", "django-mailer", 20),
        ("sqlite", 2, "django-mailer", "django-mailer", 20),
    ):
        start = f"sending/{kind}/{kilobytes}/"
        ours, best = book.get(f"{start}courant_mail-4"), book.best(f"{start}{prefix}")
        if ours and best:
            title = _sending(kind, kilobytes)
            note = f"{ours.median:,.0f} against {best.median:,.0f} messages/s ({best.what})"
            yield from _at_least(title, least, against, book.ratios(ours.key, best.key), note)
    ours, limit = book.get("sending/postgresql/30/courant_mail-4"), book.get("limit/30/4")
    if ours and limit:
        note = f"{ours.median:,.0f} against {limit.median:,.0f} messages/s"
        title = _sending("postgresql", 30)
        yield from _at_least(title, 0.6, "smtp-source, 4 sessions", book.ratios(ours.key, limit.key), note)


def _sending(kind: str, kilobytes: int) -> str:
    return f"sending {kilobytes} kB, {NAMES[kind]}, one send_mail, 4 connections"


def _two_processes(book: Book) -> Iterator[Row]:
    for relay, words in (("fast", "relay without delay"), ("slow", "relay that takes a little")):
        ratios = tuple(book.ratios(f"two/{relay}/2", f"two/{relay}/1"))
        idle = book.get(f"two/{relay}/idle")
        if not ratios or idle is None:
            continue
        free = idle.median >= 0.9
        reached = statistics.median(ratios)
        note = f"{idle.median:.1f} cores idle while one process sends"
        yield Row(
            f"two send_mail processes, PostgreSQL, {words}",
            "≥ 1.5 × one, where a core is free",
            ratios,
            reached,
            "×",
            reached >= 1.5 if free or reached >= 1.5 else None,
            note if free else f"{note}: no core is free for a second",
        )


def _slow_relay(book: Book) -> Iterator[Row]:
    title = "relay of 100 ms a mail, 50 connections"
    ours, limit, mailer = (book.get(f"slow/{name}") for name in ("courant_mail", "limit", "django-mailer"))
    if ours and mailer:
        note = f"{ours.median:,.0f} against {mailer.median:,.1f} messages/s"
        yield from _at_least(title, 40, "django-mailer", book.ratios(ours.key, mailer.key), note)
    if ours and limit:
        missing = [100 * (value / limit.median - 1) for value in ours.values]
        yield from _within(f"{title}: off connections ÷ delay", 10, missing)


def _expansion(book: Book) -> Iterator[Row]:
    for kind, least in (("postgresql", 0.4), ("mysql", 0.4), ("sqlite", 0.15)):
        ours, raw = (book.get(f"expansion/{kind}/{name}") for name in ("ours", "raw"))
        if ours and raw:
            note = f"{ours.median:,.0f} against {raw.median:,.0f} rows/s"
            title = f"expanding, {NAMES[kind]}"
            yield from _at_least(title, least, "raw INSERT … SELECT", book.ratios(ours.key, raw.key), note)


def _bytes(book: Book) -> Iterator[Row]:
    for figure in book.under("bytes/"):
        yield from _at_most(f"{figure.what}, {NAMES[figure.database]}", 300, "bytes", figure.values)


def _memory(book: Book) -> Iterator[Row]:
    for command in ("process_mail_jobs", "send_mail"):
        found = book.under(f"memory/{command}/")
        if not found:
            continue
        peaks = [figure.median for figure in found]
        counts = [int(figure.key.rpartition("/")[2]) for figure in found]
        title = f"memory of {command}, from {min(counts):,} to {max(counts):,} messages"
        told = ", ".join(f"{count:,}: {peak:.0f} MB" for count, peak in zip(counts, peaks, strict=True))
        yield from _within(f"{title}: growth", 10, [100 * (max(peaks) / min(peaks) - 1)], told)
        yield from _at_most(f"{title}: most", 100, "MB", [max(peaks)])


def _windows(book: Book) -> Iterator[Row]:
    first, last, drift = (book.get(f"window/{name}") for name in ("first", "last", "drift"))
    if first and last:
        off = 100 * (last.median / first.median - 1)
        note = f"first: {first.median:.0f} µs, last: {last.median:.0f} µs"
        if drift:
            note += f"; a line through all of them drifts by {drift.median:+.0f} %"
        yield from _within(f"{last.what}, against the first", 10, [off], note)


def _queueing(book: Book) -> Iterator[Row]:
    for kind, name in NAMES.items():
        few, many = (book.get(f"queueing/{kind}/{size}") for size in ("few", "many"))
        queries = [book.get(f"queueing-queries/{kind}/{size}") for size in ("few", "many")]
        if not few or not many or None in queries:
            continue
        off = 100 * (many.median / few.median - 1)
        counts = {value for figure in queries if figure for value in figure.values}
        note = f"{few.median:.1f} and {many.median:.1f} ms; queries: {', '.join(f'{n:.0f}' for n in sorted(counts))}"
        met = len(counts) == 1 and abs(off) <= 20
        title = f"{many.what} recipients against 10, {name}"
        yield Row(title, "as many queries, time within 20 %", (off,), off, "%", met, note)


def _empty(book: Book) -> Iterator[Row]:
    for kind, name in NAMES.items():
        queries = book.under(f"empty-queries/{kind}/")
        if queries:
            worst = max(figure.most for figure in queries)
            each = tuple(figure.median for figure in queries)
            title = f"an empty run of each command, {name}: queries"
            yield Row(title, "≤ 2 queries", each, worst, "queries", worst <= 2)
        check = book.get(f"empty/{kind}/check")
        ratios = {
            figure.key.rpartition("/")[2]: statistics.median(book.ratios(figure.key, f"empty/{kind}/check"))
            for figure in book.under(f"empty/{kind}/")
            if figure is not check
        }
        if check and ratios:
            slowest = max(ratios.values())
            note = ", ".join(f"{command} {ratio:.2f}" for command, ratio in ratios.items())
            note += f"; check: {check.median:.0f} ms"
            title = f"an empty run of the slowest command, {name}: time"
            must = "≤ 1.15 × check --database default"
            yield Row(title, must, tuple(ratios.values()), slowest, "×", slowest <= 1.15, note)


def _urgent(book: Book) -> Iterator[Row]:
    for figure in book.under("urgent/"):
        good = figure.median < 300 and figure.most < 1000
        must = "median < 300 ms, worst < 1,000 ms"
        note = f"{len(figure.values)} mails"
        yield Row(figure.what, must, tuple(figure.values), figure.median, "ms", good, note)


def _idle(book: Book) -> Iterator[Row]:
    for figure in book.under("idle/"):
        good = figure.median < 50
        note = f"{len(figure.values)} mails"
        yield Row(figure.what, "median < 50 ms", tuple(figure.values), figure.median, "ms", good, note)


#: each rule, with the part of the benchmarks that measures its figures
_RULES: tuple[tuple[str, Rule], ...] = (
    ("sending", _against_the_peers),
    ("two-processes", _two_processes),
    ("slow-relay", _slow_relay),
    ("expansion", _expansion),
    ("expansion", _bytes),
    ("growth", _memory),
    ("growth", _windows),
    ("queueing", _queueing),
    ("empty", _empty),
    ("urgent", _urgent),
    ("idle", _idle),
)
