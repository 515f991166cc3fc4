"""What a recipient will see, read back from the finished bytes, so that nothing is shown that is not sent."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass(frozen=True)
class Preview:
    """
    A finished mail as shown to people; inline images stand in the HTML as data URLs.

    `headers` are the header fields as they are sent, encoded and folded. `size` is that of the whole mail in bytes,
    `html_size` that of the HTML part alone, without the images; `unsubscribe_url` is the link of List-Unsubscribe, if
    any.
    """

    subject: str
    from_email: str
    text: str
    html: str
    attachments: tuple[str, ...]
    html_size: int = 0
    unsubscribe_url: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    size: int = 0


def preview(data: bytes) -> Preview:
    """What there is to see of a finished mail."""
    message = message_from_bytes(data, policy=policy.default)
    images = {str(part["Content-ID"]).strip("<>"): part for part in message.walk() if part["Content-ID"] is not None}
    html = _body(message, "html")
    link = re.search(r"<(https?:[^>]+)>", str(message["List-Unsubscribe"] or ""))
    return Preview(
        subject=str(message["Subject"] or ""),
        from_email=str(message["From"] or ""),
        text=_body(message, "plain"),
        html=re.sub(r"cid:([^\"'\s)>]+)", lambda found: _shown(images, found), html),
        attachments=tuple(part.get_filename() or part.get_content_type() for part in message.iter_attachments()),
        html_size=len(html.encode("utf-8", "replace")),
        unsubscribe_url=link[1] if link else "",
        headers=_fields(data),
        size=len(data),
    )


def _fields(data: bytes) -> tuple[tuple[str, str], ...]:
    """The header fields, each with the folds of its value."""
    head = data.partition(b"\r\n\r\n")[0].decode("utf-8", "replace")
    parts = (field.partition(":") for field in re.split(r"\r\n(?![ \t])", head))
    return tuple((name, value.strip()) for name, _, value in parts)


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
