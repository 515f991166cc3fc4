"""What a recipient will see, read back from the finished bytes, so that nothing is shown that is not sent."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass(frozen=True)
class Preview:
    """A finished mail as shown to people; inline images stand in the HTML as data URLs."""

    subject: str
    from_email: str
    text: str
    html: str
    attachments: tuple[str, ...]


def preview(data: bytes) -> Preview:
    """Subject, bodies and names of attachments of a finished mail."""
    message = message_from_bytes(data, policy=policy.default)
    images = {str(part["Content-ID"]).strip("<>"): part for part in message.walk() if part["Content-ID"] is not None}
    return Preview(
        subject=str(message["Subject"] or ""),
        from_email=str(message["From"] or ""),
        text=_body(message, "plain"),
        html=re.sub(r"cid:([^\"'\s)>]+)", lambda found: _shown(images, found), _body(message, "html")),
        attachments=tuple(part.get_filename() or part.get_content_type() for part in message.iter_attachments()),
    )


def _body(message: EmailMessage, kind: str) -> str:
    found = message.get_body((kind,))
    return str(found.get_content()) if found is not None else ""


def _shown(images: dict[str, EmailMessage], found: re.Match[str]) -> str:
    image = images.get(found[1])
    if image is None:
        return found[0]
    content = image.get_payload(decode=True)
    data = base64.b64encode(content if isinstance(content, bytes) else b"").decode("ascii")
    return f"data:{image.get_content_type()};base64,{data}"
