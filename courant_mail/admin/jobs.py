"""The jobs in the admin: write one, be sure of it, send it, watch it, stop it. Each part has a module of its own."""

from __future__ import annotations

from django.contrib import admin

from ..models import MessageJob
from .job_acts import JobActs
from .job_dry_run import JobDryRun
from .job_export import JobExport
from .job_form import JobForm
from .job_list import JobList
from .job_preview import JobPreview
from .job_test_send import JobTestSend
from .job_watch import JobWatch
from .send_page import SendPage


@admin.register(MessageJob)
class MessageJobAdmin(JobActs, SendPage, JobTestSend, JobDryRun, JobPreview, JobWatch, JobExport, JobForm, JobList):
    """Jobs. A new one starts as a draft; with the permission for it, it is sent, stopped, and sent to the rest."""

    change_form_template = "courant_mail/admin/job/page.html"
    actions = ["send", "pause", "resume", "cancel"]
