"""What can be done to a job that was sent: to which states it applies, who may do it, and what it means for people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..causes import Cause
from ..choices import JobStatus
from ..exceptions import CourantMailError
from ..models import MessageJob
from ..queue import audience, control
from ..queue.causes_report import CauseCount
from ..queue.missed import RETRYABLE, missed
from ..queue.reopen import REST, reopen
from . import people
from .progress import STATUSES

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise
else:
    StrPromise = str

_GOING = frozenset({JobStatus.QUEUED, JobStatus.EXPANDING, JobStatus.SENDING})
_BEHIND = frozenset({JobStatus.SENDING, JobStatus.PAUSED, JobStatus.FINISHED, JobStatus.CANCELLED})


@dataclass(frozen=True, slots=True)
class Wish:
    """Who wants it, and for an act that is about a time, when."""

    user: str
    at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """
    What an act would mean now: how many people it is about (in words), what happens to them, and of which kinds they
    are. Where there is an `obstacle` it cannot be done, or there is nobody to do it for.
    """

    who: str
    sentences: Sequence[str]
    kinds: Sequence[tuple[str, str]] = ()
    warning: str = ""
    obstacle: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Act:
    """Something that is done to a job after a confirmation. `name` is that of its page and of its URL."""

    name: str
    #: on the button, as the title of the page, and in the history
    label: StrPromise
    question: StrPromise
    done: StrPromise
    statuses: frozenset[JobStatus]
    #: whether it makes mail leave; stopping it is allowed to those who write, too
    sends: bool
    effect: Callable[[MessageJob], Effect]
    run: Callable[[MessageJob, Wish], None]
    asks_when: bool = False
    args: tuple[object, ...] = field(default=())

    def possible(self, job: MessageJob) -> bool:
        """Whether the state of the job allows it; while it is still being cancelled nothing is possible."""
        return job.status in self.statuses and not (job.status == JobStatus.CANCELLED and job.finished_at is None)


def waiting(job: MessageJob) -> str:
    """Those who have not got the job yet, in words."""
    if job.expanded_at is not None:
        return people.people(max(0, job.waiting + job.deferred))
    return expected(job)


def expected(job: MessageJob) -> str:
    """About how many get the job, in words."""
    try:
        return people.about(audience.about(job))
    except CourantMailError:
        return people.about(None)


def why_not(job: MessageJob | None) -> str:
    """Why an act was refused, for whoever has just pressed its button."""
    if job is None:
        return _("Nothing was changed: the mail is gone.")
    if job.status == JobStatus.CANCELLED and job.finished_at is None:
        return _("Nothing was changed: the mail is still being cancelled. Try again in a minute.")
    text = _("Nothing was changed: meanwhile the state of the mail is “%(state)s”.")
    return text % {"state": STATUSES[job.status]}


# --- what each of them means ------------------------------------------------------------------------------------------


def _pausing(job: MessageJob) -> Effect:
    who = waiting(job)
    sentences = [
        _("Within seconds no more of it leaves: %(people)s will wait until somebody resumes it.") % {"people": who},
        _("It was sent to %(people)s so far.") % {"people": people.people(job.sent)},
    ]
    return Effect(who=who, sentences=sentences)


def _resuming(job: MessageJob) -> Effect:
    who = waiting(job)
    return Effect(who=who, sentences=[_("It goes on where it stopped: %(people)s will get it.") % {"people": who}])


def _cancelling(job: MessageJob) -> Effect:
    who = waiting(job)
    sentences = [
        _("Within seconds no more of it leaves: %(people)s will not get it.") % {"people": who},
        _("It was sent to %(people)s so far; nobody can take that back.") % {"people": people.people(job.sent)},
        _("Afterwards it can still be sent to the rest."),
    ]
    return Effect(who=who, sentences=sentences)


def _scheduling(job: MessageJob) -> Effect:
    who = expected(job)
    return Effect(who=who, sentences=[_("It goes to %(people)s.") % {"people": who}])


def _resting(job: MessageJob) -> Effect:
    found = missed(job.pk, REST)
    who, nobody = _rest_in_words(job, found)
    sentences = [
        _("It is sent to %(people)s who did not get it. Nobody gets it a second time.") % {"people": who},
        _(
            "Not among them: those who have unsubscribed, those on the list of addresses that get no mail, what is no "
            "address, and those to whom it was sent without a confirmation, who may have it."
        ),
    ]
    return Effect(
        who=who,
        sentences=sentences,
        kinds=[(str(one.cause.label), in_words(one)) for one in found],
        obstacle=_("There is nobody left to send it to.") if nobody else "",
    )


def _rest_in_words(job: MessageJob, found: list[CauseCount]) -> tuple[str, bool]:
    """How many the rest are, and whether there are none."""
    count = sum(one.number for one in found)
    exact = not any(one.more for one in found)
    if not exact:
        # The counters know them all, but for those that could never get it.
        gone = job.purged.get("failed", 0) + job.purged.get("cancelled", 0)
        never = sum(one.number for one in missed(job.pk, [Cause.NO_ADDRESS]))
        count = max(count, job.failed + job.cancelled - gone - never)
    if job.expanded_at is not None:
        return (people.people(count) if exact else people.about(count)), count == 0
    # Nobody has read all the recipients yet; who is still to be read gets it as well.
    try:
        total = audience.about(job)
    except CourantMailError:
        total = None
    return people.about(None if total is None else count + max(0, total - job.consumed)), False


def _retrying(cause: Cause) -> Callable[[MessageJob], Effect]:
    def effect(job: MessageJob) -> Effect:
        found = missed(job.pk, [cause])
        who = in_words(found[0]) if found else people.people(0)
        sentence = _("It is sent again to %(people)s who did not get it, for this reason: %(reason)s.")
        warning = _("They may have it already. Then they get it a second time.") if cause is Cause.IN_DOUBT else ""
        obstacle = "" if found else _("There is nobody left to send it to.")
        if job.status == JobStatus.CANCELLED and job.expanded_at is None:
            obstacle = _("It was cancelled before all recipients were read. Send it to the rest instead.")
        return Effect(
            who=who,
            sentences=[sentence % {"people": who, "reason": cause.label}],
            warning=warning,
            obstacle=obstacle,
        )

    return effect


def in_words(found: CauseCount) -> str:
    """How many they are."""
    return people.more_than(found.number) if found.more else people.people(found.number)


# --- the acts ---------------------------------------------------------------------------------------------------------

PAUSE = Act(
    name="pause",
    label=gettext_lazy("Pause"),
    question=gettext_lazy("Pause this mail?"),
    done=gettext_lazy("Paused"),
    statuses=_GOING,
    sends=False,
    effect=_pausing,
    run=lambda job, wish: control.pause(job.pk, reason=_("paused by %(user)s") % {"user": wish.user}),
)
RESUME = Act(
    name="resume",
    label=gettext_lazy("Resume"),
    question=gettext_lazy("Resume this mail?"),
    done=gettext_lazy("Resumed"),
    statuses=frozenset({JobStatus.PAUSED}),
    sends=True,
    effect=_resuming,
    run=lambda job, wish: control.resume(job.pk),
)
SCHEDULE = Act(
    name="schedule",
    label=gettext_lazy("Change the time"),
    question=gettext_lazy("When is this mail to be sent?"),
    done=gettext_lazy("Time changed"),
    statuses=frozenset({JobStatus.QUEUED}),
    sends=True,
    effect=_scheduling,
    run=lambda job, wish: control.schedule(job.pk, wish.at),
    asks_when=True,
)
CANCEL = Act(
    name="cancel",
    label=gettext_lazy("Cancel"),
    question=gettext_lazy("Cancel this mail?"),
    done=gettext_lazy("Cancelled"),
    statuses=_GOING | {JobStatus.PAUSED},
    sends=False,
    effect=_cancelling,
    run=lambda job, wish: control.cancel(job.pk, reason=_("cancelled by %(user)s") % {"user": wish.user}),
)
SEND_TO_REST = Act(
    name="rest",
    label=gettext_lazy("Send to the rest"),
    question=gettext_lazy("Send this mail to those who did not get it?"),
    done=gettext_lazy("Sent to the rest"),
    statuses=_BEHIND,
    sends=True,
    effect=_resting,
    run=lambda job, wish: reopen(job.pk),
)

ACTS = (PAUSE, RESUME, SCHEDULE, CANCEL, SEND_TO_REST)


def retry(cause: Cause) -> Act:
    """The act that sends the mail again to those who did not get it for this reason, one of `RETRYABLE`."""
    if cause not in RETRYABLE:
        raise ValueError(f"{cause.name} is not tried again.")
    return Act(
        name="retry",
        label=gettext_lazy("Try again"),
        question=gettext_lazy("Try again?"),
        done=gettext_lazy("Tried again"),
        statuses=_BEHIND,
        sends=True,
        effect=_retrying(cause),
        run=lambda job, wish: reopen(job.pk, [cause]),
        args=(int(cause),),
    )
