"""Letters for the tests of this room: made with few words, and read back with Python's own parser."""

from __future__ import annotations

import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from courant_mail.compose.letter import Letter, To, Words, compile_letter

NOW = datetime.datetime(2024, 5, 1, 12, 30, 15, 999, tzinfo=datetime.UTC)


def words(**given: Any) -> Words:
    """Words with a subject, a text and a sender, and whatever is given."""
    defaults = {"subject": "Hello", "text": "Good morning.", "html": "", "from_email": "editors@courant.example"}
    return Words(**(defaults | given))


def letter(*, max_bytes: int = 1_000_000, **given: Any) -> Letter:
    return compile_letter(words(**given), max_bytes=max_bytes)


def to(address: str = "ann@example.org", name: str = "", **given: Any) -> To:
    """A recipient; what is no field of `To` is a merge value."""
    fields: dict[str, Any] = {"message_id": "<1.2@courant.example>", "unsubscribe_url": "", "date": NOW}
    merge = {key: given.pop(key) for key in list(given) if key not in fields}
    return To(address, name, merge, **(fields | given))


def read(data: bytes) -> EmailMessage:
    return message_from_bytes(data, policy=policy.default)


def part(data: bytes, kind: str = "plain") -> str:
    """The decoded text or HTML of a finished mail, with LF."""
    body = read(data).get_body((kind,))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


def rendered(kind: str = "plain", **given: Any) -> str:
    """The body of a mail whose words and merge values are given together."""
    fields = {"subject", "text", "html", "sanitize_html", "from_email", "headers", "attachments", "bulk"}
    mail = letter(**{key: given.pop(key) for key in list(given) if key in fields})
    return part(mail.render(to(**given)), kind)
