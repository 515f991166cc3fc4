"""A job's words as the compose room wants them."""

from __future__ import annotations

from ..compose.letter import AttachedFile, Decorator, Letter, Words, compile_letter
from ..conf import get_settings
from ..models import Message, MessageJob


def job_words(job: MessageJob) -> Words:
    """The words of a stored job, with its attachments."""
    files = [
        AttachedFile(
            filename=attachment.filename,
            content_type=attachment.content_type,
            content=bytes(attachment.content),
            content_id=attachment.content_id,
        )
        for attachment in job.attachments.order_by("pk")
    ]
    return words_of(job, files)


def words_of(job: MessageJob, files: list[AttachedFile]) -> Words:
    """The words of a job that need not be stored yet, with these files."""
    return Words(
        subject=job.subject,
        text=job.text,
        html=job.html,
        sanitize_html=job.sanitize_html,
        from_email=job.from_email,
        reply_to=job.reply_to,
        headers=job.headers,
        attachments=files,
        bulk=job.bulk,
    )


def job_letter(job: MessageJob, *, rewrite: Decorator | None = None) -> Letter:
    """The compiled letter of a stored job, its words perhaps rewritten before. Raises InvalidMail with the reason."""
    words = job_words(job)
    return compile_letter(rewrite(words) if rewrite else words, max_bytes=get_settings().max_message_bytes)


def message_id_pattern(job: MessageJob) -> str:
    """The Message-ID of all messages of a job; `{}` stands for the key of the message."""
    return f"<{job.pk}.{{}}.{int(job.created_at.timestamp()):x}@{job.message_id_domain}>"


def message_id_of(message: Message) -> str:
    """The Message-ID of a message, as it is sent."""
    if message.job is not None:
        return message_id_pattern(message.job).format(message.pk)
    return message.content.message_id if message.content else ""
