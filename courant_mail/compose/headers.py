"""Header fields (RFC 5322, 2047, 6532, 8058): folded, encoded, and closed to anything that would add another one."""

from __future__ import annotations

import base64
import datetime
import re
from collections.abc import Mapping
from email.utils import format_datetime
from functools import lru_cache

from ..addresses import Recipient, clean_name, iter_recipients, parse_recipient, spellings, to_wire
from ..exceptions import InvalidAddress, InvalidMail

#: RFC 5322, 2.1.1
MAX_LINE = 998
MAX_SUBJECT = 998

_NAME = re.compile(r"[!-9;-~]{1,70}").fullmatch
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*").fullmatch
_PRINTABLE = re.compile(r"[ -~]*").fullmatch
_WIRE_ADDRESS = re.compile(r"[!#-'*+\--9=?A-Z^-~]+@[A-Za-z0-9.-]+").fullmatch
_URL = re.compile(r"https?://[!-;=?-~]+").fullmatch
#: control characters but the tab, and halves of characters
_NO_TEXT = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]").search

_OURS = {
    "bcc": "every recipient gets a mail of his own, so there is no Bcc",
    "cc": "every recipient gets a mail of his own, so there is no Cc",
    "date": "it is set for each recipient",
    "from": "give it as from_email",
    "message-id": "it is set for each recipient",
    "mime-version": "it belongs to the structure of the mail",
    "received": "only servers add it",
    "reply-to": "give it as reply_to",
    "return-path": "only servers add it",
    "subject": "give it as subject",
    "to": "it names the recipient",
}
_UNSUBSCRIBE = ("list-unsubscribe", "list-unsubscribe-post")


def unstructured(name: str, value: str) -> bytes:
    """A header field with free text: as it is where that is possible, else in encoded words (RFC 2047), folded."""
    if len(name) + len(value) <= 74 and _PRINTABLE(value) and "=?" not in value:
        return f"{name}: {value}\r\n".encode("ascii")
    if _PRINTABLE(value) and "=?" not in value and "  " not in value:
        folded = _folded(f"{name}: {value}")
        if folded:
            return folded
    return f"{name}: {_encoded_words(value, len(name) + 2)}\r\n".encode("ascii")


def _folded(line: str) -> bytes | None:
    """The field in lines of at most 78 characters; None when a word is too long for that."""
    lines = [""]
    for word in line.split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > 78:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] or len(lines) > 1 else word
    if len(lines[0].rstrip()) < len(line.partition(":")[0]) + 2 or max(map(len, lines)) > 78:
        return None
    return "\r\n".join(lines).encode("ascii") + b"\r\n"


def _encoded_words(text: str, column: int) -> str:
    """The text as encoded words of at most 75 characters that begin in this column of the line (RFC 2047, 2)."""
    data = text.encode("utf-8", "replace")
    words = []
    start = 0
    while start < len(data):
        stop = start + max((76 - column - 12) // 4 * 3, 12)
        while stop < len(data) and data[stop] & 0xC0 == 0x80:
            stop -= 1  # not inside a character
        words.append(f"=?utf-8?b?{base64.b64encode(data[start:stop]).decode('ascii')}?=")
        start, column = stop, 1
    return "\r\n ".join(words)


def mailbox(name: str, address: str) -> str:
    """``Name <address>``, perhaps over two lines, for an address as spelled. Raises InvalidAddress."""
    wire = wire_address(address)
    if not name:
        return wire
    if len(name) <= 200 and "=?" not in name and _PRINTABLE(name):
        phrase = name if _ATOMS(name) else '"{}"'.format(name.replace("\\", "\\\\").replace('"', '\\"'))
    else:
        phrase = _encoded_words(name, 10)
    fold = "\r\n " if len(phrase) + len(wire) > 60 else " "
    return f"{phrase}{fold}<{wire}>"


def wire_address(address: str) -> str:
    """
    The address as it stands in a header: international domains in A-labels, other local parts in UTF-8 (RFC 6532).

    Raises InvalidAddress.
    """
    if _WIRE_ADDRESS(address):
        return address
    _, spelled = spellings(address)  # without the white space around it, which might be a line break
    return to_wire(spelled, smtputf8=True)


def address_field(name: str, recipient_name: str, address: str) -> bytes:
    """A header field with one mailbox, in UTF-8."""
    return f"{name}: {mailbox(clean_name(recipient_name), address)}\r\n".encode()


def one_mailbox(what: str, text: str) -> Recipient:
    """The mailbox that a setting or a field of a job names. Raises InvalidMail, saying which."""
    _refuse_line_breaks(what, text)
    if not text.strip():
        raise InvalidMail(f"{what}: no address is given.")
    try:
        return parse_recipient(text)
    except InvalidAddress as error:
        raise InvalidMail(f"{what}: {text!r} is no e-mail address: {error}") from None


def mailboxes_field(name: str, what: str, text: str) -> bytes:
    """A header field with one or more mailboxes. Raises InvalidMail, saying which of them is wrong."""
    _refuse_line_breaks(what, text)
    found = [one_mailbox(what, entry) for entry, _ in iter_recipients(text) if isinstance(entry, str)]
    if not found:
        raise InvalidMail(f"{what}: {text!r} is no e-mail address.")
    boxes = ",\r\n ".join(mailbox(one.name, one.spelled or one.address) for one in found)
    return f"{name}: {boxes}\r\n".encode()


def custom_fields(headers: Mapping[str, str], *, bulk: bool) -> bytes:
    """
    The header fields that a job brings along.

    Raises InvalidMail for a field that the mail sets itself, a name or a value that is not allowed, and for anything
    that would smuggle in another field.
    """
    fields = []
    for name, value in headers.items():
        _check_name(name, bulk=bulk)
        text = str(value)
        _refuse_line_breaks(f"headers, {name}", text)
        if str(name).lower() == "sender":
            one = one_mailbox("headers, Sender", text)
            fields.append(address_field("Sender", one.name, one.spelled or one.address))
        else:
            fields.append(unstructured(name, text.strip()))
    return b"".join(fields)


def _check_name(name: object, *, bulk: bool) -> None:
    if not isinstance(name, str) or not _NAME(name):
        raise InvalidMail(f"headers: {name!r} is no name of a header field: printable ASCII without “:” and spaces.")
    lower = name.lower()
    if lower in _OURS:
        raise InvalidMail(f"headers: {name} cannot be set here: {_OURS[lower]}.")
    if lower.startswith(("content-", "resent-")):
        raise InvalidMail(f"headers: {name} cannot be set here: it belongs to the structure of the mail.")
    if bulk and lower in _UNSUBSCRIBE:
        raise InvalidMail(f"headers: {name} cannot be set here: bulk mail carries its own.")


def _refuse_line_breaks(what: str, text: str) -> None:
    """No control character (tabs apart) gets into a header field: a line break would begin another one."""
    if not isinstance(text, str):
        raise InvalidMail(f"{what}: {text!r} is not text.")
    if _NO_TEXT(text):
        raise InvalidMail(f"{what}: line breaks and control characters are not allowed in a header field.")


def subject_field(subject: str) -> bytes:
    """The Subject, on one line of text whatever the merge values hold. Raises InvalidMail when it is too long."""
    subject = clean_name(subject)
    if len(subject) > MAX_SUBJECT:
        raise InvalidMail(f"subject: it has {len(subject):,} characters; {MAX_SUBJECT} are possible.")
    return unstructured("Subject", subject)


def message_id_field(message_id: str) -> bytes:
    """The Message-ID. Raises InvalidMail when it does not look like ``<…@…>``."""
    if not re.fullmatch(r"<[!-;=?-~]+@[!-;=?-~]+>", message_id) or len(message_id) > 900:
        raise InvalidMail(f"Message-ID: {message_id!r} is none; it must look like <unique@example.org>.")
    return f"Message-ID: {message_id}\r\n".encode("ascii")


def unsubscribe_fields(url: str) -> bytes:
    """List-Unsubscribe (RFC 2369) and List-Unsubscribe-Post (RFC 8058). Raises InvalidMail when it is no http URL."""
    if not _URL(url) or len(url) > 900:
        raise InvalidMail(f"List-Unsubscribe: {url!r} is no URL that fits into a header field.")
    return f"List-Unsubscribe: <{url}>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n".encode("ascii")


def date_field(moment: datetime.datetime) -> bytes:
    """The Date. Raises ValueError for a time without a time zone."""
    if moment.tzinfo is None:
        raise ValueError("The date of a mail needs a time zone.")
    # Two times are equal when they are the same moment in different time zones; so the offset belongs to the key.
    return _date_field(moment.replace(microsecond=0), moment.utcoffset())


@lru_cache(maxsize=64)
def _date_field(moment: datetime.datetime, _offset: datetime.timedelta | None) -> bytes:
    return f"Date: {format_datetime(moment)}\r\n".encode("ascii")
