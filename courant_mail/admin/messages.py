"""The messages in the admin: who got what, who did not, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from ..models import Attempt, Message
from ..queue import resolve
from .base import ReadOnlyAdmin

if TYPE_CHECKING:
    _TabularInline = admin.TabularInline[Attempt, Message]
else:
    _TabularInline = admin.TabularInline


class AttemptInline(_TabularInline):
    """The tries of a message that did not end in "sent"."""

    model = Attempt
    extra = 0
    fields = readonly_fields = ("at", "outcome", "code", "enhanced", "reply", "relay", "host", "seconds")
    ordering = ["pk"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may see the message may see how it fared."""
        return request.user.has_perm("courant_mail.view_message")


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    """Messages, read-only."""

    list_display = ["recipient", "mail", "status", "priority", "attempts", "sent_at", "reply"]
    list_display_links = ["recipient"]
    list_filter = ["status", "priority"]
    list_select_related = ["job", "content"]
    search_fields = ["recipient__startswith"]
    search_help_text = _("The beginning of an address")
    fields = [
        "recipient",
        "spelled",
        "mail",
        "job",
        "message_id",
        "merge",
        "status",
        "priority",
        "attempts",
        "not_before",
        "sent_at",
        "relay",
        "reply",
    ]
    readonly_fields = ["mail", "message_id"]
    inlines = [AttemptInline]
    actions = ["send_again", "count_as_sent"]

    def has_send_permission(self, request: HttpRequest) -> bool:
        """May decide about messages that ended badly or in doubt."""
        return request.user.has_perm("courant_mail.send_messagejob")

    @admin.action(description=_("Send again what failed or is in doubt"), permissions=["send"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Message]) -> None:
        """Queue the chosen messages once more, where their state allows it."""
        count = resolve.send_again(queryset.values_list("pk", flat=True))
        self.message_user(request, _("%(count)d messages are queued again.") % {"count": count})

    @admin.action(description=_("Count as sent what is in doubt"), permissions=["send"])
    def count_as_sent(self, request: HttpRequest, queryset: QuerySet[Message]) -> None:
        """Take the chosen messages in doubt as sent."""
        count = resolve.count_as_sent(queryset.values_list("pk", flat=True))
        self.message_user(request, _("%(count)d messages are counted as sent.") % {"count": count})

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        """Without the large columns: a list of a hundred messages must not read a hundred mails."""
        large = ["text", "html", "recipients", "headers", "source_params", "cursor"]
        return super().get_queryset(request).defer("content__body", *(f"job__{name}" for name in large))

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        # Addresses are stored in lower case.
        return super().get_search_results(request, queryset, search_term.lower())

    @admin.display(description=_("subject"))
    def mail(self, message: Message) -> str:
        """The subject, as a template for the mails of a job."""
        words = message.job or message.content
        return words.subject if words else ""

    @admin.display(description=_("Message-ID"))
    def message_id(self, message: Message) -> str:
        """The Message-ID of a single mail; those of a job's mails are made of the job and the message."""
        return message.content.message_id if message.content else ""
