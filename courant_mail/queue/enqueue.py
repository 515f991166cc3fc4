"""Put mail into the queue: a mass mail as one job, or the finished bytes of a single mail."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeAlias

from django.conf import settings as django_settings
from django.db import IntegrityError, transaction

from .. import sources
from ..addresses import format_recipients, parse_recipient, plain_params, salvage, storable
from ..causes import Cause
from ..compose.letter import AttachedFile, compile_letter
from ..compose.limits import refuse_too_large
from ..compose.mime import normalise_newlines
from ..conf import get_settings
from ..exceptions import InvalidAddress, InvalidMail
from ..links import unsubscribe_pattern
from ..models import Content, JobStatus, Message, MessageJob, MessageStatus, Priority
from ..sources import RecipientLike
from . import drafts
from .database import alias
from .letters import words_of
from .wake import notify

#: characters of a Message-ID that are kept for the lists; the mail itself has it whole
_MAX_MESSAGE_ID = 998

#: (file name, content) or (file name, content, content type), or an `AttachedFile` (which may be an inline image)
AttachmentLike: TypeAlias = "AttachedFile | tuple[str, bytes | str] | tuple[str, bytes | str, str | None]"


def enqueue_job(
    *,
    subject: str,
    text: str = "",
    html: str = "",
    sanitize_html: bool = False,
    from_email: str | None = None,
    reply_to: str | Sequence[str] | None = None,
    headers: Mapping[str, str] | None = None,
    attachments: Iterable[AttachmentLike] = (),
    recipients: str | Iterable[RecipientLike] | None = None,
    source: str = "",
    source_params: Mapping[str, Any] | None = None,
    priority: Priority = Priority.LOW,
    relay: str = "",
    scheduled_at: datetime | None = None,
    bulk: bool = True,
    created_by: str = "",
    key: str | None = None,
    status: JobStatus = JobStatus.QUEUED,
) -> MessageJob:
    """
    Queue a mass mail with one INSERT, whatever the number of recipients (attachments are one more).

    Raises InvalidMail when the words cannot become a mail, or bulk mail has no page to unsubscribe; UnknownSource;
    ImproperlyConfiguredMail for an unknown relay. With a `key` that was queued before, nothing is queued and the
    earlier job is returned; a draft with a key takes the place of an earlier draft (see `drafts`).
    """
    if (recipients is None) == (not source):
        raise InvalidMail("Give either recipients or the name of a recipient source.")
    if source:
        sources.get(source)
    settings = get_settings()
    settings.relay(relay)
    if bulk:
        unsubscribe_pattern(settings)
    files = _attached_files(attachments, settings.max_message_bytes)
    job = MessageJob(
        subject=storable(str(subject)),
        text=storable(str(text)),
        html=storable(str(html)),
        sanitize_html=sanitize_html,
        from_email=str(from_email or django_settings.DEFAULT_FROM_EMAIL),
        reply_to=reply_to if isinstance(reply_to, str) else ", ".join(reply_to or ()),
        headers={name: str(value) for name, value in (headers or {}).items()},
        bulk=bulk,
        recipients=_recipients_text(recipients or ()),
        source=source,
        source_params=plain_params("source_params", source_params or {}),
        priority=Priority(priority),
        relay=relay,
        scheduled_at=scheduled_at,
        status=status,
        key=storable(key) if key else None,
        message_id_domain=settings.message_id_domain,
        created_by=storable(created_by)[:254],
    )
    compile_letter(words_of(job, files), max_bytes=settings.max_message_bytes)
    _refuse_too_long(job)
    return drafts.keep(job, files) if key and status == JobStatus.DRAFT else _insert(job, files)


def enqueue_content(
    *,
    data: bytes,
    mail_from: str,
    recipients: Sequence[str],
    subject: str = "",
    message_id: str = "",
    priority: Priority = Priority.HIGH,
    relay: str = "",
) -> list[int]:
    """
    Queue the finished bytes of one mail, stored once, as one message per recipient; returns the messages' ids.

    A recipient who is named twice gets one message. What is no address becomes a failed message that says why.
    Raises InvalidMail when the mail is larger than the setting MAX_MESSAGE_BYTES or nobody is to get it.
    """
    settings = get_settings()
    settings.relay(relay)
    # No mail may hold NUL (RFC 5322, 4.1), and servers that drop it would see another end of the mail than others do.
    data = normalise_newlines(data.replace(b"\0", b""))
    refuse_too_large(len(data), settings.max_message_bytes)
    messages = {message.recipient: message for message in (_single(given) for given in reversed(recipients))}
    if not messages:
        raise InvalidMail("A mail needs at least one recipient.")
    with transaction.atomic(using=alias()):
        content = Content.objects.create(
            mail_from=mail_from,
            subject=storable(subject),
            message_id=storable(message_id)[:_MAX_MESSAGE_ID],
            body=data,
            size=len(data),
        )
        rows = list(reversed(messages.values()))
        for message in rows:
            message.content, message.priority, message.relay = content, Priority(priority), relay
        Message.objects.bulk_create(rows)
        notify()
    return [row.pk for row in rows] if rows[0].pk else _ids_of(content)


def _insert(job: MessageJob, files: Sequence[AttachedFile]) -> MessageJob:
    try:
        with transaction.atomic(using=alias()):
            job.save(force_insert=True)
            drafts.add_files(job, files)
            if job.status == JobStatus.QUEUED:
                notify()
    except IntegrityError:
        earlier = MessageJob.objects.using(alias()).filter(key=job.key).first() if job.key else None
        if earlier is None:
            raise
        return earlier
    return job


def _recipients_text(recipients: str | Iterable[RecipientLike]) -> str:
    if isinstance(recipients, str):
        # What cannot be stored must not make another address of one.
        return storable(recipients, nul="\N{REPLACEMENT CHARACTER}")
    return format_recipients(recipients)


def _refuse_too_long(job: MessageJob) -> None:
    """Raises InvalidMail for what is longer than its column; some databases would cut it off."""
    for words, text, limit in (("from", job.from_email, 998), ("reply-to", job.reply_to, 998), ("key", job.key, 200)):
        if text and len(text) > limit:
            raise InvalidMail(f"{words}: it has {len(text):,} characters; {limit} are possible.")


def _attached_files(attachments: Iterable[AttachmentLike], limit: int) -> list[AttachedFile]:
    """One after the other, so that no more than a mail can hold is ever in memory. Raises InvalidMail."""
    files: list[AttachedFile] = []
    size = 0
    for given in attachments:
        files.append(_attached_file(given))
        size += len(files[-1].content)
        refuse_too_large(size * 4 // 3, limit)  # as they will be in base64
    return files


def _attached_file(given: AttachmentLike) -> AttachedFile:
    if isinstance(given, AttachedFile):
        return replace(given, filename=storable(given.filename, nul="\0"), content_type=given.content_type.strip())
    filename, content, *rest = given
    content_type = (rest[0] if rest else None) or mimetypes.guess_type(filename)[0] or "application/octet-stream"
    data = content.encode("utf-8", "replace") if isinstance(content, str) else bytes(content)
    return AttachedFile(storable(filename, nul="\0"), content_type.strip(), data)


def _single(given: str) -> Message:
    try:
        recipient = parse_recipient(given)
    except InvalidAddress as error:
        return Message(
            recipient=salvage(given, error),
            status=MessageStatus.FAILED,
            reply=storable(str(error)),
            cause=Cause.NO_ADDRESS,
        )
    return Message(recipient=recipient.address, spelled=recipient.spelled)


def _ids_of(content: Content) -> list[int]:
    """MySQL does not tell the keys of rows inserted at once."""
    return list(Message.objects.using(alias()).filter(content=content).order_by("pk").values_list("pk", flat=True))
