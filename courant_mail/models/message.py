"""One mail to one recipient, the finished bytes that single mails share, and the tries that did not end in "sent"."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..causes import Cause
from ..choices import UNFINISHED, MessageStatus, Outcome, Priority
from .fields import AddressField, PartialIndex
from .job import MessageJob


class Content(models.Model):
    """Finished MIME bytes of a mail that the site composed itself, stored once for all its recipients."""

    mail_from = models.CharField(_("from"), max_length=320, help_text=_("The envelope's sender (RFC 5321)."))
    subject = models.TextField(_("subject"), blank=True)
    message_id = models.CharField(_("Message-ID"), max_length=998, blank=True)
    body = models.BinaryField()
    size = models.BigIntegerField(_("size"), help_text=_("In bytes."))
    created_at = models.DateTimeField(_("created at"), default=timezone.now)

    class Meta:
        verbose_name = _("content")
        verbose_name_plural = _("contents")
        indexes = [models.Index(fields=["created_at"], name="courant_mail_content_age")]

    def __str__(self) -> str:
        return self.subject


class MessageQuerySet(models.QuerySet["Message"]):
    def queued(self) -> MessageQuerySet:
        return self.filter(status=MessageStatus.QUEUED)

    def unfinished(self) -> MessageQuerySet:
        return self.filter(status__in=UNFINISHED)

    def missed(self) -> MessageQuerySet:
        """Those that their recipients did not get, or not yet, each with its cause."""
        return self.filter(cause__isnull=False)

    def due(self, now: Any) -> MessageQuerySet:
        """Deferred messages whose waiting time is over."""
        return self.filter(status=MessageStatus.DEFERRED, not_before__lte=now)

    def held_by(self, sender_id: int) -> MessageQuerySet:
        """What this sender has claimed and not yet recorded: the fence around every result."""
        return self.filter(status=MessageStatus.SENDING, claimed_by=sender_id)


class Message(models.Model):
    """The envelope of one mail to one recipient, and its fate. The words are in its job or its content."""

    job = models.ForeignKey(
        MessageJob, null=True, on_delete=models.PROTECT, related_name="messages", db_index=False, verbose_name=_("job")
    )
    content = models.ForeignKey(
        Content, null=True, on_delete=models.PROTECT, related_name="messages", db_index=False, verbose_name=_("content")
    )
    # PostgreSQL pads columns to their alignment: the wide ones first keep a row small.
    claimed_by = models.BigIntegerField(_("claimed by"), null=True)
    not_before = models.DateTimeField(_("not before"), null=True)
    sent_at = models.DateTimeField(_("sent at"), null=True)
    priority = models.SmallIntegerField(_("priority"), choices=Priority.choices)
    status = models.SmallIntegerField(_("status"), choices=MessageStatus.choices, default=MessageStatus.QUEUED)
    attempts = models.SmallIntegerField(_("attempts"), default=0)
    recipient = AddressField(_("recipient"), help_text=_("In canonical spelling: lower case, NFC."))
    spelled = models.CharField(
        _("as spelled"), max_length=254, null=True, help_text=_("What goes on the wire, where it differs.")
    )
    merge = models.JSONField(_("merge values"), null=True)
    relay = models.CharField(_("relay"), max_length=100, blank=True)
    reply = models.TextField(_("last reply"), blank=True)
    cause = models.SmallIntegerField(_("why not"), choices=Cause.choices, null=True)

    objects = MessageQuerySet.as_manager()

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        constraints = [
            models.UniqueConstraint(fields=["job", "recipient"], name="courant_mail_once_per_job"),
            models.CheckConstraint(
                condition=Q(job__isnull=True, content__isnull=False) | Q(job__isnull=False, content__isnull=True),
                name="courant_mail_job_or_content",
            ),
        ]
        indexes = [
            # The claim: one lane (a job, or the single mails of a priority) in the order of queueing.
            PartialIndex(fields=["status", "job", "priority", "id"], name="courant_mail_claim", where=Q(status__lte=3)),
            # Who got a job has an index on PostgreSQL alone (migration 0004). Not the one above: the smaller that is,
            # the surer planners take it for the claim.
            PartialIndex(
                fields=["not_before"],
                name="courant_mail_due",
                where=Q(not_before__isnull=False),
                vendors=("postgresql", "sqlite"),
            ),
            # Who did not get a job, and why: few rows beside those that were sent.
            PartialIndex(
                fields=["job", "cause", "id"],
                name="courant_mail_missed",
                where=Q(cause__isnull=False),
                vendors=("postgresql", "sqlite"),
            ),
            PartialIndex(
                fields=["content"],
                name="courant_mail_by_content",
                where=Q(content__isnull=False),
                vendors=("postgresql", "sqlite"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.recipient} ({self.get_status_display()})"

    @property
    def address(self) -> str:
        """The address as its owner spells it."""
        return self.spelled or self.recipient


class Attempt(models.Model):
    """One try to send one message that did not end in "sent"."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="tries", verbose_name=_("message"))
    at = models.DateTimeField(_("at"), default=timezone.now)
    seconds = models.FloatField(_("seconds"), default=0.0)
    relay = models.CharField(_("relay"), max_length=100, blank=True)
    host = models.CharField(_("host"), max_length=255, blank=True, help_text=_("The machine that tried."))
    outcome = models.CharField(_("outcome"), max_length=20, choices=Outcome.choices)
    code = models.SmallIntegerField(_("SMTP code"), null=True)
    enhanced = models.CharField(_("enhanced code"), max_length=12, blank=True, help_text=_("RFC 3463"))
    reply = models.TextField(_("reply"), blank=True)

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.get_outcome_display()}: {self.reply}"
