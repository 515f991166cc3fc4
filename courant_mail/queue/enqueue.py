"""Put mail into the queue: a mass mail as one job, or the finished bytes of a single mail."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from django.conf import settings as django_settings
from django.db import IntegrityError, transaction

from .. import sources
from ..addresses import format_recipients, parse_recipient, salvage
from ..causes import Cause
from ..compose.letter import AttachedFile, compile_letter
from ..compose.mime import normalise_newlines
from ..conf import get_settings
from ..exceptions import InvalidAddress, InvalidMail
from ..links import unsubscribe_pattern
from ..models import Attachment, Content, JobStatus, Message, MessageJob, MessageStatus, Priority
from ..sources import RecipientLike
from .database import alias
from .letters import words_of
from .wake import notify

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
    earlier job is returned.
    """
    if (recipients is None) == (not source):
        raise InvalidMail("Give either recipients or the name of a recipient source.")
    if source:
        sources.get(source)
    settings = get_settings()
    settings.relay(relay)
    if bulk:
        unsubscribe_pattern(settings)
    files = [_attached_file(given) for given in attachments]
    job = MessageJob(
        subject=str(subject),
        text=str(text),
        html=str(html),
        sanitize_html=sanitize_html,
        from_email=str(from_email or django_settings.DEFAULT_FROM_EMAIL),
        reply_to=reply_to if isinstance(reply_to, str) else ", ".join(reply_to or ()),
        headers=dict(headers or {}),
        bulk=bulk,
        recipients=recipients if isinstance(recipients, str) else format_recipients(recipients or ()),
        source=source,
        source_params=dict(source_params or {}),
        priority=Priority(priority),
        relay=relay,
        scheduled_at=scheduled_at,
        status=status,
        key=key,
        message_id_domain=settings.message_id_domain,
        created_by=created_by,
    )
    compile_letter(words_of(job, files), max_bytes=settings.max_message_bytes)
    return _insert(job, files)


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
    data = normalise_newlines(data)
    if len(data) > settings.max_message_bytes:
        raise InvalidMail(
            f"The mail has {len(data):,} bytes; COURANT_MAIL['MAX_MESSAGE_BYTES'] allows "
            f"{settings.max_message_bytes:,}."
        )
    messages = {message.recipient: message for message in (_single(given) for given in reversed(recipients))}
    if not messages:
        raise InvalidMail("A mail needs at least one recipient.")
    with transaction.atomic(using=alias()):
        content = Content.objects.create(
            mail_from=mail_from, subject=subject, message_id=message_id, body=data, size=len(data)
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
            if job.status == JobStatus.QUEUED:
                notify()
    except IntegrityError:
        earlier = MessageJob.objects.using(alias()).filter(key=job.key).first() if job.key else None
        if earlier is None:
            raise
        return earlier
    return job


def _attached_file(given: AttachmentLike) -> AttachedFile:
    if isinstance(given, AttachedFile):
        return given
    filename, content, *rest = given
    content_type = (rest[0] if rest else None) or mimetypes.guess_type(filename)[0] or "application/octet-stream"
    return AttachedFile(filename, content_type, content.encode() if isinstance(content, str) else bytes(content))


def _single(given: str) -> Message:
    try:
        recipient = parse_recipient(given)
    except InvalidAddress as error:
        return Message(
            recipient=salvage(given, error), status=MessageStatus.FAILED, reply=str(error), cause=Cause.NO_ADDRESS
        )
    return Message(recipient=recipient.address, spelled=recipient.spelled)


def _ids_of(content: Content) -> list[int]:
    """MySQL does not tell the keys of rows inserted at once."""
    return list(Message.objects.using(alias()).filter(content=content).order_by("pk").values_list("pk", flat=True))
