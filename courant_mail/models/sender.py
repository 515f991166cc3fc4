"""Who is sending right now, what may be in doubt, and how the relays are doing."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class SenderQuerySet(models.QuerySet["Sender"]):
    def expired(self, now: Any) -> SenderQuerySet:
        return self.filter(alive_until__lt=now)


class Sender(models.Model):
    """A running process that expands or sends. What it has claimed stays its own while `alive_until` lies ahead."""

    host = models.CharField(_("host"), max_length=255)
    pid = models.BigIntegerField(_("process id"))
    command = models.CharField(_("command"), max_length=100)
    started_at = models.DateTimeField(_("started at"), default=timezone.now)
    alive_until = models.DateTimeField(_("alive until"))

    objects = SenderQuerySet.as_manager()

    class Meta:
        verbose_name = _("sender")
        verbose_name_plural = _("senders")

    def __str__(self) -> str:
        return f"{self.command} on {self.host} ({self.pid})"


class InFlight(models.Model):
    """The message of one connection whose final dot may have gone out. Written before the dot, never after it."""

    sender = models.ForeignKey(Sender, on_delete=models.CASCADE, related_name="in_flight")
    connection = models.SmallIntegerField()
    message_id = models.BigIntegerField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["sender", "connection"], name="courant_mail_one_in_flight")]

    def __str__(self) -> str:
        return f"{self.sender_id}/{self.connection}: {self.message_id}"


class RelayState(models.Model):
    """How a relay is doing, shared by every process and host: its pause, its troubles in a row, its rate tokens."""

    relay = models.CharField(_("relay"), max_length=100)
    domain = models.CharField(_("recipient domain"), max_length=255, blank=True)
    paused_until = models.DateTimeField(_("paused until"), null=True)
    reason = models.TextField(_("reason"), blank=True)
    failures = models.IntegerField(_("troubles in a row"), default=0)
    tokens = models.FloatField(default=0.0)
    refilled_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("relay state")
        verbose_name_plural = _("relay states")
        constraints = [models.UniqueConstraint(fields=["relay", "domain"], name="courant_mail_one_relay_state")]

    def __str__(self) -> str:
        return self.relay
