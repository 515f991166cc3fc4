"""Rescue: what becomes of the claims of a sender that died."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.test import TestCase, override_settings

from courant_mail.choices import JobStatus, MessageStatus, Outcome
from courant_mail.conf import get_settings
from courant_mail.models import InFlight, Message, MessageJob, Sender
from courant_mail.queue import control
from courant_mail.queue.endings import Ending
from courant_mail.queue.expand import take_job
from courant_mail.queue.rescue import Rescued, rescue

from .helpers import (
    NOW,
    SENT,
    claim_all,
    kill,
    make_job,
    make_messages,
    make_sender,
    make_single,
    record_all,
    statuses,
)


def rescue_now() -> Rescued:
    return rescue(NOW, settings=get_settings())


class RescueTests(TestCase):
    def setUp(self) -> None:
        self.sender = make_sender()
        self.job = make_job(total=4)
        make_messages(self.job, 4)
        self.claimed = claim_all(self.sender).messages

    def test_a_living_sender_is_left_alone(self) -> None:
        self.assertEqual(rescue_now(), Rescued())
        self.assertEqual(statuses(), {"sending": 4})

    def test_what_was_never_on_the_wire_goes_back_to_the_queue_uncounted(self) -> None:
        kill(self.sender)
        self.assertEqual(rescue_now(), Rescued(senders=1, in_doubt=0, returned=4))
        self.assertEqual(statuses(), {"queued": 4})
        self.assertEqual(set(Message.objects.values_list("attempts", "claimed_by")), {(0, None)})
        self.assertFalse(Sender.objects.exists())
        self.assertFalse(InFlight.objects.exists())

    def test_only_what_was_in_flight_is_in_doubt(self) -> None:
        record_all(self.sender, [], {0: self.claimed[1].id})
        kill(self.sender)
        self.assertEqual(rescue_now(), Rescued(senders=1, in_doubt=1, returned=3))
        doubtful = Message.objects.get(status=MessageStatus.IN_DOUBT)
        self.assertEqual((doubtful.pk, doubtful.attempts), (self.claimed[1].id, 1))
        self.assertEqual(doubtful.tries.get().outcome, Outcome.IN_DOUBT)

    @override_settings(COURANT_MAIL={"IN_DOUBT": "retry"})
    def test_in_doubt_is_sent_again_where_the_site_says_so(self) -> None:
        record_all(self.sender, [], {0: self.claimed[1].id})
        kill(self.sender)
        rescue_now()
        self.assertEqual(statuses(), {"queued": 4})

    def test_a_single_mail_in_doubt_is_sent_again_by_default(self) -> None:
        single = make_single()
        claim_all(self.sender)
        record_all(self.sender, [], {0: single.pk})
        kill(self.sender)
        rescue_now()
        single.refresh_from_db()
        self.assertEqual((single.status, single.attempts), (MessageStatus.QUEUED, 1))

    def test_what_was_recorded_before_the_death_stays(self) -> None:
        record_all(self.sender, [Ending(self.claimed[0], "smtp", SENT)], {0: self.claimed[1].id})
        kill(self.sender)
        rescue_now()
        self.assertEqual(statuses(), {"sent": 1, "in_doubt": 1, "queued": 2})

    def test_the_counters_of_the_job_agree_with_the_rows_again(self) -> None:
        record_all(self.sender, [Ending(self.claimed[0], "smtp", SENT)], {0: self.claimed[1].id})
        kill(self.sender)
        rescue_now()
        self.job.refresh_from_db()
        self.assertEqual((self.job.total, self.job.sent, self.job.in_doubt, self.job.waiting), (4, 1, 1, 2))

    def test_counting_anew_does_not_overwrite_what_was_counted_at_the_end_of_the_job(self) -> None:
        kill(self.sender)
        control.cancel(self.job.pk)

        def settle_in_between(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            """Another process marks the messages cancelled, and ends the job, before our count is written."""
            if "UPDATE" in sql and "total" in sql and not settled:
                settled.append(True)
                control.settle_cancelled(NOW)
            return execute(sql, params, many, context)

        settled: list[bool] = []
        with connection.execute_wrapper(settle_in_between):
            rescue_now()
        self.job.refresh_from_db()
        self.assertEqual((settled, statuses()), ([True], {"cancelled": 4}))
        self.assertEqual((self.job.finished_at, self.job.total, self.job.cancelled), (NOW, 4, 4))

    def test_an_expansion_that_died_is_free_for_the_next_run(self) -> None:
        job = make_job(status=JobStatus.QUEUED, expanded_at=None, recipients="a@example.org")
        self.assertEqual(take_job(self.sender, NOW), job)
        other = make_sender()
        self.assertIsNone(take_job(other, NOW))
        kill(self.sender)
        rescue_now()
        self.assertEqual(take_job(other, NOW), job)
        self.assertEqual(MessageJob.objects.get(pk=job.pk).claimed_by, other)
