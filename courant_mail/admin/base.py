"""What the admin pages share: lists that never count a million rows, and rows that only the queue may write."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
    _Paginator = Paginator[Any]
else:
    _ModelAdmin = admin.ModelAdmin
    _Paginator = Paginator


class CappedPaginator(_Paginator):
    """
    Counts no further than people turn pages.

    The count is exact up to `limit` rows; behind them there are no pages, and a filter or a search finds the rest.
    """

    limit = 10_000

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        return rows[: self.limit].count() if isinstance(rows, QuerySet) else len(rows)


class ListAdmin(_ModelAdmin):
    """A list of rows of the queue, newest first."""

    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = CappedPaginator
    ordering = ["-pk"]


class ReadOnlyAdmin(ListAdmin):
    """Rows that the queue writes and people only look at."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
