"""What the page of a job says about how it is going: gathered here, written by `_watch_panel.html`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from ..causes import Cause
from ..choices import JobStatus
from ..conf import get_settings
from ..exceptions import ImproperlyConfiguredMail
from ..models import MessageJob, RelayState
from ..queue import causes_report, relay_state, speed
from . import moments, people
from .chart import Chart, chart
from .progress import Progress

#: a job of which nothing has left for so long although it could
_QUIET = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why some did not get it, with the ways to their list and to another try; empty where the reader may not go."""

    label: str
    number: str
    list_url: str
    retry_url: str


@dataclass(frozen=True, slots=True)
class Ways:
    """Where the page leads: the list of the job's messages (by fate or cause), and another try for a cause."""

    messages: Callable[..., str]
    retry: Callable[[Cause], str]
    #: whether the reader may see who it is about
    may_see_messages: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """A job that is no draft any more, as it stands now."""

    progress: Progress
    begun: datetime | None
    chart: Chart | None
    reasons: list[Reason]
    domains: list[tuple[str, str]]
    domains_note: str
    pause: RelayState | None
    remark: str
    ways: Ways

    @property
    def job(self) -> MessageJob:
        return self.progress.job

    @property
    def zone(self) -> str:
        """In which zone the times of the page are."""
        return moments.zone()

    @property
    def scheduled(self) -> SafeString:
        """For when it is planned, while it has not begun."""
        return moments.html(self.job.scheduled_at) if self.job.expanded_at is None else SafeString("")

    @property
    def started(self) -> SafeString:
        return moments.html(self.begun)

    @property
    def finished(self) -> SafeString:
        return moments.html(self.job.finished_at)

    @property
    def took(self) -> str:
        """From the first mail to the end."""
        if self.begun is None or self.job.finished_at is None or self.job.finished_at <= self.begun:
            return ""
        return moments.duration(self.job.finished_at - self.begun)

    @property
    def paused_until(self) -> SafeString:
        """When the relay may be used again."""
        return moments.clock(self.pause.paused_until) if self.pause and self.pause.paused_until else SafeString("")

    @property
    def may_retry(self) -> bool:
        """Whether there is anything that the reader may try again."""
        return any(reason.retry_url for reason in self.reasons)

    @property
    def all_url(self) -> str:
        """The list of everybody."""
        return self.ways.messages()


def watch(job: MessageJob, now: datetime, ways: Ways) -> Watch | None:
    """How the job is going; None for a draft. The number of queries is the same for each job."""
    if job.status == JobStatus.DRAFT:
        return None
    progress = Progress(job, now, speed.speeds([job], now).get(job.pk))
    history = speed.history(job.pk)
    causes = causes_report.by_cause(job)
    domains = causes_report.by_domain(job.pk) if ways.may_see_messages else causes_report.DomainReport([])
    pause = _pause(job, progress, now)
    return Watch(
        progress=progress,
        begun=history.first or job.expanded_at,
        chart=chart(history),
        reasons=[_reason(one, ways) for one in causes],
        domains=[(domain, people.number(count)) for domain, count in domains.domains],
        domains_note=_domains_note(domains),
        pause=pause,
        remark="" if pause else _remark(progress, history.last),
        ways=ways,
    )


def _reason(one: causes_report.CauseCount, ways: Ways) -> Reason:
    count = people.more_than(one.number) if one.more else people.people(one.number)
    label = str(one.cause.label)
    return Reason(label, count, ways.messages(cause=int(one.cause)), ways.retry(one.cause))


def _domains_note(report: causes_report.DomainReport) -> str:
    if not report.capped:
        return ""
    text = _("Of each reason the latest %(count)s were looked at.")
    return text % {"count": people.number(causes_report.LATEST)}


def _pause(job: MessageJob, progress: Progress, now: datetime) -> RelayState | None:
    """How the job's relay stands still, where it does and the job has need of it."""
    try:
        relay = get_settings().relay(job.relay).name
    except ImproperlyConfiguredMail:
        return None
    state = relay_state.states().get(relay)
    if state is None or state.paused_until is None or state.paused_until <= now or not progress.is_active:
        return None
    return state


def _remark(progress: Progress, last: datetime | None) -> str:
    """What an editor should know about a job that does not move although it could."""
    job, now = progress.job, progress.now
    if job.status == JobStatus.QUEUED and not progress.waits_for_its_time:
        due = max(filter(None, (job.created_at, job.scheduled_at, job.released_at)))
        return _not_running(now - due)
    if job.status != JobStatus.SENDING:
        return ""
    if job.waiting > 0:
        return _not_running(now - max(filter(None, (last, job.expanded_at, job.released_at)), default=now))
    if job.deferred > 0:
        return _("Everybody has had their turn. Those who were put off are tried again by themselves.")
    return ""


def _not_running(quiet: timedelta) -> str:
    if quiet < _QUIET:
        return ""
    text = _(
        "Nothing has moved for %(time)s. Perhaps the program that sends the mail is not running: ask whoever looks "
        "after the site."
    )
    return text % {"time": moments.duration(quiet)}
