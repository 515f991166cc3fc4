"""One battle: a queue, a relay, several senders, and what is done to them; then everything is sent to the end."""

from __future__ import annotations

import contextlib
import math
import random
import signal
import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db import OperationalError
from django.test import override_settings
from django.utils import timezone

from courant_mail import engine
from courant_mail.api import send_mail
from courant_mail.choices import UNFINISHED, JobStatus, MessageStatus, Priority
from courant_mail.models import (
    Attempt,
    Content,
    InFlight,
    JobMinute,
    Message,
    MessageJob,
    RelayState,
    Sender,
    Suppression,
)
from courant_mail.queue import control
from courant_mail.queue.counters import recount
from courant_mail.queue.enqueue import enqueue_job
from courant_mail.queue.retry import retry_deferred
from courant_mail.queue.suppress import suppress

from .audit import Findings, Terms, audit
from .children import Child
from .patience import impatient
from .plans import BLOWS, HOLD, Plan
from .relay import GREYLISTED, Relay

#: connections of each sender, and its patience with a relay, in seconds
CONNECTIONS = 3
_TIMEOUT = 1.0
#: recipients of a job; when fewer than so many messages wait, another one is queued
_JOB = 300
_LOW = 300
#: rows of a job that ended long ago, for the purge
_OLD = 2000
#: what runs at the same time, and how often beside the others
_COMMANDS = {"send_mail": 6, "process_mail_jobs": 3, "retry_deferred": 2, "purge_mail_log": 1, "runmailer": 3}
_ARGUMENTS = {"retry_deferred": ["--all"], "purge_mail_log": ["30", "--result", "all"]}
#: seconds within which the end comes; the short ones are over soon
_LIFE = {"send_mail": 0.8, "process_mail_jobs": 0.3, "retry_deferred": 0.15, "purge_mail_log": 0.3, "runmailer": 1.5}
_STEP_SECONDS = 0.02
#: within which everything can be sent when nobody disturbs it any more
_END_SECONDS = 60
#: stands in a traceback of a command that has begun
_BEGUN = "courant_mail/management/base.py"


@dataclass(slots=True)
class Outcome:
    """What a battle came to."""

    blows: Counter[str] = field(default_factory=Counter)
    #: kills and freezes that struck a process which had registered as a sender
    at_work: int = 0
    #: the longest time from a polite signal to the end
    slowest_end: float = 0.0
    findings: Findings = field(default_factory=Findings)
    #: what processes said that they should not have
    complaints: list[str] = field(default_factory=list)

    @property
    def broken(self) -> list[str]:
        """What contradicts the guarantees."""
        return self.findings.broken + self.complaints

    def told(self) -> dict[str, Any]:
        """The figures, for JSON."""
        found = self.findings
        figures = {name: getattr(found, name) for name in ("messages", "accepted", "lost", "repeated", "in_doubt")}
        return figures | {
            "statuses": {status.name.lower(): count for status, count in found.statuses.items()},
            "blows": dict(self.blows),
            "at_work": self.at_work,
            "slowest_end": self.slowest_end,
            "may_repeat": found.may_repeat,
            "broken": self.broken,
        }


@dataclass(slots=True)
class _Fate:
    child: Child
    blow: str
    at: float
    thaw_at: float | None = None


class Battle:
    """Runs one plan on the database of this process."""

    def __init__(self, plan: Plan, *, seed: str, seconds: float, folder: Path) -> None:
        self.plan = plan
        self.outcome = Outcome()
        self._seed = seed
        self._chance = random.Random(seed)
        self._seconds = seconds
        self._folder = folder
        self._asked: dict[str, int | None] = {}
        self._fates: list[_Fate] = []
        self._ended: list[Child] = []
        self._started = 0
        self._relay = Relay(folder / "journal")

    def fight(self) -> Outcome:
        """All of it; whatever was started is ended."""
        with ExitStack() as stack:
            stack.enter_context(self._relay)
            stack.callback(self._end_all)
            self._relay.start(chaos=self._seed if self.plan.chaos else "", delay=0.002)
            stack.enter_context(override_settings(COURANT_MAIL=self._site()))
            self._prepare()
            end = time.monotonic() + self._seconds
            with impatient():
                while time.monotonic() < end:
                    self._step()
                    time.sleep(_STEP_SECONDS)
                self._end_all()
            self._relay.stop()
            self._relay.start()
            self._run_to_the_end()
            self._relay.stop()
            self._judge()
        return self.outcome

    def _site(self) -> dict[str, Any]:
        options = {"host": "127.0.0.1", "port": self._relay.port, "timeout": _TIMEOUT}
        return {
            "SITE_URL": "https://www.courant.example",
            "RELAYS": {"smtp": {"CONNECTIONS": CONNECTIONS, "OPTIONS": options}},
            "IN_DOUBT": self.plan.policy,
            "RETRY": {"FIRST": 0.2, "FACTOR": 1.0, "CEILING": 1.0},
            "POLL_SECONDS": 0.1,
        }

    # -- the queue ---------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        for model in (Attempt, InFlight, Message, Content, JobMinute, MessageJob, Sender, RelayState, Suppression):
            model.objects.all()._raw_delete("default")
        old = MessageJob.objects.create(
            subject="Old news", text="x", from_email="ed@courant.example", status=JobStatus.FINISHED,
            expanded_at=timezone.now(), finished_at=timezone.now() - timedelta(days=100),
        )  # fmt: skip
        for status in (MessageStatus.SENT, MessageStatus.FAILED):
            cause = None if status == MessageStatus.SENT else 7
            Message.objects.bulk_create(
                Message(job=old, recipient=f"{status}-{n}@old.example", priority=3, status=status, cause=cause)
                for n in range(_OLD // 2)
            )
        recount(old.pk)
        self._queue_more()

    def _queue_more(self) -> None:
        """A job when little waits; now and then a single mail."""
        unexpanded = MessageJob.objects.filter(status__in=[JobStatus.QUEUED, JobStatus.EXPANDING])
        if Message.objects.unfinished().count() < _LOW and not unexpanded.exists():
            self._queue_job()
        elif self._chance.random() < 0.1:
            address = f"single{len(self._asked)}@example.org"
            send_mail("Reset", "Hello", "site@courant.example", [address], priority=Priority.HIGH)
            self._asked[address] = None
        if self.plan.only:
            engine.expand_jobs()
        self._meddle()

    def _meddle(self) -> None:
        """Now and then somebody unsubscribes, or a job is cancelled."""
        if self._chance.random() < 0.1:
            suppress(self._chance.choice(list(self._asked)), source="torture")
        elif self._chance.random() < 0.02:
            for pk in MessageJob.objects.filter(status=JobStatus.SENDING).values_list("pk", flat=True)[:1]:
                control.cancel(pk)

    def _queue_job(self) -> None:
        first = len(self._asked)
        names = [f"{GREYLISTED if n % 10 == 0 else 'reader'}{first + n}@example.org" for n in range(_JOB)]
        job = enqueue_job(
            subject="News {{ name }}",
            html="<p>Hello {{ name }}</p>",
            from_email="ed@courant.example",
            recipients=names,
            priority=self._chance.choice([Priority.MEDIUM, Priority.LOW]),
        )
        self._asked.update(dict.fromkeys(names, job.pk))

    # -- the blows ---------------------------------------------------------------------------------------------

    def _step(self) -> None:
        """One look at everything that is going on."""
        for fate in list(self._fates):
            self._see_to(fate)
        while len(self._fates) < self.plan.senders:
            self._fates.append(self._start())
        with contextlib.suppress(OperationalError):  # somebody holds a lock, and may be frozen
            self._expire_ended()
            self._soothe()
            self._queue_more()

    def _start(self) -> _Fate:
        names, weights = list(_COMMANDS), list(_COMMANDS.values())
        command = self.plan.only or self._chance.choices(names, weights)[0]
        self._started += 1
        child = Child(command, *_ARGUMENTS.get(command, []), folder=self._folder / f"{self._started}-{command}")
        blow = self.plan.blow
        if blow == "any":
            [blow] = self._chance.choices(list(BLOWS), list(BLOWS.values()))
        return _Fate(child, blow, self._chance.uniform(0.0, _LIFE[command]))

    def _see_to(self, fate: _Fate) -> None:
        child = fate.child
        if fate.thaw_at is not None:
            if time.monotonic() > fate.thaw_at:
                child.send(signal.SIGCONT)
                fate.thaw_at, fate.blow = None, ""
                fate.at = child.age + self._chance.uniform(0.5, 2.0)
            return
        if not child.is_running():
            self._bury(fate)
        elif child.age > fate.at:
            _BLOWS[fate.blow](self, fate)

    def _kill(self, fate: _Fate) -> None:
        fate.child.kill()
        self.outcome.blows["kill"] += 1
        self._bury(fate)

    def _freeze(self, fate: _Fate) -> None:
        """Stop it and let its claim expire; on SQLite not within a transaction, which would lock everybody."""
        fate.child.send(signal.SIGSTOP)
        try:
            self._expire(fate.child.pid)
        except OperationalError:
            fate.child.send(signal.SIGCONT)
            return
        self.outcome.blows["freeze"] += 1
        fate.thaw_at = time.monotonic() + self._chance.uniform(0.3, 1.0)

    def _end(self, fate: _Fate) -> None:
        """Politely: with SIGTERM or Ctrl-C."""
        sign = self._chance.choice([signal.SIGTERM, signal.SIGINT])
        at_work = Sender.objects.filter(pid=fate.child.pid).exists()
        asked = time.monotonic()
        fate.child.send(sign)
        if any(other.thaw_at for other in self._fates):
            fate.at = math.inf  # it may wait for a lock of somebody who is frozen
            return
        if not fate.child.wait(10.0):
            self.outcome.complaints.append(f"{fate.child.command} goes on after {sign.name}")
            fate.child.kill()
        if at_work:
            self.outcome.slowest_end = max(self.outcome.slowest_end, time.monotonic() - asked)
            if fate.child.code not in (0, 1):
                self.outcome.complaints.append(f"{fate.child.command} ended with {fate.child.code} after {sign.name}")
        self.outcome.blows["end"] += 1
        self._bury(fate)

    def _let_live(self, fate: _Fate) -> None:
        """It ends by itself; the daemon is told to in time."""
        if fate.child.command == "runmailer":
            fate.child.send(signal.SIGTERM)
        fate.at = math.inf  # a second signal would end it at once

    def _expire(self, pid: int) -> None:
        """What time does to the row of a process that does not renew it."""
        past = timezone.now() - timedelta(seconds=1)
        self.outcome.at_work += Sender.objects.filter(pid=pid).update(alive_until=past)

    def _expire_ended(self) -> None:
        """The rows of those who are gone, as soon as nobody holds a lock; whoever went by itself should have none."""
        while self._ended:
            child = self._ended[-1]
            left = Sender.objects.filter(pid=child.pid).exists()
            if left and child.code == 0:
                self.outcome.complaints.append(f"{child.command} ended well and left claims: {child.output[-300:]}")
            self._expire(child.pid)
            self._ended.pop()

    def _bury(self, fate: _Fate) -> None:
        self._fates.remove(fate)
        self._ended.append(fate.child)
        output = fate.child.output.strip()
        # Ctrl-C before the command has begun is answered by Python.
        if "Traceback" in output and not (output.endswith("KeyboardInterrupt") and _BEGUN not in output):
            self.outcome.complaints.append(f"{fate.child.command}: {output[-600:]}")

    def _soothe(self) -> None:
        """What time and people do: pauses of relays end, and paused jobs are resumed."""
        RelayState.objects.filter(paused_until__gt=timezone.now()).update(paused_until=timezone.now())
        for pk in MessageJob.objects.filter(status=JobStatus.PAUSED).values_list("pk", flat=True):
            control.resume(pk)

    def _end_all(self) -> None:
        for fate in list(self._fates):
            fate.child.send(signal.SIGCONT)
            if fate.blow in ("end", ""):
                if fate.at != math.inf:
                    fate.child.send(signal.SIGTERM)
                fate.child.wait(10.0)
            if fate.child.is_running():
                fate.child.kill()
                self.outcome.blows["kill"] += 1
            self._bury(fate)

    # -- the end -----------------------------------------------------------------------------------------------

    def _run_to_the_end(self) -> None:
        """The commands run on, undisturbed, as cron would have them."""
        late = threading.Event()
        before = signal.signal(signal.SIGALRM, lambda *_: late.set())
        signal.alarm(_END_SECONDS)
        while not late.is_set():
            self._expire_ended()
            self._soothe()
            engine.expand_jobs(stop=late)
            retry_deferred(timezone.now(), everything=True)
            engine.send(stop=late)
            open_jobs = MessageJob.objects.filter(finished_at=None)
            if not (open_jobs.exists() or Message.objects.filter(status__in=UNFINISHED).exists()):
                break
        else:
            self.outcome.complaints.append("it does not come to an end")
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)

    def _judge(self) -> None:
        terms = Terms(
            # Who was not registered as a sender had nothing in hand that could be in doubt.
            blows=self.outcome.at_work,
            connections=CONNECTIONS,
            retry=self.plan.policy != HOLD,
            calm=not self.plan.chaos,
        )
        self.outcome.findings = audit(self._asked, self._relay.copies(), terms)


_BLOWS: dict[str, Any] = {
    "kill": Battle._kill,
    "freeze": Battle._freeze,
    "end": Battle._end,
    "": Battle._let_live,
}
