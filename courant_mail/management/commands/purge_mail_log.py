"""`manage.py purge_mail_log`: delete the rows of mail that has long been finished."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from ...conf import get_settings
from ...queue.purge import RESULTS, purge
from ..base import MailCommand


class Command(MailCommand):
    """Deletes old finished messages; jobs and their numbers stay."""

    help = "Delete the messages that were finished more than DAYS ago. What is not finished is never deleted."
    name = "purge_mail_log"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("days", type=float, nargs="?", help="default: the setting PURGE_DAYS")
        parser.add_argument(
            "-r",
            "--result",
            choices=sorted(RESULTS),
            default="success",
            help="which messages: those that were sent (success, the default), those that were not, or all",
        )

    def run(self, options: dict[str, Any]) -> None:
        days = get_settings().purge_days if options["days"] is None else options["days"]
        if days < 0:
            raise CommandError("DAYS must not be below 0.")
        count = purge(timezone.now(), days=days, result=options["result"])
        if count:
            self.say(options, f"{count:,} messages deleted")
