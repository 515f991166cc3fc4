"""A job's words as the compose room wants them."""

from __future__ import annotations

from ..compose.letter import AttachedFile, Letter, Words, compile_letter
from ..conf import get_settings
from ..models import MessageJob


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


def job_letter(job: MessageJob) -> Letter:
    """The compiled letter of a stored job. Raises InvalidMail with the reason."""
    return compile_letter(job_words(job), max_bytes=get_settings().max_message_bytes)
