"""How far a job has come, in words and numbers: the same in the list and on its page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext

from ..choices import JobStatus
from ..models import MessageJob
from . import moments
from .people import number

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise
else:
    StrPromise = str

STATUSES: dict[str, StrPromise] = {
    JobStatus.DRAFT: gettext_lazy("draft"),
    JobStatus.QUEUED: gettext_lazy("waits to begin"),
    JobStatus.EXPANDING: gettext_lazy("reading the recipients"),
    JobStatus.SENDING: gettext_lazy("being sent"),
    JobStatus.PAUSED: gettext_lazy("paused"),
    JobStatus.FINISHED: gettext_lazy("finished"),
    JobStatus.CANCELLED: gettext_lazy("cancelled"),
}


@dataclass(frozen=True, slots=True)
class Count:
    """One number about a job: how many, in words, and whether the page shows it although it is zero."""

    name: str
    number: int
    label: str
    always: bool = False

    @property
    def shown(self) -> str:
        """The number as people write it."""
        return number(self.number)


@dataclass(frozen=True, slots=True)
class Progress:
    """A job as it stood at `now`; `per_minute` is its speed, None where nothing was tried lately."""

    job: MessageJob
    now: datetime
    per_minute: float | None = None

    @property
    def status(self) -> str:
        """The state of the job."""
        if self.job.status == JobStatus.QUEUED and self.waits_for_its_time:
            return _("scheduled")
        if self.job.status == JobStatus.CANCELLED and self.job.finished_at is None:
            return _("being cancelled")
        return str(STATUSES[self.job.status])

    @property
    def waits_for_its_time(self) -> bool:
        """Whether it is to begin at a time that has not come."""
        return self.job.scheduled_at is not None and self.job.scheduled_at > self.now

    @property
    def is_active(self) -> bool:
        """Whether its numbers may change by themselves."""
        if self.job.status == JobStatus.CANCELLED:
            return self.job.finished_at is None
        return self.job.status not in (JobStatus.DRAFT, JobStatus.FINISHED)

    @property
    def is_sending(self) -> bool:
        """Whether its mails go out."""
        return self.job.status == JobStatus.SENDING

    @property
    def has_begun(self) -> bool:
        """Whether there is anything to count."""
        return bool(self.job.total or self.job.expanded_at or self.job.consumed)

    @property
    def is_counted(self) -> bool:
        """Whether it is known how many recipients there are."""
        return self.job.expanded_at is not None

    @property
    def done(self) -> int:
        """How many have had their turn, with a good end or a bad one."""
        return max(0, self.job.total - self.job.waiting - self.job.deferred - self.job.cancelled)

    @property
    def percent(self) -> int:
        """Never 100 before it is all."""
        return self.done * 100 // self.job.total if self.job.total else 100

    @property
    def bar(self) -> str:
        """The text beside the progress bar, and in its place."""
        if not self.is_counted:
            read = ngettext("%(count)s recipient read", "%(count)s recipients read", self.job.consumed)
            return read % {"count": number(self.job.consumed)}
        return _("%(done)s of %(total)s (%(percent)d%%)") % {
            "done": number(self.done),
            "total": number(self.job.total),
            "percent": self.percent,
        }

    @property
    def counts(self) -> list[Count]:
        """How many stand where; those that are zero and never awaited are left out."""
        job = self.job
        found = [
            Count("sent", job.sent, _("sent"), always=True),
            Count("waiting", max(0, job.waiting), _("waiting"), always=self.is_active),
            Count("deferred", job.deferred, _("will be tried again")),
            Count("failed", job.failed, _("not delivered"), always=True),
            Count("suppressed", job.suppressed, _("unsubscribed or on the list of those who get no mail")),
            Count("cancelled", job.cancelled, pgettext("number of mails", "cancelled")),
            Count("in_doubt", job.in_doubt, _("perhaps delivered")),
            Count("duplicates", max(0, job.duplicates), _("named more than once")),
        ]
        return [count for count in found if count.number or count.always]

    @property
    def speed(self) -> str:
        """How many a minute; empty where nothing goes."""
        if not self.is_sending or self.per_minute is None:
            return ""
        if self.per_minute < 1:
            return _("fewer than 1 a minute")
        return _("%(count)s a minute") % {"count": number(round(self.per_minute))}

    @property
    def left(self) -> timedelta | None:
        """How long what waits will take at this speed."""
        if not self.is_sending or not self.per_minute or self.job.waiting <= 0:
            return None
        return timedelta(minutes=self.job.waiting / self.per_minute)

    @property
    def time_left(self) -> str:
        """The same in words."""
        return _("about %(time)s left") % {"time": moments.duration(self.left)} if self.left is not None else ""

    @property
    def line(self) -> str:
        """All of it in one short line, to be read aloud."""
        parts = [self.status]
        if self.has_begun:
            parts.append(self.bar)
        return ", ".join(part for part in (*parts, self.time_left) if part)
