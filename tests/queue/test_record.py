"""Results: what they change, and that only the holder of a claim may write them."""

from __future__ import annotations

from dataclasses import replace

from django.test import TestCase

from courant_mail.choices import JobStatus, MessageStatus, Outcome
from courant_mail.conf import get_settings
from courant_mail.deliver.outcomes import Result
from courant_mail.exceptions import ClaimLost
from courant_mail.models import Attempt, InFlight, Message, Suppression
from courant_mail.queue import senders
from courant_mail.queue.endings import Ending
from courant_mail.queue.expand import take_job
from courant_mail.queue.rescue import rescue
from courant_mail.queue.resolve import send_again

from .helpers import (
    DOUBT,
    LATER,
    NEVER,
    NOW,
    SENT,
    TROUBLE,
    claim_all,
    flying,
    kill,
    later,
    make_job,
    make_messages,
    make_sender,
    make_single,
    record_all,
    statuses,
)


class ResultTests(TestCase):
    def setUp(self) -> None:
        self.sender = make_sender()
        self.job = make_job()
        make_messages(self.job, 3)
        self.claimed = claim_all(self.sender).messages

    def test_a_sent_message_keeps_time_relay_and_reply_on_its_row(self) -> None:
        recorded = record_all(self.sender, [Ending(self.claimed[0], "smtp", SENT)])
        row = Message.objects.get(pk=self.claimed[0].id)
        self.assertEqual(
            (row.status, row.sent_at, row.relay, row.reply, row.attempts, row.claimed_by),
            (MessageStatus.SENT, NOW, "smtp", "250 2.0.0 Ok: queued as 4711", 1, None),
        )
        self.assertFalse(Attempt.objects.exists())
        self.assertEqual(recorded.deltas, {self.job.pk: {MessageStatus.SENT: 1}})

    def test_messages_that_end_together_keep_their_own_replies(self) -> None:
        replies = [Result(Outcome.SENT, 250, "", f"queued as {n}") for n in range(3)]
        record_all(self.sender, [Ending(m, "smtp", r) for m, r in zip(self.claimed, replies, strict=True)])
        found = list(Message.objects.order_by("pk").values_list("reply", flat=True))
        self.assertEqual(found, ["250 queued as 0", "250 queued as 1", "250 queued as 2"])

    def test_a_temporary_refusal_defers_and_leaves_an_attempt(self) -> None:
        record_all(self.sender, [Ending(self.claimed[0], "smtp", LATER)])
        row = Message.objects.get(pk=self.claimed[0].id)
        self.assertEqual((row.status, row.attempts, row.reply), (MessageStatus.DEFERRED, 1, f"451 {LATER.reply}"))
        self.assertTrue(row.not_before and row.not_before > NOW)
        attempt = row.tries.get()
        self.assertEqual(
            (attempt.outcome, attempt.code, attempt.enhanced, attempt.relay, attempt.host),
            (Outcome.REFUSED_FOR_NOW, 451, "4.7.1", "smtp", "mailhost"),
        )

    def test_a_permanent_refusal_fails(self) -> None:
        record_all(self.sender, [Ending(self.claimed[0], "smtp", NEVER)])
        self.assertEqual(Message.objects.get(pk=self.claimed[0].id).status, MessageStatus.FAILED)
        self.assertFalse(Suppression.objects.exists())

    def test_an_address_that_does_not_exist_is_suppressed(self) -> None:
        record_all(self.sender, [Ending(self.claimed[0], "smtp", NEVER, address_is_dead=True)])
        suppression = Suppression.objects.get()
        self.assertEqual(
            (suppression.address, suppression.scope, suppression.source),
            (self.claimed[0].recipient, "all", "refusal"),
        )

    def test_relay_trouble_is_not_the_messages_fault(self) -> None:
        record_all(self.sender, [Ending(self.claimed[0], "smtp", TROUBLE)])
        row = Message.objects.get(pk=self.claimed[0].id)
        self.assertEqual((row.status, row.attempts, row.not_before), (MessageStatus.QUEUED, 0, None))
        self.assertFalse(Attempt.objects.exists())

    def test_in_doubt_is_held_for_jobs_and_sent_again_for_single_mails(self) -> None:
        make_single()
        single = claim_all(self.sender).messages[0]
        record_all(self.sender, [Ending(self.claimed[0], "smtp", DOUBT), Ending(single, "smtp", DOUBT)])
        self.assertEqual(Message.objects.get(pk=self.claimed[0].id).status, MessageStatus.IN_DOUBT)
        self.assertEqual(Message.objects.get(pk=single.id).status, MessageStatus.QUEUED)

    def test_the_age_of_a_message_counts_from_its_first_attempt(self) -> None:
        message = Message.objects.get(pk=self.claimed[0].id)
        Attempt.objects.create(message=message, at=later(hours=-49), outcome=Outcome.REFUSED_FOR_NOW)
        record_all(self.sender, [Ending(replace(self.claimed[0], attempts=1), "smtp", LATER)])
        message.refresh_from_db()
        self.assertEqual(
            (message.status, message.reply), (MessageStatus.FAILED, f"given up after 48 hours: 451 {LATER.reply}")
        )

    def test_a_message_that_was_sent_again_by_hand_starts_anew(self) -> None:
        message = Message.objects.get(pk=self.claimed[0].id)
        Attempt.objects.create(message=message, at=later(hours=-99), outcome=Outcome.REFUSED_FOR_NOW)
        Message.objects.filter(pk=message.pk).update(status=MessageStatus.FAILED, attempts=1)
        send_again([message.pk])
        claimed = claim_all(self.sender).messages
        record_all(self.sender, [Ending(claimed[0], "smtp", LATER)])
        message.refresh_from_db()
        self.assertEqual((message.status, message.attempts), (MessageStatus.DEFERRED, 1))


class FenceTests(TestCase):
    def setUp(self) -> None:
        self.sender = make_sender()
        make_messages(make_job(), 3)
        self.claimed = claim_all(self.sender).messages

    def test_the_next_message_of_each_connection_is_known_before_its_dot(self) -> None:
        record_all(self.sender, [], {0: self.claimed[0].id, 1: self.claimed[1].id})
        self.assertEqual(flying(self.sender), {self.claimed[0].id, self.claimed[1].id})
        record_all(self.sender, [Ending(self.claimed[0], "smtp", SENT)], {0: None})
        self.assertEqual(flying(self.sender), {self.claimed[1].id})

    def test_a_sender_that_was_declared_dead_changes_nothing_and_is_told(self) -> None:
        kill(self.sender)
        rescue(NOW, settings=get_settings())
        with self.assertRaises(ClaimLost):
            record_all(self.sender, [Ending(self.claimed[0], "smtp", SENT)], {0: self.claimed[1].id})
        self.assertEqual(statuses(), {"queued": 3})

    def test_a_result_for_what_another_has_claimed_meanwhile_changes_nothing(self) -> None:
        other = make_sender()
        Message.objects.update(claimed_by=other)
        recorded = record_all(
            self.sender, [Ending(self.claimed[0], "smtp", SENT), Ending(self.claimed[1], "smtp", LATER)]
        )
        self.assertEqual(statuses(), {"sending": 3})
        self.assertEqual((dict(recorded.ids), recorded.deltas), ({}, {}))
        self.assertFalse(Attempt.objects.exists())

    def test_of_a_batch_only_what_is_still_ours_is_counted(self) -> None:
        other = make_sender()
        Message.objects.filter(pk=self.claimed[0].id).update(claimed_by=other)
        recorded = record_all(self.sender, [Ending(message, "smtp", SENT) for message in self.claimed])
        self.assertEqual(recorded.ids[MessageStatus.SENT], [self.claimed[1].id, self.claimed[2].id])

    def test_recording_the_same_result_twice_counts_once(self) -> None:
        ending = Ending(self.claimed[0], "smtp", SENT)
        record_all(self.sender, [ending])
        again = record_all(self.sender, [ending], now=later(seconds=1))
        self.assertEqual(again.ids.get(MessageStatus.SENT, []), [])

    def test_a_dead_sender_can_claim_nothing_any_more(self) -> None:
        make_job(status=JobStatus.QUEUED, expanded_at=None)
        kill(self.sender)
        rescue(NOW, settings=get_settings())
        with self.assertRaises(ClaimLost):
            claim_all(self.sender)
        with self.assertRaises(ClaimLost):
            take_job(self.sender, NOW)
        with self.assertRaises(ClaimLost):
            senders.add_connections(self.sender, [7])
        self.assertEqual((statuses(), InFlight.objects.count()), ({"queued": 3}, 0))

    def test_a_dead_sender_cannot_renew_itself(self) -> None:
        kill(self.sender)
        rescue(NOW, settings=get_settings())
        with self.assertRaises(ClaimLost):
            senders.renew(self.sender, NOW, 60)
        self.assertFalse(InFlight.objects.filter(sender_id=self.sender).exists())
