"""The rule of the column `cause`, through every change of state that the queue knows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.test import TestCase, override_settings

from courant_mail.causes import BY_STATUS, Cause
from courant_mail.choices import JobStatus, MessageStatus, Outcome, Scope
from courant_mail.conf import get_settings
from courant_mail.deliver.outcomes import Result
from courant_mail.models import Message
from courant_mail.queue import claim, control, resolve
from courant_mail.queue.endings import Ending
from courant_mail.queue.expand import expand, take_job
from courant_mail.queue.reopen import reopen, settle_reopened
from courant_mail.queue.rescue import rescue
from courant_mail.queue.retry import retry_deferred
from courant_mail.queue.suppress import UNSUBSCRIBED, suppress

from .helpers import (
    DOUBT,
    LATER,
    NEVER,
    NOW,
    SENT,
    TROUBLE,
    claim_all,
    kill,
    later,
    make_job,
    make_messages,
    make_sender,
    make_single,
    record_all,
    statuses,
)

FULL_FOR_NOW = Result(Outcome.REFUSED_FOR_NOW, 452, "4.2.2", "4.2.2 Mailbox full")
NO_SENDER = Result(Outcome.SENDER_REFUSED, 550, "5.1.8", "5.1.8 Sender address rejected")
BROKEN = Result(Outcome.OUR_FAULT, None, "", "No value for name")


class CauseOfRowsTests(TestCase):
    def cause(self, recipient: str) -> int | None:
        return Message.objects.values_list("cause", flat=True).get(recipient=recipient)

    @contextmanager
    def step(self, **expected: int) -> Iterator[None]:
        """A change of state, the statuses after it, and the rule: a cause exactly where somebody did not get it."""
        yield
        self.assertEqual(statuses(), expected)
        for recipient, status, cause in Message.objects.values_list("recipient", "status", "cause"):
            self.assertEqual(cause is not None, status in BY_STATUS, (recipient, MessageStatus(status)))

    def test_recipients_that_can_never_get_it_have_their_cause_from_the_start(self) -> None:
        make_job(
            status=JobStatus.QUEUED,
            expanded_at=None,
            recipients="ann@example.org\nnobody\ngone@example.org\nblocked@example.org",
        )
        suppress("gone@example.org", source=UNSUBSCRIBED)
        suppress("blocked@example.org", scope=Scope.ALL, source="editor ann")
        sender = make_sender()
        with self.step(queued=1, failed=1, suppressed=2):
            job = take_job(sender, NOW)
            assert job is not None
            list(expand(job, sender, NOW))
        self.assertEqual(self.cause("nobody"), Cause.NO_ADDRESS)
        self.assertEqual(self.cause("gone@example.org"), Cause.UNSUBSCRIBED)
        self.assertEqual(self.cause("blocked@example.org"), Cause.SUPPRESSED)

    def test_whoever_unsubscribes_before_the_claim_has_done_so(self) -> None:
        make_messages(make_job(), 2)
        suppress("reader0@example.org", source=UNSUBSCRIBED)
        with self.step(suppressed=1, sending=1):
            claim_all(make_sender())
        self.assertEqual(self.cause("reader0@example.org"), Cause.UNSUBSCRIBED)

    def test_every_end_of_a_try_has_the_cause_of_its_reply(self) -> None:
        endings = {
            "sent": (SENT, None),
            "never": (NEVER, Cause.UNKNOWN_ADDRESS),
            "later": (LATER, Cause.PUT_OFF),
            "full": (FULL_FOR_NOW, Cause.MAILBOX_FULL),
            "nosender": (NO_SENDER, Cause.SENDER_REFUSED),
            "broken": (BROKEN, Cause.NOT_RENDERED),
            "doubt": (DOUBT, Cause.IN_DOUBT),
            "trouble": (TROUBLE, None),
        }
        job = make_job()
        Message.objects.bulk_create(Message(job=job, recipient=name, priority=3) for name in endings)
        sender = make_sender()
        with self.step(sending=8):
            taken = claim_all(sender).messages
        with self.step(sent=1, failed=3, deferred=2, in_doubt=1, queued=1):
            record_all(sender, [Ending(message, "smtp", endings[message.recipient][0]) for message in taken])
        for name, (_, expected) in endings.items():
            self.assertEqual(self.cause(name), expected, name)

    def test_another_try_takes_the_cause_away_and_its_end_gives_another(self) -> None:
        make_messages(make_job(), 1)
        sender = make_sender()
        for result, expected in ((LATER, Cause.PUT_OFF), (FULL_FOR_NOW, Cause.MAILBOX_FULL), (NEVER, 2), (SENT, None)):
            [message] = claim_all(sender).messages
            record_all(sender, [Ending(message, "smtp", result)])
            self.assertEqual(self.cause("reader0@example.org"), expected)
            if result is SENT:
                break
            with self.step(queued=1):
                retry_deferred(NOW, everything=True)
                resolve.send_again(Message.objects.values_list("pk", flat=True))
            self.assertIsNone(self.cause("reader0@example.org"))

    def test_what_is_put_off_for_too_long_was_given_up(self) -> None:
        make_messages(make_job(), 1)
        sender = make_sender()
        [message] = claim_all(sender).messages
        with self.step(deferred=1):
            record_all(sender, [Ending(message, "smtp", LATER)])
        retry_deferred(NOW, everything=True)
        [message] = claim_all(sender).messages
        with self.step(failed=1):
            record_all(sender, [Ending(message, "smtp", LATER)], now=later(days=3))
        self.assertEqual(self.cause("reader0@example.org"), Cause.GAVE_UP)

    def test_what_is_given_back_has_none(self) -> None:
        make_messages(make_job(), 2)
        sender = make_sender()
        taken = claim_all(sender).messages
        with self.step(queued=2):
            claim.give_back(sender, [message.id for message in taken])

    @override_settings(COURANT_MAIL={"IN_DOUBT": "hold"})
    def test_what_a_dead_sender_leaves_behind(self) -> None:
        make_messages(make_job(), 2)
        make_single("single@example.org")
        sender = make_sender(connections=2)
        taken = claim_all(sender).messages
        record_all(sender, [], {0: taken[0].id, 1: taken[1].id})
        kill(sender)
        with self.step(in_doubt=2, queued=1):
            rescue(NOW, settings=get_settings())

    def test_a_human_decides_about_what_is_in_doubt(self) -> None:
        job = make_job(status=JobStatus.FINISHED, finished_at=NOW)
        rows = make_messages(job, 3, status=MessageStatus.IN_DOUBT, cause=Cause.IN_DOUBT)
        with self.step(in_doubt=2, sent=1):
            resolve.count_as_sent([rows[0].pk])
        with self.step(in_doubt=1, sent=1, queued=1):
            resolve.send_again([rows[0].pk, rows[1].pk])

    def test_cancelling_and_sending_to_the_rest(self) -> None:
        job = make_job()
        first, *_ = make_messages(job, 3)
        Message.objects.filter(pk=first.pk).update(status=MessageStatus.DEFERRED, cause=Cause.PUT_OFF, not_before=NOW)
        with self.step(cancelled=3):
            control.cancel(job.pk)
            control.settle_cancelled(NOW)
        self.assertEqual(set(Message.objects.values_list("cause", flat=True)), {Cause.CANCELLED})
        with self.step(queued=3):
            reopen(job.pk)
            settle_reopened()
