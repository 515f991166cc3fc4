"""A mail as one recipient would get it, taken from the very bytes that would be sent."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils import timezone

from ..addresses import parse_recipient
from ..compose.letter import To, Words, compile_letter
from ..compose.preview import Preview, preview
from ..conf import get_settings
from ..links import unsubscribe_pattern
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
        # Looks like the link of the real mail, and unsubscribes nobody.
        unsubscribe_url=unsubscribe_pattern(settings).format("preview") if words.bulk else "",
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
