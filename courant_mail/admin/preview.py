"""A mail as one recipient would get it, taken from the very bytes that would be sent."""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from ..addresses import parse_recipient
from ..compose.letter import To, Words, compile_letter
from ..compose.preview import Preview, preview
from ..conf import get_settings
from ..exceptions import InvalidMail
from ..sources import RecipientLike

#: The mail is shown as it is, so it must be able to do nothing: no scripts, no forms, no navigation of the admin.
_CONTENT_SECURITY_POLICY = "sandbox; default-src 'none'; img-src * data:; style-src 'unsafe-inline'"


def preview_for(words: Words, example: RecipientLike) -> Preview:
    """
    Compose the mail for the example recipient and read it back.

    Raises InvalidMail with the reason when the words cannot become a mail.
    """
    settings = get_settings()
    recipient = parse_recipient(example)
    letter = compile_letter(words, max_bytes=settings.max_message_bytes)
    to = To(
        address=recipient.spelled or recipient.address,
        name=recipient.name,
        merge=recipient.merge,
        message_id=f"<preview@{settings.message_id_domain}>",
        unsubscribe_url=_dead_link(settings.site_url) if words.bulk else "",
        date=timezone.now().astimezone(),
    )
    return preview(letter.render(to))


def preview_response(html: str) -> HttpResponse:
    """The HTML of a mail for a sandboxed frame of the admin."""
    return HttpResponse(
        html,
        content_type="text/html; charset=utf-8",
        headers={
            "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
            "X-Frame-Options": "SAMEORIGIN",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store, private",
        },
    )


def _dead_link(site_url: str) -> str:
    """
    Looks like the link of the real mail, and unsubscribes nobody.

    Raises InvalidMail where the real mail could not have one: better here than when it is sent.
    """
    if not site_url:
        raise InvalidMail("Set COURANT_MAIL['SITE_URL']: bulk mail needs a link to unsubscribe.")
    try:
        return site_url + reverse("courant_mail:unsubscribe", args=["preview"])
    except NoReverseMatch:
        raise InvalidMail(
            "Include courant_mail.urls in the site's URLs: bulk mail needs a page to unsubscribe."
        ) from None
