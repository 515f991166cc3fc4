"""The page between choosing to send a mass mail and sending it: who would get it, and what it looks like."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.admin import helpers
from django.db import models
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..compose.preview import Preview

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

TEMPLATE = "courant_mail/admin/confirm_sending.html"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A mail that would be sent. `recipients` is about how many would get it; None where nobody knows yet."""

    object: models.Model
    preview: Preview
    preview_url: str
    recipients: int | None

    @property
    def audience(self) -> str:
        """Who gets it, in words."""
        if self.recipients is None:
            return _("an unknown number of people")
        return ngettext("about %(count)d person", "about %(count)d people", self.recipients) % {
            "count": self.recipients
        }


def confirmation_page(
    request: HttpRequest, model_admin: ModelAdmin[Any], candidates: Sequence[Candidate], *, title: str, action: str
) -> TemplateResponse:
    """The page. Its button posts the action again, with a key that is good for one time."""
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "opts": model_admin.opts,
        "candidates": candidates,
        "key": uuid.uuid4().hex,
        "action": action,
        "action_checkbox_name": helpers.ACTION_CHECKBOX_NAME,
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, TEMPLATE, context)


def confirmed_key(request: HttpRequest) -> str | None:
    """The one-time key, where the button of the page was pressed; None where the page is still to be shown."""
    try:
        return uuid.UUID(request.POST.get("key", "")).hex
    except ValueError:
        return None
