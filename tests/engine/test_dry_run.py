"""The dry run: it counts what the sending would do, sends nothing, and is in nobody's way."""

from __future__ import annotations

import signal
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

from django.core.management import call_command
from django.db import connection
from django.test import TestCase, TransactionTestCase
from django.utils import timezone

from courant_mail import engine, sources
from courant_mail.choices import DryRunState, JobStatus, MessageStatus, Scope
from courant_mail.compose import decorators
from courant_mail.compose.letter import Words
from courant_mail.conf import get_settings
from courant_mail.engine.dry_run import dry_run_steps
from courant_mail.exceptions import ClaimLost
from courant_mail.models import DryRun, JobMinute, Message, MessageJob, Sender
from courant_mail.queue import control, dry_run, senders
from courant_mail.queue.dry_run_report import Report
from courant_mail.queue.enqueue import enqueue_job
from courant_mail.queue.suppress import suppress
from courant_mail.testing import drain

from .base import EngineTestCase
from .processes import ProcessTestCase

#: what the source `tests.rehearsed` yields
audience: list[Callable[[], Iterator[Any]]] = []


@sources.register("tests.rehearsed")
def rehearsed() -> Iterator[Any]:
    yield from audience[-1]()


def draft(recipients: Any = ("ann@example.org",), **words: Any) -> MessageJob:
    defaults: dict[str, Any] = {
        "subject": "News for {{ first_name }}",
        "text": "Hello {{ first_name }}, {% for day, time in dates %}{{ day }}{% endfor %}\n{{ unsubscribe_url }}",
        "from_email": "editors@courant.example",
        "status": JobStatus.DRAFT,
    }
    if "source" not in words:
        words["recipients"] = recipients
    return enqueue_job(**defaults | words)


def ask(job: MessageJob) -> None:
    dry_run.request(job.pk, by="ed", fingerprint=dry_run.fingerprint(job))


def rehearse(job: MessageJob) -> Report:
    """The report of the dry run of the job, made by `process_mail_jobs`."""
    ask(job)
    engine.expand_jobs()
    report = dry_run.report_of(DryRun.objects.get(job=job))
    assert report is not None, DryRun.objects.get(job=job).error
    return report


AUDIENCE = (
    {"email": "ann@example.org", "first_name": "Ann"},
    {"email": "bo@example.org"},
    {"email": "ANN@example.org", "first_name": "Ann again"},
    {"email": "no address"},
    {"email": "no address"},
    {"email": "cleo@example.org", "first_name": "Cleo"},
    {"email": "dora@example.org", "first_name": ""},
    {"email": "eve@example.org", "first_name": "Eve", "dates": ["x"]},
    {"email": "Fred@example.org", "first_name": "Fred with a name that is longer than all others"},
    {"email": "gus@example.org", "first_name": "Gus"},
)


class CountTests(TestCase):
    def test_every_recipient_is_counted_once_and_named_where_something_is_wrong(self) -> None:
        suppress("cleo@example.org", reason="asked us by phone")
        suppress("gus@example.org", scope=Scope.ALL)
        report = rehearse(draft(AUDIENCE))
        self.assertEqual(report.recipients, 10)
        self.assertEqual(
            (report.duplicates, report.invalid, report.suppressed, report.failed, report.to_send), (2, 1, 2, 1, 4)
        )
        self.assertEqual(report.duplicate_examples, ("ANN@example.org", "no address"))
        self.assertEqual([example.recipient for example in report.invalid_examples], ["no address"])
        self.assertIn("@", report.invalid_examples[0].reason)
        self.assertEqual([e.recipient for e in report.suppressed_examples], ["cleo@example.org", "gus@example.org"])
        self.assertIn("asked us by phone", report.suppressed_examples[0].reason)
        [failed] = report.failed_examples
        self.assertEqual(failed.recipient, "eve@example.org")
        self.assertIn("day, time", failed.reason)
        [missing] = report.missing
        self.assertEqual(
            (missing.name, missing.count, missing.examples), ("first_name", 2, ("bo@example.org", "dora@example.org"))
        )
        self.assertEqual((report.largest_recipient, report.sample_recipient), ("Fred@example.org", "ann@example.org"))

    def test_the_numbers_are_those_of_the_sending_that_follows(self) -> None:
        suppress("cleo@example.org")
        job = draft(AUDIENCE)
        report = rehearse(job)
        control.submit(job.pk)
        mails = drain()
        job.refresh_from_db()
        self.assertEqual(report.to_send, len(mails))
        self.assertEqual((report.invalid + report.failed, report.suppressed), (job.failed, job.suppressed))
        self.assertEqual((report.recipients, report.duplicates), (job.consumed, job.duplicates))
        # But for the numbers of the messages, which nobody knows before.
        self.assertAlmostEqual(report.total_bytes, sum(len(mail.data) for mail in mails), delta=100 * len(mails))
        self.assertAlmostEqual(report.largest_bytes, max(len(mail.data) for mail in mails), delta=100)

    def test_nothing_is_sent_and_the_job_stays_as_it_is(self) -> None:
        job = draft(AUDIENCE)
        before = MessageJob.objects.filter(pk=job.pk).values().get()
        rehearse(job)
        self.assertEqual(MessageJob.objects.filter(pk=job.pk).values().get(), before)
        self.assertFalse(Message.objects.exists())
        self.assertFalse(Sender.objects.exists())
        self.assertEqual(drain(), [])

    def test_only_some_examples_are_kept(self) -> None:
        report = rehearse(draft([f"broken {n}" for n in range(30)] + [f"r{n}@example.org" for n in range(30)]))
        self.assertEqual((report.invalid, len(report.invalid_examples)), (30, 10))
        self.assertEqual((report.missing[0].count, len(report.missing[0].examples)), (30, 5))

    def test_mail_that_is_not_bulk_reaches_those_who_have_unsubscribed_from_bulk_mail(self) -> None:
        suppress("ann@example.org")
        suppress("bo@example.org", scope=Scope.ALL)
        report = rehearse(draft(["ann@example.org", "bo@example.org"], bulk=False))
        self.assertEqual((report.suppressed, report.to_send), (1, 1))

    def test_the_whole_audience_counts_although_the_job_is_half_expanded(self) -> None:
        job = draft([f"r{n}@example.org" for n in range(20)], status=JobStatus.QUEUED)
        engine.expand_jobs()
        control.pause(job.pk)
        report = rehearse(job)
        self.assertEqual((report.recipients, report.to_send), (20, 20))
        self.assertEqual(Message.objects.count(), 20)

    def test_a_source_is_read_as_a_list_is(self) -> None:
        job = draft(AUDIENCE)
        listed = rehearse(job)
        self.assertEqual(DryRun.objects.get().expected, len(AUDIENCE))
        audience.append(lambda: iter(AUDIENCE))
        MessageJob.objects.update(recipients="", source="tests.rehearsed")
        self.assertEqual(rehearse(MessageJob.objects.get()), listed)
        self.assertIsNone(DryRun.objects.get().expected, "only reading them would tell")

    def test_an_audience_of_nobody_still_has_its_words_looked_at(self) -> None:
        report = rehearse(draft("", text="No way out", html='<a href="/news">News</a>'))
        self.assertEqual((report.recipients, report.to_send, report.sample_recipient), (0, 0, ""))
        self.assertEqual([f.code for f in report.findings], ["no_unsubscribe_link", "link_without_host"])


class MissingTests(TestCase):
    def missing(self, text: str, *recipients: dict[str, Any], **words: Any) -> dict[str, int]:
        people: list[Any] = [{"email": f"r{n}@example.org", **values} for n, values in enumerate(recipients)]
        report = rehearse(draft(people, **{"subject": "News", "text": text} | words))
        return {missing.name: missing.count for missing in report.missing}

    def test_a_value_is_missing_where_it_is_asked_for_and_says_nothing(self) -> None:
        people: list[dict[str, Any]] = [{"x": "a"}, {}, {"x": ""}, {"x": " "}, {"x": None}, {"x": 0}, {"x": False}]
        self.assertEqual(self.missing("{{ x }}", *people), {"x": 4})
        self.assertEqual(self.missing("{{ x|title }}", *people), {"x": 4})
        self.assertEqual(self.missing("Hello", *people), {})
        self.assertEqual(self.missing("Hello", *people, subject="For {{ x }}"), {"x": 4})
        self.assertEqual(self.missing("Hello", *people, html="<p title='{{ x }}'>x</p>"), {"x": 4})

    def test_who_takes_care_of_it_is_told_nothing(self) -> None:
        for text in (
            '{{ x|default:"reader" }}',
            "{% if x %}{{ x }}{% else %}reader{% endif %}",
            '{{ x|yesno:"yes,no,perhaps" }}',
            "{% firstof x 'reader' %}",
            "{% for y in x %}{{ y }}{% endfor %}",
            "{# {{ x }} #}{% comment %}{{ x }}{% endcomment %}",
        ):
            with self.subTest(text=text):
                self.assertEqual(self.missing(text, {}), {})
        self.assertEqual(self.missing('{{ x|default_if_none:"reader" }}', {"x": None}, {}), {"x": 1})

    def test_a_value_counts_once_for_each_recipient_the_most_frequent_first(self) -> None:
        found = self.missing("{{ b }} {{ a }} {{ a }} {{ c.d.0 }}", {"b": "x"}, {"b": "x", "c": {"d": []}}, {})
        self.assertEqual(found, {"a": 3, "c.d.0": 3, "b": 1})
        self.assertEqual(list(found)[-1], "b")

    def test_the_name_and_an_empty_link_are_values_like_others(self) -> None:
        self.assertEqual(self.missing("{{ name }} {{ email }}", {"name": "Ann"}, {}), {"name": 1})
        self.assertEqual(self.missing("{{ unsubscribe_url }}", {}, bulk=False), {"unsubscribe_url": 1})
        self.assertEqual(self.missing("{{ unsubscribe_url }}", {}), {})


class WarningTests(TestCase):
    def test_faults_of_the_words_are_told(self) -> None:
        report = rehearse(
            draft(subject="x" * 80, text="Hello", html="<p>Hi</p><img src='https://courant.example/a.png'>")
        )
        found = {finding.code: finding for finding in report.findings}
        self.assertEqual(set(found), {"no_unsubscribe_link", "long_subject", "image_without_alt", "only_images"})
        self.assertEqual(found["image_without_alt"].examples, ("https://courant.example/a.png",))

    def test_the_largest_mail_is_looked_at_as_well(self) -> None:
        people = [{"email": "ann@example.org", "words": "short"}, {"email": "bo@example.org", "words": "x" * 60_000}]
        report = rehearse(draft(people, html="<p>{{ words }}{{ words }}</p><a href='{{ unsubscribe_url }}'>Out</a>"))
        self.assertEqual([finding.code for finding in report.findings], ["html_too_large"])

    def test_a_good_mail_has_no_faults(self) -> None:
        self.assertEqual(rehearse(draft(AUDIENCE)).findings, ())


class DurationTests(EngineTestCase):
    def pace(self, **relay: Any) -> tuple[float | None, bool]:
        self.use_relay(self.server.port, **relay)
        report = rehearse(draft(["ann@example.org", "bo@example.org"]))
        self.assertEqual(report.relay, "default")
        return report.pace, report.pace_is_limit

    def test_the_slower_of_what_the_relay_is_allowed_and_what_it_did_lately_counts(self) -> None:
        self.assertEqual(self.pace(), (None, False))
        self.assertEqual(self.pace(RATE="2000/h"), (2000 / 3600, True))
        earlier = self.queue(1)
        JobMinute.objects.create(job=earlier, minute=timezone.now().replace(second=0, microsecond=0), sent=1200)
        self.assertEqual(self.pace(), (20, False))
        self.assertEqual(self.pace(RATE="30/s"), (20, False))
        self.assertEqual(self.pace(RATE="10/s"), (10, True))

    def test_a_relay_of_another_name_is_another_relay(self) -> None:
        JobMinute.objects.create(job=self.queue(1), minute=timezone.now().replace(second=0, microsecond=0), sent=1200)
        with self.settings(COURANT_MAIL=site_with(esp={"RATE": "50/s"}, default={})):
            self.assertEqual(rehearse(draft(relay="esp")).pace, 50)


def site_with(**relays: Any) -> dict[str, Any]:
    nowhere = {"OPTIONS": {"host": "127.0.0.1", "port": 1}}
    return {
        "SITE_URL": "https://www.courant.example",
        "RELAYS": {name: nowhere | entry for name, entry in relays.items()},
    }


class FailureTests(TestCase):
    def failed(self, job: MessageJob) -> str:
        ask(job)
        summary = engine.expand_jobs()
        run = DryRun.objects.get(job=job)
        self.assertEqual((run.state, run.report, run.claimed_by), (DryRunState.FAILED, None, None))
        self.assertIsNotNone(run.finished_at)
        self.assertEqual(summary.dry_runs.errors, {job.pk: run.error})
        self.assertEqual(MessageJob.objects.get(pk=job.pk).status, JobStatus.DRAFT)
        return run.error

    def test_a_source_that_cannot_be_read_is_told_and_pauses_nothing(self) -> None:
        def broken() -> Iterator[Any]:
            yield "ann@example.org"
            raise ConnectionError("the subscribers' database is away")

        audience.append(broken)
        with self.assertLogs("courant_mail", "WARNING"):
            self.assertIn("the subscribers' database is away", self.failed(draft(source="tests.rehearsed")))

    def test_a_source_that_is_gone_is_told(self) -> None:
        job = draft(source="tests.rehearsed")
        MessageJob.objects.update(source="tests.gone")
        with self.assertLogs("courant_mail", "WARNING"):
            self.assertIn("tests.gone", self.failed(MessageJob.objects.get(pk=job.pk)))

    def test_words_that_are_no_mail_are_told(self) -> None:
        job = draft()
        MessageJob.objects.update(text="line one\n{% if %}")
        with self.assertLogs("courant_mail", "WARNING"):
            self.assertIn("text, line 2", self.failed(MessageJob.objects.get(pk=job.pk)))

    def test_an_app_that_breaks_the_letter_is_told(self) -> None:
        def broken(words: Words) -> Words:
            raise ZeroDivisionError("tracking is broken")

        job = draft()
        decorators.register(broken)
        self.addCleanup(decorators.unregister, broken)
        with self.assertLogs("courant_mail", "ERROR"):
            self.assertIn("tracking is broken", self.failed(job))

    def test_a_relay_that_is_gone_is_told(self) -> None:
        job = draft()
        MessageJob.objects.update(relay="esp")
        with self.assertLogs("courant_mail", "WARNING"):
            self.assertIn("esp", self.failed(MessageJob.objects.get(pk=job.pk)))

    def test_the_next_one_is_made_all_the_same(self) -> None:
        broken, good = draft(), draft()
        MessageJob.objects.filter(pk=broken.pk).update(text="{% if %}")
        ask(MessageJob.objects.get(pk=broken.pk))
        with self.assertLogs("courant_mail", "WARNING"):
            self.assertEqual(rehearse(good).to_send, 1)


class ChangeTests(TestCase):
    def test_a_change_of_words_after_it_is_noticed(self) -> None:
        job = draft(AUDIENCE)
        rehearse(job)
        run = DryRun.objects.get()
        self.assertFalse(dry_run.is_outdated(run, MessageJob.objects.get()))
        MessageJob.objects.update(text="Other words")
        self.assertTrue(dry_run.is_outdated(run, MessageJob.objects.get()))

    def test_the_result_is_that_of_the_words_which_were_tried(self) -> None:
        job = draft(text="{{ city }}", subject="News")
        ask(job)
        MessageJob.objects.update(text="No city")
        engine.expand_jobs()
        run, changed = DryRun.objects.get(), MessageJob.objects.get()
        report = dry_run.report_of(run)
        assert report is not None
        self.assertEqual(report.missing, ())
        self.assertFalse(dry_run.is_outdated(run, changed))

    def test_who_asks_anew_while_it_is_made_gets_the_new_one(self) -> None:
        job = draft(source="tests.rehearsed", subject="Old")
        asked: list[bool] = []

        def impatient() -> Iterator[Any]:
            if not asked:
                asked.append(True)
                MessageJob.objects.update(subject="New {{ city }}")
                ask(MessageJob.objects.get())
            yield "ann@example.org"

        audience.append(impatient)
        ask(job)
        engine.expand_jobs()
        run = DryRun.objects.get()
        report = dry_run.report_of(run)
        assert report is not None
        self.assertIn("city", {missing.name for missing in report.missing})
        self.assertFalse(dry_run.is_outdated(run, MessageJob.objects.get()))


class RunTests(TransactionTestCase):
    """How it is made beside the rest of the work."""

    def steps(self, sender_id: int) -> Iterator[Any]:
        steps = dry_run_steps(sender_id, get_settings())
        self.addCleanup(steps.close)
        return steps

    def sender(self) -> int:
        return senders.register("process_mail_jobs", timezone.now(), 60)

    def test_no_transaction_is_open_while_the_source_is_read_or_between_two_steps(self) -> None:
        open_ones = []

        def watching() -> Iterator[Any]:
            for number in range(600):
                open_ones.append(connection.in_atomic_block)
                yield f"r{number}@example.org"

        audience.append(watching)
        ask(draft(source="tests.rehearsed"))
        open_ones += [connection.in_atomic_block for _ in self.steps(self.sender())]
        self.assertGreater(len(open_ones), 600)
        self.assertEqual(set(open_ones), {False})

    def test_what_died_half_way_is_made_anew_from_the_beginning(self) -> None:
        people = [f"r{n}@example.org" for n in range(700)]
        ask(draft(people + people[:100]))
        steps = self.steps(self.sender())
        self.assertGreater(next(steps).recipients, 0)
        self.assertEqual(DryRun.objects.get().state, DryRunState.RUNNING)
        Sender.objects.update(alive_until=timezone.now() - timedelta(seconds=1))
        engine.expand_jobs()
        report = dry_run.report_of(DryRun.objects.get())
        assert report is not None
        self.assertEqual((report.recipients, report.duplicates, report.to_send), (800, 100, 700))
        finished = DryRun.objects.values().get()
        with self.assertRaises(ClaimLost):
            list(steps)
        self.assertEqual(DryRun.objects.values().get(), finished, "the dead change nothing")

    def test_jobs_that_are_due_are_expanded_first(self) -> None:
        order: list[str] = []

        def noting() -> Iterator[Any]:
            order.append("dry run" if not Message.objects.exists() else "after the expansion")
            yield "ann@example.org"

        audience.append(noting)
        ask(draft(source="tests.rehearsed"))
        draft(["bo@example.org"], status=JobStatus.QUEUED)
        summary = engine.expand_jobs()
        self.assertEqual(order, ["after the expansion"])
        self.assertEqual((summary.jobs, summary.recipients, summary.dry_runs.jobs), (1, 1, 1))

    def test_a_job_that_becomes_due_meanwhile_is_expanded_before_it_goes_on(self) -> None:
        audience.append(endless_until(Message.objects.exists, begin=self.queue_another))
        ask(draft(source="tests.rehearsed"))
        engine.expand_jobs()
        self.assertEqual(DryRun.objects.get().state, DryRunState.DONE)
        self.assertEqual(Message.objects.get().recipient, "another@example.org")

    def test_the_daemon_makes_it_and_expands_what_becomes_due_meanwhile(self) -> None:
        audience.append(endless_until(Message.objects.exists, begin=self.queue_another))
        ask(draft(source="tests.rehearsed"))
        engine.run_forever(StopWhen(lambda: DryRun.objects.filter(state=DryRunState.DONE).exists()))
        self.assertEqual(Message.objects.get().recipient, "another@example.org")
        self.assertFalse(Sender.objects.exists())

    def test_a_daemon_that_is_ended_gives_it_back(self) -> None:
        audience.append(endless_until(lambda: False))
        ask(draft(source="tests.rehearsed"))
        engine.run_forever(StopWhen(lambda: DryRun.objects.filter(state=DryRunState.RUNNING).exists()))
        run = DryRun.objects.get()
        self.assertEqual((run.state, run.claimed_by), (DryRunState.RUNNING, None))
        audience.append(lambda: iter(["ann@example.org"]))
        engine.expand_jobs()
        self.assertEqual(DryRun.objects.get().state, DryRunState.DONE)

    def test_memory_does_not_grow_with_the_audience(self) -> None:
        peaks = []
        for count in (500, 8000):
            audience.append(readers(count))
            ask(draft(source="tests.rehearsed", text="{{ x }} {{ y }}"))
            tracemalloc.start()
            engine.expand_jobs()
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        self.assertLess(peaks[1] - peaks[0], 300_000)

    def queue_another(self) -> None:
        draft(["another@example.org"], status=JobStatus.QUEUED)


def readers(count: int) -> Callable[[], Iterator[Any]]:
    return lambda: ({"email": f"r{n}@example.org", "x": f"{n}"} for n in range(count))


def endless_until(condition: Callable[[], bool], *, begin: Callable[[], None] = lambda: None) -> Callable[[], Any]:
    """An audience that goes on until something has happened, and not for ever."""

    def people() -> Iterator[Any]:
        begin()
        for number in range(200_000):
            yield f"r{number}@example.org"
            if number % 250 == 0 and condition():
                return

    return people


class StopWhen(threading.Event):
    """Is set as soon as something has happened."""

    def __init__(self, condition: Callable[[], bool]) -> None:
        super().__init__()
        self._condition = condition

    def is_set(self) -> bool:
        return super().is_set() or self._condition()


class SendingTests(EngineTestCase):
    def test_mail_leaves_while_it_is_made(self) -> None:
        self.queue(300)
        audience.append(endless_until(lambda: self.server.count >= 300))
        ask(draft(source="tests.rehearsed"))
        engine.run_forever(StopWhen(lambda: DryRun.objects.filter(state=DryRunState.DONE).exists()))
        self.assertEqual(sorted(self.recipients()), sorted(f"reader{n}@example.org" for n in range(300)))
        self.assertEqual(set(Message.objects.values_list("status", flat=True)), {MessageStatus.SENT})


class CommandTests(TestCase):
    def run_command(self, **options: Any) -> str:
        out = StringIO()
        call_command("process_mail_jobs", stdout=out, stderr=out, **options)
        return out.getvalue()

    def test_it_is_told_in_one_line(self) -> None:
        ask(draft(AUDIENCE))
        self.assertRegex(self.run_command(), r"\A1 dry run, 10 recipients looked at in [\d.]+ s \([\d,]+/s\)\n\Z")
        self.assertEqual(self.run_command(), "")

    def test_one_that_cannot_be_made_is_told_in_one_line_and_is_no_trouble_of_the_machine(self) -> None:
        job = draft()
        MessageJob.objects.update(text="{% if %}")
        ask(MessageJob.objects.get())
        with self.assertLogs("courant_mail", "WARNING"):
            self.assertRegex(self.run_command(), rf"\Athe dry run of job {job.pk} cannot be made: text, line 1: .*\n\Z")

    def test_verbosity_0_says_nothing(self) -> None:
        ask(draft())
        self.assertEqual(self.run_command(verbosity=0), "")


class KilledTests(ProcessTestCase):
    def test_after_a_kill_it_begins_anew_and_after_sigterm_at_once(self) -> None:
        count = 40_000
        job = draft([f"reader{n}@example.org" for n in range(count)])
        for sign in (signal.SIGKILL, signal.SIGTERM):
            ask(job)
            process = self.start("process_mail_jobs")
            self.wait_for(lambda: DryRun.objects.get().done > 0)
            process.send_signal(sign)
            process.wait(timeout=20)
            run = DryRun.objects.get()
            self.assertEqual(run.state, DryRunState.RUNNING)
            if sign == signal.SIGTERM:
                self.assertEqual((process.returncode, run.claimed_by), (0, None), self.end(process))
                self.assertFalse(Sender.objects.exists())
            else:
                self.assertIsNotNone(run.claimed_by)
                self.bury()
        engine.expand_jobs()
        report = dry_run.report_of(DryRun.objects.get())
        assert report is not None
        self.assertEqual((report.recipients, report.to_send), (count, count))
