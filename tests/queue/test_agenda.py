"""The agenda: one query tells whether there is anything to do, and the status tells how everything stands."""

from __future__ import annotations

from datetime import timedelta

from django.test import TestCase
from django.utils import timezone

from courant_mail.choices import JobStatus, MessageStatus
from courant_mail.models import Content
from courant_mail.queue import control
from courant_mail.queue.agenda import Agenda, look, status
from courant_mail.queue.relay_state import pause

from .helpers import NOW, kill, later, make_job, make_messages, make_sender, make_single

IDLE = {"rescue": False, "expand": False, "settle": False, "send": False, "retry": False, "dry_run": False}


class LookTests(TestCase):
    def assert_agenda(self, **due: bool) -> None:
        with self.assertNumQueries(1):
            self.assertEqual(look(NOW), Agenda(**IDLE | due))

    def test_an_empty_queue_asks_for_nothing(self) -> None:
        self.assert_agenda()
        self.assertFalse(look(NOW))

    def test_everything_that_waits_is_seen(self) -> None:
        make_job(status=JobStatus.QUEUED, expanded_at=None, scheduled_at=later(seconds=1))
        self.assert_agenda()
        make_job(status=JobStatus.QUEUED, expanded_at=None)
        self.assert_agenda(expand=True)
        kill(make_sender())
        self.assert_agenda(expand=True, rescue=True)
        make_single(status=MessageStatus.DEFERRED, not_before=NOW)
        self.assert_agenda(expand=True, rescue=True, retry=True)
        make_job(status=JobStatus.CANCELLED)
        self.assert_agenda(expand=True, rescue=True, retry=True, settle=True)
        make_single()
        self.assert_agenda(expand=True, rescue=True, retry=True, settle=True, send=True)

    def test_a_job_that_is_being_sent_is_work(self) -> None:
        make_job()
        self.assert_agenda(send=True)


class StatusTests(TestCase):
    def test_it_counts_messages_and_jobs_by_status(self) -> None:
        make_messages(make_job(), 3)
        make_single(status=MessageStatus.IN_DOUBT)
        found = status(NOW, ["smtp"])
        self.assertEqual(
            found["messages"],
            {
                "queued": 3,
                "sending": 0,
                "deferred": 0,
                "sent": 0,
                "failed": 0,
                "suppressed": 0,
                "cancelled": 0,
                "in_doubt": 1,
            },
        )
        self.assertEqual(found["jobs"]["sending"], 1)
        self.assertEqual(found["relays"]["smtp"]["state"], "ok")

    def test_the_age_of_the_oldest_message_that_is_due(self) -> None:
        self.assertIsNone(status(NOW, [])["oldest_due_seconds"])
        make_single(status=MessageStatus.DEFERRED, not_before=later(seconds=60))
        self.assertIsNone(status(NOW, [])["oldest_due_seconds"])
        make_messages(make_job(expanded_at=later(seconds=-30)), 1)
        self.assertEqual(status(NOW, [])["oldest_due_seconds"], 30)
        make_single()
        Content.objects.update(created_at=later(seconds=-100))
        self.assertEqual(status(NOW, [])["oldest_due_seconds"], 100)

    def test_what_was_let_go_just_now_has_not_waited_since_it_was_written(self) -> None:
        draft = make_job(status=JobStatus.DRAFT, expanded_at=None, created_at=later(days=-2))
        paused = make_job(status=JobStatus.PAUSED, expanded_at=later(days=-2))
        make_messages(paused, 1)
        control.submit(draft.pk)
        control.resume(paused.pk)
        now = timezone.now()
        waited = status(now, [])["oldest_due_seconds"]
        self.assertLess(waited, 60)
        # From then on its time counts as that of any other.
        self.assertAlmostEqual(status(now + timedelta(hours=1), [])["oldest_due_seconds"], waited + 3600, places=3)

    def test_a_paused_relay_and_its_reason(self) -> None:
        until = pause("smtp", NOW, lambda failures: later(seconds=5 * failures), "connection refused")
        self.assertEqual(until, later(seconds=5))
        self.assertEqual(
            status(NOW, ["smtp"])["relays"]["smtp"],
            {
                "state": "paused",
                "paused_until": later(seconds=5).isoformat(),
                "reason": "connection refused",
                "failures": 1,
            },
        )
        self.assertEqual(status(later(seconds=6), ["smtp"])["relays"]["smtp"]["state"], "ok")

    def test_several_connections_that_fail_together_are_one_trouble(self) -> None:
        for _ in range(4):
            until = pause("smtp", NOW, lambda failures: later(seconds=5 * failures), "connection refused")
        self.assertEqual(until, later(seconds=5))
        self.assertEqual(
            pause("smtp", later(seconds=6), lambda failures: later(seconds=5 * failures), "again"), later(seconds=10)
        )
