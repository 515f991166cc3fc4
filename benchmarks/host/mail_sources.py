"""The recipient sources of the measured site."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet

from benchmarks.mails import reader
from courant_mail import sources

from .models import Reader


@sources.register("bench.readers")
def readers(limit: int) -> QuerySet[Reader, dict[str, Any]]:
    """The first readers of the table, as a site reads its subscribers."""
    return Reader.objects.filter(pk__lte=limit).values("email", "first_name", "last_name")


@sources.register("bench.numbers")
def numbers(count: int) -> Iterator[dict[str, str]]:
    """So many readers out of nothing."""
    return (reader(number) for number in range(1, count + 1))
