"""Addresses that must not get mail, and why."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..choices import Scope
from .fields import AddressField


class Suppression(models.Model):
    """An address that must not get mail: all mail, or bulk mail only."""

    address = AddressField(_("address"), unique=True, help_text=_("In canonical spelling: lower case, NFC."))
    scope = models.CharField(_("scope"), max_length=4, choices=Scope.choices, default=Scope.BULK)
    reason = models.TextField(_("reason"), blank=True)
    source = models.CharField(
        _("source"), max_length=100, blank=True, help_text=_("Who said so: unsubscribe, refusal, an editor.")
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("suppression")
        verbose_name_plural = _("suppressions")

    def __str__(self) -> str:
        return f"{self.address} ({self.get_scope_display()})"
