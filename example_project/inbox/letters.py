"""Reads what the local SMTP server has stored."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from functools import cached_property
from pathlib import Path
from typing import Any

from django.conf import settings

from tools.journal import read_journal


def maildir() -> Path:
    """Where the server keeps what it gets: the setting LOCAL_MAILDIR."""
    return Path(getattr(settings, "LOCAL_MAILDIR", "maildir"))


@dataclass(frozen=True)
class StoredLetter:
    """One delivery: the envelope as the server saw it, and the mail."""

    position: int
    at: datetime
    sender: str
    recipient: str
    path: Path

    @cached_property
    def raw(self) -> bytes:
        return self.path.read_bytes()

    @cached_property
    def message(self) -> EmailMessage:
        message = email.message_from_bytes(self.raw, policy=email.policy.default)
        if not isinstance(message, EmailMessage):
            raise TypeError("The default policy makes EmailMessage objects.")
        return message

    @property
    def subject(self) -> str:
        return str(self.message["Subject"] or "(no subject)")

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [(name, str(value)) for name, value in self.message.items()]

    @property
    def text(self) -> str:
        return self._part("plain")

    @property
    def html(self) -> str:
        return self._part("html")

    @property
    def unsubscribe_url(self) -> str:
        """The first web address of List-Unsubscribe (RFC 2369); empty where there is none."""
        found = re.search(r"<(https?://[^>]+)>", str(self.message["List-Unsubscribe"] or ""))
        return found[1] if found else ""

    def _part(self, kind: str) -> str:
        part = self.message.get_body(preferencelist=(kind,))
        return part.get_content() if isinstance(part, EmailMessage) else ""


def all_letters(wanted: str = "") -> list[StoredLetter]:
    """What has arrived, newest first; with `wanted`, only for recipients whose address contains it."""
    return [letter for letter in _letters(reversed(read_journal(maildir()))) if wanted in letter.recipient]


def find_letter(position: int) -> StoredLetter | None:
    """The letter that arrived as number `position`."""
    lines = [line for line in read_journal(maildir()) if line.get("position") == position]
    return next(iter(_letters(lines)), None)


def _letters(lines: Iterable[dict[str, Any]]) -> Iterable[StoredLetter]:
    for line in lines:
        if line["event"] == "accepted":
            yield StoredLetter(
                position=line["position"],
                at=datetime.fromtimestamp(line["at"], tz=UTC),
                sender=line["sender"],
                recipient=line["recipient"],
                path=maildir() / "new" / line["file"],
            )
