"""Expansion: one row per recipient and job, whatever happens in between."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User
from django.test import TestCase

from courant_mail import sources
from courant_mail.choices import JobStatus, MessageStatus, Scope
from courant_mail.models import Message, MessageJob
from courant_mail.queue import control
from courant_mail.queue.expand import Slice, expand, release, take_job
from courant_mail.queue.suppress import suppress

from .helpers import NOW, later, make_job, make_sender, statuses


def waiting_job(**values: Any) -> MessageJob:
    return make_job(**{"status": JobStatus.QUEUED, "expanded_at": None} | values)


def run(page: int = 3, sender: int | None = None) -> list[Slice]:
    sender = sender or make_sender()
    job = take_job(sender, NOW)
    assert job is not None
    return list(expand(job, sender, NOW, page=page))


def users(count: int, start: int = 0) -> None:
    User.objects.bulk_create(
        User(username=f"user{n}", email=f"user{n}@example.org", first_name=f"First{n}")
        for n in range(start, start + count)
    )


def recipients() -> list[str]:
    return list(Message.objects.order_by("pk").values_list("recipient", flat=True))


class TextTests(TestCase):
    def test_every_recipient_gets_one_row(self) -> None:
        job = waiting_job(recipients="a@example.org\nBo <b@example.org>; c@example.org, d@example.org")
        slices = run(page=2)
        self.assertEqual([s.recipients for s in slices], [2, 2, 0])
        self.assertTrue(slices[-1].finished)
        self.assertEqual(recipients(), [f"{c}@example.org" for c in "abcd"])
        job.refresh_from_db()
        self.assertEqual((job.status, job.expanded_at, job.total, job.duplicates), (JobStatus.SENDING, NOW, 4, 0))
        self.assertEqual(Message.objects.get(recipient="b@example.org").merge, {"name": "Bo"})

    def test_duplicates_are_dropped_whatever_their_case_and_page(self) -> None:
        job = waiting_job(recipients="Ann@example.org, ann@EXAMPLE.org\nbo@example.org\nANN@example.org")
        run(page=1)
        self.assertEqual(recipients(), ["ann@example.org", "bo@example.org"])
        self.assertEqual(Message.objects.order_by("pk")[0].address, "Ann@example.org")
        job.refresh_from_db()
        self.assertEqual((job.total, job.duplicates), (2, 2))

    def test_addresses_that_differ_in_an_accent_are_two_people(self) -> None:
        waiting_job(recipients="rene@example.org\nrené@example.org")
        run()
        self.assertEqual(len(recipients()), 2)

    def test_what_is_no_address_is_kept_with_the_reason(self) -> None:
        waiting_job(recipients="ann@example.org\nnobody\nbo@@example.org")
        run()
        failed = Message.objects.filter(status=MessageStatus.FAILED).order_by("pk")
        self.assertEqual([row.recipient for row in failed], ["nobody", "bo@@example.org"])
        self.assertTrue(all(row.reply for row in failed))
        self.assertEqual(statuses(), {"queued": 1, "failed": 2})

    def test_suppressed_addresses_are_kept_with_the_reason(self) -> None:
        suppress("ann@example.org", reason="asked for it")
        suppress("bo@example.org", scope=Scope.ALL)
        job = waiting_job(recipients="Ann@example.org, bo@example.org, cy@example.org")
        run()
        self.assertEqual(statuses(), {"suppressed": 2, "queued": 1})
        job.refresh_from_db()
        self.assertEqual((job.total, job.suppressed), (3, 2))

    def test_a_job_without_recipients_is_expanded_to_nothing(self) -> None:
        job = waiting_job(recipients="")
        run()
        job.refresh_from_db()
        self.assertEqual((job.status, job.total), (JobStatus.SENDING, 0))


class SourceTests(TestCase):
    def setUp(self) -> None:
        # Run in reverse: first everything out, then what was there before.
        self.addCleanup(sources._registry.update, dict(sources._registry))
        self.addCleanup(sources._registry.clear)

    def test_a_queryset_is_read_page_by_page_with_its_merge_values(self) -> None:
        users(7)
        sources.register("site.users")(lambda: User.objects.values("email", "first_name"))
        waiting_job(source="site.users")
        self.assertEqual([s.recipients for s in run(page=3)], [3, 3, 1, 0])
        self.assertEqual(recipients(), [f"user{n}@example.org" for n in range(7)])
        self.assertEqual(Message.objects.order_by("pk")[4].merge, {"first_name": "First4"})

    def test_every_shape_of_queryset_and_iterable_is_understood(self) -> None:
        users(4)
        shapes: dict[str, Any] = {
            "flat": lambda: User.objects.values_list("email", flat=True),
            "pairs": lambda: User.objects.values_list("first_name", "email"),
            "sliced": lambda: User.objects.order_by("pk").values_list("email", flat=True)[:4],
            "reversed": lambda: User.objects.order_by("-pk").values("email"),
            "union": lambda: User.objects.values("email").union(User.objects.values("email")),
            "generator": lambda: (f"user{n}@example.org" for n in range(4)),
            "list": lambda: [("Ann", f"user{n}@example.org") for n in range(4)],
        }
        for name, function in shapes.items():
            with self.subTest(shape=name):
                Message.objects.all().delete()
                sources.register(name)(function)
                waiting_job(source=name)
                run(page=3)
                self.assertEqual(sorted(recipients()), [f"user{n}@example.org" for n in range(4)])

    def test_the_function_gets_the_parameters_of_the_job(self) -> None:
        sources.register("of.issue")(lambda issue: [f"reader-of-{issue}@example.org"])
        waiting_job(source="of.issue", source_params={"issue": 12})
        run()
        self.assertEqual(recipients(), ["reader-of-12@example.org"])

    def test_merge_values_may_be_dates_and_decimals(self) -> None:
        values = {"email": "ann@example.org", "due": date(2026, 3, 1), "sum": Decimal("1.50"), "name": "Ann"}
        sources.register("odd")(lambda: [values])
        waiting_job(source="odd")
        run()
        self.assertEqual(Message.objects.get().merge, {"due": "2026-03-01", "sum": "1.50", "name": "Ann"})

    def test_odd_merge_values_are_stored_or_fail_for_their_recipient_only(self) -> None:
        odd = {"nul": "a\0b", "half": "\ud800", "nan": float("nan"), "smile": "\U0001f600", "text": "back\\u0000slash"}
        rows: list[dict[str, Any]] = [{"object": object()}, {"long": "x" * 70_000}, odd]
        sources.register("odd")(lambda: [{"email": f"r{n}@example.org"} | values for n, values in enumerate(rows)])
        waiting_job(source="odd")
        run(page=10)
        self.assertEqual([row.status for row in Message.objects.order_by("recipient")], [5, 5, 1])
        stored = {"nul": "ab", "half": "\ufffd", "nan": "nan", "smile": "\U0001f600", "text": "back\\u0000slash"}
        self.assertEqual(Message.objects.get(status=MessageStatus.QUEUED).merge, stored)

    def test_a_source_that_raises_pauses_its_job_with_the_reason(self) -> None:
        def broken() -> Iterator[str]:
            yield from ("a@example.org", "b@example.org")
            raise ConnectionError("the CRM is down")

        sources.register("crm")(broken)
        job = waiting_job(source="crm")
        with self.assertLogs("courant_mail.queue.expand", "ERROR"):
            slices = run(page=1)
        self.assertIn("the CRM is down", slices[-1].error)
        job.refresh_from_db()
        self.assertEqual((job.status, job.claimed_by), (JobStatus.PAUSED, None))
        self.assertIn("the CRM is down", job.status_reason)

        sources.register("crm.mended")(lambda: ["a@example.org", "b@example.org", "c@example.org"])
        MessageJob.objects.update(source="crm.mended")
        control.resume(job.pk)
        run()
        self.assertEqual(recipients(), ["a@example.org", "b@example.org", "c@example.org"])


class ResumeTests(TestCase):
    """An expansion that stops anywhere and is run again: no one missing, no one twice."""

    def setUp(self) -> None:
        # Run in reverse: first everything out, then what was there before.
        self.addCleanup(sources._registry.update, dict(sources._registry))
        self.addCleanup(sources._registry.clear)
        users(10)
        sources.register("site.users")(lambda: User.objects.values("email"))
        sources.register("generated")(lambda: ({"email": f"user{n}@example.org"} for n in range(10)))

    def interrupted(self, job: MessageJob, after: int) -> None:
        sender = make_sender()
        taken = take_job(sender, NOW)
        assert taken is not None
        list(itertools.islice(expand(taken, sender, NOW, page=3), after))
        release(sender)

    def test_it_goes_on_where_it_stopped(self) -> None:
        text = "\n".join(f"user{n}@example.org" for n in range(10))
        kinds: list[dict[str, Any]] = [{"recipients": text}, {"source": "site.users"}, {"source": "generated"}]
        for kind, after in itertools.product(kinds, range(1, 5)):
            with self.subTest(kind=kind, after=after):
                Message.objects.all().delete()
                MessageJob.objects.all().delete()
                job = waiting_job(**kind)
                self.interrupted(job, after)
                self.assertEqual(Message.objects.count(), min(10, 3 * after))
                run()
                self.assertEqual(recipients(), [f"user{n}@example.org" for n in range(10)])
                job.refresh_from_db()
                self.assertEqual((job.total, job.duplicates, job.status), (10, 0, JobStatus.SENDING))

    def test_a_page_that_is_not_committed_leaves_neither_rows_nor_cursor(self) -> None:
        job = waiting_job(source="site.users")
        sender = make_sender()
        taken = take_job(sender, NOW)
        assert taken is not None
        steps = expand(taken, sender, NOW, page=3)
        next(steps)
        MessageJob.objects.update(claimed_by=make_sender())
        self.assertEqual(list(steps), [])
        job.refresh_from_db()
        self.assertEqual((Message.objects.count(), job.consumed), (3, 3))

    def test_pausing_stops_it_and_resuming_goes_on(self) -> None:
        job = waiting_job(source="site.users")
        sender = make_sender()
        taken = take_job(sender, NOW)
        assert taken is not None
        steps = expand(taken, sender, NOW, page=3)
        next(steps)
        control.pause(job.pk)
        self.assertEqual(list(steps), [])
        self.assertIsNone(take_job(sender, NOW))
        control.resume(job.pk)
        run()
        self.assertEqual(len(recipients()), 10)


class TurnTests(TestCase):
    def test_a_scheduled_job_waits_for_its_time(self) -> None:
        sender = make_sender()
        job = waiting_job(recipients="a@example.org", scheduled_at=later(minutes=10))
        self.assertIsNone(take_job(sender, NOW))
        self.assertEqual(take_job(sender, later(minutes=10)), job)

    def test_the_most_urgent_job_comes_first(self) -> None:
        sender = make_sender()
        waiting_job(priority=3)
        urgent = waiting_job(priority=1)
        self.assertEqual(take_job(sender, NOW), urgent)

    def test_drafts_and_paused_jobs_are_left_alone(self) -> None:
        for status in (JobStatus.DRAFT, JobStatus.PAUSED, JobStatus.CANCELLED, JobStatus.SENDING, JobStatus.FINISHED):
            waiting_job(status=status)
        self.assertIsNone(take_job(make_sender(), NOW))
