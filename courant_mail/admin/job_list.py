"""The list of jobs."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import HttpRequest

from ..models import MessageJob
from .desk import DeskAdmin


class JobList(DeskAdmin):
    """The list of jobs, newest first."""

    list_display = ["subject", "status", "priority", "total", "sent", "failed", "created_by", "created_at"]
    list_filter = ["status", "priority"]
    search_fields = ["subject"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[MessageJob]:
        """Lists read without the large columns; a page of one job reads them."""
        found = super().get_queryset(request)
        match = request.resolver_match
        return found.defer("text", "html", "recipients", "headers") if match and not match.kwargs else found
