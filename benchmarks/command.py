"""The command line: which parts are measured, how much of everything, and where the table goes."""

from __future__ import annotations

import argparse
import signal
import sys
import traceback
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import FrameType

from . import machine, publish
from .databases import KINDS
from .parts import PARTS
from .processes import ROOT, Failed
from .report import Report, command_line
from .sizes import FULL, QUICK, Sizes
from .stage import Stage
from .tools import Unavailable

RESULTS = ROOT / "var" / "benchmarks"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure as the command line says; 0 when every part could be measured."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] == ["publish"]:
        return publish.main(given[1:])
    options = _parse(given)
    signal.signal(signal.SIGTERM, _end)
    names = options.parts or [part.name for part in PARTS.values() if part.in_table]
    before = machine.load()
    with Stage(_sizes(options), options.databases) as stage:
        failures = _measure(stage, names)
        facts = machine.describe(stage.used) | stage.facts | {"load before (1, 5, 15 minutes)": before}
    facts |= {f"not measured: {name}": reason for name, reason in {**stage.missing, **failures}.items()}
    report = Report(stage.book, facts, command_line("benchmarks/run.py", given))
    print(report.markdown())
    if len(report.book):
        name = f"{datetime.now():%Y%m%d-%H%M%S}-{names[0] if len(names) == 1 else 'table'}"
        for path in report.save(options.output, name):
            stage.say(f"written: {path}")
    return 1 if failures else 0


def _measure(stage: Stage, names: Sequence[str]) -> dict[str, str]:
    """Measure one part after the other; returns those that could not be, with the reason."""
    failures: dict[str, str] = {}
    for name in names:
        stage.say(f"== {name}: {PARTS[name].what}")
        try:
            PARTS[name].measure(stage)
        except (KeyboardInterrupt, SystemExit):
            stage.say("ended early: what has been measured until now follows")
            failures[name] = "ended early"
            break
        except Exception as error:  # whatever it is, what the other parts measure shall not be lost
            failures[name] = str(error).strip().rpartition("\n")[2]
            stage.say(f"{name} could not be measured: {error}")
            if not isinstance(error, (Failed, Unavailable)):
                traceback.print_exc()
    return failures


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parts = "\n".join(f"  {p.name:14}{p.what}{'' if p.in_table else ' (not in the table)'}" for p in PARTS.values())
    parser = argparse.ArgumentParser(
        prog="run.py",
        description=f"Measure this project against its peers and its targets. The parts:\n{parts}",
        epilog="`run.py publish FILE…` puts results into the documentation.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help="only these; default: all of the table")
    parser.add_argument("--quick", action="store_true", help="a little of everything, only to see that it works")
    parser.add_argument("--runs", type=int, help="how often everything short is measured")
    parser.add_argument("--rows", type=int, help="recipients of the expansion, and the largest queue of growth")
    parser.add_argument("--huge", type=int, metavar="ROWS", help="rows of the part ten-million, if not ten million")
    parser.add_argument("--databases", type=_kinds, default=KINDS, help=f"of {','.join(KINDS)}; default: all")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results; default: var/benchmarks")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.parts) - set(PARTS)):
        parser.error(f"no part is named {', '.join(unknown)}; there are {', '.join(PARTS)}")
    return options


def _sizes(options: argparse.Namespace) -> Sizes:
    sizes = QUICK if options.quick else FULL
    if options.runs:
        sizes = replace(sizes, runs=options.runs)
    if options.rows:
        smaller = tuple(count for count in FULL.growth if count < options.rows)
        sizes = replace(sizes, expand=options.rows, growth=(*smaller, options.rows))
    if options.huge:
        sizes = replace(sizes, huge=options.huge, huge_sent=options.huge * FULL.huge_sent // FULL.huge)
    return sizes


def _kinds(text: str) -> tuple[str, ...]:
    kinds = tuple(text.split(","))
    if not set(kinds) <= set(KINDS):
        raise argparse.ArgumentTypeError(f"must be some of {','.join(KINDS)}")
    return kinds


def _end(number: int, frame: FrameType | None) -> None:
    """SIGTERM ends us as Ctrl-C does: what was begun is ended, and databases are dropped."""
    raise SystemExit(128 + number)
