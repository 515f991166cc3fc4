"""The tables, their statuses and the questions one may ask of them. No behaviour: that is in `queue/`."""

from ..choices import (
    JOB_TRANSITIONS,
    MESSAGE_TRANSITIONS,
    UNFINISHED,
    DryRunState,
    JobStatus,
    MessageStatus,
    Outcome,
    Priority,
    Scope,
)
from .desk import DryRun, JobMinute, RecipientFile
from .job import Attachment, MessageJob
from .message import Attempt, Content, Message
from .sender import InFlight, RelayState, Sender
from .suppression import Suppression

__all__ = [
    "JOB_TRANSITIONS",
    "MESSAGE_TRANSITIONS",
    "UNFINISHED",
    "Attachment",
    "Attempt",
    "Content",
    "DryRun",
    "DryRunState",
    "InFlight",
    "JobMinute",
    "JobStatus",
    "Message",
    "MessageJob",
    "MessageStatus",
    "Outcome",
    "Priority",
    "RecipientFile",
    "RelayState",
    "Scope",
    "Sender",
    "Suppression",
]
