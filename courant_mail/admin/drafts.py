"""A draft as its form needs it: which version it is, who gets it in words, and the files that go with it."""

from __future__ import annotations

import hashlib
import itertools
import mimetypes
import re
from collections.abc import Iterator
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db.models.functions import Length
from django.utils.translation import ngettext

from ..addresses import iter_recipients, parse_recipient
from ..compose.letter import AttachedFile
from ..exceptions import InvalidAddress
from ..models import Attachment, MessageJob
from . import people

#: so many characters of recipients can still be looked through in a text area
LARGE = 100_000
_WRITTEN = (
    "subject",
    "from_email",
    "reply_to",
    "html",
    "text",
    "recipients",
    "source",
    "source_params",
    "bulk",
    "priority",
    "relay",
    "scheduled_at",
)
#: a line that is one recipient in braces, or the sign of an address
_RECIPIENT = re.compile(r"(?m)^[ \t]*\{[^\r\n]*|@")


def draft_version(job: MessageJob) -> str:
    """A text that differs when anything of the draft differs that can be written; empty for a job that is new."""
    if job._state.adding:
        return ""
    values = [getattr(job, name) for name in _WRITTEN] + sorted(job.attachments.values_list("pk", flat=True))
    return hashlib.blake2b(repr(values).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def recipients_in_words(text: str) -> str:
    """About how many recipients the text of a job names, without reading it to the letter."""
    count = sum(1 for _found in _RECIPIENT.finditer(text))
    return ngettext("about %(count)s recipient", "about %(count)s recipients", count) % {"count": people.number(count)}


def warnings_about(text: str) -> Iterator[str]:
    """Words about the entries that are no addresses. They are kept, and become mails that failed with the reason."""
    wrong = (entry for entry, _behind in iter_recipients(text) if not _is_recipient(entry))
    first = list(itertools.islice(wrong, 3))
    if first:
        count = len(first) + sum(1 for _entry in wrong)
        yield ngettext(
            "%(count)d recipient is not an address and will not get the mail: %(first)s",
            "%(count)d recipients are not addresses and will not get the mail: %(first)s",
            count,
        ) % {"count": count, "first": ", ".join(f"“{entry!s:.60}”" for entry in first) + ("…" if count > 3 else "")}


def _is_recipient(entry: Any) -> bool:
    try:
        parse_recipient(entry)
    except InvalidAddress:
        return False
    return True


def attached_to(job: MessageJob) -> list[tuple[int, str, int]]:
    """Key, name and size of the files of a job, without their content."""
    if job._state.adding:
        return []
    return list(job.attachments.order_by("pk").values_list("pk", "filename", Length("content")))


def uploaded_file(upload: UploadedFile[bytes]) -> AttachedFile:
    """The uploaded file as mails carry it; its name says what kind it is."""
    name = upload.name or ""
    return AttachedFile(name, mimetypes.guess_type(name)[0] or "application/octet-stream", upload.read())


def attachment_row(job: MessageJob, file: AttachedFile) -> Attachment:
    """The row of a file, not stored yet."""
    return Attachment(
        job=job,
        filename=file.filename,
        content_type=file.content_type,
        content_id=file.content_id,
        content=file.content,
    )


def stored_size(value: str | bytes) -> int:
    """The bytes of the value in a statement of MySQL, with the backslashes that go before some of them."""
    data = value.encode("utf-8", "replace") if isinstance(value, str) else value
    return len(data) + sum(map(data.count, (b'"', b"'", b"\\", b"\n", b"\r", b"\0", b"\x1a")))
