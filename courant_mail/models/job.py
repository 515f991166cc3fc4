"""A mass mail: the words, who gets it, when, at which priority, and how far it has come."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..choices import JobStatus, Priority


class MessageJobQuerySet(models.QuerySet["MessageJob"]):
    def expandable(self, now: Any) -> MessageJobQuerySet:
        """Jobs whose time has come and whose recipients are not all rows yet."""
        return self.filter(
            Q(scheduled_at=None) | Q(scheduled_at__lte=now), status__in=[JobStatus.QUEUED, JobStatus.EXPANDING]
        )

    def sending(self) -> MessageJobQuerySet:
        return self.filter(status=JobStatus.SENDING)

    def unsettled(self) -> MessageJobQuerySet:
        """Cancelled jobs whose waiting messages are not marked cancelled yet."""
        return self.filter(status=JobStatus.CANCELLED, finished_at=None)

    def reopened(self) -> MessageJobQuerySet:
        """Jobs whose messages are being put back into the queue, kind by kind."""
        going_on = [JobStatus.QUEUED, JobStatus.EXPANDING, JobStatus.SENDING, JobStatus.PAUSED]
        return self.filter(status__in=going_on, reopening__isnull=False)

    def without_words(self) -> MessageJobQuerySet:
        """Leaves the large columns in the database: for lists and for everything that only looks at states."""
        return self.defer("text", "html", "recipients", "headers")


class MessageJob(models.Model):
    """One mass mail. Queueing it is one INSERT; `process_mail_jobs` makes one `Message` per recipient of it."""

    subject = models.TextField(_("subject"), help_text=_("A Django template over the recipient's merge values."))
    from_email = models.CharField(_("from"), max_length=998, blank=True)
    reply_to = models.CharField(_("reply to"), max_length=998, blank=True)
    text = models.TextField(_("text"), blank=True, help_text=_("Made from the HTML where left empty."))
    html = models.TextField(_("HTML"), blank=True)
    sanitize_html = models.BooleanField(
        _("sanitise the HTML"), default=False, help_text=_("For HTML typed by people, not by the site's templates.")
    )
    headers = models.JSONField(_("headers"), default=dict, blank=True)
    bulk = models.BooleanField(
        _("bulk mail"), default=True, help_text=_("Carries List-Unsubscribe and respects unsubscriptions.")
    )

    recipients = models.TextField(
        _("recipients"),
        blank=True,
        help_text=_("One per line, or separated by “;” or “,”: address, or Name &lt;address&gt;."),
    )
    source = models.CharField(_("recipient source"), max_length=200, blank=True)
    source_params = models.JSONField(_("source parameters"), default=dict, blank=True)

    priority = models.SmallIntegerField(_("priority"), choices=Priority.choices, default=Priority.LOW)
    relay = models.CharField(_("relay"), max_length=100, blank=True, help_text=_("Empty: the default relay."))
    scheduled_at = models.DateTimeField(_("scheduled at"), null=True, blank=True)
    status = models.CharField(_("status"), max_length=10, choices=JobStatus.choices, default=JobStatus.QUEUED)
    status_reason = models.TextField(_("reason"), blank=True, editable=False)
    key = models.CharField(
        _("key"),
        max_length=200,
        null=True,
        unique=True,
        editable=False,
        help_text=_("Queueing a key twice is one job."),
    )
    message_id_domain = models.CharField(max_length=255, editable=False)

    created_by = models.CharField(_("created by"), max_length=254, blank=True, editable=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    expanded_at = models.DateTimeField(_("expanded at"), null=True, editable=False)
    finished_at = models.DateTimeField(_("finished at"), null=True, editable=False)
    # When somebody last let it go: sent a draft, resumed or reopened it. What has not moved since did not stand still.
    released_at = models.DateTimeField(null=True, editable=False)

    # How far the expansion has come: `cursor` is the source's own position, `consumed` counts what it has yielded.
    claimed_by = models.BigIntegerField(null=True, editable=False)
    cursor = models.JSONField(null=True, editable=False)
    consumed = models.BigIntegerField(default=0, editable=False)

    # What is being put back into the queue: {"causes": those still to do, "after": the last message of the first one}.
    reopening = models.JSONField(null=True, editable=False)

    # What the rows say, kept by queue/counters.py so that nobody has to count a million of them.
    total = models.BigIntegerField(_("recipients"), default=0, editable=False)
    sent = models.BigIntegerField(_("sent"), default=0, editable=False)
    deferred = models.BigIntegerField(_("deferred"), default=0, editable=False)
    failed = models.BigIntegerField(_("failed"), default=0, editable=False)
    suppressed = models.BigIntegerField(_("suppressed"), default=0, editable=False)
    cancelled = models.BigIntegerField(_("cancelled"), default=0, editable=False)
    in_doubt = models.BigIntegerField(_("in doubt"), default=0, editable=False)
    # What the counters still count although its rows were purged: column → how many.
    purged = models.JSONField(default=dict, editable=False)

    objects = MessageJobQuerySet.as_manager()

    class Meta:
        verbose_name = _("message job")
        verbose_name_plural = _("message jobs")
        permissions = [("send_messagejob", _("May send mass mail"))]
        indexes = [models.Index(fields=["status"], name="courant_mail_job_status")]

    def __str__(self) -> str:
        return self.subject

    @property
    def duplicates(self) -> int:
        """How many recipients the source named again; known once the job is expanded."""
        return self.consumed - self.total if self.expanded_at else 0

    @property
    def waiting(self) -> int:
        """Rows that are queued or being sent right now."""
        return self.total - self.sent - self.deferred - self.failed - self.suppressed - self.cancelled - self.in_doubt


class Attachment(models.Model):
    """A file that goes with every mail of a job; with a `content_id` it is an image inside the HTML (RFC 2392)."""

    job = models.ForeignKey(MessageJob, on_delete=models.CASCADE, related_name="attachments", verbose_name=_("job"))
    filename = models.CharField(_("file name"), max_length=255)
    content_type = models.CharField(_("content type"), max_length=255, blank=True)
    content_id = models.CharField(_("content id"), max_length=255, blank=True)
    content = models.BinaryField()

    class Meta:
        verbose_name = _("attachment")
        verbose_name_plural = _("attachments")

    def __str__(self) -> str:
        return self.filename
