"""The commands: what they print, when they are silent, how they end."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
from datetime import timedelta
from io import StringIO
from pathlib import Path

from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import SimpleTestCase, TestCase, TransactionTestCase, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from courant_mail import sources
from courant_mail.api import queue_job, send_mail
from courant_mail.choices import JobStatus, MessageStatus
from courant_mail.conf import get_settings
from courant_mail.locks import single_run
from courant_mail.management.base import stop_on_signals
from courant_mail.models import Content, Message, MessageJob, RelayState
from courant_mail.testing import SentMail, drain

ROOT = Path(__file__).parents[2]
#: what one run from cron does, one after the other
CRON = ("process_mail_jobs", "send_mail", "retry_deferred", "purge_mail_log")


@sources.register("tests.failing")
def failing():
    """A source that cannot be read."""
    raise ConnectionError("the subscribers' database is away")


def run(name, *arguments, **options):
    """What the command prints, to stdout and stderr."""
    out, err = StringIO(), StringIO()
    call_command(name, *arguments, stdout=out, stderr=err, **options)
    return out.getvalue() + err.getvalue()


def into_memory(box, **refuse):
    """The settings with every relay replaced by one that keeps what it gets."""
    backend = "courant_mail.testing.memory.MemoryBackend"
    options = {"box": box, "refuse": refuse, "name": "memory"}
    relays = {name: {"BACKEND": backend, "OPTIONS": options} for name in get_settings().relays}
    return override_settings(COURANT_MAIL={**settings.COURANT_MAIL, "RELAYS": relays})


class CommandTests(TestCase):
    def test_an_empty_run_says_nothing_and_asks_the_database_at_most_twice(self):
        for name in CRON:
            with self.subTest(name), CaptureQueriesContext(connection) as queries:
                self.assertEqual(run(name), "")
            self.assertLessEqual(len(queries), 2, [query["sql"] for query in queries])

    def test_jobs_are_expanded_and_sent_with_one_line_each(self):
        queue_job(subject="News", text="Hi", recipients=[f"r{n}@example.org" for n in range(3)])
        self.assertRegex(run("process_mail_jobs"), r"\A1 job expanded, 3 recipients in [\d.]+ s \([\d,]+/s\)\n\Z")
        box: list[SentMail] = []
        with into_memory(box):
            self.assertRegex(run("send_mail"), r"\A3 sent in [\d.]+ s \([\d,]+/s\)\n\Z")
        self.assertEqual(len(box), 3)

    def test_verbosity_0_says_nothing(self):
        queue_job(subject="News", text="Hi", recipients=["a@example.org"])
        self.assertEqual(run("process_mail_jobs", verbosity=0), "")
        with into_memory([]):
            self.assertEqual(run("send_mail", verbosity=0), "")
        self.assertEqual(Message.objects.get().status, MessageStatus.SENT)

    def test_every_outcome_is_counted(self):
        send_mail("Hi", "Body", None, ["a@example.org", "b@example.org", "c@example.org", "no address"])
        refuse = {"b@example.org": "450 4.2.0 Later", "c@example.org": "550 5.1.1 Never"}
        with into_memory([], **refuse):
            self.assertRegex(run("send_mail"), r"\A1 sent, 1 deferred, 1 failed in ")

    def test_a_limit_is_kept(self):
        for n in range(5):
            send_mail("Hi", "Body", None, [f"r{n}@example.org"])
        box: list[SentMail] = []
        with into_memory(box):
            run("send_mail", "--limit", "2", "--connections", "1")
            self.assertEqual(len(box), 2)
            run("send_mail")
        self.assertEqual(len(box), 5)

    def test_impossible_numbers_are_refused(self):
        for arguments in (["--limit", "0"], ["--limit", "-1"], ["--connections", "0"]):
            with self.assertRaisesMessage(CommandError, "must be above 0"):
                run("send_mail", *arguments)
        with self.assertRaisesMessage(CommandError, "DAYS"):
            run("purge_mail_log", "-1")

    def test_a_source_that_fails_is_told_and_ends_the_run_with_an_error(self):
        job = queue_job(subject="News", text="Hi", source="tests.failing")
        with (
            self.assertLogs("courant_mail", "ERROR"),
            self.assertRaisesMessage(CommandError, "the subscribers' database is away"),
        ):
            run("process_mail_jobs")
        job.refresh_from_db()
        self.assertEqual(job.status, JobStatus.PAUSED)

    def test_deferred_mail_is_queued_again_when_it_is_due_or_all_of_it(self):
        for n in range(2):
            send_mail("Hi", "Body", None, [f"r{n}@example.org"])
        drain(refuse={"r0@example.org": "450 4.2.0 Later", "r1@example.org": "450 4.2.0 Later"})
        self.assertEqual(run("retry_deferred"), "")
        Message.objects.filter(recipient="r0@example.org").update(not_before=timezone.now() - timedelta(seconds=1))
        self.assertEqual(run("retry_deferred"), "1 messages queued again\n")
        self.assertEqual(run("retry_deferred", "--all"), "1 messages queued again\n")
        self.assertEqual(len(drain()), 2)

    def test_old_finished_mail_is_purged_as_asked(self):
        send_mail("Hi", "Body", None, ["sent@example.org"])
        send_mail("Hi", "Body", None, ["failed@example.org"])
        drain(refuse={"failed@example.org": "550 5.1.1 Never"})
        send_mail("Hi", "Body", None, ["waiting@example.org"])
        self.assertEqual(run("purge_mail_log", "1"), "")
        Content.objects.update(created_at=timezone.now() - timedelta(days=91))
        self.assertEqual(run("purge_mail_log"), "1 messages deleted\n")
        self.assertEqual(run("purge_mail_log", "30", "-r", "failure"), "1 messages deleted\n")
        self.assertEqual(run("purge_mail_log", "0", "--result", "all"), "")
        self.assertEqual(Message.objects.get().recipient, "waiting@example.org")
        self.assertEqual(Content.objects.count(), 1)

    def test_an_overlapping_run_leaves_the_work_to_the_other_with_one_line(self):
        send_mail("Hi", "Body", None, ["a@example.org"])
        for name in CRON:
            with single_run(name):
                self.assertRegex(run(name), rf"\A{name} is running on this host already[^\n]*\n\Z")
                self.assertEqual(run(name, verbosity=0), "")
        self.assertEqual(Message.objects.get().status, MessageStatus.QUEUED)

    def test_wrong_settings_are_one_clear_line(self):
        with override_settings(COURANT_MAIL={"SITE_URLL": "x"}):
            for name in (*CRON, "mail_status", "runmailer"):
                with self.subTest(name), self.assertRaisesMessage(CommandError, "SITE_URL"):
                    run(name)


class StatusTests(TestCase):
    def test_json_has_every_status_and_nothing_else_is_printed(self):
        status = json.loads(run("mail_status", "--json"))
        self.assertEqual(
            set(status["messages"]),
            {"queued", "sending", "sent", "deferred", "failed", "suppressed", "cancelled", "in_doubt"},
        )
        self.assertEqual(set(status["jobs"]), set(JobStatus.values))
        self.assertIsNone(status["oldest_due_seconds"])
        self.assertEqual(set(status["relays"]), set(get_settings().relays))

    def test_people_read_what_stands_how(self):
        queue_job(subject="News", text="Hi", recipients=["a@example.org"])
        send_mail("Hi", "Body", None, ["a@example.org", "b@example.org"])
        relay = get_settings().default_relay
        RelayState.objects.create(
            relay=relay, failures=1, paused_until=timezone.now() + timedelta(hours=1), reason="connection refused"
        )
        words = run("mail_status")
        for line in ("messages: 2 queued", "jobs: 1 queued", "oldest due: ", f"relay {relay}: paused", "refused"):
            self.assertIn(line, words)

    def test_mail_that_has_waited_for_too_long_is_an_error(self):
        send_mail("Hi", "Body", None, ["a@example.org"])
        run("mail_status", "--max-age", "60")
        Content.objects.update(created_at=timezone.now() - timedelta(seconds=61))
        out = StringIO()
        with self.assertRaisesMessage(CommandError, "more than 60 s"):
            call_command("mail_status", "--json", "--max-age", "60", stdout=out)
        self.assertGreaterEqual(json.loads(out.getvalue())["oldest_due_seconds"], 61)


class SignalTests(SimpleTestCase):
    def test_a_signal_asks_to_stop_and_the_handlers_are_put_back(self):
        before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
        with stop_on_signals() as stop:
            self.assertFalse(stop.is_set())
            signal.raise_signal(signal.SIGTERM)
            self.assertTrue(stop.is_set())
        self.assertEqual((signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)), before)

    def test_a_second_ctrl_c_ends_it_at_once(self):
        # The runner of the tests has a handler of its own.
        self.addCleanup(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, signal.default_int_handler))
        with self.assertRaises(KeyboardInterrupt), stop_on_signals() as stop:
            signal.raise_signal(signal.SIGINT)
            self.assertTrue(stop.is_set())
            signal.raise_signal(signal.SIGINT)

    def test_other_threads_may_run_commands_too(self):
        found = []

        def work():
            with stop_on_signals() as stop:
                found.append(stop.is_set())

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        self.assertEqual(found, [False])


class ProcessTests(TransactionTestCase):
    """The commands as cron and a supervisor run them: processes of their own, on the test database."""

    def start(self, name, *arguments, **kwargs):
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "COURANT_TEST_NAME": str(connection.settings_dict["NAME"]),
        }
        command = [sys.executable, "-m", "django", name, *arguments]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **kwargs}
        return subprocess.Popen(command, cwd=ROOT, env=environment, text=True, **streams)

    def finish(self, process):
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def test_an_empty_run_ends_well_in_silence(self):
        self.assertEqual(self.finish(self.start("send_mail")), (0, "", ""))

    def test_a_relay_in_trouble_is_one_line_and_the_exit_code_1(self):
        send_mail("Hi", "Body", None, ["a@example.org"])
        code, out, err = self.finish(self.start("send_mail"))
        self.assertEqual(code, 1)
        lines = [line for line in err.splitlines() if line.startswith("CommandError")]
        self.assertEqual(len(lines), 1, err)
        self.assertNotIn("Traceback", err)
        self.assertEqual(out, "")
        self.assertEqual(Message.objects.get().status, MessageStatus.QUEUED)
        self.assertEqual(Message.objects.get().attempts, 0)

    def test_an_overlapping_run_ends_with_0(self):
        with single_run("send_mail"):
            code, out, err = self.finish(self.start("send_mail"))
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(len(out.splitlines()), 1)

    def test_a_progress_bar_is_for_terminals_alone(self):
        queue_job(subject="News", text="Hi", recipients=[f"r{n}@example.org" for n in range(10)])
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 80, 0, 0))
        process = self.start("process_mail_jobs", stderr=theirs)
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 10_000):
                shown += piece
        except OSError:
            # Linux: nobody has the other end open any more.
            pass
        finally:
            os.close(ours)
        out, _ = process.communicate(timeout=60)
        self.assertIn(b"recipients", shown)
        self.assertIn("10 recipients", out)
        queue_job(subject="News", text="Hi", recipients=["a@example.org"])
        self.assertEqual(self.finish(self.start("process_mail_jobs"))[2], "")

    def test_the_daemon_ends_cleanly_on_sigterm(self):
        process = self.start("runmailer")
        try:
            self.assertIn("Sending mail", process.stdout.readline())
            process.send_signal(signal.SIGTERM)
            code, out, err = self.finish(process)
        finally:
            process.kill()
        self.assertEqual((code, err), (0, ""))
        self.assertIn("Ended", out)

    def test_wrong_arguments_are_told_by_the_exit_code(self):
        self.assertNotEqual(self.finish(self.start("send_mail", "--limit", "many"))[0], 0)

    def test_the_status_is_told_by_the_exit_code(self):
        send_mail("Hi", "Body", None, ["a@example.org"])
        Content.objects.update(created_at=timezone.now() - timedelta(seconds=61))
        code, out, _ = self.finish(self.start("mail_status", "--json", "--max-age", "60"))
        self.assertEqual(code, 1)
        self.assertEqual(json.loads(out)["messages"]["queued"], 1)
        self.assertFalse(MessageJob.objects.exists())
