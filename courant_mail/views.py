"""The public pages: unsubscribing."""

from __future__ import annotations

import logging

from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from .addresses import redact
from .choices import Scope
from .exceptions import BadToken, InvalidAddress
from .queue.suppress import UNSUBSCRIBED, suppress
from .tokens import read_token

logger = logging.getLogger(__name__)

#: The address of the page is a secret of its owner: not for caches, search engines, or the pages it links to.
_PRIVATE = {
    "Cache-Control": "no-store, private",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
}


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """
    The page behind a mail's unsubscribe link.

    GET shows a button and changes nothing, since programs that scan mail follow links. POST suppresses the address
    for bulk mail, at once and as often as one likes: from the button, or from the mail program itself (RFC 8058),
    which brings neither cookies nor a CSRF token and follows no redirect. A token that this site did not make gets 404.
    """
    try:
        address, message_id = read_token(token)
        if request.method == "POST":
            suppress(address, scope=Scope.BULK, reason=f"unsubscribed from message {message_id}", source=UNSUBSCRIBED)
            logger.info("%s unsubscribed with the link of message %d", redact(address), message_id)
    except (BadToken, InvalidAddress):
        return HttpResponseNotFound(_("This link is not valid."), content_type="text/plain", headers=_PRIVATE)
    context = {"address": address, "done": request.method == "POST"}
    response = render(request, "courant_mail/unsubscribe.html", context)
    for name, value in _PRIVATE.items():
        response[name] = value
    return response
