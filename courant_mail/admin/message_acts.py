"""What somebody decides about single messages: send them again, or count them as sent. Asked once more before."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ..choices import JobStatus, MessageStatus
from ..models import Message, MessageJob
from ..queue import resolve
from .base import ReadOnlyAdmin
from .confirm import CONFIRMED
from .desk import SEND_PERMISSION
from .people import number, people

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise
else:
    StrPromise = str

#: messages that one decision is about at most; the page of a job has buttons for more
MOST_MESSAGES = 500
TEMPLATE = "courant_mail/admin/message/decide.html"


@dataclass(frozen=True, slots=True)
class Decision:
    """An action of the list: to which states it applies, and what it says before and after."""

    name: str
    statuses: tuple[MessageStatus, ...]
    decide: Callable[[Iterable[int]], int]
    question: StrPromise
    meaning: StrPromise
    done: StrPromise

    def applies_to(self, keys: list[int]) -> QuerySet[Message]:
        """Those of the chosen for which it can be done."""
        found = Message.objects.filter(pk__in=keys, status__in=self.statuses)
        return found.exclude(job__status=JobStatus.CANCELLED)


SEND_AGAIN = Decision(
    "send_again",
    (MessageStatus.FAILED, MessageStatus.IN_DOUBT),
    resolve.send_again,
    gettext_lazy("Send again?"),
    gettext_lazy("The mail is sent again to %(people)s. Whoever has perhaps got it may get it twice."),
    gettext_lazy("Queued again for %(people)s."),
)
COUNT_AS_SENT = Decision(
    "count_as_sent",
    (MessageStatus.IN_DOUBT,),
    resolve.count_as_sent,
    gettext_lazy("Count as sent?"),
    gettext_lazy("Nothing is sent. From now on %(people)s count among those who got the mail."),
    gettext_lazy("Counted as sent to %(people)s."),
)


class MessageActs(ReadOnlyAdmin):
    """The actions of the list of messages."""

    actions = ["send_again", "count_as_sent"]

    def has_send_permission(self, request: HttpRequest) -> bool:
        """May decide about messages that ended badly or in doubt."""
        return request.user.has_perm(SEND_PERMISSION)

    @admin.action(description=gettext_lazy("Send again what was not delivered or is in doubt"), permissions=["send"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Message]) -> HttpResponseBase | None:
        """Queue the chosen messages once more, where their state allows it."""
        return self._ask_or_do(request, queryset, SEND_AGAIN)

    @admin.action(description=gettext_lazy("Count as sent what is in doubt"), permissions=["send"])
    def count_as_sent(self, request: HttpRequest, queryset: QuerySet[Message]) -> HttpResponseBase | None:
        """Take the chosen messages in doubt as sent."""
        return self._ask_or_do(request, queryset, COUNT_AS_SENT)

    def _ask_or_do(
        self, request: HttpRequest, chosen: QuerySet[Message], decision: Decision
    ) -> HttpResponseBase | None:
        keys = list(chosen.values_list("pk", flat=True)[: MOST_MESSAGES + 1])
        if len(keys) > MOST_MESSAGES:
            text = _("Choose at most %(limit)s at a time. The page of a mail has buttons for all of a kind.")
            self.message_user(request, text % {"limit": number(MOST_MESSAGES)}, messages.ERROR)
            return None
        if CONFIRMED not in request.POST:
            return self._question(request, decision, keys)
        affected = _by_job(decision.applies_to(keys))
        count = decision.decide(keys)
        self._note(request, affected, decision)
        level = messages.SUCCESS if count else messages.WARNING
        self.message_user(request, decision.done % {"people": people(count)}, level)
        return None

    def _question(self, request: HttpRequest, decision: Decision, keys: list[int]) -> HttpResponseBase:
        """The page that names the number of people and has the button. It changes nothing."""
        count = decision.applies_to(keys).count()
        context = {
            **self.admin_site.each_context(request),
            "title": decision.question,
            "opts": self.opts,
            "action": decision.name,
            "action_checkbox_name": helpers.ACTION_CHECKBOX_NAME,
            "confirmed": CONFIRMED,
            "selected": keys,
            "count": count,
            "meaning": decision.meaning % {"people": people(count)},
            "others": _others(len(keys) - count),
            "back": request.get_full_path(),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, TEMPLATE, context)

    def _note(self, request: HttpRequest, affected: dict[int | None, list[int]], decision: Decision) -> None:
        """In the history of each job, and of each mail that belongs to none."""
        for job in MessageJob.objects.without_words().filter(pk__in=[pk for pk in affected if pk is not None]):
            self.log_change(request, job, decision.done % {"people": people(len(affected[job.pk]))})
        if singles := Message.objects.filter(pk__in=affected.get(None, [])):
            user: Any = request.user
            LogEntry.objects.log_actions(user.pk, singles, CHANGE, change_message=decision.done % {"people": people(1)})


def _by_job(found: QuerySet[Message]) -> dict[int | None, list[int]]:
    by_job: dict[int | None, list[int]] = {}
    for job_id, pk in found.order_by("pk").values_list("job", "pk"):
        by_job.setdefault(job_id, []).append(pk)
    return by_job


def _others(count: int) -> str:
    if not count:
        return ""
    text = ngettext(
        "%(count)s other that you have chosen is in another state and stays as it is.",
        "%(count)s others that you have chosen are in another state and stay as they are.",
        count,
    )
    return text % {"count": number(count)}
