"""Every other way out: any Django e-mail backend, such as console, file, locmem, or that of an e-mail service."""

from __future__ import annotations

import logging
import smtplib
from collections.abc import Mapping
from typing import Any

from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.core.mail.backends.base import BaseEmailBackend
from django.utils.module_loading import import_string

from ..choices import Outcome
from ..conf import RelaySettings
from .channel import Channel, Envelope
from .outcomes import Result, Stage, classify, clean_reply
from .parsed_mail import ParsedMail

logger = logging.getLogger(__name__)

_SMTP_STAGES: Mapping[type[Exception], Stage] = {
    smtplib.SMTPSenderRefused: "mail",
    smtplib.SMTPDataError: "dot",
    smtplib.SMTPAuthenticationError: "auth",
    smtplib.SMTPConnectError: "greeting",
    smtplib.SMTPHeloError: "ehlo",
}
# What can also happen after the service has taken the message.
_MAYBE_TAKEN = (smtplib.SMTPServerDisconnected, TimeoutError, ConnectionResetError)


class BackendChannel(Channel):
    """
    A Django e-mail backend, opened once and used for many messages.

    The backend's `send_messages` is the final dot: it gets a `ParsedMail`. What it raises becomes an outcome: the
    errors of smtplib by their reply, errors with an HTTP `status_code` by that (429 THROTTLED, 401 and 403
    MISCONFIGURED, 5xx RELAY_TROUBLE, other 4xx REFUSED), network errors RELAY_TROUBLE or, where the service may have
    taken the message, IN_DOUBT; everything else REFUSED or, for ValueError and its kin, OUR_FAULT.
    """

    def __init__(self, relay: RelaySettings) -> None:
        """The backend is made at `open`, not before."""
        self._relay = relay
        self._backend: BaseEmailBackend | None = None
        self._mail: ParsedMail | None = None
        self.is_open = False
        self.used = 0

    def open(self) -> Result | None:
        self._drop()
        self.used = 0
        try:
            self._backend = _make_backend(self._relay)
            self._backend.open()
        except Exception as error:
            self._drop()
            return _could_not_open(error)
        self.is_open = True
        return None

    def prepare(self, envelope: Envelope) -> Result | None:
        try:
            self._mail = ParsedMail(envelope)
        except Exception as error:  # the bytes are no mail that Python can read
            return Result(Outcome.OUR_FAULT, reply=_described(error))
        return None

    def finish(self, following: Envelope | None = None) -> Result:
        if self._backend is None or self._mail is None:
            raise RuntimeError("The channel has no message; call open() and prepare() first.")
        message, self._mail = self._mail, None
        try:
            sent = self._backend.send_messages([message])
        except Exception as error:
            logger.debug("The backend of relay %s raised an error.", self._relay.name, exc_info=True)
            result = _could_not_send(error)
            if result.outcome not in (Outcome.REFUSED, Outcome.REFUSED_FOR_NOW, Outcome.OUR_FAULT):
                self._drop()
            return result
        if sent == 0:  # None is what many backends return
            return Result(Outcome.REFUSED_FOR_NOW, reply="The backend did not send the mail and gave no reason.")
        self.used += 1
        return Result(Outcome.SENT)

    def abandon(self) -> None:
        self._drop()

    def close(self) -> None:
        self._drop()

    def _drop(self) -> None:
        backend, self._backend, self._mail, self.is_open = self._backend, None, None, False
        if backend is None:
            return
        try:
            backend.close()
        except Exception as error:
            logger.debug("The backend of relay %s could not be closed: %s", self._relay.name, _described(error))


def _make_backend(relay: RelaySettings) -> BaseEmailBackend:
    mailers: Any = getattr(mail, "mailers", None)
    if mailers is not None and relay.alias is not None:
        return mailers[relay.alias]  # type: ignore[no-any-return]
    backend: Any = import_string(relay.backend)
    if mailers is not None and mailers._is_configured:
        return backend(alias=relay.name, **relay.options)  # type: ignore[no-any-return]
    return backend(**relay.options)  # type: ignore[no-any-return]


def _could_not_open(error: Exception) -> Result:
    known = _from_reply(error)
    if known is not None and known.outcome in (Outcome.RELAY_TROUBLE, Outcome.THROTTLED, Outcome.MISCONFIGURED):
        return known
    if isinstance(error, (OSError, smtplib.SMTPServerDisconnected)) and not isinstance(error, FileNotFoundError):
        return classify("connect", None, _described(error))
    return Result(Outcome.MISCONFIGURED, reply=_described(error), stage="connect")


def _could_not_send(error: Exception) -> Result:
    known = _from_reply(error)
    if known is not None:
        return known
    if isinstance(error, _MAYBE_TAKEN):
        return classify("dot", None, _described(error))
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return Result(Outcome.REFUSED, reply=_described(error))
    if isinstance(error, ImproperlyConfigured):
        return Result(Outcome.MISCONFIGURED, reply=_described(error))
    if isinstance(error, OSError) and not isinstance(error, smtplib.SMTPException):
        return classify("connect", None, _described(error))
    kind = Outcome.OUR_FAULT if isinstance(error, (ValueError, TypeError)) else Outcome.REFUSED
    return Result(kind, reply=_described(error))


def _from_reply(error: Exception) -> Result | None:
    """The outcome of an error that carries a server's reply; None for one that does not."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, text = next(iter(error.recipients.values()))
        return classify("rcpt", code, text)
    if isinstance(error, smtplib.SMTPResponseException):
        stages = (stage for kind, stage in _SMTP_STAGES.items() if isinstance(error, kind))
        stage: Stage = next(stages, "dot")
        return classify(stage, error.smtp_code, error.smtp_error)
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return Result(_from_status(status), code=status, reply=_described(error))
    return None


def _from_status(status: int) -> Outcome:
    if status == 429:
        return Outcome.THROTTLED
    if status in (401, 403):
        return Outcome.MISCONFIGURED
    return Outcome.REFUSED if 400 <= status <= 499 else Outcome.RELAY_TROUBLE


def _described(error: Exception) -> str:
    return clean_reply(f"{type(error).__name__}: {error}")
