"""`manage.py runmailer`: expand, retry and send for ever."""

from __future__ import annotations

from typing import Any

from ... import engine
from ..base import MailCommand, stop_on_signals


class Command(MailCommand):
    """The daemon: mail leaves within a second of being queued."""

    help = "Expand, retry and send until SIGTERM or Ctrl-C. Run it under systemd or another supervisor."
    name = "runmailer"

    def run(self, options: dict[str, Any]) -> None:
        with stop_on_signals() as stop:
            self.say(options, "Sending mail as it is queued. Quit with Ctrl-C or SIGTERM.")
            self.stdout.flush()
            engine.run_forever(stop)
        self.say(options, "Ended; what was not sent is still queued.")
