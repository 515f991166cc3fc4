"""A test of a job's mail, to oneself or to some named addresses, with the values of one of its recipients."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..addresses import iter_recipients, parse_recipient
from ..choices import Priority
from ..conf import get_settings
from ..engine.specimen import trials
from ..exceptions import CourantMailError, InvalidAddress
from ..models import MessageJob
from ..queue.database import alias
from ..queue.enqueue import enqueue_content
from .job_preview import JobPreview, chosen_person, local_now
from .way_back import way_back

#: more than this is no test any more
MOST = 10


@dataclass(frozen=True, slots=True)
class Panel:
    """What the template of the test shows: the user's own address, and whether others may be named."""

    own_address: str
    may_name_others: bool
    most: int = MOST


class Refused(Exception):
    """No test is sent; the text says why."""


class JobTestSend(JobPreview):
    """The form that sends a test, through the queue as everything else."""

    def get_urls(self) -> list[Any]:
        return [self.desk_path("test/", self.send_test, "test"), *super().get_urls()]

    def looking_context(self, request: HttpRequest, job: MessageJob) -> dict[str, Any]:
        panel = None
        if self.has_stop_permission(request, job):
            panel = Panel(_own_address(request), self.has_send_permission(request))
        return {**super().looking_context(request, job), "test": panel}

    def send_test(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Queue the test: to oneself for whoever may write or send, to others for whoever may send."""
        job = self.job_or_404(request, object_id)
        others = request.POST.get("to") == "others"
        if not (self.has_send_permission(request) if others else self.has_stop_permission(request, job)):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            readers = _named(request.POST.get("addresses", "")) if others else [_own(request)]
            self._queue_test(request, job, readers)
        except (Refused, CourantMailError) as error:
            text = _("No test was sent: %(reason)s") % {"reason": error}
            self.message_user(request, text, messages.ERROR)
        return HttpResponseRedirect(f"{way_back(request, self.desk_url('change', job.pk))}#test-{job.pk}")

    def _queue_test(self, request: HttpRequest, job: MessageJob, readers: list[str]) -> None:
        chosen = chosen_person(request, job)
        mails = trials(job, chosen.person, readers, settings=get_settings(), now=local_now())
        with transaction.atomic(using=alias()):
            queued = [
                enqueue_content(
                    data=mail.data,
                    mail_from=mail.mail_from,
                    recipients=[mail.recipient],
                    subject=mail.subject,
                    message_id=mail.message_id,
                    priority=Priority.HIGH,
                    relay=job.relay,
                )
                for mail in mails
            ]
        told = {"addresses": ", ".join(readers), "person": chosen.person.address}
        self.log_change(request, job, _("Sent a test to %(addresses)s, with the values of %(person)s.") % told)
        if chosen.remark and chosen.typed:
            self.message_user(request, chosen.remark, messages.WARNING)
        for reader, [message_id] in zip(readers, queued, strict=True):
            self.message_user(request, self._told(request, reader, message_id), messages.SUCCESS)

    def _told(self, request: HttpRequest, reader: str, message_id: int) -> str:
        """What the user reads afterwards, with a link to the message where the user may follow it."""
        text = format_html(_("A test is on its way to {}."), reader)
        if not request.user.has_perm("courant_mail.view_message"):
            return text
        try:
            url = reverse("admin:courant_mail_message_change", args=[message_id], current_app=self.admin_site.name)
        except NoReverseMatch:
            return text
        return format_html('{} <a href="{}">{}</a>', text, url, _("See what becomes of it"))


def _own_address(request: HttpRequest) -> str:
    user: Any = request.user
    return str(getattr(user, user.get_email_field_name(), "") or "")


def _own(request: HttpRequest) -> str:
    address = _own_address(request)
    if not address:
        raise Refused(_("your account has no e-mail address."))
    return _addresses([address])[0]


def _named(text: str) -> list[str]:
    readers = _addresses(entry for entry, _behind in iter_recipients(text))
    if not readers:
        raise Refused(_("name at least one address."))
    if len(readers) > MOST:
        limit = ngettext(
            "a test goes to %(count)d address at most.", "a test goes to %(count)d addresses at most.", MOST
        )
        raise Refused(limit % {"count": MOST})
    return readers


def _addresses(entries: Iterable[Any]) -> list[str]:
    """The addresses as spelled, each once. Raises Refused for what is no address."""
    found: dict[str, str] = {}
    for entry in entries:
        try:
            recipient = parse_recipient(entry)
        except InvalidAddress:
            raise Refused(_("“%(text)s” is not an address.") % {"text": entry}) from None
        found.setdefault(recipient.address, recipient.spelled or recipient.address)
    return list(found.values())
