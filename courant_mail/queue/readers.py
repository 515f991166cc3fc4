"""Read the recipients of a job page by page, from where an earlier expansion stopped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import QuerySet

from .. import sources
from ..addresses import iter_recipients
from ..models import MessageJob
from ..sources import RecipientLike


@dataclass(frozen=True, slots=True)
class Page:
    """Some recipients, the cursor after them (None: only a start from the beginning is possible)."""

    entries: list[RecipientLike]
    cursor: Any


@dataclass(frozen=True, slots=True)
class Reading:
    """The pages that are still to come. `consumed` is how many recipients came before them."""

    pages: Iterator[Page]
    consumed: int


def read(job: MessageJob, size: int) -> Reading:
    """
    The recipients of the job that are not expanded yet, in pages of at most `size`.

    A job's own text and a queryset go on behind the job's cursor. Any other iterable starts again: who has a row
    already does not get a second one.
    """
    if not job.source:
        return Reading(_text_pages(job.recipients, job.cursor or 0, size), job.consumed)
    found = sources.get(job.source).recipients(**job.source_params)
    if isinstance(found, QuerySet) and _has_keys(found):
        return Reading(_queryset_pages(found, job.cursor, size), job.consumed)
    return Reading(_iterable_pages(found, size), 0)


def _text_pages(text: str, offset: int, size: int) -> Iterator[Page]:
    entries = iter_recipients(text, offset)
    while page := list(islice(entries, size)):
        yield Page([entry for entry, _ in page], page[-1][1])


def _iterable_pages(found: Iterable[RecipientLike], size: int) -> Iterator[Page]:
    entries = iter(found)
    while page := list(islice(entries, size)):
        yield Page(page, None)


def _queryset_pages(queryset: QuerySet[Any], after: Any, size: int) -> Iterator[Page]:
    """Keyset pagination: each page is a short query of its own, so nothing is held open and memory stays flat."""
    ordered = queryset.order_by("pk")
    while keys := list(
        (ordered if after is None else ordered.filter(pk__gt=after)).values_list("pk", flat=True)[:size]
    ):
        page = ordered.filter(pk__gte=keys[0], pk__lte=keys[-1])
        after = keys[-1]
        yield Page(list(page), _plain(after))


def _has_keys(queryset: QuerySet[Any]) -> bool:
    """Whether the rows of the queryset can be cut into ranges of primary keys without changing what it yields."""
    query = queryset.query
    return not (query.is_sliced or query.combinator or query.distinct_fields or query.group_by)


def _plain(key: Any) -> Any:
    """A primary key as JSON can hold it."""
    return key if isinstance(key, (int, str)) else DjangoJSONEncoder().default(key)
