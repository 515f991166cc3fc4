"""Pages that show what has arrived. They answer only while DEBUG is on: other people's mail is nobody's business."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps

from django.conf import settings
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.clickjacking import xframe_options_sameorigin

from .letters import StoredLetter, all_letters, find_letter

PER_PAGE = 50


def debug_only(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Lets the page be "not found" unless DEBUG is on."""

    @wraps(view)
    def guarded(request: HttpRequest, **arguments: int) -> HttpResponse:
        if not settings.DEBUG:
            raise Http404("The inbox answers only while DEBUG is on.")
        return view(request, **arguments)

    return guarded


@debug_only
def listing(request: HttpRequest) -> HttpResponse:
    """The letters, newest first; `?q=` looks for a part of the recipient's address."""
    wanted = request.GET.get("q", "").strip().lower()
    page = Paginator(all_letters(wanted), PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "inbox/list.html", {"page": page, "wanted": wanted})


@debug_only
def letter(request: HttpRequest, position: int) -> HttpResponse:
    """One letter: its HTML in a sandboxed frame, its text, its headers, its unsubscribe link."""
    return render(request, "inbox/letter.html", {"letter": _get(position)})


@debug_only
@xframe_options_sameorigin
def html(request: HttpRequest, position: int) -> HttpResponse:
    """The HTML part alone, for the frame. It may load images and open links in a new tab, and run nothing."""
    content = re.sub(r"(<head[^>]*>)", r'\1<base target="_blank">', _get(position).html, count=1, flags=re.IGNORECASE)
    response = HttpResponse(content)
    response["Content-Security-Policy"] = "sandbox allow-popups allow-popups-to-escape-sandbox; script-src 'none'"
    return response


@debug_only
def source(request: HttpRequest, position: int) -> HttpResponse:
    """The letter as it came over the wire."""
    return HttpResponse(_get(position).raw, content_type="text/plain; charset=utf-8")


def _get(position: int) -> StoredLetter:
    found = find_letter(position)
    if found is None:
        raise Http404(f"No mail has arrived as number {position}.")
    return found
