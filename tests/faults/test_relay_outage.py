"""The relay is not there: refused, a black hole, mute, slow. The real commands, as processes; only on loopback."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

from django.core.management import call_command
from django.test import tag
from django.utils import timezone

from courant_mail import engine
from courant_mail.models import Attempt, InFlight, Message, RelayState, Sender
from courant_mail.testing.smtp_server import SmtpServer, late, reply
from tests.engine.processes import ProcessTestCase
from tests.queue.helpers import statuses


@contextlib.contextmanager
def black_hole() -> Iterator[int]:
    """A port at which connecting takes for ever: nobody accepts, and the queue of the listener is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(listener.getsockname())
        yield listener.getsockname()[1]


@contextlib.contextmanager
def mute() -> Iterator[int]:
    """A port at which somebody listens who never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listener:
        yield listener.getsockname()[1]


@tag("faults")
class OutageTests(ProcessTestCase):
    """Nothing is lost, no attempt is counted, the run says so in one line and ends with 1, and the pauses grow."""

    def lead_to(self, port: int, timeout: float = 0.3) -> None:
        self.site["RELAYS"]["smtp"]["OPTIONS"] |= {"port": port, "timeout": timeout}

    def lift(self) -> None:
        """What time does to a pause."""
        RelayState.objects.update(paused_until=timezone.now() - timedelta(seconds=1))

    def send(self) -> str:
        """Run `send_mail`, which must end with 1 and one line; returns that line."""
        process = self.start("send_mail")
        self.assertEqual(process.wait(timeout=30), 1)
        [line] = self.end(process).strip().splitlines()
        return line

    def status(self) -> dict[str, Any]:
        out = StringIO()
        call_command("mail_status", "--json", stdout=out)
        relay: dict[str, Any] = json.loads(out.getvalue())["relays"]["smtp"]
        return relay

    def check(self, reason: str) -> None:
        """Three runs, one after each pause; the first one is a process."""
        self.queue(5)
        engine.expand_jobs()
        pauses = []
        for number in range(1, 4):
            before = timezone.now()
            said = self.send() if number == 1 else f"CommandError: {engine.send().trouble}"
            self.assertRegex(said, rf"^CommandError: relay smtp.*: relay (trouble|misconfigured): .*{reason}")
            state, status = RelayState.objects.get(), self.status()
            self.assertRegex(status["reason"], reason)
            self.assertEqual((state.failures, status["state"], status["failures"]), (number, "paused", number))
            assert state.paused_until is not None
            pauses.append((state.paused_until - before).total_seconds() // 5 * 5)
            self.lift()
        self.assertEqual(pauses, [5, 10, 20])
        self.assertEqual(statuses(), {"queued": 5})
        self.assertEqual(set(Message.objects.values_list("attempts", "cause")), {(0, None)})
        self.assertEqual((Attempt.objects.count(), Sender.objects.count(), InFlight.objects.count()), (0, 0, 0))

    def test_nobody_listens(self) -> None:
        self.server.stop()
        self.check("Connection refused")

    def test_a_black_hole(self) -> None:
        self.lead_to(self.enterContext(black_hole()))
        self.check("timed out")

    def test_nobody_speaks(self) -> None:
        self.lead_to(self.enterContext(mute()))
        self.check("timed out")

    def test_a_wrong_password(self) -> None:
        self.server.users = {"ann": "right"}
        self.site["RELAYS"]["smtp"]["OPTIONS"] |= {"username": "ann", "password": "wrong"}
        self.check("535 5.7.8")

    def test_during_a_pause_nobody_tries(self) -> None:
        self.server.on("connect", reply(421, "4.3.2 going down", close=True))
        self.queue(5)
        engine.expand_jobs()
        self.send()
        before = self.server.connections
        self.assertRegex(self.send(), r"relay smtp is paused until .*: relay trouble: 421 4\.3\.2 going down")
        self.assertEqual((self.server.connections, RelayState.objects.get().failures), (before, 1))

    def test_a_slow_relay_is_not_in_trouble(self) -> None:
        for step in ("connect", "ehlo", "mail", "dot"):
            self.server.on(step, late(0.2))
        self.queue(6)
        engine.expand_jobs()
        process = self.start("send_mail")
        self.assertEqual(process.wait(timeout=30), 0, self.end(process))
        self.assertEqual((statuses(), RelayState.objects.filter(failures__gt=0).count()), ({"sent": 6}, 0))

    def test_a_run_in_a_black_hole_ends_within_two_seconds_when_it_is_told_to(self) -> None:
        for name, relay in {"black hole": black_hole(), "mute": mute()}.items():
            for sign in (signal.SIGTERM, signal.SIGINT):
                with self.subTest(name, sign=sign):
                    self.stop_in_trouble(self.enterContext(relay) if sign == signal.SIGTERM else None, sign)

    def stop_in_trouble(self, port: int | None, sign: int) -> None:
        if port is not None:
            self.lead_to(port, timeout=60)
        self.queue(20)
        engine.expand_jobs()
        process = self.start("send_mail")
        self.wait_for(lambda: InFlight.objects.count() == self.connections)
        started = time.monotonic()
        process.send_signal(sign)
        self.assertEqual(process.wait(timeout=30), 0)
        self.assertLess(time.monotonic() - started, 2.0)
        self.assertEqual(set(statuses()), {"queued"}, self.end(process))
        self.assertEqual((Sender.objects.count(), InFlight.objects.count()), (0, 0))


@tag("faults")
class DaemonTests(ProcessTestCase):
    """`runmailer` lives through the trouble of its relay."""

    def daemon(self) -> Any:
        process = self.start("runmailer")
        self.wait_for(Sender.objects.exists)
        return process

    def test_it_goes_on_without_a_restart_when_the_relay_is_back(self) -> None:
        port = self.server.port
        self.server.stop()
        # After so many troubles the next pause is one of minutes.
        RelayState.objects.create(relay="smtp", failures=6, reason="it has long been so")
        daemon = self.daemon()
        self.queue(10)
        self.wait_for(lambda: RelayState.objects.filter(failures=7).exists())
        self.wait_for(lambda: statuses() == {"queued": 10})
        server = self.enterContext(SmtpServer(port))
        RelayState.objects.update(paused_until=timezone.now() - timedelta(seconds=1))
        # The pause is over as the database knows it.
        self.assertTrue(server.wait_for(10, timeout=20))
        self.wait_for(lambda: statuses() == {"sent": 10} and RelayState.objects.get().failures == 0)
        daemon.terminate()
        self.assertEqual(daemon.wait(timeout=10), 0, self.end(daemon))

    def test_it_heeds_the_pause_that_another_process_has_found_necessary(self) -> None:
        self.server.delay = 0.05
        daemon = self.daemon()
        self.queue(2000)
        self.assertTrue(self.server.wait_for(5))
        until = timezone.now() + timedelta(seconds=60)
        RelayState.objects.create(relay="smtp", failures=1, paused_until=until, reason="told by another process")
        self.wait_for(lambda: set(statuses()) == {"sent", "queued"})
        sent = len(self.server.mails)
        self.assertLess(sent, 2000)
        self.wait_for(lambda: Sender.objects.filter(alive_until__gt=timezone.now()).exists())
        daemon.terminate()
        self.assertEqual(daemon.wait(timeout=10), 0, self.end(daemon))
        self.assertEqual((len(self.server.mails), statuses()["sent"]), (sent, sent))
