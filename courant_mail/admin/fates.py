"""What became of a mail to somebody, in the words of editors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..causes import Cause
from ..choices import MessageStatus, Outcome
from ..models import Attempt, Message
from . import moments

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise
else:
    StrPromise = str

FATES: dict[int, StrPromise] = {
    MessageStatus.QUEUED: gettext_lazy("waits for its turn"),
    MessageStatus.SENDING: gettext_lazy("is being sent right now"),
    MessageStatus.DEFERRED: gettext_lazy("will be tried again"),
    MessageStatus.SENT: gettext_lazy("sent"),
    MessageStatus.FAILED: gettext_lazy("not delivered"),
    MessageStatus.SUPPRESSED: gettext_lazy("not sent"),
    MessageStatus.CANCELLED: gettext_lazy("not sent, cancelled"),
    MessageStatus.IN_DOUBT: gettext_lazy("perhaps delivered"),
}

_TRIES: dict[str, StrPromise] = {
    Outcome.SENT: gettext_lazy("taken by the receiving server"),
    Outcome.REFUSED_FOR_NOW: gettext_lazy("put off by the receiving server"),
    Outcome.REFUSED: gettext_lazy("refused for good by the receiving server"),
    Outcome.THROTTLED: gettext_lazy("the mail server asked us to go slower"),
    Outcome.RELAY_TROUBLE: gettext_lazy("the mail server could not be reached"),
    Outcome.MISCONFIGURED: gettext_lazy("the mail server did not let us in"),
    Outcome.SENDER_REFUSED: gettext_lazy("the address of the sender was refused"),
    Outcome.IN_DOUBT: gettext_lazy("sent, but the connection broke before the server confirmed it"),
    Outcome.OUR_FAULT: gettext_lazy("the mail could not be made with this person’s values"),
}


@dataclass(frozen=True, slots=True)
class Sentence:
    """One thing that happened to a mail, or that will; `reply` is what the server said itself."""

    text: str
    at: datetime | None = None
    reply: str = ""


def fate(status: int) -> str:
    """What became of it, without the reason."""
    return str(FATES[status])


def why(cause: int | None) -> str:
    """The reason, where there is one."""
    return str(Cause(cause).label) if cause else ""


def tried(outcome: str) -> str:
    """How one try ended."""
    return str(_TRIES.get(outcome, outcome))


def server_words(attempt: Attempt) -> str:
    """What the server answered to a try, its code in front."""
    return f"{attempt.code} {attempt.reply}" if attempt.code else attempt.reply


def story(message: Message, attempts: list[Attempt]) -> Iterator[Sentence]:
    """What happened to a mail, oldest first, and how it stands."""
    for attempt in attempts:
        yield Sentence(tried(attempt.outcome), attempt.at, server_words(attempt))
    last = server_words(attempts[-1]) if attempts else ""
    reply = "" if message.reply == last else message.reply
    yield Sentence(_ending(message, bool(attempts)), message.sent_at, reply)


def _ending(message: Message, was_tried: bool) -> str:
    match message.status:
        case MessageStatus.SENT if message.sent_at:
            return _("Taken by the receiving server.")
        case MessageStatus.SENT:
            return _("Somebody has decided to count it as sent.")
        case MessageStatus.DEFERRED if message.not_before:
            return _("It will be tried again on %(when)s.") % {"when": moments.in_words(message.not_before)}
        case MessageStatus.FAILED if was_tried:
            return _("It is not tried again: %(why)s.") % {"why": why(message.cause)}
        case MessageStatus.FAILED:
            return _("It was never sent: %(why)s.") % {"why": why(message.cause)}
        case MessageStatus.SUPPRESSED | MessageStatus.CANCELLED:
            return _("It was not sent: %(why)s.") % {"why": why(message.cause)}
        case MessageStatus.IN_DOUBT:
            return _("Nobody knows whether it has arrived. It is held until somebody decides to send it again or not.")
    return _("It %(fate)s.") % {"fate": fate(message.status)}


def shortened(text: str, length: int = 120) -> SafeString:
    """A reply for a cell of a list, in full when it is pointed at."""
    line = " ".join(text.split())
    if len(line) <= length:
        return format_html("{}", line)
    return format_html('<span title="{}">{}…</span>', line, line[: length - 1])
