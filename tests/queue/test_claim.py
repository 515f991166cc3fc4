"""Claims: who gets what, in which order, and what stays behind."""

from __future__ import annotations

from django.test import TestCase

from courant_mail.choices import JobStatus, MessageStatus, Priority, Scope
from courant_mail.models import Message, MessageJob
from courant_mail.queue.claim import give_back
from courant_mail.queue.lanes import Turn
from courant_mail.queue.suppress import suppress

from .helpers import claim_all, make_job, make_messages, make_sender, make_single, statuses


class OrderTests(TestCase):
    def setUp(self) -> None:
        self.sender = make_sender()

    def test_the_most_urgent_come_first_and_single_mails_before_jobs(self) -> None:
        low_job, high_job = make_job(priority=Priority.LOW), make_job(priority=Priority.HIGH)
        make_messages(low_job, 1)
        make_messages(high_job, 1)
        for priority in (Priority.LOW, Priority.MEDIUM, Priority.HIGH):
            make_single(f"{priority.name}@example.org", priority)
        order = [(m.priority, m.job_id) for m in claim_all(self.sender).messages]
        self.assertEqual(order, [(1, None), (1, high_job.pk), (2, None), (3, None), (3, low_job.pk)])

    def test_messages_of_a_lane_leave_in_the_order_of_queueing(self) -> None:
        rows = make_messages(make_job(), 5)
        self.assertEqual([m.id for m in claim_all(self.sender, 3).messages], [row.pk for row in rows[:3]])

    def test_jobs_of_equal_priority_take_turns(self) -> None:
        jobs = [make_job() for _ in range(3)]
        for job in jobs:
            make_messages(job, 10)
        turn = Turn()
        served = [claim_all(self.sender, 2, turn).messages[0].job_id for _ in range(6)]
        self.assertEqual(served, [job.pk for job in jobs] * 2)

    def test_a_lane_that_runs_dry_lets_the_next_one_fill_the_claim(self) -> None:
        first, second = make_job(), make_job()
        make_messages(first, 2)
        make_messages(second, 9)
        claimed = claim_all(self.sender, 5).messages
        self.assertEqual([m.job_id for m in claimed], [first.pk] * 2 + [second.pk] * 3)

    def test_raising_the_priority_of_a_job_is_one_update_of_one_row(self) -> None:
        first, second = make_job(), make_job()
        make_messages(first, 1)
        make_messages(second, 1)
        MessageJob.objects.filter(pk=second.pk).update(priority=Priority.HIGH)
        self.assertEqual([m.job_id for m in claim_all(self.sender).messages], [second.pk, first.pk])

    def test_only_what_is_more_urgent_can_be_asked_for(self) -> None:
        make_messages(make_job(), 3)
        urgent = make_single()
        found = claim_all(self.sender, urgent_than=Priority.LOW).messages
        self.assertEqual([m.id for m in found], [urgent.pk])


class OwnershipTests(TestCase):
    def test_a_message_is_claimed_once(self) -> None:
        make_messages(make_job(), 10)
        first, second = make_sender(), make_sender()
        mine = {m.id for m in claim_all(first, 6).messages}
        yours = {m.id for m in claim_all(second, 6).messages}
        self.assertEqual((len(mine), len(yours), mine & yours), (6, 4, set()))
        self.assertEqual(Message.objects.held_by(first).count(), 6)

    def test_what_is_given_back_can_be_claimed_again(self) -> None:
        make_messages(make_job(), 3)
        sender, other = make_sender(), make_sender()
        ids = [m.id for m in claim_all(sender).messages]
        give_back(sender, ids[:2])
        self.assertEqual([m.id for m in claim_all(other).messages], ids[:2])

    def test_nobody_can_give_back_what_another_holds(self) -> None:
        make_messages(make_job(), 1)
        sender, other = make_sender(), make_sender()
        ids = [m.id for m in claim_all(sender).messages]
        give_back(other, ids)
        self.assertEqual(Message.objects.held_by(sender).count(), 1)

    def test_jobs_that_are_not_being_sent_are_left_alone(self) -> None:
        sender = make_sender()
        for status in set(JobStatus) - {JobStatus.SENDING}:
            make_messages(make_job(status=status), 2)
        self.assertEqual(claim_all(sender).messages, [])

    def test_messages_for_another_relay_are_left_alone(self) -> None:
        sender = make_sender()
        make_messages(make_job(relay="bulk"), 1)
        make_single(relay="bulk")
        self.assertEqual(claim_all(sender).messages, [])

    def test_a_large_mail_leaves_the_others_for_the_next_claim(self) -> None:
        sender = make_sender()
        messages = [make_single(f"r{n}@example.org") for n in range(3)]
        for message in messages[1:]:
            assert message.content
            message.content.size = 15 * 1024 * 1024
            message.content.save()
        self.assertEqual([m.id for m in claim_all(sender).messages], [m.pk for m in messages[:2]])
        self.assertEqual([m.id for m in claim_all(sender).messages], [messages[2].pk])


class SuppressionTests(TestCase):
    def setUp(self) -> None:
        self.sender = make_sender()

    def test_who_unsubscribed_after_queueing_gets_no_bulk_mail(self) -> None:
        job = make_job()
        make_messages(job, 3)
        suppress("Reader1@example.org", reason="asked for it", source="unsubscribe")
        claim = claim_all(self.sender)
        self.assertEqual([m.recipient for m in claim.messages], ["reader0@example.org", "reader2@example.org"])
        self.assertEqual(claim.suppressed, 1)
        row = Message.objects.get(recipient="reader1@example.org")
        self.assertEqual((row.status, row.reply), (MessageStatus.SUPPRESSED, "suppressed for bulk mail: asked for it"))
        job.refresh_from_db()
        self.assertEqual(job.suppressed, 1)

    def test_an_unsubscription_does_not_stop_a_password_reset(self) -> None:
        make_single("ann@example.org")
        suppress("ann@example.org")
        self.assertEqual(len(claim_all(self.sender).messages), 1)

    def test_an_address_suppressed_for_all_mail_gets_none(self) -> None:
        make_single("ann@example.org")
        make_messages(make_job(bulk=False), 1)
        suppress("ann@example.org", scope=Scope.ALL)
        suppress("reader0@example.org", scope=Scope.ALL)
        self.assertEqual(claim_all(self.sender).messages, [])
        self.assertEqual(statuses(), {"suppressed": 2})

    def test_a_job_that_is_not_bulk_mail_reaches_those_who_unsubscribed(self) -> None:
        make_messages(make_job(bulk=False), 1)
        suppress("reader0@example.org")
        self.assertEqual(len(claim_all(self.sender).messages), 1)
