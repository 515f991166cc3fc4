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
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotFound
from django.urls import NoReverseMatch, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..addresses import redact_all
from ..exceptions import CourantMailError
from ..models import MessageJob
from .confirm import Candidate, confirmation_page, confirmed_key
from .desk import SEND_PERMISSION
from .object_words import ObjectMail
from .preview import preview_response

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = object

__all__ = ["ObjectMail", "ObjectMailAdminMixin"]

logger = logging.getLogger(__name__)

ACTION = "send_object_mail"


class ObjectMailAdminMixin(_ModelAdmin):
    """
    Adds the action "Send email update" to a ModelAdmin, for users with the permission `courant_mail.send_messagejob`.

    Set `object_mail`. The action shows what would go out to how many; only the button on that page queues it, one
    job per object, and once even if it is pressed twice.
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
        """Whether the user may send mass mail."""
        return request.user.has_perm(SEND_PERMISSION)

    def get_urls(self) -> list[Any]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_mail_preview"
        view = self.admin_site.admin_view(self.mail_preview)
        return [path("<path:object_id>/mail-preview/", view, name=name), *super().get_urls()]

    def mail_preview(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The HTML part of the mail about one object, for the frame of the confirmation page."""
        obj = self.get_object(request, unquote(object_id))
        if not self.has_send_mail_permission(request) or not self.has_view_permission(request, obj):
            raise PermissionDenied
        if obj is None:
            return HttpResponseNotFound()
        try:
            return preview_response(self.object_mail(obj).preview().html)
        except CourantMailError as error:
            return HttpResponse(str(error), content_type="text/plain; charset=utf-8", status=422)

    @admin.action(description=gettext_lazy("Send email update"), permissions=["send_mail"])
    def send_object_mail(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> HttpResponseBase | None:
        """The action: shows the confirmation page, and queues when its button was pressed."""
        objects = list(queryset[: self.object_mail_limit + 1])
        if len(objects) > self.object_mail_limit:
            text = _("Choose at most %(limit)d at a time; each is a mail of its own.")
            self.message_user(request, text % {"limit": self.object_mail_limit}, messages.ERROR)
            return None
        key = confirmed_key(request)
        if key is None:
            return self._confirm_mails(request, objects)
        for obj in objects:
            self._queue_mail(request, obj, key)
        return None

    def _confirm_mails(self, request: HttpRequest, objects: Sequence[models.Model]) -> HttpResponseBase | None:
        candidates = [found for obj in objects if (found := self._candidate(request, obj))]
        if len(candidates) < len(objects):
            return None
        return confirmation_page(request, self, candidates, title=_("Send email update"), action=ACTION)

    def _candidate(self, request: HttpRequest, obj: models.Model) -> Candidate | None:
        mail = self.object_mail(obj)
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_mail_preview"
        try:
            return Candidate(
                object=obj,
                preview=mail.preview(),
                preview_url=reverse(name, args=[obj.pk], current_app=self.admin_site.name),
                recipients=mail.estimate(),
            )
        except CourantMailError as error:
            self._complain(request, obj, error)
            return None

    def _queue_mail(self, request: HttpRequest, obj: models.Model, key: str) -> None:
        key = f"{key}:{self.opts.label_lower}:{obj.pk}"
        again = MessageJob.objects.filter(key=key).exists()
        try:
            job = self.object_mail(obj).queue(created_by=request.user.get_username(), key=key)
        except CourantMailError as error:
            self._complain(request, obj, error)
            return
        if not again:
            self.log_change(request, obj, _("Queued the mail as job %(number)d.") % {"number": job.pk})
        self.message_user(request, self._queued(request, obj, job), messages.SUCCESS)

    def _complain(self, request: HttpRequest, obj: models.Model, error: CourantMailError) -> None:
        told = redact_all(str(error))
        logger.warning("The mail about %s %s cannot be made: %s", self.opts.label_lower, obj.pk, told)
        text = _("The mail about “%(object)s” cannot be made: %(reason)s")
        self.message_user(request, text % {"object": obj, "reason": error}, messages.ERROR)

    def _queued(self, request: HttpRequest, obj: models.Model, job: MessageJob) -> str:
        """What the editor reads afterwards, with a link to the job where the admin shows jobs."""
        text = format_html(_("The mail about “{}” is queued."), obj)
        if not request.user.has_perm("courant_mail.view_messagejob"):
            return text
        try:
            url = reverse("admin:courant_mail_messagejob_change", args=[job.pk], current_app=self.admin_site.name)
        except NoReverseMatch:
            return text
        return format_html('{} <a href="{}">{}</a>', text, url, _("See how far it is"))
