"""The page between pressing a button and what it does: it names the people, and changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib.admin import helpers
from django.http import HttpRequest
from django.template.response import TemplateResponse

from .acts import Act, Effect
from .when import WhenForm

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

TEMPLATE = "courant_mail/admin/job/confirm.html"
#: what the button of the page posts
CONFIRMED = "confirmed"


def confirmation_page(
    request: HttpRequest,
    model_admin: ModelAdmin[Any],
    act: Act,
    effect: Effect,
    *,
    subjects: Sequence[str],
    back: str,
    form: WhenForm | None = None,
    action: str = "",
    selected: Sequence[Any] = (),
) -> TemplateResponse:
    """
    The page. Its button posts to the address of the page.

    For an action of a list, `action` is its name and `selected` are the keys of the chosen rows.
    """
    context = {
        **model_admin.admin_site.each_context(request),
        "title": str(act.question),
        "opts": model_admin.opts,
        "act": act,
        "effect": effect,
        "subjects": subjects,
        "back": back,
        "form": form,
        "action": action,
        "selected": selected,
        "action_checkbox_name": helpers.ACTION_CHECKBOX_NAME,
        "may_list": model_admin.has_view_or_change_permission(request),
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, TEMPLATE, context)
