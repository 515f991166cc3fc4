"""How a job went, as a chart of bars: drawn here as SVG, so that a page needs no script and no library for it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..queue.speed import History, Period
from . import moments
from .people import number

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise
else:
    StrPromise = str

MOST_BARS = 60
#: how many minutes a bar may stand for
_LENGTHS = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 7 * 1440, 14 * 1440, 28 * 1440, 91 * 1440)
#: in units of the drawing, which the page stretches to the room there is
_WIDTH, _GAP, _HEIGHT = 10, 2, 1000

#: from the foot of a bar upwards; the names are those of `Period` and of the classes in the style sheet
OUTCOMES: tuple[tuple[str, StrPromise], ...] = (
    ("sent", gettext_lazy("sent")),
    ("deferred", gettext_lazy("put off")),
    ("failed", gettext_lazy("not delivered")),
    ("in_doubt", gettext_lazy("perhaps delivered")),
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a bar. The figures are texts, so that no template writes them in the manner of a language."""

    outcome: str
    x: str
    y: str
    height: str


@dataclass(frozen=True, slots=True)
class Bar:
    """What ended how from `start` on: the numbers in the order of `OUTCOMES`, and the pieces that are not empty."""

    start: datetime
    counts: list[int]
    pieces: list[Piece]

    @property
    def label(self) -> str:
        """The bar in words."""
        named = zip(self.counts, OUTCOMES, strict=True)
        told = ", ".join(f"{number(count)} {label}" for count, (_name, label) in named if count)
        return f"{moments.in_words(self.start)}: {told or number(0)}"


@dataclass(frozen=True, slots=True)
class Chart:
    """The bars of a job, from the first try to the last."""

    bars: list[Bar]
    minutes: int
    highest: int

    @property
    def view_box(self) -> str:
        return f"0 0 {len(self.bars) * _WIDTH} {_HEIGHT}"

    @property
    def bar_width(self) -> str:
        return str(_WIDTH - _GAP)

    @property
    def title(self) -> str:
        """What a bar stands for."""
        if self.minutes == 1:
            return _("Mails a minute, at most %(count)s") % {"count": number(self.highest)}
        length = moments.duration(timedelta(minutes=self.minutes))
        return _("Mails in steps of %(time)s, at most %(count)s") % {"time": length, "count": number(self.highest)}

    @property
    def description(self) -> str:
        """The chart in a sentence, for those who cannot see it."""
        text = _("From %(first)s to %(last)s; the highest bar stands for %(count)s.")
        return text % {"first": self.first, "last": self.last, "count": number(self.highest)}

    @property
    def first(self) -> str:
        """Below the left end."""
        return moments.in_words(self.bars[0].start)

    @property
    def last(self) -> str:
        """Below the right end."""
        return moments.in_words(self.bars[-1].start)

    @property
    def outcomes(self) -> list[tuple[str, str]]:
        """Those that occur, each with its name in words."""
        occur = [any(bar.counts[place] for bar in self.bars) for place in range(len(OUTCOMES))]
        return [(name, str(label)) for (name, label), occurs in zip(OUTCOMES, occur, strict=True) if occurs]

    @property
    def table(self) -> list[tuple[SafeString, list[str]]]:
        """The bars with anything in them, as rows: the time, and a number for each of `outcomes`."""
        shown = [name for name, _label in self.outcomes]
        places = [place for place, (name, _label) in enumerate(OUTCOMES) if name in shown]
        full = (bar for bar in self.bars if any(bar.counts))
        return [(moments.html(bar.start), [number(bar.counts[place]) for place in places]) for bar in full]


def chart(history: History) -> Chart | None:
    """The chart of a job; None where nothing has been tried yet. Never more than `MOST_BARS` bars."""
    if history.first is None or history.last is None:
        return None
    minutes = _minutes_a_bar(history)
    start = _floor(history.first, minutes)
    bars = [[0] * len(OUTCOMES) for _ in range(_place(history.last, start, minutes) + 1)]
    for period in history.periods:
        # An hour may begin before the minute that a history begins with.
        counts = bars[max(0, _place(period.start, start, minutes))]
        for place, count in enumerate(_counts(period)):
            counts[place] += count
    highest = max(sum(counts) for counts in bars)
    length = timedelta(minutes=minutes)
    drawn = [
        Bar(start + index * length, counts, list(_pieces(index, counts, highest))) for index, counts in enumerate(bars)
    ]
    return Chart(drawn, minutes, highest)


def _minutes_a_bar(history: History) -> int:
    first, last, shortest = history.first, history.last, history.length / timedelta(minutes=1)
    assert first is not None and last is not None
    fitting = (m for m in _LENGTHS if m >= shortest and _place(last, _floor(first, m), m) < MOST_BARS)
    return next(fitting, _LENGTHS[-1])


def _floor(moment: datetime, minutes: int) -> datetime:
    """The last full quarter of an hour, hour, day … before, by the clock of the reader."""
    local = moments.local(moment)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    past = (local - midnight) // timedelta(minutes=1)
    start = midnight + timedelta(minutes=past - past % minutes)
    # From here on in UTC: on the two days a year on which clocks are changed, only there an hour has sixty minutes.
    return start.astimezone(UTC) if start.tzinfo else start


def _place(moment: datetime, start: datetime, minutes: int) -> int:
    return (moment - start) // timedelta(minutes=minutes)


def _counts(period: Period) -> list[int]:
    return [getattr(period, name) for name, _label in OUTCOMES]


def _pieces(index: int, counts: list[int], highest: int) -> Iterable[Piece]:
    """From the foot upwards. What is there at all is seen, however little it is."""
    top = _HEIGHT
    for (name, _label), count in zip(OUTCOMES, counts, strict=True):
        if count:
            height = max(_HEIGHT // 100, math.floor(count * _HEIGHT / highest))
            height = min(height, top)
            top -= height
            yield Piece(name, str(index * _WIDTH + _GAP // 2), str(top), str(height))
