"""Watching a job: how far it is, how fast it goes, who did not get it and why. Kept up to date while it is open."""

from __future__ import annotations

from .desk import DeskAdmin


class JobWatch(DeskAdmin):
    """The progress of a job on its page, and the view that keeps it up to date."""
