"""
A queue of ten million rows on PostgreSQL: claims, indexes, dead rows, vacuum, and what would help.

It runs on a server of its own where PostgreSQL's programs are installed, so that autovacuum is as we say and nobody
else is slowed down. The rows are made by the database; a part of them is sent to `smtp-sink` without delay.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass

from .. import databases, own_postgres, readers, sites
from ..databases import Database
from ..inside.statements import KINDS
from ..processes import Program, wait_for
from ..sites import Site
from ..stage import Stage
from ..tools import Unavailable
from .sending import UNIT

KIND = "postgresql"
TABLE = "courant_mail_message"
KILOBYTES = 2
CONNECTIONS = 8
#: messages of a run in which statements are timed
PROBE = 4_000
SLICES = 10
FILL_FACTORS = (100, 90, 70, 50)
#: what the documentation advises for this table
ADVICE = "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50000, autovacuum_vacuum_cost_delay = 0"


@dataclass
class Huge:
    """The table under test, and where its figures go."""

    stage: Stage
    site: Site

    @property
    def database(self) -> Database:
        return self.site.database

    def note(self, key: str, value: float, what: str, unit: str) -> None:
        self.stage.book.add(f"huge/{key}", value, what=what, unit=unit, database=KIND)

    def timed(self, key: str, what: str, *statements: str) -> None:
        """Seconds that the statements take."""
        started = time.perf_counter()
        for statement in statements:
            self.database.rows(statement)
        self.note(key, time.perf_counter() - started, what, "s")


def measure(stage: Stage) -> None:
    """Everything under `huge/`."""
    rows, some = stage.sizes.huge, stage.sizes.huge_sent
    with _server(stage) as database:
        site = Site("courant_mail", database, stage.folder, port=stage.sink.port, connections=CONNECTIONS)
        huge = Huge(stage, site)
        _fill_factors(huge, rows // 20, some // 10)
        _build(huge, rows)
        _sizes(huge, rows, "when all are queued")
        huge.timed("analyze", "ANALYZE", f"ANALYZE {TABLE}")
        _probe(huge, "1-all-queued", "all queued")
        _send(huge, some, "first", "all queued")
        _probe(huge, "2-dead", f"behind {some:,} sent, not vacuumed")
        _behind_an_old_snapshot(huge, some // 4)
        _dead_rows(huge, "before the vacuum")
        huge.timed("vacuum", f"VACUUM, some {2 * some:,} dead rows of {rows:,}", f"VACUUM {TABLE}")
        _dead_rows(huge, "after the vacuum")
        _probe(huge, "4-vacuumed", f"behind {some:,} sent, vacuumed")
        _autovacuum(huge, some // 2)
        _sizes(huge, rows, "after a part was sent")
        _purge(huge)


@contextlib.contextmanager
def _server(stage: Stage) -> Iterator[Database]:
    """A database on a server of our own, or else on the one that is there."""
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(own_postgres.started(autovacuum_naptime="5s"))
        except Unavailable as reason:
            stage.say(f"{reason} The server that is there is used.")
            if not stage.has(KIND):
                raise
            yield stage.database(KIND)
            return
        stage.say("made a PostgreSQL server of our own")
        database = stack.enter_context(databases.made(KIND, stage.folder, server))
        sites.make_tables(database, stage.folder)
        stage.facts |= {f"server of its own: {name}": value for name, value in database.describe().items()}
        yield database


def _build(huge: Huge, rows: int) -> None:
    """One job with so many queued messages, in slices whose speed is noted."""
    huge.stage.say(f"making {rows:,} rows")
    _one_message(huge)
    there = 1
    step = rows // SLICES
    while there < rows:
        count = min(step, rows - there)
        started = time.perf_counter()
        huge.database.rows(_more_rows(huge.database, there, count))
        rate = count / (time.perf_counter() - started)
        huge.note("insert", rate, f"INSERT … SELECT, each {step:,} of {rows:,}", "rows/s")
        there += count
    huge.database.rows(f"UPDATE courant_mail_messagejob SET total = {rows}, consumed = {rows}")


def _one_message(huge: Huge) -> None:
    """A job that is being sent, with one message: the pattern of all others."""
    huge.site.empty()
    huge.site.inside("queue_job", "bench.numbers", 1, KILOBYTES)
    huge.site.manage("process_mail_jobs", "--verbosity", "0")


def _more_rows(database: Database, there: int, count: int) -> str:
    """The INSERT that copies the one message under further addresses."""
    columns = [
        str(name)
        for (name,) in database.rows(
            f"SELECT column_name FROM information_schema.columns WHERE table_name = '{TABLE}' ORDER BY ordinal_position"
        )
        if name not in {"id", "recipient", "merge"}
    ]
    address = readers.address(database, "n::bigint")
    own = f"{address}, jsonb_build_object('first_name', 'First' || n, 'last_name', 'Last')"
    return (
        f"INSERT INTO {TABLE} (recipient, merge, {', '.join(columns)}) SELECT {own}, {', '.join(columns)} "
        f"FROM generate_series({there + 1}, {there + count}) AS n, "
        f"(SELECT * FROM {TABLE} ORDER BY id LIMIT 1) AS pattern"
    )


def _sizes(huge: Huge, rows: int, when: str) -> None:
    heap = huge.database.value(f"SELECT pg_table_size('{TABLE}')")
    huge.note(f"size/{when}/table", heap / rows, f"table, {when}", "bytes/row")
    for name, size in huge.database.rows(
        "SELECT indexrelname, pg_relation_size(indexrelid) FROM pg_stat_user_indexes "
        f"WHERE relname = '{TABLE}' ORDER BY 2 DESC"
    ):
        huge.note(f"size/{when}/{name}", float(size) / rows, f"index {name}, {when}", "bytes/row")


def _probe(huge: Huge, key: str, when: str) -> None:
    """Send a few thousand and note what each kind of statement takes."""
    huge.stage.say(f"timing statements: {when}")
    told = huge.site.inside("statements", PROBE).told
    huge.note(f"probe/{key}/rate", told["sent"] / told["seconds"], f"{when}: sending {PROBE:,}", UNIT)
    for name in KINDS:
        if times := told["statements"].get(name):
            what = f"{when}: {name} (median of {len(times):,})"
            huge.note(f"probe/{key}/{name}", statistics.median(times), what, "ms")


def _send(huge: Huge, count: int, key: str, when: str) -> None:
    huge.stage.say(f"sending {count:,}, {when}")
    done = huge.site.manage("send_mail", "--limit", str(count), "--verbosity", "0")
    huge.note(f"send/{key}", count / done.seconds, f"send_mail --limit {count}, {when}", UNIT)


def _behind_an_old_snapshot(huge: Huge, count: int) -> None:
    """What a forgotten transaction does: dead entries at the head of the claim's index cannot be skipped for good."""
    with _old_snapshot(huge):
        _send(huge, count, "old-snapshot", "while an old transaction is open")
        _probe(huge, "3-old-snapshot", f"{count:,} sent while an old transaction is open")


@contextlib.contextmanager
def _old_snapshot(huge: Huge) -> Iterator[Program]:
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()"
    )
    with huge.site.begin_inside("old_transaction") as program:
        wait_for(lambda: bool(huge.database.value(waiting)), "The old transaction does not begin.")
        yield program


def _dead_rows(huge: Huge, when: str) -> None:
    time.sleep(1)  # statistics are written with some delay
    [(dead, updated, hot)] = huge.database.rows(
        f"SELECT n_dead_tup, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = '{TABLE}'"
    )
    huge.note(f"dead/{when}", float(dead), f"dead rows {when}", "rows")
    huge.note(f"hot/{when}", 100 * hot / max(1, updated), f"updates in place (HOT) {when}", "%")


def _autovacuum(huge: Huge, count: int) -> None:
    """How often autovacuum comes while so many are sent: as PostgreSQL is set, and as we advise."""
    for key, words, change in (
        ("default", "autovacuum as PostgreSQL comes", f"ALTER TABLE {TABLE} RESET (autovacuum_enabled)"),
        ("advised", "autovacuum as advised", f"ALTER TABLE {TABLE} SET ({ADVICE})"),
    ):
        huge.database.rows(change)
        before = _autovacuums(huge)
        _send(huge, count, key, words)
        time.sleep(15)  # three times the pause between two looks of autovacuum
        huge.note(f"autovacuum/{key}", _autovacuums(huge) - before, f"{words}: its runs for {count:,} sent", "runs")
        _dead_rows(huge, f"after {count:,} sent, {words}")
        _probe(huge, f"5-{key}", words)


def _autovacuums(huge: Huge) -> int:
    return int(huge.database.value(f"SELECT autovacuum_count FROM pg_stat_user_tables WHERE relname = '{TABLE}'"))


def _fill_factors(huge: Huge, rows: int, some: int) -> None:
    """Whether free room in the pages, for updates in place, pays: the same queue with several fill factors."""
    for factor in FILL_FACTORS:
        huge.stage.say(f"fill factor {factor}")
        huge.database.rows(f"ALTER TABLE {TABLE} SET (fillfactor = {factor}, autovacuum_enabled = false)")
        _one_message(huge)
        huge.database.rows(_more_rows(huge.database, 1, rows - 1))
        huge.database.rows(f"ANALYZE {TABLE}")
        before = huge.database.value(f"SELECT pg_table_size('{TABLE}')")
        done = huge.site.manage("send_mail", "--limit", str(some), "--verbosity", "0")
        after = huge.database.value(f"SELECT pg_table_size('{TABLE}')")
        time.sleep(1)
        [(updated, hot)] = huge.database.rows(
            f"SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = '{TABLE}'"
        )
        words = f"fill factor {factor}, {rows:,} rows"
        huge.note(f"fill/{factor}/rate", some / done.seconds, f"{words}: send_mail --limit {some}", UNIT)
        huge.note(f"fill/{factor}/size", before / rows, f"{words}: table before", "bytes/row")
        huge.note(f"fill/{factor}/growth", (after - before) / some, f"{words}: growth per sent message", "bytes")
        huge.note(f"fill/{factor}/hot", 100 * hot / max(1, updated), f"{words}: updates in place (HOT)", "%")
        if factor == FILL_FACTORS[0]:
            _probe(huge, "0-short", f"a short queue of {rows:,}")
        huge.database.rows("SELECT pg_stat_reset()")
    huge.database.rows(f"ALTER TABLE {TABLE} RESET (fillfactor)")


def _purge(huge: Huge) -> None:
    """What a partition of its own would save: rows deleted one by one, against a table that is dropped."""
    huge.stage.say("purging what was sent")
    count = int(huge.database.value(f"SELECT count(*) FROM {TABLE} WHERE sent_at IS NOT NULL"))
    huge.database.rows(f"CREATE TABLE bench_partition (LIKE {TABLE} INCLUDING ALL)")
    huge.database.rows(f"INSERT INTO bench_partition SELECT * FROM {TABLE} WHERE sent_at IS NOT NULL")
    huge.timed("purge/drop", f"DROP TABLE with {count:,} rows, as of a partition", "DROP TABLE bench_partition")
    done = huge.site.manage("purge_mail_log", "0", "--verbosity", "0")
    huge.note("purge/delete", done.seconds, f"purge_mail_log, {count:,} rows", "s")
    huge.timed("purge/vacuum", "VACUUM after the purge", f"VACUUM {TABLE}")
