"""
The dry run of a job: asked for, claimed, kept alive, and its result kept with the job.

It is made by `process_mail_jobs` and `runmailer` (`engine/dry_run.py`); what it says is in `dry_run_report`. A job has
one at most: to ask for another one replaces it, also while it is being made.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import QuerySet
from django.utils import timezone

from ..addresses import storable
from ..exceptions import WrongState
from ..models import DryRun, DryRunState, JobStatus, MessageJob
from .database import alias, in_write_transaction, locked
from .dry_run_report import Report
from .senders import lock_own
from .wake import notify

#: a job that is being sent, or was, needs no rehearsal
POSSIBLE = (JobStatus.DRAFT, JobStatus.QUEUED, JobStatus.PAUSED)


def request(job_id: int, *, by: str = "", fingerprint: str = "") -> None:
    """
    Ask for the dry run of a job, in the background; an earlier result is gone at once.

    `by` is the user's name, `fingerprint` that of the job as the user saw it. Raises WrongState unless the job is a
    draft, queued or paused.
    """

    def ask() -> None:
        # Locked, so that two who ask at once get one dry run.
        job = MessageJob.objects.select_for_update().without_words().filter(pk=job_id).first()
        if job is None or job.status not in POSSIBLE:
            state = job.get_status_display() if job else "gone"
            raise WrongState(f"There is no dry run of job {job_id} now: it is “{state}”.")
        DryRun.objects.update_or_create(
            job=job,
            defaults={
                "state": DryRunState.WANTED,
                "fingerprint": fingerprint,
                "requested_by": by,
                "requested_at": timezone.now(),
                "started_at": None,
                "finished_at": None,
                "claimed_by": None,
                "expected": None,
                "done": 0,
                "report": None,
                "error": "",
            },
        )
        notify()

    in_write_transaction(ask)


def fingerprint(job: MessageJob) -> str:
    """
    A short text that is another one as soon as the words, the files or the audience of the job are.

    It reads all of them: ask for it where the answer matters, not on a page that is polled.
    """
    digest = hashlib.blake2b(digest_size=32)

    def add(*values: object) -> None:
        digest.update(json.dumps(values, cls=DjangoJSONEncoder, sort_keys=True).encode("ascii"))

    add(job.subject, job.text, job.html, job.sanitize_html, job.from_email, job.reply_to, job.headers, job.bulk)
    add(job.source, job.source_params, job.relay)
    digest.update(job.recipients.encode("utf-8", "replace"))
    for file in job.attachments.order_by("pk").iterator(chunk_size=1):
        content = bytes(file.content)
        add(file.filename, file.content_type, file.content_id, len(content))
        digest.update(content)
    return digest.hexdigest()


def is_outdated(run: DryRun, job: MessageJob) -> bool:
    """Whether the words, the files or the audience have changed since the dry run; never while it is not made yet."""
    return run.state in (DryRunState.DONE, DryRunState.FAILED) and run.fingerprint != fingerprint(job)


def report_of(run: DryRun) -> Report | None:
    """What a dry run that is done has found out."""
    return Report.from_json(run.report) if run.state == DryRunState.DONE and run.report is not None else None


def take(sender_id: int, now: datetime) -> DryRun | None:
    """Claim the dry run that has waited longest, to be made from its beginning; None when there is none."""

    def claim() -> DryRun | None:
        lock_own(sender_id)
        run: DryRun | None = locked(DryRun.objects.free().order_by("requested_at", "pk")).first()
        if run is not None:
            run.state, run.claimed_by, run.started_at, run.done = DryRunState.RUNNING, sender_id, now, 0
            run.save(update_fields=["state", "claimed_by", "started_at", "done"])
        return run

    return in_write_transaction(claim)


def begin(run: DryRun, sender_id: int, *, fingerprint: str, expected: int | None) -> bool:
    """Note of which words and audience it is, and about how many there are. False when it is not ours any more."""
    return bool(_held(run, sender_id).update(fingerprint=fingerprint, expected=expected))


def progress(run: DryRun, sender_id: int, *, done: int) -> bool:
    """Note how many recipients were looked at. False when the dry run is not ours any more."""
    return bool(_held(run, sender_id).update(done=done))


def store(run: DryRun, sender_id: int, report: Report, now: datetime) -> bool:
    """Keep what was found out. False when the dry run is not ours any more."""
    return bool(
        _held(run, sender_id).update(
            state=DryRunState.DONE,
            report=report.as_json(),
            done=report.recipients,
            finished_at=now,
            claimed_by=None,
        )
    )


def fail(run: DryRun, sender_id: int, reason: str, now: datetime) -> bool:
    """The dry run cannot be made: the audience cannot be read, or the words are no mail."""
    failed = _held(run, sender_id)
    return bool(failed.update(state=DryRunState.FAILED, error=storable(reason), finished_at=now, claimed_by=None))


def release(sender_id: int) -> None:
    """Give back what this sender was making; somebody else begins it anew."""
    # By their keys: elsewhere MariaDB and MySQL would wait for rows that others have locked.
    for pk in list(DryRun.objects.using(alias()).filter(claimed_by=sender_id).values_list("pk", flat=True)):
        DryRun.objects.filter(pk=pk, claimed_by=sender_id).update(claimed_by=None)


def _held(run: DryRun, sender_id: int) -> QuerySet[DryRun]:
    return DryRun.objects.filter(pk=run.pk, state=DryRunState.RUNNING, claimed_by=sender_id)
