"""The database fails in the middle of a run: dropped connections, deadlocks, locks, a full disk."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import tempfile
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any
from unittest import mock

from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.db.backends.signals import connection_created
from django.test import tag
from django.utils import timezone

from courant_mail import engine
from courant_mail.models import InFlight, MessageJob, Sender
from courant_mail.queue.retry import retry_deferred
from courant_mail.signals import messages_sent
from courant_mail.testing.smtp_server import reply
from tests.engine.processes import ProcessTestCase, start
from tests.queue.helpers import statuses

from .own_postgres import Unavailable, own_postgres
from .seed import SEED


@tag("faults")
class DatabaseTestCase(ProcessTestCase):
    def run_to_the_end(self) -> None:
        """What cron would do next, minutes later."""
        for _ in range(10):
            self.bury()
            engine.expand_jobs()
            engine.send()
            if not set(statuses()) & {"queued", "sending"}:
                return
        self.fail(f"It does not come to an end: {statuses()}")

    def check_everybody_once(self, count: int, *, in_doubt: int = 0) -> None:
        """Nobody is missing, nobody got it twice, and no more than so many are in doubt."""
        arrived = [mail.rcpt_to[0] for mail in self.server.mails]
        self.assertEqual(len(arrived), len(set(arrived)), "repeated")
        found = statuses()
        self.assertLessEqual(found.pop("in_doubt", 0), in_doubt)
        self.assertEqual(set(found), {"sent"})
        self.assertGreaterEqual(len(arrived), count - in_doubt)
        self.assertEqual(sum(statuses().values()), count)
        for job in MessageJob.objects.all():
            self.assertEqual((job.total, job.sent, job.in_doubt), (count, found["sent"], count - found["sent"]))

    def check_ended_in_one_line(self, process: subprocess.Popen[str]) -> None:
        """It came to the end of its work, or says in one line why not."""
        process.wait(timeout=60)
        lines = self.end(process).strip().splitlines()
        errors = [line for line in lines if line.startswith("CommandError: The database cannot be used: ")]
        self.assertEqual((process.returncode, len(errors)), (1, 1) if errors else (0, 0), lines)
        self.assertLessEqual(len(lines), 1, lines)


@tag("faults")
class DroppedConnectionTests(DatabaseTestCase):
    def setUp(self) -> None:
        super().setUp()
        if connection.vendor == "sqlite":
            self.skipTest("SQLite has no connections that could be dropped")

    def drop_all(self) -> int:
        """End every other connection to the database of this test; how many there were."""
        if connection.vendor == "postgresql":
            listed = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            end = "SELECT pg_terminate_backend(%s)"
        else:
            listed = "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
            end = "KILL %s"
        with connection.cursor() as cursor:
            cursor.execute(listed)
            found = [row[0] for row in cursor.fetchall()]
            for number in found:
                try:
                    cursor.execute(end, [number])
                except OperationalError:  # it has ended by itself
                    continue
        return len(found)

    def test_sending_stops_or_goes_on_and_nothing_is_in_doubt(self) -> None:
        self.queue(600)
        engine.expand_jobs()
        self.server.delay = 0.005
        chance = random.Random(SEED)
        for _ in range(5):
            before = self.server.count
            process = self.start("send_mail")
            self.server.wait_for(before + chance.randint(1, 60), timeout=20)
            self.drop_all()
            self.server.wait_for(self.server.count + chance.randint(1, 20), timeout=2)
            self.drop_all()
            if process.poll() is None and not self.server.wait_for(self.server.count + 20, timeout=2):
                process.wait(timeout=20)
            process.send_signal(signal.SIGTERM)
            self.check_ended_in_one_line(process)
            self.assertEqual(statuses().get("in_doubt", 0), 0)
            self.assertEqual((Sender.objects.count(), InFlight.objects.count()), (0, 0))
        self.server.delay = 0
        self.run_to_the_end()
        self.check_everybody_once(600)

    def test_an_expansion_stops_or_goes_on_and_the_next_run_goes_on_at_once(self) -> None:
        self.queue(40_000)
        for least in (1, 10_000, 20_000):
            process = self.start("process_mail_jobs")
            self.wait_for(MessageJob.objects.filter(consumed__gte=least).exists)
            self.drop_all()
            self.check_ended_in_one_line(process)
            self.assertEqual((MessageJob.objects.get().claimed_by, Sender.objects.count()), (None, 0))
        self.check_everybody_is_asked(40_000)

    def test_a_daemon_that_stops_while_it_expands_gives_the_job_back(self) -> None:
        self.server.stop()
        self.queue(40_000)
        daemon = self.start("runmailer")
        self.wait_for(MessageJob.objects.filter(consumed__gte=1).exists)
        self.drop_all()
        daemon.wait(timeout=30)
        self.assertEqual((MessageJob.objects.get().claimed_by, Sender.objects.count()), (None, 0), self.end(daemon))
        self.check_everybody_is_asked(40_000)

    def check_everybody_is_asked(self, count: int) -> None:
        """The next run reads the rest of the recipients."""
        engine.expand_jobs()
        job = MessageJob.objects.get()
        self.assertEqual((job.total, job.duplicates, sum(statuses().values())), (count, 0, count))

    def test_the_daemon_stops_with_one_line_or_goes_on(self) -> None:
        self.queue(300)
        self.server.delay = 0.005
        daemon = self.start("runmailer")
        self.assertTrue(self.server.wait_for(50, timeout=20))
        self.drop_all()
        if not self.server.wait_for(250, timeout=3):
            self.assertEqual(daemon.wait(timeout=20), 1)
        daemon.terminate()
        daemon.wait(timeout=20)
        lines = self.end(daemon).strip().splitlines()
        self.assertEqual(len(lines), 2, lines)
        self.run_to_the_end()
        self.check_everybody_once(300)


@tag("faults")
class RestartTests(DatabaseTestCase):
    """The server goes away in the middle, and comes back: one of our own, never the one that others use as well."""

    def setUp(self) -> None:
        super().setUp()
        if connection.vendor != "postgresql":
            self.skipTest("this is about PostgreSQL, the only server that can be started here for a test alone")
        try:
            self.postgres = self.enterContext(own_postgres())
        except Unavailable as reason:
            self.skipTest(str(reason))
        self.enterContext(mock.patch.dict("os.environ", COURANT_TEST_DATABASE=self.postgres.url))
        place = {"HOST": "127.0.0.1", "PORT": str(self.postgres.port), "USER": "postgres", "NAME": "postgres"}
        connection.close()
        self.addCleanup(connection.close)
        self.enterContext(mock.patch.dict(connection.settings_dict, place))
        call_command("migrate", "courant_mail", verbosity=0)

    def test_a_restart_and_a_crash_stop_a_run_with_one_line_or_not_at_all(self) -> None:
        self.queue(600)
        engine.expand_jobs()
        self.server.delay = 0.005
        for mode in ("fast", "immediate"):
            process = self.start("send_mail")
            self.assertTrue(self.server.wait_for(self.server.count + 50, timeout=20))
            self.postgres.restart(mode)
            connection.close()
            self.server.wait_for(self.server.count + 50, timeout=3)
            process.send_signal(signal.SIGTERM)
            self.check_ended_in_one_line(process)
            self.assertEqual(set(statuses()), {"sent", "queued"})
        self.run_to_the_end()
        self.check_everybody_once(600)


@tag("faults")
class ConflictTests(DatabaseTestCase):
    """Deadlocks and serialisation failures, provoked by several senders under the strictest isolation."""

    def strict(self) -> str:
        """The URL of the database, for processes that must not see each other at all."""
        url = os.environ["COURANT_TEST_DATABASE"]
        option = {
            "postgresql": "options=-c%20default_transaction_isolation%3Dserializable",
            "mysql": "isolation_level=serializable",
        }[connection.vendor]
        return f"{url}{'&' if '?' in url else '?'}{option}"

    def test_several_senders_under_the_strictest_isolation_send_everything_once(self) -> None:
        if connection.vendor == "sqlite":
            self.skipTest("SQLite lets one writer in at a time, so there are no such conflicts")
        self.queue(500)
        engine.expand_jobs()
        processes = []
        with mock.patch.dict("os.environ", COURANT_TEST_DATABASE=self.strict()):
            for number in range(3):
                # A lock folder of its own makes each of them a host of its own.
                folder = self.enterContext(tempfile.TemporaryDirectory())
                processes.append(start("send_mail", courant_mail=self.site | {"LOCK_DIR": folder}))
                self.addCleanup(self.end, processes[number])
        for process in processes:
            self.check_ended_in_one_line(process)
        self.run_to_the_end()
        self.check_everybody_once(500)


@tag("faults")
class SqliteTests(DatabaseTestCase):
    """What only a file can do."""

    def setUp(self) -> None:
        super().setUp()
        if connection.vendor != "sqlite":
            self.skipTest("this is about SQLite")

    def impatient(self) -> None:
        """Wait for the lock for a tenth of a second only."""
        options: dict[str, Any] = connection.settings_dict["OPTIONS"]
        patience = options["timeout"]

        def use(seconds: float) -> None:
            connection.close()
            options["timeout"] = seconds

        use(0.1)
        self.addCleanup(use, patience)

    def lock(self) -> threading.Event:
        """Somebody else takes the write lock and keeps it until the event is set."""
        locked, release = threading.Event(), threading.Event()

        def hold() -> None:
            with closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as other:
                other.execute("PRAGMA busy_timeout = 10000")
                other.execute("BEGIN IMMEDIATE")
                locked.set()
                release.wait(60)
                other.execute("ROLLBACK")

        thread = threading.Thread(target=hold)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(release.set)
        locked.wait(20)
        return release

    def test_a_lock_that_is_given_back_in_time_leaves_nothing_in_doubt(self) -> None:
        self.queue(100)
        engine.expand_jobs()
        self.server.delay = 0.01
        self.impatient()
        ends: list[threading.Event] = []

        def interrupt(_: int) -> None:
            if not ends:
                ends.append(self.lock())
                threading.Timer(0.5, ends[0].set).start()

        # A result is recorded once more; a claim that finds the file locked ends the run, and the results are kept.
        with suppress(OperationalError):
            engine.send(progress=interrupt)
        self.assertEqual(set(statuses()) - {"sent", "queued"}, set())
        self.run_to_the_end()
        self.check_everybody_once(100)

    def test_a_lock_that_is_kept_stops_the_run_with_one_line(self) -> None:
        self.queue(100)
        engine.expand_jobs()
        self.impatient()
        self.stop_in_the_middle(self.lock, "database is locked")

    def test_a_full_disk_stops_the_run_with_one_line(self) -> None:
        self.queue(500)  # far more than what is left of the file’s last pages can take
        engine.expand_jobs()
        # What is deferred needs room for what the server said.
        self.server.on("rcpt", reply(450, *["4.2.0 come again later, and here is why: " + "x" * 300] * 6), every=2)
        self.stop_in_the_middle(self.fill, "database or disk is full", count=500)

    def fill(self) -> threading.Event:
        """From now on the file cannot grow, until the event is set."""
        room = threading.Event()

        def limit(**_: Any) -> None:
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA page_count")
                [pages] = cursor.fetchone()
                cursor.execute(f"PRAGMA max_page_count = {1_000_000_000 if room.is_set() else pages}")

        connection_created.connect(limit)
        self.addCleanup(connection.close)
        self.addCleanup(connection_created.disconnect, limit)
        limit()
        return room

    def stop_in_the_middle(self, trouble: Callable[[], threading.Event], words: str, *, count: int = 100) -> None:
        """The trouble begins while mail is on the wire, and ends some time after the run."""
        self.server.delay = 0.02
        ends: list[threading.Event] = []

        def interrupt(**_: Any) -> None:
            if not ends:
                ends.append(trouble())

        messages_sent.connect(interrupt)
        self.addCleanup(messages_sent.disconnect, interrupt)
        with self.assertLogs("courant_mail", "WARNING"), self.assertRaises(CommandError) as raised:
            call_command("send_mail", verbosity=0)
        self.assertEqual(str(raised.exception), f"The database cannot be used: {words}")
        ends[0].set()
        connection.close()
        self.server.forget_rules()
        before = self.server.count
        self.assertLess(before, count)
        retry_deferred(timezone.now(), everything=True)
        self.run_to_the_end()
        self.check_everybody_once(count, in_doubt=self.connections)
