"""From a configured relay to a channel."""

from __future__ import annotations

from ..conf import SMTP_BACKEND, RelaySettings
from .channel import Channel
from .django_backend import BackendChannel
from .smtp import SmtpChannel


def open_channel(relay: RelaySettings) -> Channel:
    """
    A channel of this relay, not opened yet: SMTP for Django's SMTP backend, else the backend itself.

    Raises ImproperlyConfiguredMail when the relay's options cannot work.
    """
    return SmtpChannel(relay) if relay.backend == SMTP_BACKEND else BackendChannel(relay)
