"""Finished bytes as a Django e-mail message, for backends that want to see subject, bodies and attachments."""

from __future__ import annotations

import email.policy
from collections.abc import Iterator
from email.headerregistry import Address, AddressHeader
from email.message import EmailMessage, Message, MIMEPart
from email.mime.base import MIMEBase
from email.parser import BytesParser
from typing import Any, cast

import django
from django.core.mail import EmailMultiAlternatives

from .channel import Envelope

# Headers that have a field of their own in Django's message, or that describe the MIME structure.
_NOT_EXTRA = {"from", "to", "cc", "bcc", "subject", "reply-to", "mime-version"}


class OriginalMessage(EmailMessage):
    """A parsed message that gives back the bytes it was parsed from, so that signatures and Message-ID stay true."""

    original: bytes | None = None

    def as_bytes(self, unixfrom: bool = False, policy: Any = None, linesep: str | None = None) -> bytes:
        """The original, with the line ends asked for (Django 5.2 gives `linesep`, 6.1 a policy)."""
        if self.original is None:
            return super().as_bytes(unixfrom, policy)
        ends = linesep or (policy or self.policy).linesep
        return self.original if ends == "\r\n" else self.original.replace(b"\r\n", ends.encode("ascii"))

    def as_string(self, unixfrom: bool = False, maxheaderlen: int | None = None, policy: Any = None, **_: Any) -> str:
        """The original as text."""
        if self.original is None:
            return super().as_string(unixfrom, maxheaderlen, policy)
        return self.as_bytes(policy=policy).decode("utf-8", "surrogateescape")


class ParsedMail(EmailMultiAlternatives):
    """
    One message to one recipient as Django backends know it.

    `message()` and its `as_bytes()` are the original. `recipients()` is the envelope's recipient alone; `to` shows
    the same address with the name of the To header. `envelope_sender` is set as anymail knows it.
    """

    def __init__(self, envelope: Envelope) -> None:
        parser = BytesParser(OriginalMessage, policy=email.policy.default)
        parsed = cast(OriginalMessage, parser.parsebytes(envelope.data))
        parsed.original = envelope.data
        self._parsed = parsed
        self._recipient = envelope.rcpt_to
        super().__init__(
            subject=_text(parsed, "Subject"),
            from_email=_text(parsed, "From") or envelope.mail_from,
            to=[_with_name(parsed, envelope.rcpt_to)],
            reply_to=[str(address) for address in _addresses(parsed, "Reply-To")],
            headers={
                name: _text(parsed, name)
                for name in parsed
                if name.lower() not in _NOT_EXTRA and not name.lower().startswith("content-")
            },
        )
        self.envelope_sender = envelope.mail_from
        self._take_bodies()

    def message(self, **_: Any) -> Any:
        """The original message; a `policy` changes nothing but line ends."""
        return self._parsed

    def recipients(self) -> list[str]:
        return [self._recipient]

    def _take_bodies(self) -> None:
        plain = self._parsed.get_body(("plain",))
        html = self._parsed.get_body(("html",))
        if plain is None and html is not None:
            self.body, self.content_subtype = _content(html), "html"
        elif plain is not None:
            self.body = _content(plain)
            if html is not None:
                self.attach_alternative(_content(html), "text/html")
        for part, is_alternative in _leaves(self._parsed):
            if part is plain or part is html:
                continue
            if is_alternative and not part.is_attachment():
                self.attach_alternative(_content(part), part.get_content_type())
            else:
                self.attachments.append(_attachment(part))


def _leaves(part: Message, inside_alternative: bool = False) -> Iterator[tuple[MIMEPart, bool]]:
    """The parts that carry something, each with whether it is one of several forms of the same; mails stay whole."""
    if part.get_content_maintype() != "multipart":
        if isinstance(part, MIMEPart):
            yield part, inside_alternative
        return
    for child in part.iter_parts() if isinstance(part, MIMEPart) else ():
        yield from _leaves(child, part.get_content_subtype() == "alternative")


def _content(part: MIMEPart) -> Any:
    if part.get_content_maintype() != "text":
        return part.get_payload(decode=True) or b""
    try:
        text = part.get_content()
    except LookupError:  # a charset that Python does not know
        payload = part.get_payload(decode=True)
        text = payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
    # The last line end belongs to the MIME part, not to the words.
    return str(text).replace("\r\n", "\n").removesuffix("\n")


def _attachment(part: MIMEPart) -> Any:
    if part["Content-ID"]:
        # Only a MIME part can say that an image belongs into the HTML; 6.1 wants the modern class, 5.2 the old one.
        return part if django.VERSION >= (6, 0) else _old_part(part)
    if part.get_content_type() == "message/rfc822":
        inner = part.get_payload(0)
        content: Any = inner.as_bytes() if isinstance(inner, Message) else b""
    elif part.get_content_maintype() == "text":
        content = _content(part)
    else:
        content = part.get_payload(decode=True) or b""
    return (part.get_filename(), content, part.get_content_type())


def _old_part(part: MIMEPart) -> MIMEBase:
    old = MIMEBase(part.get_content_maintype(), part.get_content_subtype())
    for name, value in part.items():
        if name.lower() not in ("content-type", "mime-version"):
            old[name] = str(value)
    for name, value in part.get_params(header="content-type") or []:
        if "/" not in name:
            old.set_param(name, value)
    old.set_payload(part.get_payload())
    return old


def _text(message: Message, name: str) -> str:
    value = message[name]
    return "" if value is None else str(value)


def _addresses(message: Message, name: str) -> tuple[Address, ...]:
    value = message[name]
    return value.addresses if isinstance(value, AddressHeader) else ()


def _with_name(message: Message, recipient: str) -> str:
    for address in _addresses(message, "To"):
        if address.display_name and address.addr_spec.casefold() == recipient.casefold():
            return str(address)
    return recipient
