"""What the tests of faults share: a relay that misbehaves, and what people would do between two runs."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

from django.utils import timezone

from courant_mail import engine
from courant_mail.models import Message, MessageJob, RelayState
from courant_mail.queue.retry import retry_deferred
from courant_mail.testing.smtp_server import Action, SmtpServer
from tests.engine.base import EngineTestCase
from tests.queue.helpers import statuses

#: seconds that are too long for a test to wait
_LONG = 0.6


def patience_with(action: Action) -> float:
    """The timeout to meet this fault with: a short one where the fault is that nothing comes, or that it comes late."""
    is_slow = action.delay >= _LONG or action.drip >= _LONG / 10 or action.then == "hang"
    return _LONG / 2 if is_slow else 5.0


class FaultTestCase(EngineTestCase):
    """One connection at a time is used."""

    relay = {"CONNECTIONS": 1}
    numbers = itertools.count()

    def use(self, server: SmtpServer, *, patience: float = 5.0, **options: Any) -> SmtpServer:
        """From now on mail leaves through this server."""
        self.server = self.enterContext(server)
        self.use_relay(self.server.port, options={"timeout": patience, **options})
        return self.server

    def queue_three(self, **words: Any) -> MessageJob:
        """A job for "odd…", the reader to whom something happens, and after her "b…" and "c…"."""
        number = next(self.numbers)
        readers = [f"{name}{number}@example.org" for name in ("odd", "b", "c")]
        return self.queue(recipients=readers, html="<p>Hello</p>", subject="News", **words)

    def odd(self, job: MessageJob) -> Message:
        return Message.objects.get(job=job, recipient__startswith="odd")

    def found(self, job: MessageJob) -> dict[str, int]:
        return statuses(Message.objects.filter(job=job))

    def is_paused(self) -> bool:
        return RelayState.objects.filter(paused_until__gt=timezone.now()).exists()

    def mend(self) -> None:
        """The server behaves from now on, and time passes: no relay is paused, whatever was deferred is due."""
        self.server.forget_rules()
        RelayState.objects.update(paused_until=timezone.now() - timedelta(seconds=1))
        retry_deferred(timezone.now(), everything=True)
        engine.send()

    def copies(self, job: MessageJob) -> dict[str, int]:
        """How many mails of this job each of its readers was given."""
        readers = list(Message.objects.filter(job=job).values_list("recipient", flat=True))
        got = self.recipients()
        return {reader: got.count(reader) for reader in readers}
