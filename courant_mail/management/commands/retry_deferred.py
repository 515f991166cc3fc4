"""`manage.py retry_deferred`: queue again what was refused for a time."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from ...queue.retry import retry_deferred
from ..base import MailCommand


class Command(MailCommand):
    """Deferred messages go back into the queue at their old priority."""

    help = "Queue the deferred messages again whose waiting time is over. Run it from cron every few minutes."
    name = "retry_deferred"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--all", action="store_true", help="Also those whose waiting time is not over.")

    def run(self, options: dict[str, Any]) -> None:
        count = retry_deferred(timezone.now(), everything=options["all"])
        if count:
            self.say(options, f"{count:,} messages queued again")
