"""
Signed tokens for the public links of a mail: who may do what with a link is said by the link itself.

A token holds the address and the number of the message. It has no expiry, since an unsubscribe link must work for
as long as somebody keeps the mail, and it needs no row, so it still works after `purge_mail_log`.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import cache
from typing import Any

from django.core.signals import setting_changed
from django.core.signing import BadSignature, Signer
from django.dispatch import receiver

from .exceptions import BadToken

_SALT = "courant_mail.unsubscribe"
#: stands neither in base64 nor at the end of a URL's last word, where mail programs cut it off
_SEPARATOR = "."


def make_token(address: str, message_id: int) -> str:
    """
    A token for this address and message, made of ``A-Z a-z 0-9 - _ .`` only.

    The same arguments give the same token, so a message that is sent again carries the same link.
    """
    payload = urlsafe_b64encode(f"{message_id:x} {address}".encode()).rstrip(b"=").decode("ascii")
    return _signer().sign(payload)


def read_token(token: str) -> tuple[str, int]:
    """
    The address and the message number in the token.

    Tokens signed with a key of SECRET_KEY_FALLBACKS are good. Raises BadToken for anything that `make_token` of
    this site did not make.
    """
    try:
        payload = _signer().unsign(token)
        padding = "=" * (-len(payload) % 4)
        number, _, address = urlsafe_b64decode(payload + padding).decode().partition(" ")
        return address, int(number, 16)
    except (BadSignature, binascii.Error, UnicodeError, ValueError) as error:
        raise BadToken("This link was not made by this site, or it was damaged on its way.") from error


@cache
def _signer() -> Signer:
    # Made once: deriving the settings anew costs more than the signature.
    return Signer(salt=_SALT, sep=_SEPARATOR)


@receiver(setting_changed, dispatch_uid="courant_mail.tokens")
def _forget(*, setting: str, **_: Any) -> None:
    if setting in {"SECRET_KEY", "SECRET_KEY_FALLBACKS"}:
        _signer.cache_clear()
