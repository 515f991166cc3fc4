"""
Drafts with a key: mail that the site has written for somebody to look at, and to send or to throw away.

There is one draft per key at most. To write it anew gives the same draft other words, until it is sent; what is
written after that is another job.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import IntegrityError

from ..compose.letter import AttachedFile
from ..models import Attachment, JobStatus, MessageJob
from .database import alias, in_write_transaction

_PREFIX = "draft:"
_WRITTEN = (
    "subject",
    "text",
    "html",
    "sanitize_html",
    "from_email",
    "reply_to",
    "headers",
    "bulk",
    "recipients",
    "source",
    "source_params",
    "priority",
    "relay",
    "scheduled_at",
    "message_id_domain",
)


def draft_key(*parts: object) -> str:
    """A key for the draft about these things."""
    digest = hashlib.blake2b(repr([str(part) for part in parts]).encode("utf-8", "replace"), digest_size=16)
    return f"{_PREFIX}{digest.hexdigest()}"


def drafts_with(keys: Iterable[str]) -> set[str]:
    """Those of the keys that have a draft."""
    drafts = MessageJob.objects.using(alias()).filter(key__in=list(keys), status=JobStatus.DRAFT)
    return {str(key) for key in drafts.values_list("key", flat=True)}


def has_draft_key(job: MessageJob) -> bool:
    """Whether the site has written this draft, and would write it anew."""
    return bool(job.key) and str(job.key).startswith(_PREFIX)


def keep(job: MessageJob, files: Sequence[AttachedFile]) -> MessageJob:
    """
    Store a draft that has a key, in the place of an earlier draft with this key where there is one.

    An earlier job that is no draft any more keeps its words and loses the key. Returns the stored draft.
    """

    def store() -> MessageJob:
        return _rewrite(job, files) or _insert(job, files)

    try:
        return in_write_transaction(store)
    except IntegrityError:  # somebody else has stored it at the same moment
        return in_write_transaction(store)


def discard(job_id: int) -> bool:
    """Delete a draft that has such a key. False where there is none, or it was sent meanwhile."""

    def delete() -> bool:
        drafts = MessageJob.objects.select_for_update().filter(pk=job_id, status=JobStatus.DRAFT)
        draft = drafts.filter(key__startswith=_PREFIX).without_words().first()
        if draft is None:
            return False
        draft.delete()
        return True

    return in_write_transaction(delete)


def add_files(job: MessageJob, files: Sequence[AttachedFile]) -> None:
    """Store the files that go with the mails of a job."""
    Attachment.objects.bulk_create(
        Attachment(
            job=job,
            filename=file.filename,
            content_type=file.content_type,
            content_id=file.content_id,
            content=file.content,
        )
        for file in files
    )


def _insert(job: MessageJob, files: Sequence[AttachedFile]) -> MessageJob:
    job.save(force_insert=True)
    add_files(job, files)
    return job


def _rewrite(job: MessageJob, files: Sequence[AttachedFile]) -> MessageJob | None:
    # Asked for without a lock first: InnoDB would lock the gap, and two who insert into it wait for each other.
    if not MessageJob.objects.using(alias()).filter(key=job.key).exists():
        return None
    earlier = MessageJob.objects.select_for_update().without_words().filter(key=job.key).first()
    if earlier is None:
        return None
    if earlier.status != JobStatus.DRAFT:
        MessageJob.objects.filter(pk=earlier.pk).update(key=None)
        return None
    words: dict[str, Any] = {name: getattr(job, name) for name in _WRITTEN}
    MessageJob.objects.filter(pk=earlier.pk).update(**words)
    earlier.attachments.all().delete()
    earlier.files.all().delete()
    add_files(earlier, files)
    return MessageJob.objects.using(alias()).get(pk=earlier.pk)
