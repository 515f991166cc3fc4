"""Who is sending right now, and how the relays are doing."""

from __future__ import annotations

from django.contrib import admin

from ..models import RelayState, Sender
from .base import ReadOnlyAdmin


@admin.register(Sender)
class SenderAdmin(ReadOnlyAdmin):
    """Running processes, read-only."""

    list_display = ["command", "host", "pid", "started_at", "alive_until"]


@admin.register(RelayState)
class RelayStateAdmin(ReadOnlyAdmin):
    """The relays that had trouble, read-only."""

    list_display = ["relay", "domain", "paused_until", "failures", "reason"]
    ordering = ["relay", "domain"]
    fields = ["relay", "domain", "paused_until", "failures", "reason"]
