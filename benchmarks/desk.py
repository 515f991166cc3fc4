#!/usr/bin/env python3
"""
How fast the editor's desk answers with a million messages in a job (PostgreSQL).

    python benchmarks/desk.py                      # four jobs of 1,000,000 messages each; some minutes
    python benchmarks/desk.py --messages 100000

The pages are asked for through Django's test client, so what is measured is the database and the making of the page,
without a network and a browser. The database is made and dropped here. Machines differ and are noisy: compare what one
run prints, and look at the load that it tells.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIMIT_MS = 300
RUNS = 10
JOBS = "/admin/courant_mail/messagejob/"
MESSAGES = "/admin/courant_mail/message/"

_JOB = """
INSERT INTO courant_mail_messagejob (subject, from_email, reply_to, text, html, sanitize_html, headers, bulk,
    recipients, source, source_params, priority, relay, status, status_reason, message_id_domain, created_by,
    created_at, expanded_at, finished_at, consumed, total, sent, deferred, failed, suppressed, cancelled, in_doubt,
    purged)
VALUES (%s, 'news@courant.example', '', 'Hello {{ first_name }}', '<p>Hello {{ first_name }}</p>', false, '{}', true,
    '', 'bench', '{}', 3, '', %s, '', 'courant.example', 'ann', now() - interval '2 hours', now() - interval '1 hour',
    CASE WHEN %s IN ('finished', 'cancelled') THEN now() END, %s, %s, 0, 0, 0, 0, 0, 0, '{}')
RETURNING id
"""
# Addresses in no order, as those of real people are.
_MESSAGES = """
INSERT INTO courant_mail_message (job_id, recipient, priority, status, attempts, relay, reply, cause, sent_at, merge)
SELECT {job}, left(md5(n::text), 10) || '@' ||
    (ARRAY['gmail.com', 'outlook.com', 'yahoo.com', 'gmx.de', 'web.de', 'orange.fr', 'example.org'])[1 + n %% 7],
    3, s, CASE WHEN s = 1 THEN 0 ELSE 1 END, 'smtp',
    CASE s WHEN 4 THEN '250 2.0.0 Ok: queued as ' || n WHEN 5 THEN '550 5.7.1 Message refused, see help' ELSE '' END,
    c, CASE WHEN s = 4 THEN now() - interval '1 hour' + n * interval '1 ms' END,
    jsonb_build_object('first_name', 'Reader ' || n)
FROM (SELECT n, {status} AS s, {cause} AS c FROM generate_series(1, {count}) AS n) AS made
"""
# Each cause in its turn, with the status that goes with it: deferred, suppressed, cancelled, in doubt, failed.
_CAUSE = "1 + (n / 33) %% 16"
_ITS_STATUS = f"CASE {_CAUSE} WHEN 8 THEN 3 WHEN 12 THEN 8 WHEN 13 THEN 6 WHEN 14 THEN 6 WHEN 15 THEN 7 ELSE 5 END"


@dataclass(frozen=True)
class Kind:
    """A job as it may stand: its name, its status, and SQL for the status and the cause of message n."""

    name: str
    job_status: str
    status: str
    cause: str


KINDS = (
    Kind(
        "3% missed",
        "finished",
        f"CASE WHEN n %% 33 = 0 THEN {_ITS_STATUS} ELSE 4 END",
        f"CASE WHEN n %% 33 = 0 THEN {_CAUSE} END",
    ),
    Kind("all failed", "finished", "5", "CASE WHEN n %% 10 = 0 THEN 7 ELSE 6 END"),
    Kind("half sent", "sending", "CASE WHEN n %% 2 = 0 THEN 4 ELSE 1 END", "NULL::smallint"),
    Kind("cancelled early", "cancelled", "CASE WHEN n <= 5000 THEN 4 ELSE 7 END", "CASE WHEN n > 5000 THEN 15 END"),
)


@dataclass(frozen=True)
class Page:
    """What is asked for; of a download only the first piece is waited for."""

    what: str
    address: str


def pages(jobs: dict[str, int], count: int) -> Iterator[Page]:
    """Everything that an editor may ask for; the last page of a list is that at which it ends for everybody."""
    last = min(200, count // 50)
    yield Page("list of jobs", JOBS)
    yield Page("list of all messages", MESSAGES)
    yield Page("… who did not get it", f"{MESSAGES}?fate=missed")
    yield Page("… one address", f"{MESSAGES}?q=abcdef")
    yield Page("… addresses that begin with a letter", f"{MESSAGES}?q=a")
    for name, job in jobs.items():
        yield Page(f"{name}: page of the job", f"{JOBS}{job}/change/")
        yield Page(f"{name}: JSON that keeps it up to date", f"{JOBS}{job}/progress/")
        listed = f"{MESSAGES}?job__id__exact={job}"
        yield Page(f"{name}: messages", listed)
        yield Page(f"{name}: messages, the last page", f"{listed}&p={last}")
        for query in ("fate=sent", "fate=missed", "fate=waiting", "fate=sending", "cause=6", "cause=15"):
            yield Page(f"{name}: messages, {query}", f"{listed}&{query}")
        for query in ("q=abcdef", "q=a", "q=a&fate=missed", "q=ab&fate=sent"):
            yield Page(f"{name}: messages, {query}", f"{listed}&{query}")
        yield Page(f"{name}: first byte of the export", f"{JOBS}{job}/messages.csv?which=all")
        yield Page(f"{name}: first byte of who did not get it", f"{JOBS}{job}/messages.csv?which=missed")


def fill(count: int) -> dict[str, int]:
    """The jobs, their messages and minutes; then what autovacuum would do in a while."""
    from django.db import connection

    from courant_mail.queue.counters import recount

    jobs: dict[str, int] = {}
    with connection.cursor() as cursor:
        for kind in KINDS:
            cursor.execute(_JOB, [f"Job: {kind.name}", kind.job_status, kind.job_status, count, count])
            jobs[kind.name] = job = cursor.fetchone()[0]
            sql = _MESSAGES.format(job=job, status=kind.status, cause=kind.cause, count=count)
            cursor.execute(sql, [])
            cursor.execute(
                "INSERT INTO courant_mail_jobminute (job_id, minute, sent, deferred, failed, in_doubt) SELECT %s, "
                "date_trunc('minute', now()) - n * interval '1 minute', 1200, 30, 10, 1 FROM generate_series(0, 700) n",
                [job],
            )
            recount(job)
        cursor.execute("VACUUM (ANALYZE) courant_mail_message")
    return jobs


def ask(client: Any, page: Page) -> float:
    """Milliseconds until the page is there, or the first piece of a download."""
    started = time.perf_counter()
    answer = client.get(page.address)
    if answer.status_code != 200:
        sys.exit(f"{page.address} answers {answer.status_code}")
    pieces = iter(answer)
    next(pieces)
    next(pieces, b"")
    took = time.perf_counter() - started
    if answer.streaming:
        answer._iterator.close()  # what the client would do that has gone away
    return 1000 * took


def measure(client: Any, jobs: dict[str, int], count: int) -> bool:
    """Print a line for each page. Whether all of them, by their medians, are within the limit."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    print(f"{'':58}{'median':>9}{'worst':>9}{'queries':>9}")
    good = True
    for page in pages(jobs, count):
        with CaptureQueriesContext(connection) as queries:
            ask(client, page)
            asked = len(queries)
        times = [ask(client, page) for _ in range(RUNS)]
        median = statistics.median(times)
        mark = "" if median <= LIMIT_MS else f"  over {LIMIT_MS} ms"
        good = good and not mark
        print(f"{page.what:58}{median:6.0f} ms{max(times):6.0f} ms{asked:9d}{mark}", flush=True)
    return good


def download(client: Any, job: int) -> None:
    """The whole file of one job, and what it takes in memory."""
    before, started, size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter(), 0
    for piece in client.get(f"{JOBS}{job}/messages.csv"):
        size += len(piece)
    seconds = time.perf_counter() - started
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"the whole export: {size / 1e6:,.0f} MB in {seconds:.0f} s; the process has grown by {grown:.1f} MB")


def run(count: int) -> bool:
    """Fill, ask, tell."""
    from django.contrib.auth.models import User
    from django.test import Client, override_settings

    started = time.perf_counter()
    jobs = fill(count)
    filled = time.perf_counter() - started
    print(f"{len(jobs)} jobs of {count:,} messages, made in {filled:.0f} s; load {os.getloadavg()[0]:.1f}")
    client = Client()
    client.force_login(User.objects.create(username="ann", is_staff=True, is_superuser=True))
    with override_settings(ALLOWED_HOSTS=["*"]):
        good = measure(client, jobs, count)
        download(client, jobs[KINDS[0].name])
    print(f"load {os.getloadavg()[0]:.1f}")
    return good


def main() -> int:
    """0 when every page is within the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000, help="in each job")
    options = parser.parse_args()

    from tests import databases

    try:
        url = databases.find("postgresql")
    except databases.Unusable as error:
        sys.exit(f"No PostgreSQL server to measure with: {error}")
    with tempfile.TemporaryDirectory() as folder:
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
            return 0 if run(options.messages) else 1
        finally:
            connection.creation.destroy_test_db(str(connection.settings_dict["NAME"]), verbosity=0)


if __name__ == "__main__":
    # In place of this folder, whose modules are parts of the package `benchmarks` and nothing else.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    sys.exit(main())
