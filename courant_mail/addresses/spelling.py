"""The two spellings of an address, its form on the wire and its form in logs."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import idna

from ..exceptions import InvalidAddress

#: RFC 5321, 4.5.3.1.1 and 4.5.3.1.3: octets before the "@", and in all (the path of 256 without its brackets)
MAX_LOCAL = 64
MAX_ADDRESS = 254
#: characters that the column of an address holds
MAX_STORED = 254

_ADDRESS_IN_TEXT = re.compile(r"[^\s<>()\[\]\"',;:]+@[^\s<>()\[\]\"',;:]+")

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_PLAIN = re.compile(
    rf"{_ATEXT}(?:\.{_ATEXT})*@(?:(?:{_LABEL}\.)+[A-Za-z](?:[A-Za-z0-9-]{{0,61}}[A-Za-z0-9])|localhost)",
    re.IGNORECASE | re.ASCII,
).fullmatch


def canonical(text: str) -> str:
    """
    The canonical spelling of an address: NFC, lower case, international domain in Unicode. Idempotent.

    Domains need a dot, "localhost" apart, as in Django. Nothing is looked up in the DNS.
    Raises InvalidAddress with the reason.
    """
    return spellings(text)[0]


def spellings(text: str) -> tuple[str, str]:
    """The canonical spelling of an address and the one that goes on the wire."""
    text = text.strip()
    # Nearly every address is plain ASCII; email-validator would take fifty times as long to say so.
    if _PLAIN(text) and text.find("@") <= MAX_LOCAL and len(text) <= MAX_ADDRESS:
        lower = text.lower()
        if "xn--" not in lower:
            return lower, text
    return _unusual_spellings(text)


def _unusual_spellings(text: str) -> tuple[str, str]:
    if len(text) > MAX_STORED:
        raise InvalidAddress(f"The address is too long ({len(text)} characters).")
    if "\N{REPLACEMENT CHARACTER}" in text:
        raise InvalidAddress("The address has a letter that was lost when it was read (�).")
    # Loaded when it is needed: that takes a tenth of the time of a whole idle run from cron.
    from email_validator import EmailNotValidError, validate_email

    try:
        found = validate_email(
            text, check_deliverability=False, allow_smtputf8=True, test_environment=True, strict=True
        )
    except EmailNotValidError as error:
        raise InvalidAddress(str(error)) from None
    local = found.local_part
    lower = unicodedata.normalize("NFC", local.lower())
    return f"{lower}@{found.domain}", f"{local}@{found.domain}"


def redact(address: str) -> str:
    """The address as logs above DEBUG may show it: the first character and the domain, ``a…@example.org``."""
    local, at, domain = address.rpartition("@")
    if not at:
        return f"{address[:1]}…"
    return f"{local[:1]}…@{domain}"


def redact_all(text: str) -> str:
    """The text with every address in it as logs above DEBUG may show it; servers repeat them in their replies."""
    return _ADDRESS_IN_TEXT.sub(lambda found: redact(found[0]), text)


def needs_smtputf8(address: str) -> bool:
    """Whether only a server with SMTPUTF8 (RFC 6531) can take the address: its part before the "@" is not ASCII."""
    return not address.rpartition("@")[0].isascii()


def to_wire(address: str, *, smtputf8: bool) -> str:
    """
    The address as it stands in an SMTP envelope.

    An international domain is written in A-labels (RFC 5890), which every server understands; only an address whose
    part before the "@" is not ASCII keeps its Unicode form, and only when the server offers SMTPUTF8.

    Raises InvalidAddress when the address needs SMTPUTF8 and `smtputf8` is false.
    """
    if address.isascii():
        return address
    local, _, domain = address.rpartition("@")
    if local.isascii():
        return f"{local}@{_a_labels(domain)}"
    if smtputf8:
        return address
    raise InvalidAddress("The address has characters outside ASCII before the “@”, and the server offers no SMTPUTF8.")


@lru_cache(maxsize=1024)
def _a_labels(domain: str) -> str:
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise InvalidAddress(f"The domain {domain!r} is not valid: {error}.") from None
