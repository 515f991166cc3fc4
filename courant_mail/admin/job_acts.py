"""What is done to a job from the admin: send, pause, resume, cancel, send to the rest."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from .. import sources
from ..addresses import iter_recipients
from ..exceptions import CourantMailError
from ..models import JobStatus, MessageJob
from ..queue import control
from ..queue.letters import job_words
from .confirm import Candidate, confirmation_page, confirmed_key
from .desk import DeskAdmin
from .preview import preview_for

_EXAMPLE = "reader@example.org"


class JobActs(DeskAdmin):
    """The actions and buttons that change the state of jobs."""

    actions = ["send", "pause", "resume", "cancel"]

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
