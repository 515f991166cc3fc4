"""What follows an outcome, as a table."""

from __future__ import annotations

from datetime import timedelta

from django.test import SimpleTestCase

from courant_mail.choices import MessageStatus, Outcome
from courant_mail.conf import RetryPolicy
from courant_mail.queue.decisions import Decision, decide, retry_delay

from .helpers import NOW, later

RETRY = RetryPolicy()


def decided(outcome: Outcome, *, in_doubt: str = "hold", attempts: int = 0, age: float = 0.0) -> Decision:
    return decide(
        outcome,
        "the reply",
        attempts=attempts,
        first_tried=NOW - timedelta(hours=age),
        now=NOW,
        retry=RETRY,
        in_doubt=in_doubt,
        jitter=0.5,
    )


class DecideTests(SimpleTestCase):
    def test_every_outcome_leads_to_one_status(self) -> None:
        table = [
            (Outcome.SENT, MessageStatus.SENT, True),
            (Outcome.REFUSED_FOR_NOW, MessageStatus.DEFERRED, True),
            (Outcome.REFUSED, MessageStatus.FAILED, True),
            (Outcome.SENDER_REFUSED, MessageStatus.FAILED, True),
            (Outcome.OUR_FAULT, MessageStatus.FAILED, True),
            (Outcome.THROTTLED, MessageStatus.QUEUED, False),
            (Outcome.RELAY_TROUBLE, MessageStatus.QUEUED, False),
            (Outcome.MISCONFIGURED, MessageStatus.QUEUED, False),
            (Outcome.IN_DOUBT, MessageStatus.IN_DOUBT, True),
        ]
        self.assertEqual({outcome for outcome, _, _ in table}, set(Outcome))
        for outcome, status, counted in table:
            with self.subTest(outcome=outcome):
                decision = decided(outcome)
                self.assertEqual((decision.status, decision.counted), (status, counted))
                self.assertEqual(decision.reason, "the reply")

    def test_what_is_in_doubt_is_queued_again_where_the_site_prefers_a_repeat(self) -> None:
        self.assertEqual(decided(Outcome.IN_DOUBT, in_doubt="retry").status, MessageStatus.QUEUED)

    def test_but_only_once_at_once_and_then_ever_more_slowly(self) -> None:
        second = decided(Outcome.IN_DOUBT, in_doubt="retry", attempts=1)
        third = decided(Outcome.IN_DOUBT, in_doubt="retry", attempts=2)
        self.assertEqual((second.status, second.not_before), (MessageStatus.DEFERRED, later(minutes=5)))
        self.assertEqual((third.status, third.not_before), (MessageStatus.DEFERRED, later(minutes=10)))
        self.assertEqual(decided(Outcome.IN_DOUBT, in_doubt="retry", attempts=9, age=48).status, MessageStatus.IN_DOUBT)

    def test_a_temporary_refusal_waits_the_longer_the_more_often_it_came(self) -> None:
        waits = [decided(Outcome.REFUSED_FOR_NOW, attempts=n).not_before for n in range(8)]
        minutes = [(wait - NOW).total_seconds() / 60 for wait in waits if wait]
        self.assertEqual(minutes, [5, 10, 20, 40, 80, 160, 240, 240])

    def test_after_the_age_limit_it_gives_up_and_says_so(self) -> None:
        self.assertEqual(decided(Outcome.REFUSED_FOR_NOW, attempts=9, age=47.9).status, MessageStatus.DEFERRED)
        decision = decided(Outcome.REFUSED_FOR_NOW, attempts=9, age=48)
        self.assertEqual(decision, Decision(MessageStatus.FAILED, "given up after 48 hours: the reply"))

    def test_a_permanent_refusal_is_never_retried_however_young(self) -> None:
        self.assertIsNone(decided(Outcome.REFUSED).not_before)

    def test_jitter_spreads_the_delay_by_a_tenth(self) -> None:
        shortest, longest = (retry_delay(0, RETRY, jitter).total_seconds() for jitter in (0.0, 1.0))
        self.assertAlmostEqual(shortest, 285)
        self.assertAlmostEqual(longest, 315)

    def test_a_thousand_attempts_do_not_overflow(self) -> None:
        self.assertEqual(retry_delay(32000, RETRY, 0.5), later(hours=4) - NOW)
