#!/usr/bin/env python3
"""
How many messages a second one `send_mail` process sends, and in how much memory.

    make bench                                                # PostgreSQL and SQLite, three runs each
    .venv/bin/python benchmarks/send.py --database mysql --messages 10000 --connections 4

The queue is a database of its own, made and dropped here; the relay is the project's own SMTP sink on loopback, in
a process of its own. Each run queues one job, expands it, and times the whole command as cron would start it, less
the start of Python and Django (which an empty run takes). Machines differ and are noisy: compare what one call prints.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

ROW = (
    '<tr><td style="padding:4px 12px;border-bottom:1px solid #ddd;font-family:Georgia,serif">'
    '<a href="https://www.courant.example/articles/{0}/?from=mail" style="color:#145a8d;text-decoration:none">'
    "Story number {0}</a></td></tr>\n"
)


def newsletter(kilobytes: int) -> str:
    """HTML of about this size, with two merge values and a link to unsubscribe."""
    rows = "".join(ROW.format(number) for number in range(kilobytes * 1000 // len(ROW)))
    return (
        f"<!DOCTYPE html><html><body><table>{rows}</table><p>Hello {{{{ first_name }}}} {{{{ last_name }}}}, "
        '<a href="{{ unsubscribe_url }}">unsubscribe</a></p></body></html>'
    )


@contextmanager
def sink() -> Iterator[int]:
    """The port of an SMTP server that takes everything, in a process of its own."""
    command = [sys.executable, "-m", "courant_mail.testing.smtp_server"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline().rsplit(":", 1)[1])
    finally:
        process.terminate()
        process.communicate(timeout=20)


def timed(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Seconds of the command, and the peak of its memory in MB."""
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def measure(options: argparse.Namespace, port: int) -> None:
    """Fill the queue, send it, and say how fast that was, as often as asked for."""
    from django.test import override_settings

    from courant_mail import engine
    from courant_mail.models import Message, MessageJob
    from courant_mail.queue.enqueue import enqueue_job
    from tests.engine.processes import surroundings

    relay = {"CONNECTIONS": options.connections, "OPTIONS": {"host": "127.0.0.1", "port": port}}
    site: dict[str, Any] = {"SITE_URL": "https://www.courant.example", "RELAYS": {"smtp": relay}}
    command = [sys.executable, "-m", "django", "send_mail", "--verbosity", "0"]
    environment = surroundings(site)
    with override_settings(COURANT_MAIL=site):
        idle, _ = timed(command, environment)
        rates = []
        for number in range(options.runs):
            enqueue_job(
                subject="News for {{ first_name }}",
                html=newsletter(options.html),
                from_email="The Courant <editors@courant.example>",
                recipients=[
                    {"email": f"reader{n}@example.org", "first_name": f"First{n}", "last_name": "Last"}
                    for n in range(options.messages)
                ],
            )
            started = time.perf_counter()
            engine.expand_jobs()
            expanded = options.messages / (time.perf_counter() - started)
            seconds, memory = timed(command, environment)
            rates.append(options.messages / (seconds - idle))
            job = MessageJob.objects.latest("pk")
            if job.sent != options.messages:
                sys.exit(f"Only {job.sent} of {options.messages} were sent.")
            print(
                f"  run {number + 1}: {rates[-1]:,.0f} messages/s in {seconds - idle:.2f} s, {memory:.0f} MB; "
                f"expanded at {expanded:,.0f}/s"
            )
            Message.objects.all()._raw_delete("default")
    print(f"  median {statistics.median(rates):,.0f} messages/s (from {min(rates):,.0f} to {max(rates):,.0f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=["postgresql", "mysql", "sqlite"], default="postgresql")
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--html", type=int, default=30, metavar="KB", help="size of the HTML part in 1,000 bytes")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()

    from tests import databases

    with tempfile.TemporaryDirectory() as folder, sink() as port:
        try:
            url = "sqlite:" if options.database == "sqlite" else databases.find(options.database)
        except databases.Unusable as error:
            sys.exit(f"No {options.database} server to measure with: {error}")
        os.environ |= {
            "COURANT_TEST_DATABASE": url,
            "COURANT_TEST_FOLDER": folder,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
        }
        import django
        from django.db import connection

        django.setup()
        connection.creation.create_test_db(verbosity=0)
        try:
            print(
                f"{options.database}: {options.messages:,} mails with {options.html} kB of HTML, "
                f"{options.connections} connections, one send_mail process"
            )
            measure(options, port)
        finally:
            connection.creation.destroy_test_db(str(connection.settings_dict["NAME"]), verbosity=0)


if __name__ == "__main__":
    main()
