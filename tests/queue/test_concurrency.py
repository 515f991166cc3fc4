"""Several runs at once, over connections of their own: no message twice, none forgotten, nobody waits for nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from django.db import connections
from django.test import TransactionTestCase

from courant_mail.choices import JobStatus
from courant_mail.models import Message, MessageJob
from courant_mail.queue.claim import give_back
from courant_mail.queue.endings import Ending
from courant_mail.queue.expand import expand, take_job

from .helpers import NOW, SENT, claim_all, make_job, make_messages, make_sender, make_single, record_all, statuses


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """Run each in a thread of its own, all starting together; what they return, or the first error."""
    start = threading.Barrier(len(works))
    answers: list[Any] = [None] * len(works)
    errors: list[BaseException] = []

    def run(number: int, work: Callable[[], Any]) -> None:
        try:
            start.wait(10)
            answers[number] = work()
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return answers


class ConcurrencyTests(TransactionTestCase):
    def test_claims_at_the_same_time_share_the_queue_without_overlap(self) -> None:
        make_messages(make_job(), 400)
        for n in range(20):
            make_single(f"single{n}@example.org")

        def work() -> list[int]:
            sender = make_sender()
            mine: list[int] = []
            while found := claim_all(sender, 7).messages:
                mine += [message.id for message in found]
                record_all(sender, [Ending(message, "smtp", SENT) for message in found[1:]], {0: found[0].id})
                give_back(sender, [found[0].id]) if len(mine) % 2 else record_all(
                    sender, [Ending(found[0], "smtp", SENT)]
                )
            return mine

        answers = at_once(work, work, work, work)
        self.assertEqual(statuses(), {"sent": 420})
        self.assertEqual(set().union(*answers), set(Message.objects.values_list("pk", flat=True)))
        self.assertEqual(set(Message.objects.values_list("attempts", flat=True)), {1})

    def test_two_expansions_of_one_job_make_each_row_once(self) -> None:
        text = "\n".join(f"reader{n}@example.org" for n in range(500))
        for _ in range(3):
            make_job(status=JobStatus.QUEUED, expanded_at=None, recipients=text)

        def work() -> int:
            sender, done = make_sender(), 0
            while job := take_job(sender, NOW):
                done += sum(step.finished for step in expand(job, sender, NOW, page=50))
            return done

        self.assertEqual(sum(at_once(work, work, work)), 3)
        self.assertEqual(Message.objects.count(), 1500)
        self.assertEqual(set(MessageJob.objects.values_list("total", "consumed")), {(500, 500)})
