"""From nothing to a connection that is ready for the first MAIL: connect, greeting, EHLO, STARTTLS, AUTH."""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from collections.abc import Iterator

from django.core.mail.utils import DNS_NAME

from ..choices import Outcome
from .outcomes import Result, Stage, TryEnded, classify, clean_reply
from .smtp_connection import BadReply, SmtpConnection
from .smtp_options import SmtpOptions


def connect(options: SmtpOptions) -> SmtpConnection:
    """
    A connection that has said EHLO and, where the options ask for it, STARTTLS and AUTH.

    Raises TryEnded with RELAY_TROUBLE, THROTTLED or MISCONFIGURED; the connection is closed then.
    """
    tls = _tls(options)
    connection = SmtpConnection(
        options.host, DNS_NAME.get_fqdn(), options.step_timeout, tls if options.use_ssl else None
    )
    try:
        _greeting(connection, options)
        _hello(connection)
        if tls and not options.use_ssl:
            _starttls(connection, tls)
            _hello(connection)
        if options.username and options.password:
            _login(connection, options)
    except BaseException:
        connection.drop()
        raise
    return connection


def misconfigured(stage: Stage, text: str) -> TryEnded:
    """For what waiting does not mend."""
    return TryEnded(Result(Outcome.MISCONFIGURED, reply=clean_reply(text), stage=stage))


def described(error: BaseException) -> str:
    """An error as a person reads it."""
    return str(error) or type(error).__name__


@contextlib.contextmanager
def _at(stage: Stage, where: str = "") -> Iterator[None]:
    """What goes wrong on the network inside becomes a TryEnded of this stage."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise misconfigured(stage, f"{where}The server's certificate is not valid: {described(error)}") from error
    except (OSError, BadReply) as error:
        raise TryEnded(classify(stage, None, where + described(error))) from error


def _tls(options: SmtpOptions) -> ssl.SSLContext | None:
    if not options.use_ssl and not options.use_tls:
        return None
    try:
        return options.ssl_context()
    except OSError as error:
        raise misconfigured(
            "connect", f"The relay's ssl_certfile or ssl_keyfile cannot be used: {described(error)}"
        ) from error


def _greeting(connection: SmtpConnection, options: SmtpOptions) -> None:
    with _at("connect", f"{options.host}:{options.port}: "):
        connection.open_socket(options.host, options.port)
    with _at("greeting"):
        code, text = connection.getreply()
    if code != 220:
        raise TryEnded(classify("greeting", code, text))


def _hello(connection: SmtpConnection) -> None:
    """EHLO, and HELO for a server from before 1995 (RFC 5321 section 3.2)."""
    with _at("ehlo"):
        code, text = connection.ehlo()
        if code not in (250, 421):
            code, text = connection.helo()
    if code != 250:
        raise TryEnded(classify("ehlo", code, text))


def _starttls(connection: SmtpConnection, tls: ssl.SSLContext) -> None:
    if not connection.has_extn("starttls"):
        raise misconfigured(
            "starttls", "The server offers no STARTTLS. Ask its operator, or see whether it wants use_ssl on port 465."
        )
    with _at("starttls"):
        try:
            connection.starttls(context=tls)
        except smtplib.SMTPResponseException as error:
            raise TryEnded(classify("starttls", error.smtp_code, error.smtp_error)) from error
    if connection.unread:
        # Words sent in the clear before the handshake would pass for the server's own (CVE-2011-0411).
        raise misconfigured("starttls", "The server, or someone on the way, sent plain text into the start of TLS.")


def _login(connection: SmtpConnection, options: SmtpOptions) -> None:
    with _at("auth"):
        try:
            connection.login(options.username, options.password)
        except smtplib.SMTPAuthenticationError as error:
            raise TryEnded(classify("auth", error.smtp_code, error.smtp_error)) from error
        except UnicodeEncodeError as error:
            raise misconfigured("auth", "The relay's username and password must be ASCII.") from error
        except ValueError as error:
            raise TryEnded(classify("auth", None, f"not a challenge: {described(error)}")) from error
        except smtplib.SMTPException as error:
            raise misconfigured(
                "auth", f"The relay has a username, but the server does not take it: {described(error)}"
            ) from error
