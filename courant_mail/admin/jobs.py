"""The jobs in the admin: write one, be sure of it, send it, watch it, stop it. Each part has a module of its own."""

from __future__ import annotations

from django.contrib import admin

from ..models import MessageJob
from .job_acts import JobActs
from .job_form import JobForm
from .job_list import JobList
from .job_preview import JobPreview
from .job_watch import JobWatch


@admin.register(MessageJob)
class MessageJobAdmin(JobActs, JobWatch, JobPreview, JobForm, JobList):
    """Jobs. A new one starts as a draft; with the permission for it, it is sent, stopped, and sent to the rest."""

    change_form_template = "courant_mail/admin/job/page.html"
