"""From a claimed message to a task for a courier: whose letter, which values, which Message-ID."""

from __future__ import annotations

import logging
from datetime import datetime
from functools import partial

from django.db import DatabaseError

from ..compose.letter import Decorator, Letter, To
from ..conf import Settings
from ..deliver.courier import Task
from ..exceptions import InvalidMail
from ..links import unsubscribe_pattern
from ..models import MessageJob
from ..queue.claim import Claimed
from ..queue.database import alias
from ..queue.letters import job_letter, message_id_pattern
from ..tokens import make_token

logger = logging.getLogger(__name__)


class JobLetter:
    """A job compiled once; renders the bytes of one recipient in any thread. `rewrite` changes its words before."""

    def __init__(self, job: MessageJob, settings: Settings, *, rewrite: Decorator | None = None) -> None:
        self._letter: Letter = job_letter(job, rewrite=rewrite)
        self._message_id = message_id_pattern(job)
        self._unsubscribe = unsubscribe_pattern(settings) if job.bulk else ""
        self.mail_from = self._letter.mail_from

    def render(self, message_id: int, address: str, merge: dict[str, object] | None, date: datetime) -> bytes:
        """The finished bytes of one message. Raises InvalidMail when its values cannot be rendered."""
        return self.finished(self.to(message_id, address, merge, date))

    def finished(self, to: To) -> bytes:
        """The finished bytes for a recipient of whom everything is known. Raises as `render` does."""
        return self._letter.render(to)

    def measure(
        self, message_id: int, address: str, merge: dict[str, object] | None, date: datetime, blanks: set[str]
    ) -> int:
        """The size of what `render` would make; see `Letter.measure`."""
        return self._letter.measure(self.to(message_id, address, merge, date), blanks)

    def to(self, message_id: int, address: str, merge: dict[str, object] | None, date: datetime) -> To:
        """Everything that is this recipient's own; the same arguments give the same Message-ID and link."""
        return To(
            address=address,
            name=str((merge or {}).get("name", "")),
            merge=merge,
            message_id=self._message_id.format(message_id),
            unsubscribe_url=self._unsubscribe and self._unsubscribe.format(make_token(address, message_id)),
            date=date,
        )


class Renderer:
    """Makes tasks of claimed messages; remembers the letters of the jobs in hand."""

    _KEPT = 16

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._letters: dict[int, JobLetter | InvalidMail] = {}

    def task(self, message: Claimed, now: datetime) -> Task:
        """
        What a courier needs to send the message.

        Raises InvalidMail when the words of its job cannot become a mail for anybody.
        """
        if message.content is not None:
            content = message.content
            return Task(
                key=message.id,
                priority=message.priority,
                mail_from=content.mail_from,
                rcpt_to=message.address,
                render=partial(bytes, content.body),
                item=message,
            )
        letter = self._letter(message.job_id or 0)
        return Task(
            key=message.id,
            priority=message.priority,
            mail_from=letter.mail_from,
            rcpt_to=message.address,
            render=partial(letter.render, message.id, message.address, message.merge, now),
            item=message,
        )

    def forget(self, job_id: int) -> None:
        """Compile the job anew when it is met again."""
        self._letters.pop(job_id, None)

    def _letter(self, job_id: int) -> JobLetter:
        known = self._letters.get(job_id)
        if known is None:
            if len(self._letters) >= self._KEPT:
                self._letters.pop(next(iter(self._letters)))
            known = self._letters[job_id] = self._compile(job_id)
        if isinstance(known, InvalidMail):
            raise known
        return known

    def _compile(self, job_id: int) -> JobLetter | InvalidMail:
        try:
            return JobLetter(MessageJob.objects.using(alias()).get(pk=job_id), self._settings)
        except InvalidMail as error:
            return error
        except DatabaseError:
            raise
        except Exception as error:  # a letter decorator of the site may raise anything; only its job must wait
            logger.exception("Job %s cannot be compiled", job_id)
            return InvalidMail(f"{type(error).__name__}: {error}")
