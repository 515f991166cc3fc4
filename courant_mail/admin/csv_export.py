"""CSV files for download: streamed, and safe to open in a spreadsheet program."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

from ..sheets import csv_bytes

Row = TypeVar("Row", bound=Model)

_PAGE = 1000


def csv_response(filename: str, rows: Iterable[Sequence[Any]]) -> StreamingHttpResponse:
    """The rows as a file, sent while they are read. No cell of it can become a formula."""
    return csv_download(filename, csv_bytes(rows))


def csv_download(filename: str, pieces: Iterable[bytes]) -> StreamingHttpResponse:
    """A CSV file that was made with `courant_mail.sheets` before."""
    return StreamingHttpResponse(
        pieces,
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": content_disposition_header(True, filename) or "attachment",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store, private",
        },
    )


def by_key(queryset: QuerySet[Row], page: int = _PAGE) -> Iterator[Row]:
    """
    All rows in the order of their keys, in short queries of a page each.

    No query stays open while a slow reader takes the file, and memory does not grow with the table.
    """
    ordered = queryset.order_by("pk")
    rows = list(ordered[:page])
    while rows:
        yield from rows
        rows = list(ordered.filter(pk__gt=rows[-1].pk)[:page]) if len(rows) == page else []
