"""A mail as one recipient would get it, taken from the very bytes that would be sent."""

from __future__ import annotations

import re

from django.http import HttpResponse
from django.utils import timezone

from ..addresses import parse_recipient
from ..compose.letter import To, Words, compile_letter
from ..compose.preview import Preview, preview
from ..conf import get_settings
from ..links import unsubscribe_pattern
from ..sources import RecipientLike

#: The mail is shown as it is, so it must be able to do nothing: no scripts, no forms, no navigation of the admin. In
#: its sandbox it belongs to no site, so cookies of no site go with what it loads, and no page of the admin is its own.
_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'self'"
#: What has a place of its own in the mail is always shown. Pictures from the web are not, as in a careful mail
#: program: whoever serves them would learn who looks at the mail, and when; and since it is the mail of one recipient,
#: a picture that counts readers would count this one.
_OWN_PICTURES = "data:"
#: Asked for, they are loaded where they are encrypted, so nothing of a router or a printer in the editor's own
#: network, and from the site's own address.
_ALL_PICTURES = "data: https:"

_HEADERS = {
    "X-Frame-Options": "SAMEORIGIN",
    "X-Content-Type-Options": "nosniff",
    "X-DNS-Prefetch-Control": "off",
    "Referrer-Policy": "no-referrer",
    # Whatever the site's own policy for its cookies: none go with the pictures.
    "Cross-Origin-Embedder-Policy": "credentialless",
    "Cache-Control": "no-store, private",
}


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


def preview_response(html: str, *, pictures: bool = False) -> HttpResponse:
    """The HTML of a mail for a sandboxed frame of the admin, with or without the pictures that the web has of it."""
    sources = f"{_ALL_PICTURES} {_site()}".strip() if pictures else _OWN_PICTURES
    policy = f"{_POLICY}; img-src {sources}"
    return HttpResponse(
        html, content_type="text/html; charset=utf-8", headers={**_HEADERS, "Content-Security-Policy": policy}
    )


def file_response(data: bytes, filename: str) -> HttpResponse:
    """The mail as a file to keep, byte for byte."""
    headers = {
        **_HEADERS,
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Content-Disposition": f'attachment; filename="{filename}"',
    }
    return HttpResponse(data, content_type="message/rfc822", headers=headers)


def problem_response(problem: str) -> HttpResponse:
    """Why there is no mail to show; escaped by being no HTML."""
    return HttpResponse(problem, content_type="text/plain; charset=utf-8", headers=_HEADERS, status=422)


def _site() -> str:
    """The site's own address as a source of pictures; nothing where it could mean more than that in a policy."""
    found = re.match(r"https?://[A-Za-z0-9.-]+(?::\d+)?(?=/|\Z)", get_settings().site_url)
    return found[0] if found else ""
