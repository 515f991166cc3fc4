"""What the tests of this room share."""

from __future__ import annotations

from typing import Any

from django.test import SimpleTestCase

from courant_mail.conf import RelaySettings
from courant_mail.deliver.channel import Envelope
from courant_mail.deliver.outcomes import Result
from courant_mail.deliver.smtp import SmtpChannel
from courant_mail.testing.smtp_server import SmtpServer

BODY = b"From: news@example.org\r\nTo: ann@example.org\r\nSubject: Hello\r\n\r\nHello Ann\r\n"


def relay_of(server: SmtpServer, **options: Any) -> RelaySettings:
    """A relay that leads to this server; one second is the patience of a test."""
    return RelaySettings(name="test", options={"host": server.host, "port": server.port, "timeout": 1.0, **options})


def mail_to(address: str = "ann@example.org", data: bytes = BODY, mail_from: str = "news@example.org") -> Envelope:
    return Envelope(mail_from, address, data)


def send(channel: SmtpChannel, envelope: Envelope | None = None) -> Result:
    """Prepare and finish one message."""
    ended = channel.prepare(envelope or mail_to())
    return channel.finish() if ended is None else ended


class SmtpTestCase(SimpleTestCase):
    def opened(self, server: SmtpServer, **options: Any) -> SmtpChannel:
        """An open channel to this server, closed after the test."""
        channel = SmtpChannel(relay_of(server, **options))
        self.addCleanup(channel.abandon)
        self.assertIsNone(channel.open())
        return channel
