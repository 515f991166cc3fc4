"""What the editor's desk keeps beside a job: its pace by the minute, its dry run, the files of its recipients."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..choices import DryRunState
from .job import MessageJob


class JobMinute(models.Model):
    """How many tries of a job ended how within one minute; for the chart, the rate and the time that is left."""

    job = models.ForeignKey(MessageJob, on_delete=models.CASCADE, related_name="minutes", db_index=False)
    minute = models.DateTimeField(help_text=_("Its beginning."))
    sent = models.IntegerField(default=0)
    deferred = models.IntegerField(default=0)
    failed = models.IntegerField(default=0)
    in_doubt = models.IntegerField(default=0)

    class Meta:
        verbose_name = _("minute of a job")
        verbose_name_plural = _("minutes of jobs")
        constraints = [models.UniqueConstraint(fields=["job", "minute"], name="courant_mail_once_per_minute")]

    def __str__(self) -> str:
        return f"{self.job_id} at {self.minute:%Y-%m-%d %H:%M}: {self.sent}"


class DryRunQuerySet(models.QuerySet["DryRun"]):
    def free(self) -> DryRunQuerySet:
        """Those that wait for somebody to make them, also those whose maker has died or was ended."""
        return self.filter(state__in=[DryRunState.WANTED, DryRunState.RUNNING], claimed_by=None)


class DryRun(models.Model):
    """The last dry run of a job: everything that sending does, but for the sending."""

    job = models.OneToOneField(MessageJob, on_delete=models.CASCADE, related_name="dry_run", verbose_name=_("job"))
    state = models.CharField(_("state"), max_length=10, choices=DryRunState.choices, default=DryRunState.WANTED)
    fingerprint = models.CharField(max_length=64, help_text=_("Of the words and the audience that it was made for."))
    requested_by = models.CharField(_("requested by"), max_length=254, blank=True)
    requested_at = models.DateTimeField(_("requested at"), default=timezone.now)
    started_at = models.DateTimeField(_("started at"), null=True)
    finished_at = models.DateTimeField(_("finished at"), null=True)
    claimed_by = models.BigIntegerField(null=True)
    expected = models.BigIntegerField(null=True, help_text=_("About how many recipients there are."))
    done = models.BigIntegerField(default=0, help_text=_("How many recipients were looked at."))
    report = models.JSONField(null=True)
    error = models.TextField(_("reason"), blank=True)

    objects = DryRunQuerySet.as_manager()

    class Meta:
        verbose_name = _("dry run")
        verbose_name_plural = _("dry runs")
        indexes = [models.Index(fields=["state"], name="courant_mail_dry_run_state")]

    def __str__(self) -> str:
        return f"{self.job_id}: {self.get_state_display()}"


class RecipientFile(models.Model):
    """A file of recipients that somebody has uploaded into a draft, and those of its lines that could not be taken."""

    job = models.ForeignKey(MessageJob, on_delete=models.CASCADE, related_name="files", verbose_name=_("job"))
    filename = models.CharField(_("file name"), max_length=255)
    uploaded_by = models.CharField(_("uploaded by"), max_length=254, blank=True)
    uploaded_at = models.DateTimeField(_("uploaded at"), default=timezone.now)
    columns = models.JSONField(_("columns"), default=list)
    accepted = models.BigIntegerField(_("recipients taken"), default=0)
    rejected = models.BigIntegerField(_("lines not taken"), default=0)
    rejects = models.TextField(blank=True, help_text=_("CSV: line number, reason, and what stood in the line."))

    class Meta:
        verbose_name = _("file of recipients")
        verbose_name_plural = _("files of recipients")

    def __str__(self) -> str:
        return self.filename
