from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.test import SimpleTestCase

from courant_mail.deliver import pacing

NOW = datetime(2026, 3, 29, 12, 0, tzinfo=UTC)


class BucketTests(SimpleTestCase):
    def test_a_bucket_never_used_is_full(self):
        self.assertEqual(pacing.refill(0.0, None, NOW, 50.0), 50.0)

    def test_fills_with_time_and_no_further_than_one_second_of_sending(self):
        self.assertEqual(pacing.refill(10.0, NOW - timedelta(seconds=0.5), NOW, 20.0), 20.0)
        self.assertEqual(pacing.refill(0.0, NOW - timedelta(seconds=0.25), NOW, 20.0), 5.0)
        self.assertEqual(pacing.refill(0.0, NOW - timedelta(hours=1), NOW, 20.0), 20.0)

    def test_a_slow_rate_can_save_up_one_message(self):
        self.assertEqual(pacing.refill(0.0, NOW - timedelta(hours=1), NOW, 1 / 60), 1.0)

    def test_a_clock_that_goes_backwards_adds_nothing(self):
        self.assertEqual(pacing.refill(3.0, NOW + timedelta(minutes=5), NOW, 20.0), 3.0)

    def test_only_whole_messages_leave(self):
        self.assertEqual([pacing.whole_tokens(tokens) for tokens in (-1.0, 0.0, 0.99, 0.9999, 1.5)], [0, 0, 0, 1, 1])

    def test_never_more_than_the_rate_over_a_day(self):
        rate, tokens, sent, at = 100 / 3600, 0.0, 0, NOW
        for second in range(24 * 3600):
            now = NOW + timedelta(seconds=second)
            tokens = pacing.refill(tokens, at, now, rate)
            leaving = pacing.whole_tokens(tokens)
            tokens, at, sent = tokens - leaving, now, sent + leaving
        self.assertTrue(2300 <= sent <= 2401, sent)


class PauseTests(SimpleTestCase):
    def test_grows_from_five_seconds_to_five_minutes(self):
        self.assertEqual(
            [pacing.pause_after(failures) for failures in (0, 1, 2, 3, 6, 7, 8, 10_000)],
            [0, 5, 10, 20, 160, 300, 300, 300],
        )


class RampTests(SimpleTestCase):
    def test_climbs_one_by_one_to_what_is_configured(self):
        self.assertEqual([pacing.ramped_connections(1, 4, s) for s in (-1, 0, 29, 30, 60, 9999)], [1, 1, 1, 2, 3, 4])
