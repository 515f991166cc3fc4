"""The table of readers, filled by the database itself."""

from __future__ import annotations

from . import mails
from .databases import Database

_FIRST = 1000


def fill(database: Database, count: int) -> None:
    """Exactly so many readers, numbered from 1, with two values each."""
    database.empty("bench_reader")
    first = [(n, *mails.reader(n).values()) for n in range(1, min(count, _FIRST) + 1)]
    rows = ", ".join(f"({n}, '{email}', '{first_name}', '{last}')" for n, email, first_name, last in first)
    database.rows(f"INSERT INTO bench_reader (id, email, first_name, last_name) VALUES {rows}")
    there = min(count, _FIRST)
    while there < count:
        number = f"(id + {there})"
        email, name = address(database, number), database.text("'First'", number)
        database.rows(
            "INSERT INTO bench_reader (id, email, first_name, last_name) "
            f"SELECT id + {there}, {email}, {name}, 'Last' FROM bench_reader WHERE id <= {count - there}"
        )
        there = min(count, 2 * there)
    database.analyze("bench_reader")


def address(database: Database, number: str) -> str:
    """The SQL that makes the address of `mails.reader` from a number."""
    factor, modulus = mails.SCATTER
    return database.text(f"'{mails.READER}'", f"({number} * {factor} % {modulus})", "'.'", number, "'@example.org'")
