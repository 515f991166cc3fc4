"""Watching a job: how far it is, how fast it goes, who did not get it and why. Kept up to date while it is open."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from ..causes import Cause
from ..choices import DryRunState, JobStatus
from ..models import DryRun, MessageJob
from ..queue.missed import RETRYABLE
from .desk import DeskAdmin
from .message_list import CAUSE, JOB
from .progress import Progress
from .watch import Ways, watch

_FOLDER = "courant_mail/admin/job"
#: seconds until a page asks again
_OFTEN, _SELDOM = 2, 20
_BEING_MADE = (DryRunState.WANTED, DryRunState.RUNNING)


class JobWatch(DeskAdmin):
    """The progress of a job on its page, and the view that keeps it up to date."""

    def get_urls(self) -> list[Any]:
        return [self.desk_path("progress/", self.progress, "progress"), *super().get_urls()]

    def desk_context(self, request: HttpRequest, job: MessageJob) -> dict[str, Any]:
        return {**super().desk_context(request, job), **self.watch_context(request, job)}

    def watch_context(self, request: HttpRequest, job: MessageJob) -> dict[str, Any]:
        """What the panel shows, and what the script needs to keep it up to date."""
        now = timezone.now()
        dry_run = DryRun.objects.filter(job=job).values_list("state", flat=True).first() or ""
        progress = Progress(job, now)
        return {
            "job": job,
            "watch": watch(job, now, self._ways(request, job)),
            "live": {
                "url": self.desk_url("progress", job.pk),
                "status": job.status,
                "dry_run": dry_run,
                "seconds": str(_seconds(progress, dry_run)),
            },
        }

    def progress(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """
        The job as it stands, as JSON: the numbers, one line to be read aloud, and the parts of its page anew.

        `dry_run` in the address is the state that the page has seen last: that part is sent where it is another now.
        """
        job = self.job_or_404(request, object_id)
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        context = self.watch_context(request, job)
        live, shown = context["live"], context["watch"]
        progress = shown.progress if shown else Progress(job, timezone.now())
        parts = {
            "courant-watch": self._part(request, "_watch_panel.html", context),
            # Not only with the status: there are people to send the rest to as soon as the first did not get it.
            "courant-acts": self._part(request, "_acts.html", self.acts_context(request, job)),
        }
        if live["dry_run"] in _BEING_MADE or request.GET.get("dry_run", live["dry_run"]) != live["dry_run"]:
            parts["courant-dry-run"] = self._part(request, "_dry_run.html", self.dry_run_context(request, job))
        # Django's admin forbids to keep what its pages answer.
        return JsonResponse(
            {
                "status": job.status,
                "dry_run": live["dry_run"],
                "seconds": _seconds(progress, live["dry_run"]),
                "line": progress.line,
                "numbers": _numbers(progress),
                "html": parts,
            }
        )

    def _part(self, request: HttpRequest, template: str, context: dict[str, Any]) -> str:
        request.current_app = self.admin_site.name
        return render_to_string(f"{_FOLDER}/{template}", context, request)

    def _ways(self, request: HttpRequest, job: MessageJob) -> Ways:
        may_see = request.user.has_perm("courant_mail.view_message")
        may_send = self.has_send_permission(request)
        over = job.status in (JobStatus.SENDING, JobStatus.PAUSED, JobStatus.FINISHED, JobStatus.CANCELLED)
        return Ways(
            messages=partial(self._messages_url, job) if may_see else _nowhere,
            retry=partial(self._retry_url, job) if may_send and over else _nowhere,
            may_see_messages=may_see,
        )

    def _messages_url(self, job: MessageJob, cause: int | None = None) -> str:
        url = reverse("admin:courant_mail_message_changelist", current_app=self.admin_site.name)
        query = {JOB: job.pk} | ({CAUSE: cause} if cause is not None else {})
        return f"{url}?{urlencode(query)}"

    def _retry_url(self, job: MessageJob, cause: Cause) -> str:
        return self.desk_url("retry", job.pk, int(cause)) if cause in RETRYABLE else ""


def _nowhere(*args: Any, **kwargs: Any) -> str:
    return ""


def _seconds(progress: Progress, dry_run: str) -> int:
    """How soon something may be different; 0 where nothing changes by itself."""
    if dry_run in _BEING_MADE:
        return _OFTEN
    if not progress.is_active:
        return 0
    idle = progress.waits_for_its_time or progress.job.status == JobStatus.PAUSED
    return _SELDOM if idle else _OFTEN


def _numbers(progress: Progress) -> dict[str, Any]:
    job, left = progress.job, progress.left
    return {
        "total": job.total,
        "read": job.consumed,
        "percent": progress.percent,
        "per_minute": progress.per_minute,
        "seconds_left": left.total_seconds() if left is not None else None,
        **{count.name: count.number for count in progress.counts},
    }
