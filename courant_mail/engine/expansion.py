"""Expand the jobs that wait, and make the dry runs that were asked for: what `process_mail_jobs` does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

from django.utils import timezone

from ..conf import Settings, get_settings
from ..models import MessageJob
from ..queue import agenda, control, dry_run, expand, finish, reopen, rescue, senders
from ..queue.database import DATABASE_ERRORS, reconnect
from .announce import announce_finished
from .dry_run import dry_run_steps
from .summary import ExpandSummary

#: seconds of dry run between two looks whether something has come up that goes first
_LOOK_SECONDS = 1.0


def expand_jobs(*, progress: Callable[[int], None] | None = None, stop: threading.Event | None = None) -> ExpandSummary:
    """
    Turn every job whose time has come into messages, settle cancelled and reopened jobs, and make the dry runs that
    were asked for. An idle run is one query.

    `progress` is called with the number of recipients after each step; `stop` ends the run after the current one.
    A source that fails pauses its job and is told in `errors`; the other jobs go on. Whatever becomes due while a dry
    run is made goes first.
    """
    started = time.monotonic()
    work = _Work(get_settings(), progress or (lambda _: None), stop or threading.Event())
    todo = work.settle()
    if todo.expand or todo.dry_run:
        work.run()
    work.summary.seconds = time.monotonic() - started - work.summary.dry_runs.seconds
    return work.summary


def expansion_steps(sender_id: int, *, page: int = expand.PAGE) -> Iterator[expand.Slice]:
    """The steps of all expansions that wait, one short transaction each."""
    while (job := expand.take_job(sender_id, timezone.now())) is not None:
        yield from expand.expand(job, sender_id, timezone.now(), page=page)


def let_go(sender_id: int) -> None:
    """Give back the jobs that this sender was expanding or trying out; others go on with them."""
    expand.release(sender_id)
    dry_run.release(sender_id)


class _Work:
    """One run: its sender, which is kept alive, and what it has done so far."""

    def __init__(self, settings: Settings, progress: Callable[[int], None], stop: threading.Event) -> None:
        self.summary = ExpandSummary()
        self._settings = settings
        self._progress = progress
        self._stop = stop

    def settle(self) -> agenda.Agenda:
        """Do what needs no sender of its own; returns what else there is to do."""
        todo = agenda.look(timezone.now())
        if todo.rescue:
            rescue.rescue(timezone.now(), settings=self._settings)
            # What the dead were making is free now.
            todo = agenda.look(timezone.now())
        if todo.settle:
            self.summary.cancelled += self._in_batches(lambda: control.settle_cancelled(timezone.now(), batches=1))
            self.summary.reopened += self._in_batches(lambda: reopen.settle_reopened(batches=1))
        return todo

    def _in_batches(self, work: Callable[[], int]) -> int:
        """Until there is nothing left to do, or somebody wants us to end."""
        total = 0
        while not self._stop.is_set() and (count := work()):
            total += count
        return total

    def run(self) -> None:
        self._sender_id = senders.register("process_mail_jobs", timezone.now(), self._settings.claim_seconds)
        self._renewed = time.monotonic()
        try:
            self._expand()
            if not self._stop.is_set() and agenda.look(timezone.now()).dry_run:
                self._rehearse()
        except DATABASE_ERRORS:
            reconnect()  # what we hold is given back over a connection that works, if there is one
            raise
        finally:
            let_go(self._sender_id)
            senders.retire(self._sender_id)

    def _expand(self) -> None:
        for step in expansion_steps(self._sender_id):
            self.summary.add(step)
            self._go_on(step.recipients)
            if self._stop.is_set():
                break
        # A job without anybody to send to is at its end already.
        finished: list[MessageJob] = finish.finish_jobs(timezone.now())
        announce_finished(finished)

    def _rehearse(self) -> None:
        began = looked = time.monotonic()
        with closing(dry_run_steps(self._sender_id, self._settings)) as steps:
            for step in steps:
                self.summary.dry_runs.add(step)
                self._go_on(step.recipients)
                if self._stop.is_set():
                    break
                if time.monotonic() - looked > _LOOK_SECONDS:
                    began += self._what_goes_first()
                    looked = time.monotonic()
        self.summary.dry_runs.seconds += time.monotonic() - began

    def _what_goes_first(self) -> float:
        """Do what has become due meanwhile; returns the seconds it took."""
        began = time.monotonic()
        if self.settle().expand:
            self._expand()
        return time.monotonic() - began

    def _go_on(self, recipients: int) -> None:
        self._progress(recipients)
        if time.monotonic() - self._renewed > self._settings.claim_seconds / 3:
            senders.renew(self._sender_id, timezone.now(), self._settings.claim_seconds)
            self._renewed = time.monotonic()
