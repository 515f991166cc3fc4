"""Writing a job in the admin: the form of a draft, and what it stores."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import gettext as _

from ..conf import get_settings
from ..models import JobStatus, MessageJob
from .desk import DeskAdmin
from .forms import MessageJobForm

_WORDS = ("subject", "from_email", "reply_to", "html", "text")
_AUDIENCE = ("recipients", "source", "source_params", "bulk")
_LEAVING = ("priority", "relay", "scheduled_at")


class JobForm(DeskAdmin):
    """A new job starts as a draft; only drafts can be written and deleted."""

    form = MessageJobForm

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [
            (None, {"fields": _WORDS}),
            (_("Who gets it"), {"fields": _AUDIENCE}),
            (_("How it leaves"), {"fields": _LEAVING}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return () if self.is_draft(obj) else (*_WORDS, *_AUDIENCE, *_LEAVING)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A draft may go; everything else is the record of what was sent to whom."""
        return obj is not None and obj.status == JobStatus.DRAFT and super().has_delete_permission(request, obj)

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
