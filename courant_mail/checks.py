"""
System checks: what is wrong with the settings is said before mail is lost, with the fix.

Errors have the tag "courant_mail"; the commands of the queue run them at every start. Warnings run with Django's own
tags, in `manage.py check`, `runserver` and `migrate`.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.apps import apps
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections, router
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string

from .conf import OWN_BACKEND, Settings, get_settings
from .exceptions import ImproperlyConfiguredMail
from .models import Message

TAG = "courant_mail"


@register(TAG)
def check_settings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E001 and what only sound settings let us look at: E002 to E006."""
    try:
        settings = get_settings()
    except ImproperlyConfiguredMail as error:
        return [Error(str(error), hint="See the reference of the settings.", id="courant_mail.E001")]
    return [*_relays(settings), *_mailers(settings), *_html_to_text(settings), *_lock_dir(settings)]


@register(Tags.urls)
def check_links(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W001, W002: the unsubscribe link of mass mail needs a host and a page."""
    found: list[CheckMessage] = []
    settings = _settings_or_none()
    if settings is not None and not settings.site_url:
        found.append(
            Warning(
                "COURANT_MAIL['SITE_URL'] is not set, so mass mail cannot be sent.",
                hint="Set it to the address of the site, such as 'https://www.example.org': unsubscribe links need it.",
                id="courant_mail.W001",
            )
        )
    try:
        reverse("courant_mail:unsubscribe", args=["token"])
    except NoReverseMatch:
        found.append(
            Warning(
                "The URLs of courant_mail are not included, so mass mail cannot be sent.",
                hint="Add path('mail/', include('courant_mail.urls')) to the site's urlpatterns.",
                id="courant_mail.W002",
            )
        )
    return found


@register(Tags.database)
def check_databases(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """W003: without a write-ahead log every reader of an SQLite file waits for the sender, and it for them."""
    return [
        Warning(
            f"The SQLite database {alias!r} has no write-ahead log, so pages wait while mail is being sent.",
            hint="Add 'init_command': 'PRAGMA journal_mode=WAL;' and 'transaction_mode': 'IMMEDIATE' to its OPTIONS.",
            id="courant_mail.W003",
        )
        for alias in databases or ()
        if alias == router.db_for_write(Message) and _lacks_wal(alias)
    ]


@register(Tags.security, deploy=True)
def check_https(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W004: mail programs offer one-click unsubscribing for HTTPS alone (RFC 8058)."""
    settings = _settings_or_none()
    if settings is None or not settings.site_url.startswith("http://"):
        return []
    return [
        Warning(
            "COURANT_MAIL['SITE_URL'] is not an https:// address.",
            hint="Mail programs show their unsubscribe button for HTTPS links alone (RFC 8058).",
            id="courant_mail.W004",
        )
    ]


@register(Tags.admin)
def check_object_mail(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E008: the action "Send email update" leads to the pages of jobs, so its admin site needs them."""
    if not apps.is_installed("django.contrib.admin"):
        return []
    from django.contrib.admin.sites import all_sites

    from .admin import MessageJobAdmin, ObjectMailAdminMixin

    found: list[CheckMessage] = []
    for site in all_sites:
        admins = list(site._registry.values())
        if any(isinstance(model_admin, MessageJobAdmin) for model_admin in admins):
            continue
        found += [
            Error(
                f"{type(model_admin).__name__} sends mail, and its admin site {site.name!r} has no pages for mail.",
                hint="Register MessageJob there: site.register(MessageJob, courant_mail.admin.MessageJobAdmin).",
                obj=type(model_admin),
                id="courant_mail.E008",
            )
            for model_admin in admins
            if isinstance(model_admin, ObjectMailAdminMixin)
        ]
    return found


def _settings_or_none() -> Settings | None:
    """Nothing where E001 says what is wrong."""
    try:
        return get_settings()
    except ImproperlyConfiguredMail:
        return None


def _relays(settings: Settings) -> Iterator[CheckMessage]:
    own = import_string(OWN_BACKEND)
    for relay in settings.relays.values():
        try:
            backend = import_string(relay.backend)
        except ImportError as error:
            yield Error(
                f"The relay {relay.name!r} cannot import its BACKEND {relay.backend!r}: {error}",
                hint="Name the class of a Django e-mail backend that delivers, and install its package.",
                id="courant_mail.E002",
            )
            continue
        if inspect.isclass(backend) and issubclass(backend, own):
            yield Error(
                f"The relay {relay.name!r} puts its mail back into the queue.",
                hint=f"Name a BACKEND that delivers, not {relay.backend!r}, which is the queue itself.",
                id="courant_mail.E003",
            )


def _mailers(settings: Settings) -> Iterator[CheckMessage]:
    mailers: Mapping[str, Any] = getattr(django_settings, "MAILERS", {})
    queues = {alias: entry for alias, entry in mailers.items() if entry.get("BACKEND") == OWN_BACKEND}
    if queues and len(queues) == len(mailers) and not _own_relays():
        yield Error(
            "MAILERS has no way out: every entry is the queue itself.",
            hint="Add an entry that delivers, such as {'smtp': {'BACKEND': "
            "'django.core.mail.backends.smtp.EmailBackend', 'OPTIONS': {'host': '…'}}}.",
            id="courant_mail.E004",
        )
    for alias, entry in queues.items():
        relay = entry.get("OPTIONS", {}).get("relay")
        if relay and relay not in settings.relays:
            yield Error(
                f"MAILERS[{alias!r}]['OPTIONS']['relay'] names {relay!r}, which is no relay.",
                hint=f"Configured are: {', '.join(sorted(settings.relays))}.",
                id="courant_mail.E005",
            )


def _own_relays() -> Any:
    return getattr(django_settings, "COURANT_MAIL", {}).get("RELAYS")


def _html_to_text(settings: Settings) -> Iterator[CheckMessage]:
    try:
        usable = callable(import_string(settings.html_to_text))
    except ImportError:
        usable = False
    if not usable:
        yield Error(
            f"COURANT_MAIL['HTML_TO_TEXT'] names {settings.html_to_text!r}, which is no function.",
            hint="Give the dotted path of a function that takes HTML and returns text.",
            id="courant_mail.E006",
        )


def _lock_dir(settings: Settings) -> Iterator[CheckMessage]:
    folder = settings.lock_dir
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        yield Error(
            f"COURANT_MAIL['LOCK_DIR'] is {str(folder)!r}, which is no folder that this user may write to.",
            hint="Make the folder, give it to the user that runs the commands, or name another.",
            id="courant_mail.E007",
        )


def _lacks_wal(alias: str) -> bool:
    connection = connections[alias]
    if connection.vendor != "sqlite":
        return False
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        # A database in memory says "memory"; nobody else reads it.
        return cursor.fetchone()[0] not in {"wal", "memory"}
