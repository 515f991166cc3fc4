"""`manage.py send_mail`: send what is queued, and end."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from ...models import Message
from ...queue import agenda
from ..base import MailCommand, rate, stop_on_signals


class Command(MailCommand):
    """One pass through the queue, by priority."""

    help = "Send everything that is queued, by priority, and end. Run it from cron every minute."
    name = "send_mail"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--limit", type=int, metavar="N", help="Send at most N messages.")
        parser.add_argument("--connections", type=int, metavar="N", help="At most N connections to a relay.")

    def run(self, options: dict[str, Any]) -> None:
        limit, connections = options["limit"], options["connections"]
        if min(limit or 1, connections or 1) < 1 or limit == 0 or connections == 0:
            raise CommandError("--limit and --connections must be above 0.")

        todo = agenda.look(timezone.now())
        if not (todo.send or todo.rescue):
            return  # most runs from cron: they do not even load the engine
        from ... import engine

        def total() -> int:
            queued = Message.objects.queued().count()
            return min(queued, limit) if limit else queued

        with stop_on_signals() as stop, self.progress(options, "messages", total) as progress:
            done = engine.send(limit=limit, connections=connections, progress=progress, stop=stop)
        counts = {name: getattr(done, name) for name in ("sent", "deferred", "failed", "suppressed", "in_doubt")}
        words = [f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count]
        if words:
            self.say(options, f"{', '.join(words)} {rate(done.sent, done.seconds)}")
        if done.trouble:
            raise CommandError(done.trouble)
