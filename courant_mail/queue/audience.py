"""Who gets a job: about how many, some of them, and one in particular. Only reads; cheap whatever their number."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from .. import sources
from ..addresses import canonical, iter_recipients, parse_recipient
from ..exceptions import CourantMailError, InvalidAddress, InvalidMail
from ..models import JobStatus, Message, MessageJob
from ..sources import RecipientLike
from .database import alias
from .readers import read

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: how far into a source somebody is looked for
SEARCHED = 1000
#: a text of so many characters is counted entry by entry; the lines of a longer one say about how many there are
_COUNTED_CHARACTERS = 250_000
#: lines that look like the one that is searched for, and entries of one line
_CANDIDATES, _LINE = 1000, 10_000


@dataclass(frozen=True, slots=True)
class Person:
    """
    Somebody who gets a job: the address as spelled, the merge values, and the number of the message.

    There is no message as long as the recipients of the job have not been read.
    """

    address: str
    merge: Mapping[str, Any] | None = None
    message_id: int | None = None


def about(job: MessageJob) -> int | None:
    """
    About how many get the job; None where only reading them all could tell.

    Raises UnknownSource, and InvalidMail with the reason where the source cannot say.
    """
    if job.expanded_at is not None:
        return job.total
    if job.source:
        return _of_the_source(lambda: sources.estimate(job.source, job.source_params))
    if len(job.recipients) <= _COUNTED_CHARACTERS:
        return sum(1 for _ in iter_recipients(job.recipients))
    return job.recipients.count("\n") + 1


def some(job: MessageJob, number: int) -> list[Person]:
    """At most so many of those who get the job. Raises as `about` does."""
    found = _with_messages(job, number)
    if found or job.expanded_at is not None:
        return found
    return list(islice(_people(_of_the_source(lambda: _first_page(job, 5 * number))), number))


def find(job: MessageJob, address: str) -> Person | None:
    """
    The recipient of the job with this address in any spelling.

    None where there is none; a source is searched no further than its first `SEARCHED` recipients. Raises
    InvalidAddress for what is no address, and what `about` raises.
    """
    wanted = canonical(address)
    message = Message.objects.using(alias()).filter(job=job, recipient=wanted).first()
    if message is not None:
        return Person(message.address, message.merge, message.pk)
    if job.expanded_at is not None:
        return None
    if job.source:
        entries: Iterable[RecipientLike] = _of_the_source(lambda: _first_page(job, SEARCHED))
    else:
        entries = _lookalikes(job.recipients, wanted)
    return next((person for person in _people(entries) if canonical(person.address) == wanted), None)


def _with_messages(job: MessageJob, number: int) -> list[Person]:
    """In the order of the index, so that the first ones are found among a million."""
    if job.status in (JobStatus.DRAFT, JobStatus.QUEUED):
        return []
    rows = Message.objects.using(alias()).filter(job=job).order_by("recipient")[: 5 * number]
    return [Person(row.address, row.merge, row.pk) for row in rows if _is_address(row.address)][:number]


def _is_address(text: str) -> bool:
    try:
        canonical(text)
    except InvalidAddress:
        return False
    return True


def _first_page(job: MessageJob, size: int) -> list[RecipientLike]:
    page = next(read(job, size).pages, None)
    return page.entries if page is not None else []


def _people(entries: Iterable[RecipientLike]) -> Iterator[Person]:
    """Those of the entries that a mail can be sent to."""
    for entry in entries:
        try:
            found = parse_recipient(entry)
        except InvalidAddress:
            continue
        yield Person(found.spelled or found.address, found.merge or None)


def _lookalikes(text: str, wanted: str) -> Iterator[RecipientLike]:
    """The entries of those lines in which something like the address stands; the others need not be read."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    # As long as the text itself, so that a place in the one is the same place in the other.
    lower = text.replace("İ", "i").lower()
    end = -1
    for found in islice(re.finditer(re.escape(wanted.partition("@")[0] + "@"), lower), _CANDIDATES):
        if found.start() <= end:
            continue
        start = text.rfind("\n", 0, found.start()) + 1
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        for entry, _ in islice(iter_recipients(text[start:end]), _LINE):
            yield entry


def _of_the_source(ask: Callable[[], T]) -> T:
    """What the site's own function says; it may raise anything."""
    try:
        return ask()
    except CourantMailError:
        raise
    except Exception as error:
        logger.exception("The recipients of a job could not be read")
        raise InvalidMail(f"The recipients could not be read: {type(error).__name__}: {error}") from error
