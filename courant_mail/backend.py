"""
The Django e-mail backend that puts the mail of a whole site into the queue.

::

    EMAIL_BACKEND = "courant_mail.backend.EmailBackend"    # Django 5.2

    MAILERS = {                                            # Django 6.1
        "default": {"BACKEND": "courant_mail.backend.EmailBackend", "OPTIONS": {"relay": "smtp"}},
        "smtp": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend", "OPTIONS": {"host": "…"}},
    }
"""

from __future__ import annotations

import email
import email.policy
import logging
import re
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from email.errors import MessageError
from email.generator import BytesGenerator
from email.message import Message as MimeMessage
from email.utils import make_msgid, parseaddr
from io import BytesIO
from typing import Any

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.db import DatabaseError, router, transaction

from .addresses import needs_smtputf8, parse_recipient
from .choices import Priority
from .compose.limits import refuse_too_large
from .compose.site_mail import cleaned, refuse_forged, rough_size
from .conf import get_settings
from .exceptions import InvalidAddress, InvalidMail
from .models import Message
from .queue.enqueue import enqueue_content

logger = logging.getLogger(__name__)

#: of one message, in any case: high, medium or low; taken out before the message is queued
PRIORITY_HEADER = "X-Courant-Mail-Priority"
_INTERNAL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+").fullmatch


@dataclass(frozen=True, slots=True)
class Finished:
    """A mail as it will go out: bytes and envelope."""

    data: bytes
    mail_from: str
    recipients: Sequence[str]
    subject: str
    message_id: str
    priority: Priority


class EmailBackend(BaseEmailBackend):
    """
    Queues every message, for each of its recipients, in the caller's transaction.

    So a request that is rolled back sends nothing. Options: `relay` names the relay (the default relay where it is
    left out), `priority` is that of messages without a header `X-Courant-Mail-Priority` ("high" where left out).
    """

    def __init__(
        self, fail_silently: bool = False, *, relay: str = "", priority: int | str = Priority.HIGH, **kwargs: Any
    ) -> None:
        """Raises ImproperlyConfiguredMail for an unknown relay and ValueError for an unknown priority."""
        super().__init__(**kwargs)
        self.fail_silently = fail_silently
        self.relay = relay
        self.priority = Priority.parse(priority)
        get_settings().relay(relay)

    def send_messages(self, email_messages: Iterable[EmailMessage]) -> int:
        """
        Queue the messages, all or none, and return how many were queued.

        A message without recipients is left out. Messages that cannot become a mail (header injection, a bad From
        address, too large) raise ValueError, also with `fail_silently`, as with Django's own backends;
        `fail_silently` is about a database that cannot take the mail.
        """
        finished = [finish(message, self.priority) for message in email_messages if message.recipients()]
        if not finished:
            return 0
        try:
            with self._transaction(len(finished)):
                for mail in finished:
                    self._queue(mail)
        except DatabaseError as error:
            if not self.fail_silently:
                raise
            # What a database says may quote a row, and with it an address: that is for DEBUG.
            logger.error("%d messages could not be queued: %s", len(finished), type(error).__name__)
            logger.debug("Why they could not be queued", exc_info=True)
            return 0
        return len(finished)

    def _transaction(self, mails: int) -> AbstractContextManager[Any]:
        """One around several mails; a single mail brings its own."""
        return transaction.atomic(using=router.db_for_write(Message)) if mails > 1 else nullcontext()

    def _queue(self, mail: Finished) -> None:
        enqueue_content(
            data=mail.data,
            mail_from=mail.mail_from,
            recipients=mail.recipients,
            subject=mail.subject,
            message_id=mail.message_id,
            priority=mail.priority,
            relay=self.relay,
        )


def finish(message: EmailMessage, priority: Priority) -> Finished:
    """
    The bytes and the envelope of a Django message; the message itself is not changed.

    Raises ValueError where Django does, and InvalidMail (which is one) for what is too large, cannot be a header field
    or a From address, or a priority header that names no priority.
    """
    refuse_too_large(rough_size(message), get_settings().max_message_bytes)
    try:
        return _finish(cleaned(message), priority)
    except MessageError as error:  # Python's own notice of a forged header field, which is no ValueError
        raise InvalidMail(f"headers: {error}") from error


def _finish(message: EmailMessage, priority: Priority) -> Finished:
    mime: MimeMessage[Any, Any] = message.message()
    if "message-id" not in {name.lower() for name in message.extra_headers}:
        # Django names the machine; the site's own domain is what receivers know.
        mime.replace_header("Message-ID", make_msgid(domain=get_settings().message_id_domain))
    wished = mime.get(PRIORITY_HEADER)
    try:
        urgency = priority if wished is None else Priority.parse(str(wished))
    except ValueError as error:
        raise InvalidMail(f"{PRIORITY_HEADER}: {error}") from None
    for name in (PRIORITY_HEADER, "Bcc"):
        del mime[name]
    data = _as_bytes(mime, message)
    refuse_forged(mime, data)
    return Finished(
        data=data,
        mail_from=_mail_from(message),
        recipients=[str(recipient) for recipient in message.recipients()],
        subject=str(message.subject),
        message_id=str(mime.get("Message-ID", "")).strip(),
        priority=urgency,
    )


def _mail_from(message: EmailMessage) -> str:
    try:
        sender = parse_recipient(str(message.from_email))
    except InvalidAddress:
        # Inside a company a host needs no dot; Django sends from such addresses, and so does this.
        _, address = parseaddr(str(message.from_email))
        if _INTERNAL(address):
            return address
        raise
    return sender.spelled or sender.address


def _as_bytes(mime: MimeMessage[Any, Any], message: EmailMessage) -> bytes:
    spelled = _raw_address_headers(mime, message)
    if spelled:
        # Django writes a local part such as "jörg" as an encoded word, which no server takes for an address.
        # RFC 6532 wants it as it is, in UTF-8; the relay has to offer SMTPUTF8 anyway.
        mime = email.message_from_bytes(_flatten(mime), policy=email.policy.SMTPUTF8)
        for name, value in spelled.items():
            mime.replace_header(name, value)
    return _flatten(mime)


def _raw_address_headers(mime: MimeMessage[Any, Any], message: EmailMessage) -> dict[str, str]:
    """The address headers that need UTF-8, as the caller wrote them."""
    given = {
        "From": [message.from_email],
        "To": message.to,
        "Cc": message.cc,
        "Reply-To": message.reply_to,
    }
    overridden = {name.lower() for name in message.extra_headers}
    return {
        name: ", ".join(str(value) for value in values)
        for name, values in given.items()
        if name in mime and name.lower() not in overridden and any(_needs_utf8(str(value)) for value in values)
    }


def _needs_utf8(address: str) -> bool:
    if address.isascii():
        return False
    try:
        return needs_smtputf8(parse_recipient(address).address)
    except InvalidAddress:
        return False


def _flatten(mime: MimeMessage[Any, Any]) -> bytes:
    buffer = BytesIO()
    BytesGenerator(buffer, mangle_from_=False, policy=mime.policy).flatten(mime, linesep="\r\n")
    return buffer.getvalue()
