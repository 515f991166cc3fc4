"""`manage.py mail_status`: how the queue stands, for people and for monitoring."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from ...conf import get_settings
from ...exceptions import CourantMailError
from ...queue import agenda


class Command(BaseCommand):
    """Counts by status, the age of the oldest message that is due, relays and senders."""

    help = "Show how the queue stands; ends with 1 when mail has waited for too long."
    requires_system_checks = ["courant_mail"]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")
        parser.add_argument(
            "--max-age",
            type=float,
            metavar="SECONDS",
            help="End with 1 when a message that is due has waited for longer.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            status = agenda.status(timezone.now(), get_settings().relays)
        except CourantMailError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(json.dumps(status, indent=2) if options["json"] else "\n".join(_lines(status)))
        age, limit = status["oldest_due_seconds"], options["max_age"]
        if limit is not None and age is not None and age > limit:
            raise CommandError(f"Mail that is due has waited for {age:,.0f} s, more than {limit:,.0f} s.")


def _lines(status: dict[str, Any]) -> Iterator[str]:
    for kind in ("messages", "jobs"):
        counts = [f"{count:,} {name.replace('_', ' ')}" for name, count in status[kind].items() if count]
        yield f"{kind}: {', '.join(counts) or 'none'}"
    age = status["oldest_due_seconds"]
    yield f"oldest due: {'none' if age is None else f'{age:,.0f} s'}"
    for name, relay in status["relays"].items():
        until = f" until {relay['paused_until']}: {relay['reason']}" if relay["paused_until"] else ""
        yield f"relay {name}: {relay['state']}{until}"
    for sender in status["senders"]:
        state = "alive" if sender["alive"] else "dead"
        yield f"sender: {sender['command']} on {sender['host']} ({sender['pid']}), {state}"
