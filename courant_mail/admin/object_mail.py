"""
The mixin that lets an editor mail the objects of a ModelAdmin.

::

    class IssueMail(ObjectMail):
        subject = "The Courant: {{ object.title }}"
        text_template = "news/mail/issue.txt"
        html_template = "news/mail/issue.html"
        source = "news.subscribers"
        merge_defaults = {"first_name": "reader"}

    @admin.register(Issue)
    class IssueAdmin(ObjectMailAdminMixin, admin.ModelAdmin):
        object_mail = IssueMail
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db import models, transaction
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import NoReverseMatch
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..addresses import redact_all
from ..exceptions import CourantMailError
from ..models import MessageJob
from ..queue.database import alias
from ..queue.drafts import draft_key, drafts_with
from .desk import SEND_PERMISSION
from .object_words import ObjectMail
from .send_page import MOST, send_url

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = object

__all__ = ["ObjectMail", "ObjectMailAdminMixin"]

logger = logging.getLogger(__name__)

ACTION = "send_object_mail"

_NO_PAGES = gettext_lazy(
    "This admin site has no pages for mail: register MessageJob with courant_mail.admin.MessageJobAdmin."
)


class _CannotBeMadeError(Exception):
    """The mail about `obj` cannot be made."""

    def __init__(self, obj: models.Model, reason: CourantMailError) -> None:
        super().__init__(str(reason))
        self.obj = obj
        self.reason = reason


class ObjectMailAdminMixin(_ModelAdmin):
    """
    Adds the action "Send email update" to a ModelAdmin, for users with the permission `courant_mail.send_messagejob`.

    Set `object_mail`. The action writes a draft for each object and leads to the page that shows the drafts; only the
    button there sends them, each once even if it is pressed twice. Run again, the action writes the same drafts anew
    until they are sent. The admin site needs the pages of jobs: the system check E008 says where it has none.
    """

    object_mail: type[ObjectMail]
    #: more objects than this in one go are taken for a slip of the hand
    object_mail_limit = 20

    def __init__(self, model: type[models.Model], admin_site: admin.AdminSite) -> None:
        super().__init__(model, admin_site)
        # Beside the actions that the class names; where it says None, it wants none at all.
        if self.actions is not None and ACTION not in self.actions:
            self.actions = [*self.actions, ACTION]

    def has_send_mail_permission(self, request: HttpRequest) -> bool:
        """Whether the user gets the action. The page that it leads to asks for the permission by itself."""
        return request.user.has_perm(SEND_PERMISSION)

    @admin.action(description=gettext_lazy("Send email update"), permissions=["send_mail"])
    def send_object_mail(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> HttpResponseBase | None:
        """The action: writes the drafts, and leads to the page before sending."""
        limit = min(self.object_mail_limit, MOST)
        objects = list(queryset[: limit + 1])
        if len(objects) > limit:
            text = _("Choose at most %(limit)d at a time; each is a mail of its own.") % {"limit": limit}
            self.message_user(request, text, messages.ERROR)
            return None
        try:
            send_url(self.admin_site, [])
            drafts = self._write(request, objects)
        except NoReverseMatch:
            self.message_user(request, _NO_PAGES, messages.ERROR)
            return None
        except _CannotBeMadeError as error:
            self._complain(request, error)
            return None
        address = send_url(self.admin_site, [draft.pk for draft in drafts], back=request.get_full_path())
        return HttpResponseRedirect(address)

    def _write(self, request: HttpRequest, objects: Sequence[models.Model]) -> list[MessageJob]:
        """The drafts about all of the objects; none where one of them cannot be made."""
        keys = {obj.pk: draft_key(self.opts.label_lower, obj.pk, request.user.pk) for obj in objects}
        earlier = drafts_with(keys.values())
        found = []
        with transaction.atomic(using=alias()):
            for obj in objects:
                mail = self.object_mail(obj)
                try:
                    draft = mail.draft(created_by=request.user.get_username(), key=keys[obj.pk])
                except CourantMailError as error:
                    raise _CannotBeMadeError(obj, error) from error
                found.append(draft)
        for obj, draft in zip(objects, found, strict=True):
            if draft.key not in earlier:
                self.log_addition(request, draft, _("Written about “%(object)s”.") % {"object": obj})
                self.log_change(request, obj, _("Wrote mail %(number)d about it.") % {"number": draft.pk})
        return found

    def _complain(self, request: HttpRequest, error: _CannotBeMadeError) -> None:
        told = redact_all(str(error.reason))
        logger.warning("The mail about %s %s cannot be made: %s", self.opts.label_lower, error.obj.pk, told)
        text = _("The mail about “%(object)s” cannot be made: %(reason)s")
        self.message_user(request, text % {"object": error.obj, "reason": error.reason}, messages.ERROR)
