"""Writing a job in the admin: the form of a draft, what it stores, and the reports about files of recipients."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db import transaction
from django.db.models.functions import Length
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ..conf import get_settings
from ..models import JobStatus, MessageJob
from ..queue.database import alias
from . import people
from .csv_export import csv_download
from .desk import DeskAdmin
from .drafts import LARGE, attachment_row, draft_version, recipients_in_words
from .forms import MessageJobForm
from .recipient_upload import Upload, latest_files, report

_WORDS = ("subject", "from_email", "reply_to", "html", "text")
_LEAVING = ("priority", "relay", "scheduled_at")
_WRITTEN = (
    (*_WORDS, "new_attachments", "version"),
    ("recipients", "recipients_file", "source", "source_params", "bulk"),
    _LEAVING,
)
_SHOWN = ((*_WORDS, "attached_files"), ("named_recipients", "source", "source_params", "bulk"), _LEAVING)
_NOT_STORED = gettext_lazy("The job is no draft any more; your changes were not stored.")
#: so many recipients of a job that has messages are a number and no list any more
MANY = 1000
_BOM = b"\xef\xbb\xbf"


class JobForm(DeskAdmin):
    """A new job starts as a draft; only drafts can be written and deleted."""

    form = MessageJobForm

    def get_urls(self) -> list[Any]:
        rejected = self.desk_path("files/<int:file_id>/rejected.csv", self.rejected_lines, "rejected_lines")
        return [rejected, *super().get_urls()]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        words, audience, leaving = self._written(obj) if self._may_write(request, obj) else _SHOWN
        return [
            (None, {"fields": words}),
            (_("Who gets it"), {"fields": audience}),
            (_("How it leaves"), {"fields": leaving}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if self._may_write(request, obj):
            return ()
        # The form's own fields are named as well, so that it does without them.
        return tuple(dict.fromkeys([*(name for part in _SHOWN for name in part), *self.form.declared_fields]))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A draft may go; everything else is the record of what was sent to whom."""
        return obj is not None and obj.status == JobStatus.DRAFT and super().has_delete_permission(request, obj)

    def _may_write(self, request: HttpRequest, job: MessageJob | None) -> bool:
        if job is None:
            return self.has_add_permission(request)
        return self.is_draft(job) and self.has_change_permission(request, job)

    def _written(self, job: MessageJob | None) -> tuple[tuple[str, ...], ...]:
        """The fields of a draft. A long list of recipients is not sent to the browser and back."""
        words: tuple[str, ...]
        words, audience, leaving = _WRITTEN
        if job is not None and len(job.recipients) > LARGE:
            audience = ("forget_recipients", *audience[1:])
        if job is not None and job.attachments.exists():
            words = (*words, "remove_attachments")
        return words, audience, leaving

    @admin.display(description=gettext_lazy("attachments"))
    def attached_files(self, job: MessageJob) -> str:
        """The files that go with the mail, with their sizes."""
        files = job.attachments.order_by("pk").values_list("filename", Length("content"))
        return format_html_join(", ", "{} ({})", ((name, filesizeformat(size)) for name, size in files)) or "-"

    @admin.display(description=gettext_lazy("recipients"))
    def named_recipients(self, job: MessageJob) -> str:
        """The recipients that were typed or uploaded; only their number where they are many."""
        if job.expanded_at is not None and job.consumed > MANY:
            return people.people(job.consumed)  # a text of megabytes stays where it is
        if len(job.recipients) > LARGE:
            return recipients_in_words(job.recipients)
        return job.recipients or "-"

    # --- saving -------------------------------------------------------------------------------------------------------

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if request.method == "POST":
            job: MessageJob | None = self.get_object(request, unquote(object_id))
            if job is not None and not self.is_draft(job) and self.has_change_permission(request, job):
                self.message_user(request, str(_NOT_STORED), messages.ERROR)
                return HttpResponseRedirect(self.desk_url("change", job.pk))
        return super().change_view(request, object_id, form_url, extra_context)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With the row locked, so that a draft that somebody sends at this moment is sent or gone, and never both."""
        with transaction.atomic(using=alias()):
            if request.method == "POST" and (key := unquote(object_id)).isdecimal():
                # Before anything else is read: MariaDB and MySQL show what was there at the first look.
                MessageJob.objects.select_for_update().filter(pk=key).values_list("pk", flat=True).first()
            return super().delete_view(request, object_id, extra_context)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: MessageJob | None = None,
    ) -> HttpResponse:
        """Without buttons to save where nothing can be written any more."""
        if not self._may_write(request, obj):
            context |= {"show_save": False, "show_save_and_continue": False, "show_save_and_add_another": False}
        return super().render_change_form(request, context, add, change, form_url, obj)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.recipients = form.cleaned_data["recipients"]
        if change:
            stored = self._save_draft(request, obj, form)
        else:
            obj.status = JobStatus.DRAFT
            obj.sanitize_html = True  # people have typed it
            obj.created_by = request.user.get_username()
            obj.message_id_domain = get_settings().message_id_domain
            super().save_model(request, obj, form, change)
            stored = True
        if stored:
            self._save_files(request, obj, form)
            for warning in form.warnings:
                self.message_user(request, warning, messages.WARNING)

    def _save_draft(self, request: HttpRequest, job: MessageJob, form: MessageJobForm) -> bool:
        """Only what was changed, and only if nobody has sent or changed the draft meanwhile. Whether it was stored."""
        columns = {field.name for field in MessageJob._meta.concrete_fields}
        values = {name: getattr(job, name) for name in form.changed_data if name in columns}
        if form.upload or form.cleaned_data.get("forget_recipients"):
            values["recipients"] = job.recipients
        values["sanitize_html"] = form.html_is_typed
        with transaction.atomic(using=alias()):
            drafts = MessageJob.objects.select_for_update().filter(pk=job.pk, status=JobStatus.DRAFT)
            current = drafts.first()
            if current is None or draft_version(current) != form.initial_version:
                self.message_user(request, str(_NOT_STORED), messages.ERROR)
                return False
            drafts.update(**values)
        return True

    def _save_files(self, request: HttpRequest, job: MessageJob, form: MessageJobForm) -> None:
        data = form.cleaned_data
        if data.get("remove_attachments"):
            job.attachments.filter(pk__in=data["remove_attachments"]).delete()
        for attached in form.new_files:
            attachment_row(job, attached).save(force_insert=True)
        if data.get("forget_recipients"):
            job.files.all().delete()
        if form.upload is None:
            return
        file = form.upload.file
        file.job, file.uploaded_by, file.uploaded_at = job, request.user.get_username(), timezone.now()
        file.save(force_insert=True)
        self._tell_of(request, form.upload)

    def _tell_of(self, request: HttpRequest, upload: Upload) -> None:
        file = upload.file
        taken = ngettext(
            "%(count)d recipient was taken from %(file)s.",
            "%(count)d recipients were taken from %(file)s.",
            file.accepted,
        )
        self.message_user(request, taken % {"count": file.accepted, "file": file.filename}, messages.SUCCESS)
        if file.rejected:
            rejected = ngettext(
                "%(count)d line of it was not taken; below is why.",
                "%(count)d lines of it were not taken; below is why.",
                file.rejected,
            )
            self.message_user(request, rejected % {"count": file.rejected}, messages.WARNING)
        for notice in upload.notices:
            self.message_user(request, notice, messages.WARNING)

    def response_post_save_add(self, request: HttpRequest, obj: Any) -> HttpResponseRedirect:
        return self._to_the_job(request, obj) or super().response_post_save_add(request, obj)

    def response_post_save_change(self, request: HttpRequest, obj: Any) -> HttpResponseRedirect:
        return self._to_the_job(request, obj) or super().response_post_save_change(request, obj)

    def _to_the_job(self, request: HttpRequest, job: MessageJob) -> HttpResponseRedirect | None:
        """After saving a draft the next steps are on its page, not in the list."""
        if not self.has_view_or_change_permission(request, job):
            return None
        return HttpResponseRedirect(self.desk_url("change", job.pk))

    # --- files of recipients ------------------------------------------------------------------------------------------

    def desk_context(self, request: HttpRequest, job: MessageJob) -> dict[str, Any]:
        reports = [report(file, self.desk_url("rejected_lines", job.pk, file.pk)) for file in latest_files(job)]
        return {**super().desk_context(request, job), "recipient_files": reports}

    def rejected_lines(self, request: HttpRequest, object_id: str, file_id: int) -> HttpResponseBase:
        """All lines of a file that were not taken, as CSV: their numbers, the reasons, and what stood in them."""
        job = self.job_or_404(request, object_id)
        file = job.files.filter(pk=file_id).first()
        if file is None:
            raise Http404
        name = _("not taken from %(file)s") % {"file": file.filename.rpartition(".")[0] or file.filename}
        return csv_download(f"{name}.csv", [_BOM, file.rejects.encode()])
