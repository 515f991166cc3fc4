"""
The rows of a job's recipients, a page at a time: the hot path of an expansion.

Raw SQL in three dialects. Nearly all rows of a page are queued messages that differ in three columns only; the few
others (invalid, suppressed) have a statement of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connections

from ..models import Message, MessageJob, MessageStatus
from .database import SEPARATOR, alias, batches
from .rows import Row, as_json

#: MariaDB and MySQL take statements of 16 MB by default; the merge values of one recipient are at most 64 kB
_PART = 200

_COLUMNS = "job_id, priority, relay, attempts, recipient, spelled, merge, status, reply, cause"


def insert_rows(job: MessageJob, rows: Sequence[Row]) -> None:
    """Insert what is not there yet: a recipient who has a row of the job already keeps that."""
    queued = [row for row in rows if row.status is MessageStatus.QUEUED]
    if queued:
        _insert_queued(job, queued)
    if len(queued) < len(rows):
        _insert_others(job, [row for row in rows if row.status is not MessageStatus.QUEUED])


def _insert_queued(job: MessageJob, rows: Sequence[Row]) -> None:
    """A whole page travels as one text, which the database takes apart: no driver binds thousands of values as fast."""
    vendor = connections[alias()].vendor
    common = f"{job.pk:d}, {job.priority:d}, %s, 0"
    rest = f"{MessageStatus.QUEUED:d}, '', NULL"
    with connections[alias()].cursor() as cursor:
        if vendor == "postgresql":
            listed = "unnest(string_to_array(%s::text, %s::text), string_to_array(%s::text, %s::text, ''))"
            cursor.execute(
                f"{_insert_into()} SELECT {common}, r, s, NULLIF(m, 'null'), {rest} "
                f"FROM ROWS FROM ({listed}, jsonb_array_elements(%s::jsonb)) AS page(r, s, m) "
                "ON CONFLICT (job_id, recipient) DO NOTHING",
                [
                    job.relay,
                    *(SEPARATOR.join(row.recipient for row in rows), SEPARATOR),
                    *(SEPARATOR.join(row.spelled or "" for row in rows), SEPARATOR),
                    as_json([row.merge for row in rows]),
                ],
            )
        elif vendor == "sqlite":
            page = as_json([(row.recipient, row.spelled, row.merge) for row in rows])
            columns = "value ->> 0, value ->> 1, nullif(value -> 2, 'null')"
            cursor.execute(f"{_insert_into()} SELECT {common}, {columns}, {rest} FROM json_each(%s)", [job.relay, page])
        else:
            for part in batches(rows, _PART):
                params: list[Any] = [
                    value
                    for row in part
                    for value in (job.relay, row.recipient, row.spelled, row.merge and as_json(row.merge))
                ]
                values = ", ".join([f"({common}, %s, %s, %s, {rest})"] * len(part))
                cursor.execute(f"{_insert_into()} VALUES {values}", params)


def _insert_others(job: MessageJob, rows: Sequence[Row]) -> None:
    conflict = " ON CONFLICT (job_id, recipient) DO NOTHING" if connections[alias()].vendor == "postgresql" else ""
    marks = ", ".join(["%s"] * 10)
    fixed: tuple[Any, ...] = (job.pk, int(job.priority), job.relay, 0)
    values = [
        (*fixed, row.recipient, row.spelled, row.merge and as_json(row.merge), int(row.status), row.reply, row.cause)
        for row in rows
    ]
    with connections[alias()].cursor() as cursor:
        cursor.executemany(f"{_insert_into()} VALUES ({marks}){conflict}", values)


def _insert_into() -> str:
    connection = connections[alias()]
    verb = {"mysql": "INSERT IGNORE", "sqlite": "INSERT OR IGNORE"}.get(connection.vendor, "INSERT")
    return f"{verb} INTO {connection.ops.quote_name(Message._meta.db_table)} ({_COLUMNS})"
