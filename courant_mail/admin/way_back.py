"""Where a page of the desk leads when its work is done."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

#: the parameter that holds an address of this site
BACK = "back"


def way_back(request: HttpRequest, otherwise: str) -> str:
    """The address that the request names in `back`, where it is one of this site."""
    named = request.POST.get(BACK) or request.GET.get(BACK) or ""
    if named and url_has_allowed_host_and_scheme(named, {request.get_host()}, require_https=request.is_secure()):
        return named
    return otherwise
