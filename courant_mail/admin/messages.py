"""The messages in the admin: who got what, who did not, and why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..choices import MessageStatus
from ..models import Message, MessageJob
from ..queue.letters import message_id_of
from . import fates, moments
from .base import CappedPaginator
from .message_acts import MessageActs
from .message_list import JOBS, WINDOW, Asked, CauseFilter, FateFilter, MessageChangeList, search
from .people import number

#: of all messages, whatever job they belong to, and of those that were searched for, so many are listed at most
MOST_OF_ALL = 1000
_LARGE = ("text", "html", "recipients", "headers", "source_params", "cursor")


@admin.register(Message)
class MessageAdmin(MessageActs):
    """Messages, read-only: the list of all, the list of a job, and the story of each."""

    list_display = ["recipient", "fate", "mail", "tries", "when", "said"]
    list_display_links = ["recipient"]
    list_filter = [FateFilter, CauseFilter]
    list_per_page = 50
    sortable_by = ()
    search_fields = ["recipient__startswith"]
    search_help_text = gettext_lazy("The beginning of an address")
    change_list_template = "courant_mail/admin/message/list.html"
    change_form_template = "courant_mail/admin/message/page.html"
    fieldsets = [
        (None, {"fields": ["address", "mail", "fate", "happened"]}),
        (gettext_lazy("Each try"), {"fields": ["each_try"]}),
        (gettext_lazy("What was filled in"), {"fields": ["values"]}),
        (gettext_lazy("For those who look for it in a server’s log"), {"fields": ["message_id", "sent_through"]}),
    ]
    readonly_fields = ["address", "mail", "fate", "happened", "each_try", "values", "message_id", "sent_through"]

    # --- the list -----------------------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        """Without the large columns: a list of a hundred messages must not read a hundred mails."""
        return super().get_queryset(request).defer("content__body", *(f"job__{name}" for name in _LARGE))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return MessageChangeList

    def get_ordering(self, request: HttpRequest) -> Any:
        return Asked.of(request).ordering

    def get_list_display(self, request: HttpRequest) -> Any:
        """A list of one job does not repeat its subject."""
        columns = list(self.list_display)
        if Asked.of(request).job_id is not None:
            columns.remove("mail")
        return columns

    def get_list_select_related(self, request: HttpRequest) -> Any:
        return [] if Asked.of(request).job_id is not None else ["job", "content"]

    def get_paginator(
        self, request: HttpRequest, queryset: Any, per_page: int, orphans: int = 0, allow_empty_first_page: bool = True
    ) -> CappedPaginator:
        """Counts no further than people turn the pages of this list."""
        paginator = CappedPaginator(queryset, per_page, orphans, allow_empty_first_page)
        paginator.limit = _limit(request)
        return paginator

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        return (search(Asked.of(request), queryset, search_term), False) if search_term.strip() else (queryset, False)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        asked = Asked.of(request)
        job = MessageJob.objects.without_words().filter(pk=asked.job_id).first() if asked.job_id is not None else None
        context: dict[str, Any] = {
            "job": job,
            "may_see_job": request.user.has_perm("courant_mail.view_messagejob"),
            "job_url": self._job_url(job) if job else "",
            "limit": number(_limit(request)),
            "within": number(WINDOW) if asked.is_within_window else "",
            "searched_jobs": number(JOBS) if asked.job_id is None and request.GET.get("q", "").strip() else "",
        }
        if job is not None:
            context["title"] = _("Who got “%(mail)s”") % {"mail": job}
        return super().changelist_view(request, {**context, **(extra_context or {})})

    @admin.display(description=gettext_lazy("what became of it"))
    def fate(self, message: Message) -> SafeString:
        """The fate, and why not."""
        told = format_html('<span class="courant-fate-{}">{}</span>', message.status, fates.fate(message.status))
        reason = fates.why(message.cause)
        return format_html('{}<span class="courant-sub">{}</span>', told, reason) if reason else told

    @admin.display(description=gettext_lazy("mail"))
    def mail(self, message: Message) -> str:
        """The subject, as a template for the mails of a job; with a way to the job."""
        if message.job is None:
            return message.content.subject if message.content else ""
        return format_html('<a href="{}">{}</a>', self._job_url(message.job), message.job.subject or _("(no subject)"))

    @admin.display(description=gettext_lazy("tries"))
    def tries(self, message: Message) -> int:
        """How often it was tried."""
        return message.attempts

    @admin.display(description=gettext_lazy("when"))
    def when(self, message: Message) -> SafeString:
        """When it was sent, or when it is tried again."""
        if message.status == MessageStatus.DEFERRED and message.not_before:
            return format_html(_("again on {}"), moments.html(message.not_before))
        return moments.html(message.sent_at)

    @admin.display(description=gettext_lazy("what the server said"))
    def said(self, message: Message) -> SafeString:
        """The last reply, shortened."""
        return fates.shortened(message.reply)

    def _job_url(self, job: MessageJob) -> str:
        return reverse("admin:courant_mail_messagejob_change", args=[job.pk], current_app=self.admin_site.name)

    # --- the page of a message ----------------------------------------------------------------------------------------

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Its heading is the address; what became of the mail stands below."""
        message: Message | None = self.get_object(request, unquote(object_id))
        heading = {"subtitle": message.address} if message else {}
        return super().change_view(request, object_id, form_url, {**heading, **(extra_context or {})})

    @admin.display(description=gettext_lazy("recipient"))
    def address(self, message: Message) -> str:
        """As its owner spells it."""
        return message.address

    @admin.display(description=gettext_lazy("what happened"))
    def happened(self, message: Message) -> SafeString:
        """The story in sentences."""
        attempts = list(message.tries.order_by("pk"))
        lines = ((_sentence(sentence),) for sentence in fates.story(message, attempts))
        return format_html('<ol class="courant-story">{}</ol>', format_html_join("", "<li>{}</li>", lines))

    @admin.display(description=gettext_lazy("tries that did not end well"))
    def each_try(self, message: Message) -> SafeString:
        """The attempts as a table, with the server's own words beneath each."""
        attempts = list(message.tries.order_by("pk"))
        if not attempts:
            return format_html("{}", _("none"))
        heads = [_("When"), _("How it ended"), _("Through"), _("From the machine"), _("Took")]
        rows = (
            (
                moments.html(attempt.at),
                fates.tried(attempt.outcome),
                fates.server_words(attempt),
                attempt.relay,
                attempt.host,
                _("%(seconds)s s") % {"seconds": number_format(attempt.seconds, 1)},
            )
            for attempt in attempts
        )
        row = '<tr><td>{}</td><td>{}<q class="courant-reply">{}</q></td><td>{}</td><td>{}</td><td>{}</td></tr>'
        return _table(heads, format_html_join("", row, rows))

    @admin.display(description=gettext_lazy("values"))
    def values(self, message: Message) -> SafeString:
        """The merge values of this recipient."""
        if not message.merge:
            return format_html("{}", _("none but the address"))
        rows = ((name, "" if value is None else str(value)) for name, value in message.merge.items())
        row = '<tr><th scope="row">{}</th><td>{}</td></tr>'
        return _table([_("Name"), _("Value")], format_html_join("", row, rows))

    @admin.display(description=gettext_lazy("Message-ID"))
    def message_id(self, message: Message) -> str:
        """The Message-ID of the mail."""
        return message_id_of(message)

    @admin.display(description=gettext_lazy("sent through"))
    def sent_through(self, message: Message) -> str:
        """The relay."""
        return message.relay or "-"


def _limit(request: HttpRequest) -> int:
    """The list of a job is gone through; that of everything is for a look at the newest, and a search for finding."""
    searched = bool(request.GET.get("q", "").strip())
    return CappedPaginator.limit if Asked.of(request).job_id is not None and not searched else MOST_OF_ALL


def _sentence(sentence: fates.Sentence) -> SafeString:
    """Its time, what happened, and what the server said."""
    parts = []
    if sentence.at is not None:
        parts.append(format_html("{}: ", moments.html(sentence.at)))
    parts.append(format_html("{}", sentence.text))
    if sentence.reply:
        parts.append(format_html(' <q class="courant-reply">{}</q>', sentence.reply))
    return format_html_join("", "{}", ((part,) for part in parts))


def _table(heads: Iterable[str], rows: SafeString) -> SafeString:
    """A table in a box of its own, in which it can be moved sideways."""
    head = format_html_join("", '<th scope="col">{}</th>', ((text,) for text in heads))
    return format_html(
        '<div class="courant-scroll"><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>', head, rows
    )
