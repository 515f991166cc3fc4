"""What may be asked of the list of messages: each question is answered from an index, however many there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Max, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from ..causes import Cause
from ..choices import MessageStatus
from ..models import Message, MessageJob

JOB, FATE, CAUSE = "job__id__exact", "fate", "cause"
MISSED = "missed"
#: fate, as it stands in an address → the status that it means; `MISSED` is about causes
STATUSES = {
    "sent": MessageStatus.SENT,
    "waiting": MessageStatus.QUEUED,
    "sending": MessageStatus.SENDING,
}
#: where no job is named, filters look through so many of the latest messages
WINDOW = 100_000
#: where no job is named, a search looks through so many of the latest jobs, and through all single mails
JOBS = 1000


@dataclass(frozen=True, slots=True)
class Asked:
    """The question that the address of the list holds; what makes no sense in it is not asked."""

    job_id: int | None = None
    fate: str = ""
    cause: int | None = None

    @classmethod
    def of(cls, request: HttpRequest) -> Asked:
        cause = _number(request.GET.get(CAUSE))
        fate = request.GET.get(FATE, "")
        return cls(
            job_id=_number(request.GET.get(JOB)),
            fate=fate if fate == MISSED or fate in STATUSES else "",
            cause=cause if cause in Cause.values else None,
        )

    @property
    def ordering(self) -> list[str]:
        """The order in which an index of the table holds what is asked for (see `Message.Meta`)."""
        if self.job_id is None:
            return ["-pk"]
        if self.cause is not None:
            return ["-pk"]
        if self.fate == MISSED:
            return ["-cause", "-pk"]
        if self.fate == "sent":
            return ["-pk"]
        if self.fate:
            return ["-priority", "-pk"]
        return ["recipient"]

    @property
    def is_within_window(self) -> bool:
        """Whether only the latest messages are looked through."""
        return self.job_id is None and bool(self.fate or self.cause)


class FateFilter(admin.SimpleListFilter):
    """Who got it and who did not."""

    title = gettext_lazy("who got it")
    parameter_name = FATE

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("sent", gettext_lazy("Got it")),
            (MISSED, gettext_lazy("Did not get it, or not yet")),
            ("waiting", gettext_lazy("Waiting for their turn")),
            ("sending", gettext_lazy("Being sent right now")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Message]) -> QuerySet[Message]:
        asked = Asked.of(request)
        if not asked.fate:
            return queryset
        found = _within_window(asked, queryset)
        if asked.fate == MISSED:
            return found.filter(cause__isnull=False)
        if asked.fate == "sent":
            found = found.filter(cause__isnull=True)  # says nothing new, but lets MariaDB and MySQL use an index
        return found.filter(status=STATUSES[asked.fate])


class CauseFilter(admin.SimpleListFilter):
    """Why not."""

    title = gettext_lazy("why not")
    parameter_name = CAUSE

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(str(cause.value), cause.label) for cause in Cause]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Message]) -> QuerySet[Message]:
        asked = Asked.of(request)
        if asked.cause is None:
            return queryset
        return _within_window(asked, queryset).filter(cause=asked.cause)


class MessageChangeList(ChangeList):
    """
    Asks for no more rows than it may show, also where it has counted fewer.

    Without a limit PostgreSQL prepares for as many as its statistics promise, and sorts them instead of walking along
    an index.
    """

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = self.result_list[: self.list_max_show_all]


def search(asked: Asked, queryset: QuerySet[Message], words: str) -> QuerySet[Message]:
    """Those whose addresses begin like this; addresses are stored in lower case."""
    begins = queryset.filter(recipient__startswith=words.strip().lower())
    if asked.job_id is not None:
        return begins
    # The index on addresses begins with the job, so every job is looked up by itself.
    jobs = list(MessageJob.objects.order_by("-pk").values_list("pk", flat=True)[:JOBS])
    return begins.filter(Q(job__in=jobs) | Q(job=None))


def _within_window(asked: Asked, queryset: QuerySet[Message]) -> QuerySet[Message]:
    if not asked.is_within_window:
        return queryset
    latest = Message.objects.aggregate(latest=Max("pk"))["latest"] or 0
    return queryset.filter(pk__gt=latest - WINDOW)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) < 19 else None
