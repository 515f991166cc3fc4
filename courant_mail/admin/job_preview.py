"""The preview of a job, for any of its recipients: what is shown is what would be sent."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse

from ..exceptions import CourantMailError
from ..queue.letters import job_words
from .desk import DeskAdmin
from .preview import preview_for, preview_response

_EXAMPLE = "reader@example.org"


class JobPreview(DeskAdmin):
    """The pages that show the mail of a job before it leaves."""

    def get_urls(self) -> list[Any]:
        return [self.desk_path("mail-preview/", self.mail_preview, "mail_preview"), *super().get_urls()]

    def mail_preview(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The HTML part of a job, for a sandboxed frame."""
        job = self.job_or_404(request, object_id)
        try:
            return preview_response(preview_for(job_words(job), _EXAMPLE).html)
        except CourantMailError as error:
            return HttpResponse(str(error), content_type="text/plain; charset=utf-8", status=422)
