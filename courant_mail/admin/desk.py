"""What the parts of the editor's desk share: their pages' addresses, who may see a job, and the context of its page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path, reverse

from ..models import JobStatus, MessageJob
from .base import ListAdmin

if TYPE_CHECKING:
    from collections.abc import Callable

#: whoever may send mass mail has this permission, beside that to see what it is about
SEND_PERMISSION = "courant_mail.send_messagejob"


class DeskAdmin(ListAdmin):
    """
    The base of the parts of MessageJobAdmin. Each part is a subclass of this, in a module of its own.

    A part adds its pages in `get_urls` (with `desk_path`) and what it shows on the page of a job in `desk_context`.
    """

    def desk_path(self, route: str, view: Callable[..., Any], name: str) -> Any:
        """A page under that of one job: `<id>/route`, named `courant_mail_messagejob_name`."""
        wrapped = self.admin_site.admin_view(view)
        return path(f"<path:object_id>/{route}", wrapped, name=f"courant_mail_messagejob_{name}")

    def desk_url(self, name: str, *args: Any) -> str:
        """The address of a page of the desk."""
        return reverse(f"admin:courant_mail_messagejob_{name}", args=args, current_app=self.admin_site.name)

    def desk_context(self, request: HttpRequest, job: MessageJob) -> dict[str, Any]:
        """What the page of a stored job shows beside its fields."""
        return {"job": job, "may_send": self.has_send_permission(request)}

    def acts_context(self, request: HttpRequest, job: MessageJob) -> dict[str, Any]:
        """What the template of the acts needs, when it is shown anew because the state of the job has changed."""
        return {"job": job}

    def dry_run_context(self, request: HttpRequest, job: MessageJob) -> dict[str, Any]:
        """What the template of the dry run needs, while it is being made."""
        return {"job": job}

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        job = self.get_object(request, unquote(object_id))
        if job is not None and self.has_view_or_change_permission(request, job):
            extra_context = {**self.desk_context(request, job), **(extra_context or {})}
        return super().change_view(request, object_id, form_url, extra_context)

    def has_send_permission(self, request: HttpRequest) -> bool:
        """Whether the user may send mass mail."""
        return request.user.has_perm(SEND_PERMISSION)

    def has_stop_permission(self, request: HttpRequest, job: MessageJob | None = None) -> bool:
        """Whether the user may pause and cancel: whoever may write or send."""
        return self.has_send_permission(request) or self.has_change_permission(request, job)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """With the permission to view jobs, and for a sender the jobs that this sender has made."""
        if super().has_view_permission(request, obj):
            return True
        own = isinstance(obj, MessageJob) and obj.created_by == request.user.get_username()
        return own and self.has_send_permission(request)

    def has_look_permission(self, request: HttpRequest, job: MessageJob) -> bool:
        """Whether the user may see this job: with the permission to view jobs, or a sender who has made it."""
        return self.has_view_or_change_permission(request, job)

    def job_or_404(self, request: HttpRequest, object_id: str) -> MessageJob:
        """The job of a page of the desk. Raises Http404, and PermissionDenied for whoever may not see it."""
        job: MessageJob | None = self.get_object(request, unquote(object_id))
        if job is None:
            if not self.has_view_or_change_permission(request) and not self.has_send_permission(request):
                raise PermissionDenied
            raise Http404
        if not self.has_look_permission(request, job):
            raise PermissionDenied
        return job

    @staticmethod
    def is_draft(job: MessageJob | None) -> bool:
        """Whether the job may still be written."""
        return job is None or job.status == JobStatus.DRAFT
