"""Whom the mail of an editor may come from: what the setting FROM_ADDRESSES allows."""

from __future__ import annotations

from django.conf import settings as django_settings
from django.utils.translation import gettext as _

from ..addresses import canonical
from ..compose.headers import one_mailbox
from ..conf import get_settings
from ..exceptions import InvalidAddress, InvalidMail


def check_sender(sender: str) -> None:
    """Raises InvalidMail, which names what is allowed, when no mail of an editor may come from this mailbox."""
    address = one_mailbox("from", sender).address
    allowed = get_settings().from_addresses
    if not _allows(allowed, address):
        raise InvalidMail(
            _("Mail may not come from %(address)s here. Allowed are: %(allowed)s")
            % {"address": address, "allowed": ", ".join(map(_in_words, allowed)) or _("none")}
        )


def suggested_senders() -> list[str]:
    """Mailboxes that are allowed, the site's own first."""
    allowed = get_settings().from_addresses
    own = django_settings.DEFAULT_FROM_EMAIL
    try:
        address = one_mailbox("from", own).address
    except InvalidMail:
        address = ""
    first = [own] if address and _allows(allowed, address) else []
    return first + [entry for entry in allowed if not entry.startswith("@") and _known(entry) != address]


def _allows(allowed: tuple[str, ...], address: str) -> bool:
    domain = address.rpartition("@")[2]
    return any(_known(entry) in (address, f"@{domain}") for entry in allowed)


def _known(entry: str) -> str:
    """An entry of the setting as addresses are compared: an international domain in its own letters."""
    try:
        return canonical(f"x{entry}")[1:] if entry.startswith("@") else canonical(entry)
    except InvalidAddress:
        return entry


def _in_words(entry: str) -> str:
    return _("all of %(domain)s") % {"domain": entry[1:]} if entry.startswith("@") else entry
