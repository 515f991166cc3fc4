"""The jobs in the admin: write one, look at it, send it, and pause, resume or cancel what is under way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotFound
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from .. import sources
from ..addresses import iter_recipients
from ..conf import get_settings
from ..exceptions import CourantMailError
from ..models import JobStatus, MessageJob
from ..queue import control
from ..queue.letters import job_words
from .base import ListAdmin
from .confirm import SEND_PERMISSION, Candidate, confirmation_page, confirmed_key
from .forms import MessageJobForm
from .preview import preview_for, preview_response

_EXAMPLE = "reader@example.org"
_COUNTERS = ("total", "sent", "deferred", "failed", "suppressed", "cancelled", "in_doubt")
_WORDS = ("subject", "from_email", "reply_to", "html", "text")
_AUDIENCE = ("recipients", "source", "source_params", "bulk")
_LEAVING = ("priority", "relay", "scheduled_at")
_PROGRESS = ("status", "status_reason", *_COUNTERS, "created_by", "created_at", "expanded_at", "finished_at")


@admin.register(MessageJob)
class MessageJobAdmin(ListAdmin):
    """Jobs. A new one starts as a draft; the action "Send" queues it, with the permission for that."""

    form = MessageJobForm
    list_display = ["subject", "status", "priority", "total", "sent", "failed", "created_by", "created_at"]
    list_filter = ["status", "priority"]
    search_fields = ["subject"]
    actions = ["send", "pause", "resume", "cancel"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[MessageJob]:
        """Lists read without the large columns; a page of one job reads them."""
        found = super().get_queryset(request)
        match = request.resolver_match
        return found.defer("text", "html", "recipients", "headers") if match and not match.kwargs else found

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        written = [
            (None, {"fields": _WORDS}),
            (_("Who gets it"), {"fields": _AUDIENCE}),
            (_("How it leaves"), {"fields": _LEAVING}),
        ]
        return [(_("How far it is"), {"fields": _PROGRESS}), *written] if obj else written

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None or obj.status == JobStatus.DRAFT:
            return _PROGRESS
        return (*_PROGRESS, *_WORDS, *_AUDIENCE, *_LEAVING)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A draft may go; everything else is the record of what was sent to whom."""
        return obj is not None and obj.status == JobStatus.DRAFT and super().has_delete_permission(request, obj)

    def has_send_permission(self, request: HttpRequest) -> bool:
        """Whether the user may send mass mail."""
        return request.user.has_perm(SEND_PERMISSION)

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.mail_preview)
        own = path("<path:object_id>/mail-preview/", view, name="courant_mail_messagejob_mail_preview")
        return [own, *super().get_urls()]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            self._save_draft(request, obj, form.changed_data)
            return
        obj.status = JobStatus.DRAFT
        obj.sanitize_html = True  # people have typed it
        obj.created_by = request.user.get_username()
        obj.message_id_domain = get_settings().message_id_domain
        super().save_model(request, obj, form, change)

    def _save_draft(self, request: HttpRequest, job: MessageJob, changed: list[str]) -> None:
        """Only what was changed, and only while it is a draft: somebody may have sent it meanwhile."""
        values = {name: getattr(job, name) for name in changed}
        drafts = MessageJob.objects.filter(pk=job.pk, status=JobStatus.DRAFT)
        if values and not drafts.update(**values):
            text = _("The job is no draft any more; your changes were not stored.")
            self.message_user(request, text, messages.ERROR)

    def mail_preview(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The HTML part of a job, for the frame of the confirmation page."""
        job = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, job):
            raise PermissionDenied
        if job is None:
            return HttpResponseNotFound()
        try:
            return preview_response(preview_for(job_words(job), _EXAMPLE).html)
        except CourantMailError as error:
            return HttpResponse(str(error), content_type="text/plain; charset=utf-8", status=422)

    @admin.action(description=gettext_lazy("Send the selected drafts"), permissions=["send"])
    def send(self, request: HttpRequest, queryset: QuerySet[MessageJob]) -> HttpResponseBase | None:
        """Shows the drafts on a confirmation page, and queues them when its button was pressed."""
        if confirmed_key(request):
            self._each(request, queryset, lambda job: control.submit(job.pk, at=job.scheduled_at), _("queued"))
            return None
        drafts = queryset.filter(status=JobStatus.DRAFT).defer(None)
        try:
            candidates = [self._candidate(job) for job in drafts]
        except CourantMailError as error:
            self.message_user(request, str(error), messages.ERROR)
            return None
        if not candidates:
            self.message_user(request, _("None of the selected jobs is a draft."), messages.WARNING)
            return None
        return confirmation_page(request, self, candidates, title=_("Send the selected drafts"), action="send")

    @admin.action(description=gettext_lazy("Pause the selected jobs"), permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[MessageJob]) -> None:
        """Stops expanding and sending."""
        reason = _("paused by %(user)s") % {"user": request.user.get_username()}
        self._each(request, queryset, lambda job: control.pause(job.pk, reason=reason), _("paused"))

    @admin.action(description=gettext_lazy("Resume the selected jobs"), permissions=["send"])
    def resume(self, request: HttpRequest, queryset: QuerySet[MessageJob]) -> None:
        """Goes on with paused jobs."""
        self._each(request, queryset, lambda job: control.resume(job.pk), _("resumed"))

    @admin.action(description=gettext_lazy("Cancel the selected jobs"), permissions=["change"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[MessageJob]) -> None:
        """Ends jobs for good."""
        reason = _("cancelled by %(user)s") % {"user": request.user.get_username()}
        self._each(request, queryset, lambda job: control.cancel(job.pk, reason=reason), _("cancelled"))

    def _candidate(self, job: MessageJob) -> Candidate:
        if job.source:
            recipients = sources.estimate(job.source, job.source_params)
        else:
            recipients = sum(1 for _entry in iter_recipients(job.recipients))
        url = reverse("admin:courant_mail_messagejob_mail_preview", args=[job.pk], current_app=self.admin_site.name)
        return Candidate(job, preview_for(job_words(job), _EXAMPLE), url, recipients)

    def _each(
        self, request: HttpRequest, jobs: QuerySet[MessageJob], change: Callable[[MessageJob], object], done: str
    ) -> None:
        """Change each job by itself, and say what became of it."""
        for job in jobs:
            try:
                change(job)
            except CourantMailError as error:
                self.message_user(request, str(error), messages.ERROR)
            else:
                self.log_change(request, job, done)
                self.message_user(request, f"{job}: {done}", messages.SUCCESS)
