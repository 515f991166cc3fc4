"""The picture of the table: messages a second of everybody, as bars, with the spread of the runs. SVG by hand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from .databases import NAMES
from .figures import Book, Figure
from .report import number

WIDTH = 900
_LEFT, _RIGHT = 350, 110
_BAR, _GAP, _HEAD = 22, 10, 46
_SIZES = (30, 2)

_FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"
_STYLE = """\
    .ground { fill: #ffffff; stroke: #d0d7de }
    .ours   { fill: #1a7f37 }
    .peer   { fill: #8c959f }
    .limit  { fill: #c8d1da }
    .spread { stroke: #1f2328; stroke-width: 1.4 }
    .t      { fill: #1f2328; font-weight: 600 }
    .n      { fill: #1f2328 }
    .s      { fill: #57606a; font-size: 13px }
    @media (prefers-color-scheme: dark) {
      .ground { fill: #0d1117; stroke: #30363d }
      .ours   { fill: #3fb950 }
      .peer   { fill: #6e7681 }
      .limit  { fill: #444c56 }
      .spread { stroke: #e6edf3 }
      .t      { fill: #e6edf3 }
      .n      { fill: #e6edf3 }
      .s      { fill: #a3adb8 }
    }"""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its words, whose it is (a class of the style), and the figure behind it."""

    words: str
    kind: str
    figure: Figure


def svg(book: Book) -> str:
    """The chart of the figures of sending. Raises ValueError when there are none."""
    panels = [(kilobytes, bars) for kilobytes in _SIZES if (bars := _bars(book, kilobytes))]
    if not panels:
        raise ValueError("The results have no figures of the part sending.")
    parts: list[str] = []
    y = 20
    for kilobytes, bars in panels:
        y += _HEAD
        words = f"Mails with {kilobytes} kB of HTML, messages a second"
        parts.append(f'  <text class="t" x="24" y="{y - 14}">{words}</text>')
        scale = (WIDTH - _LEFT - _RIGHT) / max(bar.figure.most for bar in bars)
        for bar in bars:
            parts += _drawn(bar, y, scale)
            y += _BAR + _GAP
    height = y + 24
    told = "; ".join(
        f"{kilobytes} kB: " + ", ".join(f"{bar.words} {number(bar.figure.median)}" for bar in bars)
        for kilobytes, bars in panels
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
            f'aria-labelledby="title desc" font-family="{_FONTS}" font-size="15">',
            '  <title id="title">Messages a second, against the peers</title>',
            f'  <desc id="desc">Medians of messages a second over one relay on the same host. {escape(told)}.</desc>',
            f"  <style>\n{_STYLE}\n  </style>",
            f'  <rect class="ground" x="1" y="1" width="{WIDTH - 2}" height="{height - 2}" rx="12"/>',
            *parts,
            "</svg>",
            "",
        ]
    )


def _drawn(bar: Bar, y: int, scale: float) -> Iterable[str]:
    figure = bar.figure
    width = max(1.0, figure.median * scale)
    least, most = _LEFT + figure.least * scale, _LEFT + figure.most * scale
    middle = y + _BAR / 2
    yield f'  <text class="n" x="{_LEFT - 12}" y="{y + 16}" text-anchor="end">{escape(bar.words)}</text>'
    yield f'  <rect class="{bar.kind}" x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="3"/>'
    if len(figure.values) > 1:
        line = f"M{least:.1f} {middle}H{most:.1f}M{least:.1f} {y + 7}v8M{most:.1f} {y + 7}v8"
        yield f'  <path class="spread" d="{line}"/>'
    end = max(_LEFT + width, most) + 10
    yield f'  <text class="n" x="{end:.1f}" y="{y + 16}">{number(figure.median)}</text>'


def _bars(book: Book, kilobytes: int) -> list[Bar]:
    found: list[Bar] = []

    def add(words: str, kind: str, figure: Figure | None) -> None:
        if figure is not None:
            found.append(Bar(words, kind, figure))

    add("smtp-source, 4 sessions (the limit)", "limit", book.get(f"limit/{kilobytes}/4"))
    for database, name in NAMES.items():
        add(f"courant_mail, {name}", "ours", book.get(f"sending/{database}/{kilobytes}/courant_mail-4"))
    start = f"sending/postgresql/{kilobytes}/"
    add("Django's backend alone, no queue", "peer", book.get(f"{start}django"))
    for database, name in NAMES.items():
        here = f"sending/{database}/{kilobytes}/"
        add(f"django-post_office at its best, {name}", "peer", book.best(f"{here}post_office"))
    for database, name in NAMES.items():
        here = f"sending/{database}/{kilobytes}/"
        add(f"django-mailer, {name}", "peer", book.best(f"{here}django-mailer"))
    return found
