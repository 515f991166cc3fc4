"""Make the dry runs that wait: all that sending does for the whole audience of a job, but for the sending."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass

from django.db import DatabaseError
from django.utils import timezone

from ..conf import Settings
from ..exceptions import CourantMailError
from ..models import DryRun, MessageJob
from ..queue import audience, dry_run
from ..queue.database import alias
from ..queue.readers import Page, read
from .rehearsal import Rehearsal

logger = logging.getLogger(__name__)

#: recipients that are read at once
_PAGE = 250
#: seconds that a step takes at most, so that mail which is being sent hardly notices
_STEP_SECONDS = 0.01
#: seconds between two notes of how far it has come
_NOTE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Step:
    """A piece of a dry run: how many recipients were looked at, and how it ended, if it has."""

    job_id: int
    recipients: int
    finished: bool = False
    error: str = ""


class _CannotBeMadeError(Exception):
    """The audience cannot be read, or the words are no mail; the text is for editors."""


def dry_run_steps(sender_id: int, settings: Settings) -> Generator[Step]:
    """
    The steps of all dry runs that wait, each of some ten milliseconds; no transaction is open between them.

    Memory does not grow with the audience. Whoever ends it before its end must release what the sender holds; the
    dry run is then begun anew.
    """
    while (run := dry_run.take(sender_id, timezone.now())) is not None:
        yield from _steps(run, sender_id, settings)


def _steps(run: DryRun, sender_id: int, settings: Settings) -> Iterator[Step]:
    try:
        yield from _rehearse(run, sender_id, settings)
    except _CannotBeMadeError as error:
        logger.warning("The dry run of job %s cannot be made: %s", run.job_id, type(error.__cause__).__name__)
        dry_run.fail(run, sender_id, str(error), timezone.now())
        yield Step(run.job_id, 0, error=str(error))


def _rehearse(run: DryRun, sender_id: int, settings: Settings) -> Iterator[Step]:
    job = MessageJob.objects.using(alias()).get(pk=run.job_id)
    # The fingerprint of what is tried, which may have changed since somebody asked for it.
    if not dry_run.begin(run, sender_id, fingerprint=dry_run.fingerprint(job), expected=_expected(job)):
        return
    # From the beginning, also where the job itself is half expanded. The instance is ours and is not saved.
    job.cursor, job.consumed = None, 0
    noted = time.monotonic()
    with closing(_prepared(job, settings)) as rehearsal:
        for count in _looks(job, rehearsal):
            yield Step(job.pk, count)
            if time.monotonic() - noted > _NOTE_SECONDS:
                noted = time.monotonic()
                if not dry_run.progress(run, sender_id, done=rehearsal.recipients):
                    return  # somebody has asked for another one
        report = rehearsal.report(timezone.now())
        if dry_run.store(run, sender_id, report, timezone.now()):
            logger.info("The dry run of job %s is done: %s to send", job.pk, report.to_send)
            yield Step(job.pk, 0, finished=True)


def _prepared(job: MessageJob, settings: Settings) -> Rehearsal:
    try:
        return Rehearsal(job, settings)
    except CourantMailError as error:
        raise _CannotBeMadeError(str(error)) from error
    except DatabaseError:
        raise
    except Exception as error:  # a letter decorator of the site may raise anything
        logger.exception("Job %s cannot be compiled", job.pk)
        raise _CannotBeMadeError(f"{type(error).__name__}: {error}") from error


def _looks(job: MessageJob, rehearsal: Rehearsal) -> Iterator[int]:
    """Look at the whole audience in short steps; yields how many recipients each of them has dealt with."""
    for page in _pages(job):
        rows = rehearsal.rows(page.entries)
        began, count = time.monotonic(), 0
        for row in rows:
            rehearsal.look(row)
            count += 1
            if time.monotonic() - began > _STEP_SECONDS:
                yield count
                began, count = time.monotonic(), 0
        yield count
    for _ in rehearsal.check_samples():
        yield 0


def _pages(job: MessageJob) -> Iterator[Page]:
    try:
        yield from read(job, _PAGE).pages
    except Exception as error:  # the site's own source may raise anything
        logger.exception("The recipients of job %s could not be read for its dry run", job.pk)
        reason = f"The recipients could not be read: {type(error).__name__}: {error}"
        raise _CannotBeMadeError(reason) from error


def _expected(job: MessageJob) -> int | None:
    """About how many recipients there are; None where only reading them would tell."""
    try:
        return audience.about(job)
    except CourantMailError:
        return None  # reading them will say what is wrong
