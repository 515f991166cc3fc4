"""Why somebody did not get a mail, in words for people who have never seen an SMTP reply."""

from __future__ import annotations

import re

from django.db import models
from django.utils.translation import gettext_lazy as _

from .choices import MessageStatus, Outcome


class Cause(models.IntegerChoices):
    """
    Why a message was not delivered, or not yet.

    A message has a cause exactly while its status is deferred, failed, suppressed, cancelled or in doubt.
    """

    NO_ADDRESS = 1, _("not a valid address")
    UNKNOWN_ADDRESS = 2, _("the address does not exist")
    UNKNOWN_DOMAIN = 3, _("the domain does not exist or takes no mail")
    MAILBOX_FULL = 4, _("the mailbox is full")
    TOO_LARGE = 5, _("the mail is too large for the mailbox")
    BLOCKED = 6, _("blocked as unwanted by the receiving server")
    REFUSED = 7, _("refused by the receiving server")
    PUT_OFF = 8, _("put off by the receiving server")
    GAVE_UP = 9, _("put off for too long, given up")
    SENDER_REFUSED = 10, _("the sender’s address was refused")
    NOT_RENDERED = 11, _("the mail could not be made with this person’s values")
    IN_DOUBT = 12, _("sent, but the server never confirmed it")
    UNSUBSCRIBED = 13, _("has unsubscribed")
    SUPPRESSED = 14, _("on the list of addresses that get no mail")
    CANCELLED = 15, _("the sending was cancelled before")
    OTHER = 16, _("another reason")


#: message status → what its cause is where nothing more is known
BY_STATUS: dict[MessageStatus, Cause] = {
    MessageStatus.DEFERRED: Cause.PUT_OFF,
    MessageStatus.FAILED: Cause.OTHER,
    MessageStatus.SUPPRESSED: Cause.SUPPRESSED,
    MessageStatus.CANCELLED: Cause.CANCELLED,
    MessageStatus.IN_DOUBT: Cause.IN_DOUBT,
}

# RFC 3463: the class (4 or 5) says whether trying again helps, the rest says what is wrong.
_BY_DETAIL = {
    "1.2": Cause.UNKNOWN_DOMAIN,
    "1.10": Cause.UNKNOWN_DOMAIN,  # RFC 7505: a null MX; Microsoft means an unknown address by it, see below
    "2.1": Cause.UNKNOWN_ADDRESS,  # disabled, not accepting messages
    "2.2": Cause.MAILBOX_FULL,
    "2.3": Cause.TOO_LARGE,
    "3.4": Cause.TOO_LARGE,
    "4.4": Cause.UNKNOWN_DOMAIN,  # no route, no MX
    "4.310": Cause.UNKNOWN_DOMAIN,  # Microsoft: the domain is not in the DNS
}
_BY_SUBJECT = {"1": Cause.UNKNOWN_ADDRESS, "7": Cause.BLOCKED}

# Words that say more than the code beside them, which is the same for many things.
_RATHER_BY_WORDS = (
    (
        # Exchange Online with 5.1.10 and 5.4.1, qmail with 5.7.17
        r"recipient ?not ?found|recipient address rejected: access denied|no mailbox here by that name",
        Cause.UNKNOWN_ADDRESS,
    ),
    (r"sender verif(y|ication) failed|sender address rejected", Cause.SENDER_REFUSED),
    # With 5.7.1: our own relay does not know us, or the domain's MX does not know the domain.
    (r"relay access denied|relaying denied|relay not permitted|unable to relay", Cause.REFUSED),
)

# Where a server gives no code that tells anything, the usual words of the large ones.
_BY_WORDS = (
    (
        r"over ?quota|mailbox.{0,20}full|(?<!sending )quota exceeded|insufficient storage|exceeded storage",
        Cause.MAILBOX_FULL,
    ),
    (
        r"(user|recipient|address|mailbox|account)\b.{0,40}(unknown|not found|not exist|invalid|disabled|unavailable)|"
        r"(no such|unknown|invalid|nonexistent) (user|recipient|address|mailbox|account)|unrouteable address|"
        r"doesn.t have an? .{0,40}account",
        Cause.UNKNOWN_ADDRESS,
    ),
    (r"spam|black.?list|block.?list|blocked|reputation|policy|dmarc|\bspf\b", Cause.BLOCKED),
    (r"too (large|big)|size limit|exceeds.{0,20}size|size exceeds", Cause.TOO_LARGE),
)


def cause_of(outcome: Outcome, status: MessageStatus, *, enhanced: str = "", reply: str = "") -> Cause | None:
    """
    Why a message whose try ended in `outcome` now has this status; None where it has none to give (it waits, or left).

    `enhanced` is the code of RFC 3463 or empty. Total: every combination has an answer.
    """
    if status not in BY_STATUS:
        return None
    match outcome:
        case Outcome.OUR_FAULT:
            return Cause.NOT_RENDERED
        case Outcome.SENDER_REFUSED:
            return Cause.SENDER_REFUSED
        case Outcome.IN_DOUBT:
            return Cause.IN_DOUBT
        case Outcome.REFUSED:
            return _of_reply(enhanced, reply) or Cause.REFUSED
        case Outcome.REFUSED_FOR_NOW:
            # Of a temporary refusal only a full mailbox says something about the recipient.
            if _of_reply(enhanced, reply) is Cause.MAILBOX_FULL:
                return Cause.MAILBOX_FULL
            return Cause.GAVE_UP if status is MessageStatus.FAILED else Cause.PUT_OFF
        case _:
            return BY_STATUS[status]


def _of_reply(enhanced: str, reply: str) -> Cause | None:
    return _of_words(_RATHER_BY_WORDS, reply) or _of_code(enhanced) or _of_words(_BY_WORDS, reply)


def _of_code(enhanced: str) -> Cause | None:
    _class, subject, detail = (enhanced or "0.0.0").split(".")
    return _BY_DETAIL.get(f"{subject}.{detail}") or _BY_SUBJECT.get(subject)


def _of_words(table: tuple[tuple[str, Cause], ...], reply: str) -> Cause | None:
    return next((cause for pattern, cause in table if re.search(pattern, reply, re.IGNORECASE)), None)
