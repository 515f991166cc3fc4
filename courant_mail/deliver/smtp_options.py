"""The options of an SMTP relay: those of Django's SMTP backend, read with the same fallbacks."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from django.conf import global_settings
from django.conf import settings as django_settings

from ..conf import RelaySettings
from ..exceptions import ImproperlyConfiguredMail

#: seconds to wait for the network at each step when the relay names none
DEFAULT_TIMEOUT = 60.0
#: seconds to wait for the reply to the final dot when the relay names no timeout. RFC 5321 section 4.5.3.2.6 asks for
#: ten minutes: the server may be scanning the mail, and whoever leaves too early sends it twice.
DEFAULT_DOT_TIMEOUT = 300.0

_CLASSIC = {
    "host": "EMAIL_HOST",
    "port": "EMAIL_PORT",
    "username": "EMAIL_HOST_USER",
    "password": "EMAIL_HOST_PASSWORD",
    "use_tls": "EMAIL_USE_TLS",
    "use_ssl": "EMAIL_USE_SSL",
    "timeout": "EMAIL_TIMEOUT",
    "ssl_certfile": "EMAIL_SSL_CERTFILE",
    "ssl_keyfile": "EMAIL_SSL_KEYFILE",
}


@dataclass(frozen=True, kw_only=True)
class SmtpOptions:
    """Where an SMTP relay is and how to speak with it. `timeout` is in seconds."""

    host: str
    port: int
    username: str = ""
    password: str = ""
    use_tls: bool = False
    use_ssl: bool = False
    timeout: float | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None

    @property
    def step_timeout(self) -> float:
        """How long to wait at each step before the final dot."""
        return self.timeout or DEFAULT_TIMEOUT

    @property
    def dot_timeout(self) -> float:
        """How long to wait for the reply to the final dot."""
        return self.timeout or DEFAULT_DOT_TIMEOUT

    def ssl_context(self) -> ssl.SSLContext:
        """Verifies the server's certificate and name; shows the client's own certificate if one is configured."""
        context = ssl.create_default_context()
        if self.ssl_certfile:
            context.load_cert_chain(self.ssl_certfile, self.ssl_keyfile)
        return context


def smtp_options(relay: RelaySettings) -> SmtpOptions:
    """
    The options of this relay.

    A relay without a host of its own takes what it does not say from the EMAIL_* settings, unless MAILERS is
    configured, under which they do not exist. A relay that names its host never gets the credentials of another.
    Raises ImproperlyConfiguredMail with the option and its fix.
    """
    given = {key: value for key, value in relay.options.items() if key != "fail_silently" and value is not None}
    _refuse_unknown(relay.name, given)
    if "host" not in given and relay.alias is None and not hasattr(django_settings, "MAILERS"):
        given = {key: _classic(setting) for key, setting in _CLASSIC.items()} | given
    if not given.get("host"):
        raise ImproperlyConfiguredMail(f"The OPTIONS of the relay {relay.name!r} must name a 'host'.")
    if given.get("use_tls") and given.get("use_ssl"):
        raise ImproperlyConfiguredMail(
            f"The relay {relay.name!r} has both use_tls and use_ssl: take use_tls for STARTTLS (port 587) "
            "or use_ssl for TLS from the start (port 465)."
        )
    port = given.get("port") or (465 if given.get("use_ssl") else 587 if given.get("use_tls") else 25)
    texts = {key: str(given.get(key) or "") for key in ("username", "password")}
    return SmtpOptions(**(given | texts | {"port": int(port)}))


def _refuse_unknown(name: str, given: Mapping[str, Any]) -> None:
    known = {field.name for field in fields(SmtpOptions)}
    for key in given:
        if key not in known:
            raise ImproperlyConfiguredMail(
                f"The OPTIONS of the SMTP relay {name!r} have no key {key!r}. Known keys: {', '.join(sorted(known))}."
            )


def _classic(setting: str) -> Any:
    # Django 6.1 warns whoever reads one of these; a site that sets none of them has done nothing to be warned about.
    overridden: Any = django_settings  # its stubs do not know the method
    source = django_settings if overridden.is_overridden(setting) else global_settings
    return getattr(source, setting)
