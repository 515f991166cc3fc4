"""A relay that keeps what it is given."""

from __future__ import annotations

import email
import email.policy
import smtplib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from functools import cached_property
from typing import Any

from django.core.mail.backends.base import BaseEmailBackend

from ..addresses import canonical


@dataclass(frozen=True)
class SentMail:
    """A mail as a server would have got it: the envelope and the bytes."""

    mail_from: str
    rcpt_to: str
    data: bytes
    relay: str

    @cached_property
    def message(self) -> EmailMessage:
        """The parsed mail, with all its headers and parts."""
        return email.message_from_bytes(self.data, policy=email.policy.default)

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])

    @property
    def text(self) -> str:
        """The text part; empty where there is none."""
        return self._body("plain")

    @property
    def html(self) -> str:
        """The HTML part; empty where there is none."""
        return self._body("html")

    @property
    def unsubscribe_url(self) -> str:
        """The link of the header List-Unsubscribe; empty where there is none."""
        return str(self.message.get("List-Unsubscribe", "")).strip("<> ")

    def _body(self, subtype: str) -> str:
        part = self.message.get_body(preferencelist=(subtype,))
        return str(part.get_content()) if part is not None else ""


class MemoryBackend(BaseEmailBackend):
    """Puts every mail into `box`, but for the addresses of `refuse`, which are refused with the reply given there."""

    def __init__(self, *, box: list[SentMail], refuse: Mapping[str, str], name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._box = box
        self._replies = {canonical(address): reply for address, reply in refuse.items()}
        self._name = name

    def send_messages(self, email_messages: Sequence[Any]) -> int:
        for message in email_messages:
            [recipient] = message.recipients()
            reply = self._replies.get(canonical(recipient))
            if reply is not None:
                code, _, text = reply.partition(" ")
                raise smtplib.SMTPRecipientsRefused({recipient: (int(code), text.encode())})
            data = message.message().as_bytes(linesep="\r\n")
            self._box.append(SentMail(message.envelope_sender, recipient, data, self._name))
        return len(email_messages)
