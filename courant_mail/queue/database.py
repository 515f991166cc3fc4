"""Transactions that write to the queue: where, how the write lock is taken, and what is tried again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError, connections, models, router, transaction

from ..models import Message, Sender

T = TypeVar("T")

#: parts the items of a list that travels as one text: no address and no JSON holds this control character
SEPARATOR = "\x1f"

#: what a database raises that is out of reach, or that refuses for a reason of its own (locks, a full disk)
DATABASE_ERRORS = (OperationalError, InterfaceError)

#: PostgreSQL's SQLSTATE for serialisation failures and deadlocks; MySQL's number for a deadlock
_TRANSIENT = {"40001", "40P01", 1213}
_TRIES = 5


def alias() -> str:
    """The database that holds the queue, as the site's routers say."""
    return str(router.db_for_write(Message))


def reconnect() -> bool:
    """
    Give up a connection that may be broken: the next query makes a new one.

    False within a transaction of the caller, where that is not ours to do.
    """
    if connections[alias()].in_atomic_block:
        return False
    connections[alias()].close()
    return True


@contextmanager
def write_transaction() -> Iterator[None]:
    """
    One transaction that is going to write.

    On SQLite the write lock is taken with the first statement: a transaction that has read before it writes cannot
    wait for another writer but fails at once (SQLITE_BUSY_SNAPSHOT).
    """
    using = alias()
    with transaction.atomic(using=using):
        if connections[using].vendor == "sqlite":
            Sender.objects.using(using).filter(pk=-1).update(pid=0)
        yield


def in_write_transaction(work: Callable[[], T]) -> T:
    """
    Run `work` in one write transaction, again after a deadlock or a serialisation failure.

    `work` must be safe to run again after a rollback. Inside a transaction of the caller nothing is tried again,
    since only the caller could do so.
    """
    for attempt in range(_TRIES):
        try:
            with write_transaction():
                return work()
        except OperationalError as error:
            outer = connections[alias()].in_atomic_block
            if outer or attempt == _TRIES - 1 or not _is_transient(error):
                raise
            time.sleep(random.uniform(0.01, 0.05) * (attempt + 1))
    raise AssertionError("unreachable")


def locked(queryset: models.QuerySet[Any]) -> Any:
    """The queryset with its rows locked, leaving out those that another process holds, where the database can."""
    features = connections[alias()].features
    if not features.has_select_for_update:
        return queryset
    return queryset.select_for_update(skip_locked=features.has_select_for_update_skip_locked)


def exist(*querysets: models.QuerySet[Any]) -> list[bool]:
    """Whether each of the querysets has a row: one query for all of them."""
    connection = connections[alias()]
    questions, params = [], []
    for queryset in querysets:
        sql, values = queryset.order_by().values("pk").query.get_compiler(connection=connection).as_sql()
        questions.append(f"EXISTS({sql})")
        params += values
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(questions)}", params)
        return [bool(answer) for answer in cursor.fetchone()]


def count_each(querysets: Iterable[models.QuerySet[Any]]) -> list[int]:
    """How many rows each of the querysets has, which may be sliced: one query for all of them."""
    connection = connections[alias()]
    questions, params = [], []
    for queryset in querysets:
        sql, values = queryset.values("pk").query.get_compiler(connection=connection).as_sql()
        questions.append(f"(SELECT COUNT(*) FROM ({sql}) counted)")
        params += values
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(questions)}", params)
        return [int(count) for count in cursor.fetchone()]


def batches(values: Iterable[T], size: int = 500) -> Iterator[list[T]]:
    """The values in lists of at most `size`: SQLite and MySQL bound the number of parameters of a statement."""
    iterator = iter(values)
    while batch := list(islice(iterator, size)):
        yield batch


def _is_transient(error: OperationalError) -> bool:
    cause = error.__cause__
    code = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    number = cause.args[0] if cause is not None and cause.args else None
    return code in _TRANSIENT or number in _TRANSIENT


def room_for_text() -> int | None:
    """How many bytes one statement may carry, where the server sets such a limit (MariaDB and MySQL)."""
    connection = connections[alias()]
    if connection.vendor != "mysql":
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@max_allowed_packet")
        return int(cursor.fetchone()[0]) - 64 * 1024
