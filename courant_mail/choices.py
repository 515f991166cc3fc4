"""The statuses of jobs and messages, the priorities, and which status may follow which."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Priority(models.IntegerChoices):
    """How urgent a mail is; a smaller number leaves first (django-mailer's values)."""

    HIGH = 1, _("high")
    MEDIUM = 2, _("medium")
    LOW = 3, _("low")

    @classmethod
    def parse(cls, value: int | str) -> Priority:
        """
        The priority from its number or its English name in any case.

        Raises ValueError for anything else.
        """
        try:
            return cls[value.strip().upper()] if isinstance(value, str) else cls(value)
        except (KeyError, ValueError):
            raise ValueError(f"{value!r} is no priority; use 'high', 'medium', 'low', 1, 2 or 3.") from None


class JobStatus(models.TextChoices):
    """Where a mass mail stands."""

    DRAFT = "draft", _("draft")
    QUEUED = "queued", _("queued")
    EXPANDING = "expanding", _("expanding")
    SENDING = "sending", _("sending")
    PAUSED = "paused", _("paused")
    FINISHED = "finished", _("finished")
    CANCELLED = "cancelled", _("cancelled")


class MessageStatus(models.IntegerChoices):
    """The fate of one mail to one recipient; `UNFINISHED` are those that may still change by themselves."""

    QUEUED = 1, _("queued")
    SENDING = 2, _("sending")
    DEFERRED = 3, _("deferred")
    SENT = 4, _("sent")
    FAILED = 5, _("failed")
    SUPPRESSED = 6, _("suppressed")
    CANCELLED = 7, _("cancelled")
    IN_DOUBT = 8, _("in doubt")


class Scope(models.TextChoices):
    """Which mail a suppressed address must not get."""

    BULK = "bulk", _("bulk mail")
    ALL = "all", _("all mail")


class DryRunState(models.TextChoices):
    """How far the dry run of a job has come."""

    WANTED = "wanted", _("waiting to be made")
    RUNNING = "running", _("being made")
    DONE = "done", _("done")
    FAILED = "failed", _("failed")


class Outcome(models.TextChoices):
    """How one try to send ended. The classes of reply that RFC 5321 and RFC 3463 let us tell apart."""

    SENT = "sent", _("sent")
    REFUSED_FOR_NOW = "refused_for_now", _("refused for now")
    REFUSED = "refused", _("refused for good")
    THROTTLED = "throttled", _("throttled by the relay")
    RELAY_TROUBLE = "relay_trouble", _("relay trouble")
    MISCONFIGURED = "misconfigured", _("relay misconfigured")
    SENDER_REFUSED = "sender_refused", _("sender refused")
    IN_DOUBT = "in_doubt", _("in doubt")
    OUR_FAULT = "our_fault", _("could not be rendered")


UNFINISHED = (MessageStatus.QUEUED, MessageStatus.SENDING, MessageStatus.DEFERRED)

#: message status → the statuses that may follow it; the documentation of the statuses is held against it
MESSAGE_TRANSITIONS: dict[MessageStatus, frozenset[MessageStatus]] = {
    MessageStatus.QUEUED: frozenset({MessageStatus.SENDING, MessageStatus.SUPPRESSED, MessageStatus.CANCELLED}),
    MessageStatus.SENDING: frozenset(
        {
            MessageStatus.QUEUED,
            MessageStatus.SENT,
            MessageStatus.DEFERRED,
            MessageStatus.FAILED,
            MessageStatus.IN_DOUBT,
        }
    ),
    MessageStatus.DEFERRED: frozenset({MessageStatus.QUEUED, MessageStatus.CANCELLED}),
    MessageStatus.SENT: frozenset(),
    MessageStatus.FAILED: frozenset({MessageStatus.QUEUED}),
    MessageStatus.SUPPRESSED: frozenset(),
    MessageStatus.CANCELLED: frozenset({MessageStatus.QUEUED}),
    MessageStatus.IN_DOUBT: frozenset({MessageStatus.QUEUED, MessageStatus.SENT}),
}

#: job status → the statuses that may follow it
JOB_TRANSITIONS: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.DRAFT: frozenset({JobStatus.QUEUED, JobStatus.CANCELLED}),
    JobStatus.QUEUED: frozenset({JobStatus.EXPANDING, JobStatus.PAUSED, JobStatus.CANCELLED}),
    JobStatus.EXPANDING: frozenset({JobStatus.SENDING, JobStatus.PAUSED, JobStatus.CANCELLED}),
    JobStatus.SENDING: frozenset({JobStatus.FINISHED, JobStatus.PAUSED, JobStatus.CANCELLED}),
    JobStatus.PAUSED: frozenset({JobStatus.QUEUED, JobStatus.SENDING, JobStatus.CANCELLED}),
    JobStatus.FINISHED: frozenset({JobStatus.SENDING}),
    JobStatus.CANCELLED: frozenset({JobStatus.QUEUED, JobStatus.SENDING}),
}
