"""Send the signals, after commit and in batches."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from django.dispatch import Signal

from ..choices import MessageStatus
from ..models import Message, MessageJob
from ..signals import job_finished, messages_failed, messages_sent

logger = logging.getLogger(__name__)

_SIGNALS = {MessageStatus.SENT: messages_sent, MessageStatus.FAILED: messages_failed}


def announce_messages(ids: dict[MessageStatus, list[int]]) -> None:
    """`messages_sent` and `messages_failed` for what was recorded since the last time."""
    for status, signal in _SIGNALS.items():
        if ids.get(status):
            _send(signal, Message, ids=list(ids[status]))


def announce_finished(jobs: Iterable[MessageJob]) -> None:
    """`job_finished` for each of the jobs."""
    for job in jobs:
        _send(job_finished, MessageJob, job=job)


def _send(signal: Signal, sender: type, **values: Any) -> None:
    for receiver, answer in signal.send_robust(sender, **values):
        if isinstance(answer, Exception):
            logger.error("A signal's receiver %r failed", receiver, exc_info=answer)
