"""`manage.py process_mail_jobs`: make the messages of the jobs that wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError
from django.utils import timezone

from ...queue import agenda
from ..base import MailCommand, rate, stop_on_signals

if TYPE_CHECKING:
    from ...engine.summary import DryRunSummary


class Command(MailCommand):
    """Expands every job whose time has come: one message per recipient. Makes the dry runs that were asked for."""

    help = "Make the messages of every job whose time has come. Run it from cron every minute."
    name = "process_mail_jobs"

    def run(self, options: dict[str, Any]) -> None:
        todo = agenda.look(timezone.now())
        if not (todo.rescue or todo.settle or todo.expand or todo.dry_run):
            return  # most runs from cron: they do not even load the engine
        from ... import engine

        with stop_on_signals() as stop, self.progress(options, "recipients", lambda: None) as progress:
            done = engine.expand_jobs(progress=progress, stop=stop)
        if done.jobs or done.recipients:
            took = rate(done.recipients, done.seconds)
            jobs = "1 job" if done.jobs == 1 else f"{done.jobs:,} jobs"
            recipients = "1 recipient" if done.recipients == 1 else f"{done.recipients:,} recipients"
            self.say(options, f"{jobs} expanded, {recipients} {took}")
        if done.cancelled:
            self.say(options, f"{done.cancelled:,} messages of cancelled jobs cancelled")
        if done.reopened:
            self.say(options, f"{done.reopened:,} messages put back into the queue")
        self._tell_dry_runs(options, done.dry_runs)
        if done.errors:
            raise CommandError("; ".join(f"job {job} is paused: {error}" for job, error in done.errors.items()))

    def _tell_dry_runs(self, options: dict[str, Any], done: DryRunSummary) -> None:
        told = [f"the dry run of job {job} cannot be made: {error}" for job, error in done.errors.items()]
        if done.jobs:
            runs = "1 dry run" if done.jobs == 1 else f"{done.jobs:,} dry runs"
            told.insert(0, f"{runs}, {done.recipients:,} recipients looked at {rate(done.recipients, done.seconds)}")
        if told:
            self.say(options, "; ".join(told))
