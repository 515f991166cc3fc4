"""The commands as processes: killed at any moment, ended politely, frozen; and the daemon."""

from __future__ import annotations

import signal
import tempfile
import time
from functools import partial

from django.utils import timezone

from courant_mail import engine
from courant_mail.choices import JobStatus, MessageStatus
from courant_mail.models import InFlight, Message, MessageJob, Sender
from courant_mail.queue.enqueue import enqueue_content
from courant_mail.queue.suppress import suppress
from tests.queue.helpers import statuses

from .base import parsed
from .processes import ProcessTestCase, start


class KillTests(ProcessTestCase):
    def test_no_message_is_lost_or_repeated_when_a_sender_is_killed_and_doubt_is_held(self) -> None:
        kills = 4
        job = self.queue(400)
        engine.expand_jobs()
        self.server.delay = 0.004
        for number in range(kills):
            before = len(self.server.mails)
            process = self.start("send_mail")
            self.assertTrue(self.server.wait_for(before + 17 * (number + 1), timeout=20))
            process.send_signal(signal.SIGKILL)
            process.wait()
            self.bury()
        self.server.delay = 0
        engine.send()
        arrived = [mail.rcpt_to[0] for mail in self.server.mails]
        self.assertEqual(len(arrived), len(set(arrived)), "repeated")
        found = statuses()
        self.assertEqual(set(found) - {"sent", "in_doubt"}, set())
        self.assertEqual(sum(found.values()), 400)
        self.assertLessEqual(found.get("in_doubt", 0), kills * self.connections)
        sent = set(Message.objects.filter(status=MessageStatus.SENT).values_list("recipient", flat=True))
        self.assertLessEqual(sent, set(arrived), "recorded as sent, but never arrived")
        job.refresh_from_db()
        self.assertEqual((job.sent, job.in_doubt), (found["sent"], found.get("in_doubt", 0)))

    def test_an_expansion_that_is_killed_goes_on_without_gaps_or_repeats(self) -> None:
        count = 30_000
        job = self.queue(count)
        for least in (1, 8_000, 16_000):
            process = self.start("process_mail_jobs")
            self.wait_for(MessageJob.objects.filter(consumed__gte=least).exists)
            process.send_signal(signal.SIGKILL)
            process.wait()
            self.bury()
        engine.expand_jobs()
        job.refresh_from_db()
        self.assertEqual((job.status, job.total, job.duplicates), (JobStatus.SENDING, count, 0))
        self.assertEqual(Message.objects.values("recipient").distinct().count(), count)


class RetryDoubtTests(ProcessTestCase):
    in_doubt = "retry"

    def test_everybody_gets_the_mail_and_a_repeat_bears_the_same_message_id(self) -> None:
        self.queue(150)
        engine.expand_jobs()
        self.server.delay = 0.004
        process = self.start("send_mail")
        self.assertTrue(self.server.wait_for(30, timeout=20))
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.bury()
        self.server.delay = 0
        engine.send()
        by_recipient: dict[str, set[str]] = {}
        for mail in self.server.mails:
            by_recipient.setdefault(mail.rcpt_to[0], set()).add(str(parsed(mail)["Message-ID"]))
        self.assertEqual(len(by_recipient), 150)
        self.assertEqual({len(ids) for ids in by_recipient.values()}, {1})
        self.assertLessEqual(len(self.server.mails), 150 + self.connections)
        self.assertEqual(statuses(), {"sent": 150})


class StopTests(ProcessTestCase):
    def test_sigterm_and_ctrl_c_end_cleanly_with_nothing_in_doubt(self) -> None:
        self.queue(2000)
        engine.expand_jobs()
        self.server.delay = 0.01
        for sign in (signal.SIGTERM, signal.SIGINT):
            before = len(self.server.mails)
            process = self.start("send_mail")
            self.assertTrue(self.server.wait_for(before + 20, timeout=20))
            process.send_signal(sign)
            process.wait(timeout=10)
            found = statuses()
            self.assertEqual((process.returncode, set(found)), (0, {"sent", "queued"}), self.end(process))
            self.assertEqual(found["sent"], len(self.server.mails))
            self.assertEqual((Sender.objects.count(), InFlight.objects.count()), (0, 0))

    def test_a_frozen_sender_that_wakes_after_its_claim_changes_nothing(self) -> None:
        self.queue(300)
        engine.expand_jobs()
        self.server.delay = 0.005
        process = self.start("send_mail")
        self.assertTrue(self.server.wait_for(30, timeout=20))
        self.freeze(process)
        self.server.delay = 0
        engine.send()
        finished = statuses()
        self.assertEqual(set(finished) - {"sent", "in_doubt"}, set())
        process.send_signal(signal.SIGCONT)
        process.wait(timeout=30)
        self.assertNotEqual(process.returncode, 0)
        self.assertEqual(statuses(), finished)
        arrived = [mail.rcpt_to[0] for mail in self.server.mails]
        self.assertEqual(len(arrived), len(set(arrived)))
        self.assertIn("silent for too long", self.end(process))

    def test_several_senders_share_one_queue_without_a_repeat(self) -> None:
        self.queue(600)
        engine.expand_jobs()
        self.server.delay = 0.003
        processes = []
        for number in range(3):
            # A lock folder of its own makes each of them a host of its own.
            folder = self.enterContext(tempfile.TemporaryDirectory())
            processes.append(start("send_mail", courant_mail=self.site | {"LOCK_DIR": folder}))
            self.addCleanup(self.end, processes[number])
        for process in processes:
            self.assertEqual(process.wait(timeout=60), 0)
        arrived = [mail.rcpt_to[0] for mail in self.server.mails]
        self.assertEqual((len(arrived), len(set(arrived))), (600, 600))
        self.assertEqual(statuses(), {"sent": 600})
        self.assertEqual(MessageJob.objects.get().status, JobStatus.FINISHED)
        self.assertEqual(MessageJob.objects.get().sent, 600)

    def test_an_overlapping_run_leaves_at_once_and_says_so(self) -> None:
        self.queue(500)
        engine.expand_jobs()
        self.server.delay = 0.02
        first = self.start("send_mail")
        self.assertTrue(self.server.wait_for(1, timeout=20))
        second = self.start("send_mail")
        self.assertEqual(second.wait(timeout=20), 0)
        self.assertIsNone(first.poll())
        output = self.end(second)
        self.assertIn("running", output)
        self.assertEqual(len(output.strip().splitlines()), 1)
        first.kill()
        first.wait()
        self.bury()
        third = self.start("send_mail", "--limit", "1")
        self.assertEqual(third.wait(timeout=20), 0, "the lock of a killed run must not stop the next one")


class DaemonTests(ProcessTestCase):
    def test_it_expands_sends_and_retries_by_itself_and_ends_cleanly(self) -> None:
        daemon = self.start("runmailer")
        self.wait_for(lambda: Sender.objects.exists())
        self.queue(40)
        self.assertTrue(self.server.wait_for(40))
        enqueue_content(data=b"Subject: Reset\n\nx\n", mail_from="", recipients=["ann@example.org"])
        self.assertTrue(self.server.wait_for(41, timeout=5))
        self.wait_for(lambda: MessageJob.objects.get().status == JobStatus.FINISHED)
        Message.objects.filter(recipient="ann@example.org").update(
            status=MessageStatus.DEFERRED, not_before=timezone.now()
        )
        self.assertTrue(self.server.wait_for(42, timeout=10))
        daemon.terminate()
        self.assertEqual(daemon.wait(timeout=10), 0)
        self.assertEqual((Sender.objects.count(), InFlight.objects.count()), (0, 0))
        self.assertEqual(statuses(), {"sent": 41})

    def test_a_rate_and_suppressed_people_do_not_put_it_to_sleep(self) -> None:
        self.site["RELAYS"]["smtp"]["RATE"] = "40/s"
        job = self.queue(160)
        engine.expand_jobs()
        for number in range(100):
            suppress(f"reader{number}@example.org")
        started = time.monotonic()
        daemon = self.start("runmailer")
        self.assertTrue(self.server.wait_for(60, timeout=20))
        # A second's worth at once, then forty a second; five seconds of sleep in between would show.
        self.assertLess(time.monotonic() - started, 9)
        self.wait_for(lambda: MessageJob.objects.get().status == JobStatus.FINISHED)
        daemon.terminate()
        self.assertEqual(daemon.wait(timeout=10), 0)
        job.refresh_from_db()
        self.assertEqual((job.sent, job.suppressed), (60, 100))

    def has_got(self, address: str) -> bool:
        return any(mail.rcpt_to == (address,) for mail in self.server.mails)

    def test_urgent_mail_leaves_within_a_second_while_a_job_is_running_on_a_slow_relay(self) -> None:
        self.server.delay = 0.1
        self.queue(200)
        engine.expand_jobs()
        daemon = self.start("runmailer")
        self.assertTrue(self.server.wait_for(10))
        waits = []
        for number in range(5):
            asked = time.time()
            address = f"urgent{number}@example.org"
            enqueue_content(data=b"Subject: Reset\n\nx\n", mail_from="", recipients=[address])
            self.wait_for(partial(self.has_got, address), 5)
            waits.append(next(mail.at for mail in self.server.mails if mail.rcpt_to == (address,)) - asked)
        self.assertLess(len(self.server.mails), 205, "the job must still have been running")
        self.assertLess(sorted(waits)[2], 1.0)
        daemon.terminate()
        self.assertEqual(daemon.wait(timeout=10), 0)
