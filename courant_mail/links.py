"""The public links of a mail."""

from __future__ import annotations

from django.urls import NoReverseMatch, reverse

from .conf import Settings
from .exceptions import InvalidMail


def unsubscribe_pattern(settings: Settings) -> str:
    """
    The link to unsubscribe, with ``{}`` where the token goes (see `tokens`).

    Raises InvalidMail where the site cannot serve such a link: bulk mail must not leave without one (RFC 8058).
    """
    if not settings.site_url:
        raise InvalidMail("Set COURANT_MAIL['SITE_URL']: bulk mail needs a link to unsubscribe.")
    try:
        path = reverse("courant_mail:unsubscribe", args=["TOKEN"])
    except NoReverseMatch:
        raise InvalidMail(
            "Include courant_mail.urls in the site's URLs: bulk mail needs a page to unsubscribe."
        ) from None
    return (settings.site_url + path).replace("{", "{{").replace("}", "}}").replace("TOKEN", "{}")
