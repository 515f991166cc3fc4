"""Expand the jobs that wait: what `process_mail_jobs` does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from django.utils import timezone

from ..conf import Settings, get_settings
from ..models import MessageJob
from ..queue import agenda, control, expand, finish, reopen, rescue, senders
from .announce import announce_finished
from .summary import ExpandSummary


def expand_jobs(*, progress: Callable[[int], None] | None = None, stop: threading.Event | None = None) -> ExpandSummary:
    """
    Turn every job whose time has come into messages, and settle cancelled jobs. An idle run is one query.

    `progress` is called with the number of recipients after each commit; `stop` ends the run after the current one.
    A source that fails pauses its job and is told in `errors`; the other jobs go on.
    """
    started = time.monotonic()
    summary = ExpandSummary()
    settings = get_settings()
    todo = agenda.look(timezone.now())
    if todo.rescue:
        rescue.rescue(timezone.now(), settings=settings)
    if todo.settle:
        summary.cancelled = control.settle_cancelled(timezone.now())
        summary.reopened = reopen.settle_reopened()
    if todo.expand:
        _expand_all(settings, summary, progress or (lambda _: None), stop or threading.Event())
    summary.seconds = time.monotonic() - started
    return summary


def expansion_steps(sender_id: int, *, page: int = expand.PAGE) -> Iterator[expand.Slice]:
    """The steps of all expansions that wait, one short transaction each."""
    while (job := expand.take_job(sender_id, timezone.now())) is not None:
        yield from expand.expand(job, sender_id, timezone.now(), page=page)


def _expand_all(
    settings: Settings, summary: ExpandSummary, progress: Callable[[int], None], stop: threading.Event
) -> None:
    sender_id = senders.register("process_mail_jobs", timezone.now(), settings.claim_seconds)
    renewed = time.monotonic()
    try:
        for step in expansion_steps(sender_id):
            summary.add(step)
            progress(step.recipients)
            if time.monotonic() - renewed > settings.claim_seconds / 3:
                senders.renew(sender_id, timezone.now(), settings.claim_seconds)
                renewed = time.monotonic()
            if stop.is_set():
                break
    finally:
        expand.release(sender_id)
        senders.retire(sender_id)
    # A job without anybody to send to is at its end already.
    finished: list[MessageJob] = finish.finish_jobs(timezone.now())
    announce_finished(finished)
