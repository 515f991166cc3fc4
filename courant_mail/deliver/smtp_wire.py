"""What goes on the wire for one message: the commands with their parameters and the dot-stuffed body."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..addresses import needs_smtputf8, to_wire
from ..choices import Outcome
from ..exceptions import InvalidMail
from ..wire import WireBytes
from .channel import Envelope
from .outcomes import Result, TryEnded

# What may stand between < and > in MAIL and RCPT (RFC 5321 section 4.1.2): nothing that ends the command or adds to it.
_PATH = re.compile(r'(?:[^\s<>"@\x00-\x1f\x7f]+|"(?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])*")(?:@[^\s<>"@\x00-\x1f\x7f]+)?')
# Patterns that begin with their byte: three times as fast on a whole mail as `in`, `count` or one pattern with "|".
_BARE_CR = re.compile(rb"\r(?!\n)").search
_BARE_LF = re.compile(rb"\n(?<!\r\n)").search
_DOT = re.compile(rb"\r\n\.").search
_SEVEN_BIT = email.policy.compat32.clone(cte_type="7bit", linesep="\r\n")


@dataclass(frozen=True, slots=True)
class Offers:
    """The extensions of a server that make a difference here. `size_limit` is in bytes, 0 when it names none."""

    pipelining: bool = False
    size: bool = False
    size_limit: int = 0
    eight_bit: bool = False
    smtputf8: bool = False

    @classmethod
    def read(cls, features: Mapping[str, str]) -> Offers:
        """From the keywords of the answer to EHLO, in lower case, and their parameters."""
        limit = features.get("size", "")
        return cls(
            pipelining="pipelining" in features,
            size="size" in features,
            size_limit=int(limit) if limit.isascii() and limit.isdigit() else 0,
            eight_bit="8bitmime" in features,
            smtputf8="smtputf8" in features,
        )


@dataclass(frozen=True, slots=True)
class WireMail:
    """The commands with their line ends, and the body without the final dot."""

    mail: bytes
    rcpt: bytes
    body: bytes


def wire_mail(envelope: Envelope, offers: Offers) -> WireMail:
    """
    The wire form of a message for a server with these extensions.

    Raises TryEnded: REFUSED when the mail needs more than the server offers, OUR_FAULT when the bytes or an address
    could be read in more than one way (SMTP smuggling, injected parameters).
    """
    data = envelope.data
    ready = isinstance(data, WireBytes)
    if not ready:
        _refuse_bare_line_ends(data)
    ascii_only = ready or data.isascii()
    smtputf8 = needs_smtputf8(envelope.mail_from) or needs_smtputf8(envelope.rcpt_to)
    if not ascii_only:
        smtputf8 = smtputf8 or not data.partition(b"\r\n\r\n")[0].isascii()
    if smtputf8 and not offers.smtputf8:
        raise _refused(
            "5.6.7", "The mail needs SMTPUTF8 for an address that is not ASCII; the relay does not offer it."
        )
    if not ascii_only and not offers.eight_bit:
        data = _encoded_anew(data)
    if offers.size_limit and len(data) > offers.size_limit:
        raise _refused("5.3.4", f"The mail has {len(data)} bytes; the relay takes at most {offers.size_limit}.")
    parameters = f" SIZE={len(data)}" if offers.size else ""
    if not ascii_only and offers.eight_bit:
        parameters += " BODY=8BITMIME"
    if smtputf8:
        parameters += " SMTPUTF8"
    sender = _path(envelope.mail_from, smtputf8) if envelope.mail_from else ""
    return WireMail(
        f"MAIL FROM:<{sender}>{parameters}\r\n".encode(),
        f"RCPT TO:<{_path(envelope.rcpt_to, smtputf8)}>\r\n".encode(),
        data if ready else dot_stuffed(data),
    )


def dot_stuffed(data: bytes) -> bytes:
    """The body as it goes on the wire, without the final dot: transparent (RFC 5321 section 4.5.2), ending in CRLF."""
    if data.startswith(b"."):
        data = b"." + data
    if _DOT(data):
        data = data.replace(b"\r\n.", b"\r\n..")
    return data if data.endswith(b"\r\n") else data + b"\r\n"


def _path(address: str, smtputf8: bool) -> str:
    try:
        wire = to_wire(address, smtputf8=smtputf8)
    except InvalidMail as error:
        raise _our_fault(str(error)) from error
    if not _PATH.fullmatch(wire) or not (smtputf8 or wire.isascii()):
        raise _our_fault(f"{address!r} cannot stand in an SMTP command.")
    return wire


def _refuse_bare_line_ends(data: bytes) -> None:
    if _BARE_CR(data) or _BARE_LF(data):
        raise _our_fault("The mail has a CR or LF that stands alone; line ends must be CRLF.")
    if b"\0" in data:
        raise _our_fault("The mail has a NUL, which servers drop or take for an end.")


def _encoded_anew(data: bytes) -> bytes:
    """8-bit bodies as quoted-printable or base64 (RFC 6152 section 3)."""
    try:
        encoded = email.message_from_bytes(data, policy=_SEVEN_BIT).as_bytes(policy=_SEVEN_BIT)
    except (UnicodeError, LookupError):  # it does not name its charset, or a wrong one
        encoded = data
    if not encoded.isascii():
        raise _refused("5.6.3", "The mail is not ASCII and the relay offers no 8BITMIME.")
    return encoded


def _refused(enhanced: str, text: str) -> TryEnded:
    return TryEnded(Result(Outcome.REFUSED, enhanced=enhanced, reply=text, stage="mail"))


def _our_fault(text: str) -> TryEnded:
    return TryEnded(Result(Outcome.OUR_FAULT, reply=text, stage="mail"))
