"""
A mail that the site has composed itself, held to what goes into a mail: for the e-mail backend.

Django refuses line breaks in the values of header fields. It does not look at their names (5.2), and Python's `email`
takes more characters for a line break than CR and LF.
"""

from __future__ import annotations

import copy
import re
from email.message import Message
from typing import TYPE_CHECKING, Any

from ..exceptions import InvalidMail

if TYPE_CHECKING:
    from django.core.mail import EmailMessage

_NAME = re.compile(r"[!-9;-~]+").fullmatch
#: CR and LF are left to Django, and a tab is harmless
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")
_FIELD = re.compile(rb"[!-9;-~]+:")


def rough_size(message: EmailMessage) -> int:
    """No more than the bytes that the mail will have; known before anything of it is copied."""
    parts = [message.body, *(given[0] for given in getattr(message, "alternatives", ()))]
    # An attachment is (name, content, type), or a part that is finished already.
    parts += [given[1] if isinstance(given, tuple) else given.get_payload() for given in message.attachments]
    return sum(len(part) for part in parts if isinstance(part, (str, bytes)))


def cleaned(message: EmailMessage) -> EmailMessage:
    """
    The message, or a copy of it in which spaces stand for the control characters of subject, headers and file names.

    Raises InvalidMail for a control character in an address, and for a name that no header field can have.
    """
    for name in message.extra_headers:
        if not _NAME(str(name)):
            raise InvalidMail(
                f"headers: {name!r} is no name of a header field: printable ASCII without “:” and spaces."
            )
    for address in (message.from_email, *message.recipients(), *message.reply_to):
        if _CONTROL.search(str(address)):
            raise InvalidMail(f"A control character is in the address {address!r}.")
    headers = {name: _plain(value) for name, value in message.extra_headers.items()}
    subject = _plain(message.subject)
    files: list[Any] = [_with_plain_name(given) for given in message.attachments]
    if (subject, headers, files) == (message.subject, message.extra_headers, message.attachments):
        return message
    clean = copy.copy(message)
    clean.subject, clean.extra_headers, clean.attachments = subject, headers, files
    return clean


def refuse_forged(mime: Message[Any, Any], data: bytes) -> None:
    """Raises InvalidMail when the finished bytes have other header fields than the message that they were made of."""
    head = data.partition(b"\r\n\r\n")[0]
    fields = [line for line in head.split(b"\r\n") if not line.startswith((b" ", b"\t"))]
    if len(fields) != len(mime.keys()) or not all(map(_FIELD.match, fields)):
        raise InvalidMail("headers: a line break would begin another header field.")


def _plain(value: Any) -> Any:
    """What may be a lazy text stays that, as long as there is nothing to clean."""
    text = str(value)
    return _CONTROL.sub(" ", text) if _CONTROL.search(text) else value


def _with_plain_name(given: Any) -> Any:
    if isinstance(given, tuple) and given[0] and _CONTROL.search(str(given[0])):
        return (_plain(given[0]), *given[1:])
    return given
