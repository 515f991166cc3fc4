#!/usr/bin/env python3
"""
Run the tests: everything on SQLite, and the same again on PostgreSQL and MariaDB or MySQL where a server answers.

A server is looked for at the usual local addresses, or at the URL in COURANT_TEST_POSTGRES or COURANT_TEST_MYSQL.
The browser tests run on SQLite where a Chromium is found, on PATH or as the program that COURANT_TEST_CHROMIUM names;
those with a real mail server where an Exim is found (COURANT_TEST_EXIM).
Labels (``tests.queue``, ``tests.queue.test_claim.ClaimTests``) and the options of `manage.py test` work as there.
What was skipped and what was not run is listed at the end; the last line sums up all databases.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests import databases
from tests.browser import chromium
from tests.mta import exim

KINDS = ("sqlite", "postgresql", "mysql")
BROWSER = "chromium"
MAIL_SERVER = "exim"
#: what a run may be told to insist on, and the environment variables that name it and thereby insist
REQUIRABLE = (*KINDS, BROWSER, MAIL_SERVER)
VARIABLES = databases.VARIABLES | {BROWSER: chromium.VARIABLE, MAIL_SERVER: exim.VARIABLE}
#: deprecated and leaking code fails the tests; also in the processes that tests start
WARNINGS = ("error::DeprecationWarning", "error::PendingDeprecationWarning", "error::ResourceWarning")


@dataclass
class Outcome:
    """What one run of the tests on one database came to."""

    passed: int = 0
    failed: int = 0
    #: (test, reason) of each test that was skipped
    skipped: list[tuple[str, str]] = field(default_factory=list)
    #: the versions of what was tested
    on: str = ""


def main() -> int:
    """Run as the command line says; 0 when nothing failed."""
    options, parser = _parse()
    if options.here:
        return run_here(options)
    started = time.monotonic()
    required = set(_kinds(options.require, parser, REQUIRABLE)) | {k for k, v in VARIABLES.items() if os.environ.get(v)}
    only = _kinds(options.only, parser, KINDS) or KINDS
    outcomes: dict[str, Outcome] = {}
    absent: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="courant-mail-tests-") as folder:
        for kind in KINDS:
            try:
                if kind not in only:
                    raise databases.Unusable(f"--only names {', '.join(only)}")
                url = "sqlite:" if kind == "sqlite" else databases.find(kind)
            except databases.Unusable as reason:
                absent[kind] = str(reason)
                continue
            outcomes[kind] = run_apart(kind, url, Path(folder), options.shuffle)
    absent |= {name: reason for name, reason in _no_programs(outcomes).items() if name in required}
    return summarise(outcomes, absent, required, options.shuffle, time.monotonic() - started)


def run_apart(kind: str, url: str, folder: Path, seed: int) -> Outcome:
    """Run the tests on the database at `url` in a process of its own, so that settings are fresh."""
    print(f"\n=== {kind} ===", flush=True)
    result = folder / f"{kind}.json"
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "COURANT_TEST_DATABASE": url,
        "COURANT_TEST_FOLDER": str(folder),
        "COURANT_TEST_RUN": str(os.getpid()),
        "PYTHONWARNINGS": ",".join(WARNINGS),
    }
    command = [sys.executable, __file__, *sys.argv[1:], "--shuffle", str(seed), "--here", str(result)]
    process = subprocess.Popen(command, env=environment)
    # The other process ends its test and removes its database; this one waits for it. Ctrl-C reaches both by itself.
    interrupts: list[int] = []

    def interrupt(number: int, frame: object) -> None:
        interrupts.append(number)
        if number == signal.SIGTERM:
            process.terminate()

    previous = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    status = process.wait()
    for number, handler in previous.items():
        signal.signal(number, handler)
    if interrupts:
        raise SystemExit("interrupted")
    if not result.exists():
        print(f"The run on {kind} ended with status {status} and no result.", flush=True)
        return Outcome(failed=1, on="ended without a result")
    return Outcome(**json.loads(result.read_text()))


def run_here(options: argparse.Namespace) -> int:
    """Run the tests in this process, on the database that the environment names, and write down the outcome."""
    import django

    django.setup()
    from tests.runner import Runner

    runner = Runner(**{**vars(options), "interactive": False})
    runner.run_tests(options.labels or ["tests"])
    outcome = Outcome(runner.passed, runner.failed, runner.skipped, runner.on)
    Path(options.here).write_text(json.dumps(asdict(outcome)))
    return 1 if outcome.failed else 0


def summarise(
    outcomes: dict[str, Outcome], absent: dict[str, str], required: set[str], seed: int, seconds: float
) -> int:
    """Print a line for each database, what was skipped and what was not run, and the sum as the last line."""
    print(f"\n=== summary ({seconds:.0f} s; the same order again: --shuffle {seed}) ===")
    for kind, outcome in outcomes.items():
        print(f"{kind}: {_sum(outcome.passed, outcome.failed, len(outcome.skipped))} ({outcome.on})")
    for line in _skips(outcomes):
        print(line)
    for kind, reason in absent.items():
        print(f"not run: {kind}, because {reason}")
    missing = sorted(required & set(absent))
    for kind in missing:
        print(f"FAILED: {kind} was required and not run")
    passed = sum(outcome.passed for outcome in outcomes.values())
    skipped = sum(len(outcome.skipped) for outcome in outcomes.values())
    failed = sum(outcome.failed for outcome in outcomes.values()) + len(missing)
    if not passed + skipped + failed:
        print("FAILED: no test was found")
        failed = 1
    print(_sum(passed, failed, skipped), flush=True)
    return 1 if failed else 0


def _no_programs(outcomes: dict[str, Outcome]) -> dict[str, str]:
    """Why the tests that need a program from outside have been skipped, by its name; nothing where they have not."""
    absent: dict[str, str] = {}
    for name, find in ((BROWSER, chromium.find), (MAIL_SERVER, exim.find)):
        try:
            find()
        except (chromium.NoChromium, exim.NoExim) as reason:
            absent[name] = str(reason)
        if "sqlite" not in outcomes:
            absent[name] = "its tests run with those on SQLite"
    return absent


def _skips(outcomes: dict[str, Outcome]) -> Iterator[str]:
    """A line for each reason: on which databases, how many tests, and which."""
    reasons: dict[str, dict[str, list[str]]] = {}
    for kind, outcome in outcomes.items():
        for test, reason in outcome.skipped:
            reasons.setdefault(reason, {}).setdefault(kind, []).append(test)
    for reason, found in reasons.items():
        tests = list(dict.fromkeys(test for names in found.values() for test in names))
        shown = ", ".join(tests[:3]) + (", …" if len(tests) > 3 else "")
        counts = ", ".join(f"{len(names)} on {kind}" for kind, names in found.items())
        yield f"skipped: {counts}, because {reason} ({shown})"


def _parse() -> tuple[argparse.Namespace, argparse.ArgumentParser]:
    from django.test.runner import DiscoverRunner

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", nargs="*", metavar="LABEL", help="what to run; without labels everything")
    parser.add_argument("--only", metavar="KINDS", default="", help=f"databases to run on: {','.join(KINDS)}")
    parser.add_argument(
        "--require",
        metavar="KINDS",
        default=os.environ.get("COURANT_TEST_REQUIRE", ""),
        help=f"what must not be skipped: {','.join(REQUIRABLE)} (default: COURANT_TEST_REQUIRE)",
    )
    parser.add_argument("-v", "--verbosity", type=int, choices=range(4), default=1)
    parser.add_argument("--here", help=argparse.SUPPRESS)
    DiscoverRunner.add_arguments(parser)
    # Tests that need another one to have run before them are found by a new order in every run.
    parser.set_defaults(shuffle=None)
    options = parser.parse_args()
    if options.shuffle is None:
        options.shuffle = random.randrange(10**9)
    return options, parser


def _kinds(text: str, parser: argparse.ArgumentParser, known: tuple[str, ...]) -> list[str]:
    kinds = [kind.strip() for kind in text.split(",") if kind.strip()]
    for kind in kinds:
        if kind not in known:
            parser.error(f"{kind!r} is not known here; choose from {', '.join(known)}")
    return kinds


def _sum(passed: int, failed: int, skipped: int) -> str:
    return f"{passed} passed, {failed} failed, {skipped} skipped"


if __name__ == "__main__":
    sys.exit(main())
