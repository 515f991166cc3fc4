"""
Recipients a second while a job is expanded, against a raw INSERT … SELECT of the same rows into the same table.

Each recipient has two merge values; the job's mail has 30 kB of HTML. The bytes that the queue takes up are those by
which the database has grown.
"""

from __future__ import annotations

import time

from .. import readers
from ..databases import KINDS, Database
from ..processes import Failed
from ..sites import Site
from ..stage import Stage

UNIT = "rows/s"
KILOBYTES = 30


def measure(stage: Stage) -> None:
    """`expansion/DATABASE/ours` and `…/raw` in rows a second, and `bytes/DATABASE/KILOBYTES`."""
    count = stage.sizes.expand
    kinds = [kind for kind in KINDS if stage.has(kind)]
    for kind in kinds:
        readers.fill(stage.database(kind), count)
    for number in range(stage.sizes.expand_runs):
        for kind in kinds:
            stage.say(f"expanding {count:,} recipients on {kind}, run {number + 1} of {stage.sizes.expand_runs}")
            site = stage.site(kind)
            words = f"{count:,} recipients"
            rate = count / _ours(stage, site, count)
            stage.book.add(f"expansion/{kind}/ours", rate, what=f"process_mail_jobs, {words}", unit=UNIT, database=kind)
            template = _template(site.database)
            rate = count / _raw(site, count, template)
            stage.book.add(
                f"expansion/{kind}/raw", rate, what=f"raw INSERT … SELECT, {words}", unit=UNIT, database=kind
            )
            site.empty()


def _ours(stage: Stage, site: Site, count: int) -> float:
    """Seconds of `process_mail_jobs`, less the start of Python and Django."""
    site.empty()
    idle = site.manage("process_mail_jobs", "--verbosity", "0")
    before = site.database.bytes()
    site.inside("queue_job", "bench.readers", count, KILOBYTES)
    done = site.manage("process_mail_jobs", "--verbosity", "0")
    per_recipient = (site.database.bytes() - before) / count
    what = f"database bytes per queued recipient, {KILOBYTES} kB mail"
    kind = site.database.kind
    stage.book.add(f"bytes/{kind}/{KILOBYTES}", per_recipient, what=what, unit="bytes", database=kind)
    if site.database.value("SELECT count(*) FROM courant_mail_message") != count:
        raise Failed("The expansion did not make a message for each recipient.")
    return done.seconds - idle.seconds


def _template(database: Database) -> dict[str, object]:
    """The columns of one of our rows, as they are to be written again."""
    columns = [str(row[0]) for row in _columns(database)]
    [row] = database.rows(f"SELECT {', '.join(columns)} FROM courant_mail_message ORDER BY id LIMIT 1")
    return dict(zip(columns, row, strict=True))


def _columns(database: Database) -> list[tuple[object, ...]]:
    if database.kind == "sqlite":
        return database.rows("SELECT name FROM pragma_table_info('courant_mail_message')")
    schema = "current_schema()" if database.kind == "postgresql" else "DATABASE()"
    return database.rows(
        "SELECT column_name FROM information_schema.columns "
        f"WHERE table_name = 'courant_mail_message' AND table_schema = {schema}"
    )


def _raw(site: Site, count: int, template: dict[str, object]) -> float:
    """Seconds of the database when it makes the same rows by itself, with the same indexes and constraints."""
    database = site.database
    site.empty()
    # The rows refer to their job; its number is the same again.
    site.inside("queue_job", "bench.readers", count, KILOBYTES)
    own = {
        "recipient": "email",
        "merge": database.json(first_name="first_name", last_name="last_name"),
        "job_id": "(SELECT min(id) FROM courant_mail_messagejob)",
    }
    fixed = {name: value for name, value in template.items() if name not in {"id", *own} and value is not None}
    columns = ", ".join([*own, *fixed])
    values = ", ".join([*own.values(), *["%s"] * len(fixed)])
    started = time.perf_counter()
    database.rows(
        f"INSERT INTO courant_mail_message ({columns}) SELECT {values} FROM bench_reader ORDER BY id", *fixed.values()
    )
    seconds = time.perf_counter() - started
    if database.value("SELECT count(*) FROM courant_mail_message") != count:
        raise Failed("The raw INSERT … SELECT did not make all rows.")
    return seconds
