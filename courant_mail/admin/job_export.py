"""What became of everybody, as a file for a spreadsheet program: sent while it is read, however many there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from itertools import chain
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseNotAllowed
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from ..causes import Cause
from ..models import Message, MessageJob
from ..queue.letters import message_id_pattern
from . import fates, moments
from .csv_export import csv_response
from .desk import DeskAdmin

ALL, MISSED = "all", "missed"
PAGE = 2000
_COLUMNS = ("pk", "recipient", "spelled", "merge", "status", "cause", "reply", "attempts", "sent_at")


class JobExport(DeskAdmin):
    """The download of a job's messages."""

    def get_urls(self) -> list[Any]:
        return [self.desk_path("messages.csv", self.export_messages, "messages_csv"), *super().get_urls()]

    def export_messages(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """All messages of a job, or with `?which=missed` those that their recipients did not get."""
        job = self.job_or_404(request, object_id)
        if not request.user.has_perm("courant_mail.view_message"):
            raise PermissionDenied
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        missed = request.GET.get("which") == MISSED
        which = _("not delivered") if missed else _("recipients")
        name = f"mail-{job.pk}-{which}.csv"
        head = [_("address"), _("name"), _("fate"), _("why"), _("server’s reply"), _("tries"), _("sent at")]
        pages = _missed(job) if missed else _everybody(job)
        return csv_response(name, chain([[*head, "Message-ID"]], _rows(pages, message_id_pattern(job), _setting())))


def _setting() -> Callable[[], AbstractContextManager[Any]]:
    """The language and the zone of the reader: rows are made when they are fetched, and the request is over then."""
    language, zone = translation.get_language(), timezone.get_current_timezone()

    @contextmanager
    def setting() -> Iterator[None]:
        with translation.override(language), timezone.override(zone):
            yield

    return setting


def _rows(
    pages: Iterable[list[tuple[Any, ...]]], pattern: str, setting: Callable[[], AbstractContextManager[Any]]
) -> Iterator[Sequence[str | int]]:
    for page in pages:
        with setting():
            rows = [_row(row, pattern) for row in page]
        yield from rows


def _row(row: tuple[Any, ...], pattern: str) -> list[str | int]:
    pk, recipient, spelled, merge, status, cause, reply, attempts, sent_at = row
    return [
        spelled or recipient,
        str((merge or {}).get("name") or ""),
        fates.fate(status),
        fates.why(cause),
        reply,
        attempts,
        _exactly(sent_at),
        pattern.format(pk),
    ]


def _exactly(moment: datetime | None) -> str:
    """As spreadsheet programs read it, in the zone of the reader."""
    return moments.local(moment).strftime("%Y-%m-%d %H:%M:%S") if moment else ""


def _everybody(job: MessageJob) -> Iterator[list[tuple[Any, ...]]]:
    """In the order of the addresses, page after page: no query stays open while somebody loads the file slowly."""
    rows = Message.objects.filter(job=job).order_by("recipient")
    page = _page(rows)
    while page:
        yield page
        page = _page(rows.filter(recipient__gt=page[-1][1])) if len(page) == PAGE else []


def _missed(job: MessageJob) -> Iterator[list[tuple[Any, ...]]]:
    """Cause by cause, each in the order of its index."""
    for cause in Cause:
        rows = Message.objects.filter(job=job, cause=cause).order_by("pk")
        page = _page(rows)
        while page:
            yield page
            page = _page(rows.filter(pk__gt=page[-1][0])) if len(page) == PAGE else []


def _page(rows: QuerySet[Message]) -> list[tuple[Any, ...]]:
    return list(rows.values_list(*_COLUMNS)[:PAGE])
