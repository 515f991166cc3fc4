"""`manage.py process_mail_jobs`: make the messages of the jobs that wait."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError

from ... import engine
from ..base import MailCommand, rate, stop_on_signals


class Command(MailCommand):
    """Expands every job whose time has come: one message per recipient."""

    help = "Make the messages of every job whose time has come. Run it from cron every minute."
    name = "process_mail_jobs"

    def run(self, options: dict[str, Any]) -> None:
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
        if done.errors:
            raise CommandError("; ".join(f"job {job} is paused: {error}" for job, error in done.errors.items()))
