"""
Kill, freeze and end senders at random moments, through relays that misbehave, on every database; then audit.

What must hold: nothing is lost; under IN_DOUBT "retry" no more is repeated than one message for each open connection
of each process that was killed or frozen, and what the relay itself never confirmed, with the same Message-ID; under
"hold" nothing is repeated; counters, causes and attempts agree with the rows. Only processes that it has started are
ended. The same seed deals the same faults, though not to the same microsecond.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import django

from tests import databases

from . import plans
from .relay import ROOT
from .report import Row, publish, table

NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mysql": "MariaDB"}
#: so many seconds longer than planned, and a campaign hangs
_HANGS = 300


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when all guarantees have held."""
    given = _parser().parse_args(arguments)
    # So that what was started is ended as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    wanted = [kind for kind in NAMES if not given.only or kind in given.only.split(",")]
    urls, absent = _servers(wanted)
    print(f"The seed is {given.seed}; the same faults again: --seed {given.seed}", flush=True)
    started = time.monotonic()
    rows, broken = _fight(urls, given)
    text = f"{table(rows)}\n\n{_notes(rows, given.seed, time.monotonic() - started)}"
    print(f"\n{text}")
    if given.publish and not broken:
        publish(text)
    for kind, reason in absent.items():
        print(f"not run: {NAMES[kind]}, because {reason}")
        if kind in given.require.split(","):
            broken.append(f"{NAMES[kind]} was required")
    for what in broken:
        print(f"BROKEN: {what}")
    print("All guarantees have held." if not broken else f"{len(broken)} guarantees were broken.", flush=True)
    return 1 if broken or not rows else 0


def _fight(urls: dict[str, str], given: argparse.Namespace) -> tuple[list[Row], list[str]]:
    """The battles on all databases, told as they end, and what contradicts the guarantees."""
    rows: list[Row] = []
    broken: list[str] = []
    for kind, url in urls.items():
        before = len(rows)
        for told in _campaign(url, given.seed, given.seconds / len(urls), short=given.short):
            rows.append(Row(NAMES[kind], told))
            print(_summary(rows[-1]), flush=True)
            broken += [f"{NAMES[kind]}, {told['name']}: {what}" for what in told["broken"]]
        if len(rows) - before < len(plans.SHORT if given.short else plans.ALL):
            broken.append(f"{NAMES[kind]}: the battles were not fought to the end")
    return rows, broken


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m torture", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=170.0, help="about how long, in all (170)")
    parser.add_argument("--seed", default=str(random.randrange(10**6)), help="of everything left to chance")
    parser.add_argument("--only", default="", metavar="KINDS", help=f"some of {','.join(NAMES)}")
    parser.add_argument("--short", action="store_true", help="two battles for each database, as CI fights them")
    parser.add_argument("--publish", action="store_true", help="put the table into docs/explanation/guarantees.md")
    parser.add_argument(
        "--require",
        default=os.environ.get("COURANT_TEST_REQUIRE", ""),
        metavar="KINDS",
        help="databases that must be there (default: COURANT_TEST_REQUIRE)",
    )
    return parser


def _servers(kinds: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The URLs of the databases that are there, and why the others are not."""
    urls, absent = {}, {}
    for kind in kinds:
        try:
            urls[kind] = "sqlite:" if kind == "sqlite" else databases.find(kind)
        except databases.Unusable as reason:
            absent[kind] = str(reason)
    return urls, absent


def _campaign(url: str, seed: str, seconds: float, *, short: bool) -> Iterator[dict[str, Any]]:
    """The battles on one database, in a process that takes everything it has started with it."""
    command = [sys.executable, "-m", "torture.campaign", "--seed", seed, "--seconds", str(seconds)]
    with tempfile.TemporaryDirectory(prefix="courant-mail-torture-") as folder:
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "COURANT_TEST_DATABASE": url,
            "COURANT_TEST_FOLDER": folder,
            "COURANT_TEST_RUN": f"torture_{os.getpid()}",
        }
        process = subprocess.Popen(
            command + ["--short"] * short,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        signal.signal(signal.SIGALRM, lambda *_: process.terminate())
        signal.alarm(int(seconds) + _HANGS)
        try:
            assert process.stdout is not None
            for line in process.stdout:
                yield json.loads(line)
            process.wait()
        finally:
            signal.alarm(0)
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """Kindly first: it removes its database."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def _summary(row: Row) -> str:
    database, name, policy, messages, *blows, lost, repeated, in_doubt = row.cells()
    dealt = ", ".join(f"{n} {what}" for n, what in zip(blows, ("killed", "frozen", "ended"), strict=True) if n != "0")
    verdict = "BROKEN" if row.told["broken"] else "ok"
    fates = f"{lost} lost, {repeated} repeated, {in_doubt} in doubt"
    return f"{verdict:6} {database:10} {name} ({policy}): {messages} messages, {dealt or 'none struck'}: {fates}"


def _notes(rows: Sequence[Row], seed: str, seconds: float) -> str:
    slowest = max((row.told["slowest_end"] for row in rows), default=0.0)
    at_work = sum(row.told["at_work"] for row in rows)
    return (
        f"{seconds:.0f} seconds with seed {seed}, Django {django.__version__}, Python {platform.python_version()}, "
        f"{os.cpu_count()} processors. {at_work:,} of those killed or frozen had claimed mail or were about to. The "
        f"slowest polite end took {slowest:.1f} seconds."
    )
