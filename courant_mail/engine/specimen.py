"""The mail of a job for one recipient, made outside of the queue: to look at it, or to send a test of it to others."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from email import policy
from email.parser import BytesHeaderParser

from django.db import DatabaseError

from ..compose.letter import Decorator, Words
from ..conf import Settings
from ..exceptions import CourantMailError, InvalidMail
from ..links import unsubscribe_pattern
from ..models import MessageJob
from ..queue.audience import Person
from .rendering import JobLetter

logger = logging.getLogger(__name__)

#: stands in the subject of a test, and this field in its header
TEST_PREFIX = "[Test] "
TEST_HEADER = "X-Courant-Mail-Test"

#: who reads the mail where nobody of its audience is known
NOBODY = Person("reader@example.org")


def specimen(job: MessageJob, person: Person, *, settings: Settings, now: datetime) -> bytes:
    """
    The finished mail of the job for this person.

    For somebody who has a message it is what is sent, byte for byte, but for the Date. Before the recipients have been
    read there is no message yet: then the Message-ID is another one, and the link to unsubscribe unsubscribes nobody.
    Raises InvalidMail with the reason when the mail cannot be made.
    """
    letter = compiled(job, settings)
    to = letter.to(person.message_id or 0, person.address, dict(person.merge or {}), now)
    if person.message_id is None:
        to = replace(
            to,
            message_id=f"<preview.{job.pk}@{job.message_id_domain}>",
            unsubscribe_url=_link_to_nothing(job, settings, "preview"),
        )
    return letter.finished(to)


def compiled(job: MessageJob, settings: Settings, *, rewrite: Decorator | None = None) -> JobLetter:
    """The letter of the job. Raises InvalidMail with the reason, also where a letter decorator of the site fails."""
    try:
        return JobLetter(job, settings, rewrite=rewrite)
    except (CourantMailError, DatabaseError):
        raise
    except Exception as error:  # a letter decorator may raise anything
        logger.exception("Job %s cannot be compiled", job.pk)
        raise InvalidMail(f"{type(error).__name__}: {error}") from error


@dataclass(frozen=True, slots=True)
class Trial:
    """The finished bytes of a test and its envelope."""

    data: bytes
    mail_from: str
    recipient: str
    message_id: str

    @property
    def subject(self) -> str:
        """As the reader sees it."""
        head = BytesHeaderParser(policy=policy.default).parsebytes(self.data.partition(b"\r\n\r\n")[0])
        return str(head["Subject"])


def trials(
    job: MessageJob, person: Person, readers: Iterable[str], *, settings: Settings, now: datetime
) -> list[Trial]:
    """
    The mail of the job as this person would read it, addressed to each of the readers and marked as a test.

    Its link to unsubscribe unsubscribes nobody. Raises InvalidMail with the reason when the mail cannot be made.
    """
    letter = compiled(job, settings, rewrite=_marked)
    as_read = replace(
        letter.to(0, person.address, dict(person.merge or {}), now),
        unsubscribe_url=_link_to_nothing(job, settings, "test"),
    )
    found = []
    for reader in readers:
        message_id = f"<test.{job.pk}.{uuid.uuid4().hex}@{job.message_id_domain}>"
        to = replace(as_read, message_id=message_id, sent_to=reader)
        found.append(Trial(letter.finished(to), letter.mail_from, reader, message_id))
    return found


def _marked(words: Words) -> Words:
    return replace(words, subject=TEST_PREFIX + words.subject.strip(), headers={**words.headers, TEST_HEADER: "yes"})


def _link_to_nothing(job: MessageJob, settings: Settings, token: str) -> str:
    """Looks like the link of the real mail. No token of this site looks like that, so it is answered with 404."""
    return unsubscribe_pattern(settings).format(token) if job.bulk else ""
