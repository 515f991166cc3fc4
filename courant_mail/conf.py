"""The settings: the dict `COURANT_MAIL`, read in this one place into frozen, typed values."""

from __future__ import annotations

import difflib
import re
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from email.utils import parseaddr
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings as django_settings
from django.core.signals import setting_changed
from django.dispatch import receiver

from .exceptions import ImproperlyConfiguredMail

OWN_BACKEND = "courant_mail.backend.EmailBackend"
SMTP_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
_PERIODS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, kw_only=True)
class RelaySettings:
    """A configured way out. `rate` is in messages per second; None means as fast as it goes."""

    name: str
    backend: str = SMTP_BACKEND
    options: Mapping[str, Any] = field(default_factory=dict)
    #: whether a MAILERS alias of Django 6.1 makes its backend (which then gets the alias)
    alias: str | None = None
    connections: int = 4
    rate: float | None = None
    messages_per_connection: int | None = None


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """When a temporarily refused message is tried again; all in seconds. Delays grow by `factor` up to `ceiling`."""

    first: float = 300.0
    factor: float = 2.0
    ceiling: float = 4 * 3600.0
    age_limit: float = 48 * 3600.0


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of the app. The names are those of the keys of `COURANT_MAIL` in lower case."""

    site_url: str = ""
    relays: Mapping[str, RelaySettings]
    default_relay: str
    in_doubt: Mapping[str, str] = field(default_factory=lambda: {"single": "retry", "job": "hold"})
    claim_seconds: float = 60.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    lock_dir: Path = field(default_factory=lambda: Path(tempfile.gettempdir()))
    message_id_domain: str = ""
    from_addresses: tuple[str, ...] = ()
    html_to_text: str = "courant_mail.compose.text.html_to_text"
    max_message_bytes: int = 25 * 1024 * 1024
    poll_seconds: float = 0.5
    purge_days: int = 90

    def relay(self, name: str) -> RelaySettings:
        """
        The relay of this name; the empty name means the default relay.

        Raises ImproperlyConfiguredMail when no relay has this name.
        """
        try:
            return self.relays[name or self.default_relay]
        except KeyError:
            raise ImproperlyConfiguredMail(
                f"No relay is named {name or self.default_relay!r}. Configured are: {', '.join(sorted(self.relays))}."
            ) from None


_KEYS = {f.name.upper() for f in fields(Settings)} - {"DEFAULT_RELAY"}
_RELAY_KEYS = {"BACKEND", "OPTIONS", "CONNECTIONS", "RATE", "MESSAGES_PER_CONNECTION"}
_RETRY_KEYS = {"FIRST", "FACTOR", "CEILING", "AGE_LIMIT"}


@cache
def get_settings() -> Settings:
    """
    The settings of the running site.

    Raises ImproperlyConfiguredMail with a text that names the key and its fix.
    """
    given: Mapping[str, Any] = getattr(django_settings, "COURANT_MAIL", {})
    if not isinstance(given, Mapping):
        raise ImproperlyConfiguredMail(f"COURANT_MAIL must be a dict, not {type(given).__name__}.")
    _refuse_unknown(given, _KEYS, "COURANT_MAIL")
    relays = _relays(given.get("RELAYS", {}))
    values: dict[str, Any] = {
        "relays": relays,
        "default_relay": _default_relay(relays),
        "message_id_domain": given.get("MESSAGE_ID_DOMAIN") or _message_id_domain(given.get("SITE_URL", "")),
    }
    values["from_addresses"] = _from_addresses(given.get("FROM_ADDRESSES"))
    if "SITE_URL" in given:
        values["site_url"] = _site_url(given["SITE_URL"])
    if "IN_DOUBT" in given:
        values["in_doubt"] = _in_doubt(given["IN_DOUBT"])
    if "RETRY" in given:
        values["retry"] = _retry(given["RETRY"])
    if "LOCK_DIR" in given:
        values["lock_dir"] = Path(given["LOCK_DIR"])
    if "HTML_TO_TEXT" in given:
        values["html_to_text"] = given["HTML_TO_TEXT"]
    for key in ("CLAIM_SECONDS", "POLL_SECONDS", "MAX_MESSAGE_BYTES", "PURGE_DAYS"):
        if key in given:
            values[key.lower()] = _positive(given[key], f"COURANT_MAIL[{key!r}]")
    return Settings(**values)


@receiver(setting_changed, dispatch_uid="courant_mail.conf")
def _forget(*, setting: str, **_: Any) -> None:
    if setting in {"COURANT_MAIL", "MAILERS"} or setting.startswith("EMAIL_") or setting.endswith("_EMAIL"):
        get_settings.cache_clear()


def _refuse_unknown(given: Mapping[str, Any], known: set[str], where: str) -> None:
    for key in given:
        if key not in known:
            guess = difflib.get_close_matches(str(key).upper(), known, n=1)
            hint = f" Did you mean {guess[0]!r}?" if guess else f" Known keys: {', '.join(sorted(known))}."
            raise ImproperlyConfiguredMail(f"{where} has no key {key!r}.{hint}")


def _positive(value: Any, where: str) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
        raise ImproperlyConfiguredMail(f"{where} must be a number above 0, not {value!r}.")
    return value


def _site_url(value: Any) -> str:
    if not re.fullmatch(r"https?://[^/\s]+(/[^\s]*)?", str(value)):
        raise ImproperlyConfiguredMail(
            f"COURANT_MAIL['SITE_URL'] must be a URL such as 'https://www.example.org', not {value!r}."
        )
    return str(value).rstrip("/")


def _message_id_domain(site_url: str) -> str:
    match = re.match(r"https?://([^/:\s]+)", str(site_url))
    return match[1] if match else socket.getfqdn()


def _from_addresses(value: Any) -> tuple[str, ...]:
    if value is None:
        senders = (django_settings.DEFAULT_FROM_EMAIL, django_settings.SERVER_EMAIL)
        return tuple(dict.fromkeys(parseaddr(sender)[1].lower() for sender in senders))
    if isinstance(value, str) or not all(re.fullmatch(r"[^@\s<>]*@[^@\s<>]+", str(entry)) for entry in value):
        raise ImproperlyConfiguredMail(
            "COURANT_MAIL['FROM_ADDRESSES'] must be a list of addresses ('news@example.org') and domains "
            f"('@example.org'), not {value!r}."
        )
    return tuple(str(entry).lower() for entry in value)


def _in_doubt(value: Any) -> dict[str, str]:
    both = (
        {"single": value, "job": value} if isinstance(value, str) else {"single": "retry", "job": "hold"} | dict(value)
    )
    if set(both) != {"single", "job"} or not set(both.values()) <= {"retry", "hold"}:
        raise ImproperlyConfiguredMail(
            "COURANT_MAIL['IN_DOUBT'] must be 'retry', 'hold', or a dict such as "
            f"{{'single': 'retry', 'job': 'hold'}}, not {value!r}."
        )
    return both


def _retry(value: Any) -> RetryPolicy:
    where = "COURANT_MAIL['RETRY']"
    if not isinstance(value, Mapping):
        raise ImproperlyConfiguredMail(f"{where} must be a dict with {', '.join(sorted(_RETRY_KEYS))}.")
    _refuse_unknown(value, _RETRY_KEYS, where)
    return RetryPolicy(**{key.lower(): float(_positive(v, f"{where}[{key!r}]")) for key, v in value.items()})


def parse_rate(value: str) -> float:
    """
    Messages per second from a text such as "100/s", "30/m", "2000/h" or "50000/d".

    Raises ImproperlyConfiguredMail for anything else.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*/\s*([smhd])\s*", str(value))
    if not match or float(match[1]) <= 0:
        raise ImproperlyConfiguredMail(f"RATE must look like '100/s', '30/m', '2000/h' or '50000/d', not {value!r}.")
    return float(match[1]) / _PERIODS[match[2]]


def _relays(given: Mapping[str, Any]) -> dict[str, RelaySettings]:
    """The relays of Django's own mail settings, overlaid by `COURANT_MAIL["RELAYS"]`."""
    found = _mailers_relays()
    for name, entry in given.items():
        where = f"COURANT_MAIL['RELAYS'][{name!r}]"
        _refuse_unknown(entry, _RELAY_KEYS, where)
        base = found.get(name)
        if "BACKEND" in entry or "OPTIONS" in entry or base is None:
            base = _given_relay(name, entry)
        if base.backend == OWN_BACKEND:
            raise ImproperlyConfiguredMail(f"{where} must not be the queue itself; name the backend that delivers.")
        connections = entry.get("CONNECTIONS", base.connections)
        per_connection = entry.get("MESSAGES_PER_CONNECTION")
        found[name] = RelaySettings(
            name=name,
            backend=base.backend,
            options=base.options,
            alias=base.alias,
            connections=int(_positive(connections, f"{where}['CONNECTIONS']")),
            rate=parse_rate(entry["RATE"]) if entry.get("RATE") else None,
            messages_per_connection=per_connection
            and int(_positive(per_connection, f"{where}['MESSAGES_PER_CONNECTION']")),
        )
    return found or {"default": _classic_relay()}


def _given_relay(name: str, entry: Mapping[str, Any]) -> RelaySettings:
    if name == "default" and "BACKEND" not in entry and "OPTIONS" not in entry:
        return _classic_relay()  # an entry that only sets limits
    return RelaySettings(name=name, backend=entry.get("BACKEND", SMTP_BACKEND), options=dict(entry.get("OPTIONS", {})))


def _mailers_relays() -> dict[str, RelaySettings]:
    """Django 6.1: every alias of MAILERS that is not this app's own backend is a way out."""
    mailers: Mapping[str, Any] = getattr(django_settings, "MAILERS", {})
    return {
        alias: RelaySettings(
            name=alias,
            backend=entry.get("BACKEND", SMTP_BACKEND),
            options=dict(entry.get("OPTIONS", {})),
            alias=alias,
        )
        for alias, entry in mailers.items()
        if entry.get("BACKEND", SMTP_BACKEND) != OWN_BACKEND
    }


def _classic_relay() -> RelaySettings:
    """Django 5.2, or 6.1 without MAILERS: EMAIL_BACKEND, or SMTP to EMAIL_HOST where that is this app's backend."""
    backend = getattr(django_settings, "EMAIL_BACKEND", OWN_BACKEND)
    return RelaySettings(name="default", backend=SMTP_BACKEND if backend == OWN_BACKEND else backend)


def _default_relay(relays: Mapping[str, RelaySettings]) -> str:
    mailers: Mapping[str, Any] = getattr(django_settings, "MAILERS", {})
    default = mailers.get("default", {})
    if default.get("BACKEND") == OWN_BACKEND:
        named = default.get("OPTIONS", {}).get("relay")
        if named is not None and named not in relays:
            raise ImproperlyConfiguredMail(
                f"MAILERS['default']['OPTIONS']['relay'] names {named!r}, which is no relay. "
                f"Configured are: {', '.join(sorted(relays))}."
            )
        if named:
            return str(named)
    return "default" if "default" in relays else next(iter(relays))
