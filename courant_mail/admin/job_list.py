"""The list of jobs: how far each of them is, at a glance."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..models import JobStatus, MessageJob
from ..queue.speed import speeds
from . import moments
from .desk import DeskAdmin
from .people import number
from .progress import STATUSES, Progress

#: pages about one job that need none of its large columns, or seldom
_LIGHT = ("_progress", "_messages_csv", "_pause", "_resume", "_cancel", "_schedule", "_rest", "_retry")
#: pages that show its words, and its recipients only as long as there are no messages for them
_WORDS = ("_change", "_preview", "_preview_html", "_preview_file", "_test")


class StatusFilter(admin.SimpleListFilter):
    """The states of jobs in the words of the list."""

    title = gettext_lazy("status")
    parameter_name = "status__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(status), str(label)) for status, label in STATUSES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[MessageJob]) -> QuerySet[MessageJob]:
        return queryset.filter(status=self.value()) if self.value() in JobStatus.values else queryset


class JobChangeList(ChangeList):
    """Knows how fast the jobs of its page go: one query for all of them."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        now = timezone.now()
        jobs: list[MessageJob] = list(self.result_list)
        fast = speeds([job for job in jobs if job.status == JobStatus.SENDING], now)
        for job in jobs:
            job.progress = Progress(job, now, fast.get(job.pk))  # type: ignore[attr-defined]
        self.result_list = jobs


class JobList(DeskAdmin):
    """The list of jobs, newest first."""

    list_display = ["mail", "how_far", "when"]
    list_display_links = ["mail"]
    list_filter = [StatusFilter, "priority"]
    search_fields = ["subject"]
    search_help_text = gettext_lazy("Words of the subject")
    list_per_page = 50
    sortable_by = ()
    change_list_template = "courant_mail/admin/job/list.html"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return JobChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[MessageJob]:
        """Lists, and what keeps a page up to date, read without the large columns; a page of one job reads them."""
        found = super().get_queryset(request)
        match = request.resolver_match
        if match is not None and str(match.url_name).endswith(_WORDS):
            return found.defer("recipients")
        light = match is not None and (not match.kwargs or str(match.url_name).endswith(_LIGHT))
        return found.defer("text", "html", "recipients", "headers") if light else found

    @admin.display(description=gettext_lazy("mail"))
    def mail(self, job: MessageJob) -> str:
        """The subject."""
        return job.subject or _("(no subject)")

    @admin.display(description=gettext_lazy("how far it is"))
    def how_far(self, job: MessageJob) -> SafeString:
        """State, progress bar, numbers, speed and time left."""
        progress: Progress = job.progress  # type: ignore[attr-defined]
        parts = [format_html('<span class="courant-status courant-status-{}">{}</span>', job.status, progress.status)]
        if progress.has_begun:
            parts += [_bar(progress), _counts(progress)]
        pace = ", ".join(part for part in (progress.speed, progress.time_left) if part)
        if pace:
            parts.append(format_html('<span class="courant-pace">{}</span>', pace))
        return format_html_join(" ", "{}", ((part,) for part in parts))

    @admin.display(description=gettext_lazy("when"))
    def when(self, job: MessageJob) -> SafeString:
        """When it was written and by whom, and for when it is planned."""
        lines = []
        if job.scheduled_at is not None and job.expanded_at is None:
            planned = _("planned for {} ({})")
            lines.append(format_html(planned, moments.html(job.scheduled_at), moments.zone()))
        if job.finished_at is not None:
            lines.append(format_html(_("ended {}"), moments.html(job.finished_at)))
        written = _("written {} by {}") if job.created_by else _("written {}")
        lines.append(format_html(written, moments.html(job.created_at), job.created_by))
        return format_html_join("", '<span class="courant-sub">{}</span>', ((line,) for line in lines))


def _bar(progress: Progress) -> SafeString:
    """The text beside it says the same, so that whoever hears the page hears it once."""
    if not progress.is_counted:
        return format_html('<span class="courant-bar">{}</span>', progress.bar)
    return format_html(
        '<span class="courant-bar"><progress max="100" value="{}" aria-hidden="true"></progress> {}</span>',
        str(progress.percent),
        progress.bar,
    )


def _counts(progress: Progress) -> SafeString:
    missed = [count for count in progress.counts if count.name not in ("sent", "waiting", "duplicates")]
    shown = [(count.shown, count.label) for count in missed if count.number]
    return format_html(
        '<span class="courant-counts">{}</span>',
        format_html_join(", ", "{} {}", [(number(progress.job.sent), _("sent")), *shown]),
    )
