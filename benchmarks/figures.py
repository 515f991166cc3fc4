"""What was measured: figures of several runs each, under keys by which the targets find them."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Figure:
    """One thing that was measured, once per run."""

    key: str
    what: str
    unit: str
    database: str = ""
    note: str = ""
    values: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def least(self) -> float:
        return min(self.values)

    @property
    def most(self) -> float:
        return max(self.values)


class Book:
    """All figures of a run of the benchmarks, in the order of measuring."""

    def __init__(self) -> None:
        self._figures: dict[str, Figure] = {}

    def add(self, key: str, value: float, *, what: str, unit: str, database: str = "", note: str = "") -> None:
        """Write down one more value of the figure `key`; the words are those of the first time."""
        figure = self._figures.setdefault(key, Figure(key, what, unit, database, note))
        figure.values.append(value)

    def get(self, key: str) -> Figure | None:
        return self._figures.get(key)

    def under(self, prefix: str) -> list[Figure]:
        """The figures whose keys begin like this."""
        return [figure for key, figure in self._figures.items() if key.startswith(prefix)]

    def best(self, prefix: str) -> Figure | None:
        """The figure with the highest median among those whose keys begin like this."""
        return max(self.under(prefix), key=lambda figure: figure.median, default=None)

    def ratios(self, over: str, under: str) -> list[float]:
        """The quotients of two figures, run by run; those of the medians where they were not run equally often."""
        one, other = self._figures.get(over), self._figures.get(under)
        if one is None or other is None:
            return []
        if len(one.values) != len(other.values):
            return [one.median / other.median]
        return [a / b for a, b in zip(one.values, other.values, strict=True)]

    def take(self, other: Book) -> None:
        """Take over the figures of another book; where both have one, the other's replaces ours."""
        for figure in other:
            self._figures.pop(figure.key, None)
            self._figures[figure.key] = figure

    def as_json(self) -> list[dict[str, Any]]:
        return [asdict(figure) for figure in self]

    @classmethod
    def from_json(cls, given: list[dict[str, Any]]) -> Book:
        book = cls()
        book._figures = {entry["key"]: Figure(**entry) for entry in given}
        return book

    def __iter__(self) -> Iterator[Figure]:
        return iter(self._figures.values())

    def __len__(self) -> int:
        return len(self._figures)
