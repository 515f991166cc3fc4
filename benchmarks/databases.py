"""Databases of our own on the servers that are there: made for one run of the benchmarks, and dropped after it."""

from __future__ import annotations

import contextlib
import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.management.color import no_style
from django.db.utils import ConnectionHandler

from tests import databases as servers

#: kinds of databases, and what people call them
NAMES = {"postgresql": "PostgreSQL", "mysql": "MariaDB", "sqlite": "SQLite"}
KINDS = tuple(NAMES)
Unusable = servers.Unusable

_SQLITE_OPTIONS = {
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    "transaction_mode": "IMMEDIATE",
    "timeout": 30,
}
#: what says how a server treats a commit, and how much memory it may use: by kind of database
_TELLING = {
    "postgresql": ("fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size", "autovacuum"),
    "mysql": ("innodb_flush_log_at_trx_commit", "innodb_doublewrite", "innodb_buffer_pool_size", "log_bin"),
    "sqlite": ("journal_mode", "synchronous", "page_size"),
}


class Database:
    """
    One database, reached from here with SQL, and from sites through its entry of `DATABASES`.

    It is used through a connection of its own, in autocommit.
    """

    def __init__(self, kind: str, entry: dict[str, Any]) -> None:
        self.kind = kind
        self.entry = entry
        self._connection: Any = _connection(entry)

    def rows(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        """Execute a statement and return what it yields."""
        with self._connection.cursor() as cursor:
            cursor.execute(sql, params or None)
            return list(cursor.fetchall()) if cursor.description else []

    def value(self, sql: str, *params: Any) -> Any:
        """The first column of the only row."""
        [row] = self.rows(sql, *params)
        return row[0]

    def text(self, *parts: str) -> str:
        """The SQL that joins texts and numbers."""
        return f"CONCAT({', '.join(parts)})" if self.kind == "mysql" else " || ".join(parts)

    def json(self, **values: str) -> str:
        """The SQL that makes a JSON object of columns."""
        function = {"postgresql": "jsonb_build_object", "mysql": "JSON_OBJECT", "sqlite": "json_object"}[self.kind]
        pairs = [f"'{key}', {column}" for key, column in values.items()]
        return f"{function}({', '.join(pairs)})"

    def tables(self, *prefixes: str) -> list[str]:
        """The tables whose names begin like this."""
        with self._connection.cursor() as cursor:
            names = self._connection.introspection.table_names(cursor)
        return [name for name in names if name.startswith(prefixes)]

    def empty(self, *prefixes: str) -> None:
        """Empty these tables as if nothing had ever been in them, and let the database tidy up."""
        tables = self.tables(*prefixes)
        ops = self._connection.ops
        if self.kind == "sqlite":
            self.rows("PRAGMA foreign_keys = OFF")  # of this connection: whole tables go, in any order
        for statement in ops.sql_flush(no_style(), tables, reset_sequences=True, allow_cascade=True):
            self.rows(statement)
        if self.kind == "sqlite":
            self.rows("VACUUM")
            self.rows("PRAGMA wal_checkpoint(TRUNCATE)")

    def analyze(self, *prefixes: str) -> None:
        """Let the planner know these tables as they are, as autovacuum would in a while."""
        verb = "ANALYZE TABLE" if self.kind == "mysql" else "ANALYZE"
        for table in self.tables(*prefixes):
            self.rows(f"{verb} {table}")

    def bytes(self) -> int:
        """What the database takes up, without pages that are free to be used again."""
        if self.kind == "postgresql":
            return int(self.value("SELECT pg_database_size(current_database())"))
        if self.kind == "mysql":
            name = self.entry["NAME"]
            sql = "SELECT SUM(FILE_SIZE) FROM information_schema.INNODB_SYS_TABLESPACES WHERE NAME LIKE %s"
            return int(self.value(sql, f"{name}/%"))
        pages, free, size = (
            int(self.value(f"PRAGMA {name}")) for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size

    def commit_seconds(self, times: int = 50) -> float:
        """What the smallest possible commit takes; the median of so many."""
        self.rows("CREATE TABLE bench_commit (n integer)")
        try:
            self.rows("INSERT INTO bench_commit (n) VALUES (0)")
            took: list[float] = []
            for _ in range(times):
                started = time.perf_counter()
                self.rows("UPDATE bench_commit SET n = n + 1")
                took.append(time.perf_counter() - started)
        finally:
            self.rows("DROP TABLE bench_commit")
        return statistics.median(took)

    def describe(self) -> dict[str, str]:
        """Its version, and the settings that decide how fast it is."""
        if self.kind == "sqlite":
            told = {"version": f"SQLite {self.value('SELECT sqlite_version()')}"}
            return told | {name: str(self.value(f"PRAGMA {name}")) for name in _TELLING["sqlite"]}
        version = str(self.value("SELECT version()")).partition(" on ")[0]
        show = "SHOW {}" if self.kind == "postgresql" else "SELECT @@{}"
        return {"version": version} | {name: str(self.value(show.format(name))) for name in _TELLING[self.kind]}

    def close(self) -> None:
        self._connection.close()


@contextlib.contextmanager
def made(kind: str, folder: Path, server: dict[str, Any] | None = None) -> Iterator[Database]:
    """
    A new, empty database of this kind: on the server that is found, or on the one that is given as an entry.

    Raises Unusable, with the reason, when there is no server to make one on.
    """
    entry = server or servers.from_url("sqlite:" if kind == "sqlite" else servers.find(kind))
    name = f"courant_bench_{os.getpid()}"
    if kind == "sqlite":
        file = folder / f"{name}.sqlite3"
        entry |= {"NAME": str(file), "OPTIONS": _SQLITE_OPTIONS}
        database = Database(kind, entry)
        try:
            yield database
        finally:
            database.close()
            for path in folder.glob(f"{name}.sqlite3*"):
                path.unlink()
        return
    charset = " CHARACTER SET utf8mb4" if kind == "mysql" else ""
    own = entry | {"NAME": name}
    _on_server(entry, f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}{charset}")
    database = Database(kind, own)
    try:
        yield database
    finally:
        database.close()
        force = " WITH (FORCE)" if kind == "postgresql" else ""
        _on_server(entry, f"DROP DATABASE IF EXISTS {name}{force}")


def _on_server(entry: dict[str, Any], *statements: str) -> None:
    with _connection(entry)._nodb_cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _connection(entry: dict[str, Any]) -> Any:
    if not settings.configured:
        settings.configure(USE_TZ=True, DATABASES={})
        django.setup()
    if entry["ENGINE"].endswith("mysql"):
        servers.use_pymysql_without_mysqlclient()
    return ConnectionHandler({"default": entry})["default"]
