"""The coordinator: claims, hands out, commits before each final dot, and records."""

from __future__ import annotations

import logging
import queue
import socket
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime
from types import TracebackType
from typing import Self, TypeVar

from django.utils import timezone

from ..addresses import redact_all
from ..choices import MessageStatus, Outcome
from ..conf import RelaySettings, Settings
from ..deliver.courier import WITHDRAWN, Courier, Crashed, Done, Report, Stock, Task
from ..deliver.outcomes import Result, address_is_dead
from ..exceptions import InvalidMail, WrongState
from ..queue import claim, control, counters, finish, minutes, record, relay_state, senders
from ..queue.claim import Claimed
from ..queue.database import DATABASE_ERRORS, reconnect
from ..queue.endings import Ending, in_words
from ..queue.lanes import Turn
from .announce import announce_finished, announce_messages
from .expansion import let_go
from .outlet import Outlet
from .rendering import Renderer
from .summary import SendSummary

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: seconds between two looks at what is not urgent: more claims, counters, signals, finished jobs
_TICK = 0.25
#: seconds that the first report waits for others to share its commit
_GROUP_SECONDS = 0.001
#: seconds of a commit (a moving average) from which on all couriers had better share it
_SLOW_COMMIT = 0.0015
#: seconds between two looks at what other processes have found out about the relays
_LEARN_SECONDS = 1.0
#: seconds that replies in flight are waited for at the end
_PATIENCE = 20.0
#: seconds that a courier gets at the end when nothing of it is in flight
_GRACE = 1.0
#: a job whose sender address was refused so often, and never accepted, is paused
_SENDER_REFUSALS = 5
#: seconds to wait before the database is tried again
_DATABASE_PAUSES = (0.1, 1.0, 3.0)

_TROUBLE = {Outcome.RELAY_TROUBLE, Outcome.THROTTLED, Outcome.MISCONFIGURED}


class Coordinator:
    """
    Does all the work with the database while couriers render and talk to relays; used in one thread.

    As a context manager: on leaving, the couriers finish what is on the wire and the rest goes back to the queue.
    """

    def __init__(
        self,
        command: str,
        settings: Settings,
        *,
        limit: int | None = None,
        connections: int | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self.summary = SendSummary()
        self.inbox: queue.SimpleQueue[Report | Crashed | None] = queue.SimpleQueue()
        self._command = command
        self._settings = settings
        self._left = limit
        self._connections = connections
        self._progress = progress or (lambda _: None)
        self._host = socket.gethostname()
        self._renderer = Renderer(settings)
        self._turn = Turn()
        self._held: dict[int, Claimed] = {}
        self._on_wire: set[int] = set()  # those whose final dot was permitted, until their result is recorded
        self._unsettled: list[Report | Crashed] = []
        self._pauses: tuple[float, ...] = _DATABASE_PAUSES
        self._couriers: dict[int, Courier] = {}
        self._outlets: dict[str, Outlet] = {}
        self._ending = False
        self._deltas: dict[int, Counter[int]] = defaultdict(Counter)
        self._news: dict[MessageStatus, list[int]] = defaultdict(list)
        self._sender_refusals: Counter[int] = Counter()
        self._next_tick = 0.0
        self._next_lesson = 0.0
        self._renewed = 0.0
        self._dry_until = 0.0
        self._commit_seconds = 0.0

    # -- life --------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.sender_id = senders.register(self._command, timezone.now(), self._settings.claim_seconds)
        self._renewed = time.monotonic()
        states = relay_state.states()
        for name, relay in self._settings.relays.items():
            self._outlets[name] = Outlet(
                relay,
                (name, "") if name == self._settings.default_relay else (name,),
                min(relay.connections, self._connections or relay.connections),
                self._hire,
                states.get(name),
            )
        self._next_lesson = time.monotonic() + _LEARN_SECONDS
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ending = True
        left = [task for outlet in self._outlets.values() for task in outlet.close()]
        try:
            if error is None:
                self._give_back(left)
                self._sign_off()
            elif isinstance(error, DATABASE_ERRORS) and reconnect():
                self._sign_off_all_the_same()
        finally:
            # Whatever could not be committed: no further dot may go out, so whoever waits or asks later is refused.
            for courier in self._couriers.values():
                courier.permits.put(False)

    def _sign_off(self) -> None:
        """Record what relays have said and still say, and give back what is not on the wire."""
        self._wind_up()
        self._give_back_ids([pk for pk in self._held if pk not in self._on_wire])
        self._tick(final=True)
        if not self._held:
            senders.retire(self.sender_id)
        else:
            # Their couriers hang in a conversation that outlasts our patience. Once our row has expired, the next run
            # takes them back; the in-flight rows say what is in doubt.
            logger.warning("%s messages are left to the next run", len(self._held))

    def _sign_off_all_the_same(self) -> None:
        """After an error of the database: it may be back, and then nothing that relays have said need be forgotten."""
        pauses, self._pauses = self._pauses, ()  # not within each other
        try:
            self._persistently(self._hand_over, pauses)
        except DATABASE_ERRORS as error:
            logger.warning("What this run holds is left to the next one, since the database is out of reach: %s", error)

    def _hand_over(self) -> None:
        self._settle(self._unsettled + self._gather(0.0))
        # A claim may have been committed although we never heard of it.
        self._give_back_ids([pk for pk in claim.held(self.sender_id) if pk not in self._held])
        let_go(self.sender_id)
        self._sign_off()

    def _persistently(self, work: Callable[[], T], pauses: Iterable[float]) -> T:
        """Do it; again after each of the pauses while the database is out of reach or refuses."""
        for pause in pauses:
            try:
                return work()
            except DATABASE_ERRORS as error:
                if not reconnect():
                    raise
                logger.warning("The database did not take the results (%s); trying again", error)
                time.sleep(pause)
        return work()

    def _wind_up(self) -> None:
        """Wait for replies that are in flight, and a moment for couriers to end, recording what they report."""
        started = time.monotonic()
        while any(courier.is_alive() for courier in self._couriers.values()):
            waited = time.monotonic() - started
            if waited > _GRACE:
                self._settle(self._untold())
            if waited > (_PATIENCE if self._on_wire else _GRACE):
                break
            self._settle(self._gather(0.05))
        self._settle(self._gather(0.0))

    def _untold(self) -> list[Report | Crashed]:
        """What couriers know and do not come to tell, since they hang in the beginning of their next message."""
        living = [courier for courier in self._couriers.values() if courier.is_alive()]
        return [Report(courier, done, None) for courier in living if (done := courier.untold())]

    def _hire(self, relay: RelaySettings, stock: Stock) -> None:
        """Start a courier under a number whose in-flight row exists; the numbers of those who have ended are free."""
        number = next((n for n, courier in self._couriers.items() if not courier.is_alive()), len(self._couriers))
        if number not in self._couriers:
            senders.add_connections(self.sender_id, [number])
        courier = self._couriers[number] = Courier(number, relay, stock, self.inbox)
        courier.start()

    # -- one step ----------------------------------------------------------------------------------------------

    def step(self) -> bool:
        """Hand out work and record what has come back. False when nothing is in hand and nothing can be claimed."""
        found, slowed = self._restock()
        if self._held:
            self._settle(self._gather(_TICK))
        elif found:
            pass  # whatever it was is suppressed, or its job is paused; what comes behind it is not
        elif slowed and claim.waits([name for outlet in slowed for name in outlet.names]):
            time.sleep(min(outlet.patience for outlet in slowed))
        else:
            self._tick()
            return False
        self._tick()
        return True

    def rest(self, seconds: float, stop: threading.Event) -> None:
        """Sleep until somebody puts something into the inbox, but no longer than this; stays alive meanwhile."""
        end = time.monotonic() + seconds
        # In small pieces, since a signal handler that sets `stop` does not interrupt the wait.
        while not stop.is_set() and (left := end - time.monotonic()) > 0:
            try:
                item = self.inbox.get(timeout=min(left, _TICK))
            except queue.Empty:
                continue
            if item is not None:
                self._settle([item])
            return

    @property
    def is_busy(self) -> bool:
        """Whether messages are in hand."""
        return bool(self._held)

    def stay_alive(self) -> None:
        """Renew the claim on what is in hand, when it is time to. Raises ClaimLost."""
        if time.monotonic() - self._renewed > self._settings.claim_seconds / 4:
            senders.renew(self.sender_id, timezone.now(), self._settings.claim_seconds)
            self._renewed = time.monotonic()

    def _restock(self) -> tuple[int, list[Outlet]]:
        """Claim where the stock runs low: how many messages were found, and the outlets that their rate slows down."""
        if time.monotonic() < self._dry_until and self._held:
            return 0, []
        slowed: list[Outlet] = []
        now = timezone.now()
        self._learn(now)
        asked = found = 0
        for outlet in self._outlets.values():
            if outlet.is_paused(now):
                self.summary.trouble = (
                    f"relay {outlet.relay.name} is paused until {outlet.paused_until}: {outlet.reason}"
                )
                continue
            wanted = outlet.wanted() if self._left is None else min(outlet.wanted(), self._left)
            allowed = outlet.spend(wanted, now)
            if allowed < wanted:
                slowed.append(outlet)
            asked += wanted
            found += self._claim(outlet, allowed)
        if asked and not found:
            self._dry_until = time.monotonic() + _TICK / 2
        return found, slowed

    def _learn(self, now: datetime) -> None:
        """Heed the pauses that other processes have found necessary since, and those that are over."""
        if time.monotonic() < self._next_lesson:
            return
        self._next_lesson = time.monotonic() + _LEARN_SECONDS
        states = relay_state.states()
        for name, outlet in self._outlets.items():
            self._give_back(outlet.learn(states.get(name), now))

    def _claim(self, outlet: Outlet, wanted: int, urgent_than: int | None = None) -> int:
        if wanted <= 0:
            return 0
        taken = claim.claim(self.sender_id, wanted, relays=outlet.names, turn=self._turn, urgent_than=urgent_than)
        self.summary.suppressed += taken.suppressed
        outlet.unspend(wanted - len(taken.messages))
        if self._left is not None:
            self._left -= len(taken.messages)
        self._held.update((message.id, message) for message in taken.messages)
        outlet.put(self._tasks(taken.messages))
        return len(taken.messages) + taken.suppressed

    def _tasks(self, messages: Iterable[Claimed]) -> list[Task]:
        now = timezone.localtime() if timezone.is_aware(timezone.now()) else timezone.now().astimezone()
        tasks: list[Task] = []
        for message in messages:
            try:
                tasks.append(self._renderer.task(message, now))
            except InvalidMail as error:
                self._give_back_ids([message.id])
                self._pause_job(message.job_id or 0, str(error))
        return tasks

    def _gather(self, timeout: float) -> list[Report | Crashed]:
        """
        What the couriers have to tell: the first within the timeout, and what follows it closely.

        Waiting a moment for others makes one commit of several, and a millisecond is noticed by no relay. Where commits
        are quick, half of the couriers are enough, while the other half is talking to the relay: a fifth more messages
        a second with eight connections. Where a commit takes longer than the talk, all of them share it.
        """
        found: list[Report | Crashed] = []
        end = time.monotonic() + timeout
        enough = len(self._couriers) if self._commit_seconds > _SLOW_COMMIT else max(1, len(self._couriers) // 2)
        try:
            while True:
                # Those that have told something already are never left for later.
                left = end - time.monotonic() if len(found) < enough else 0.0
                item = self.inbox.get(timeout=max(0.0, left))
                if item is not None:
                    found.append(item)
                    if len(found) == 1:
                        end = min(end, time.monotonic() + _GROUP_SECONDS)
        except queue.Empty:
            return found

    def _settle(self, reports: list[Report | Crashed]) -> None:
        """Commit what is told, deal with trouble, then let those who wait send their dots."""
        if not reports:
            return
        self._unsettled = reports
        endings: list[tuple[Done, Courier]] = []
        in_flight: dict[int, int | None] = {}
        ready: list[tuple[Report, Task]] = []
        crashed: list[Crashed] = []
        for report in reports:
            endings += [(done, report.courier) for done in report.done if done.task.key in self._held]
            in_flight[report.courier.number] = None
            if isinstance(report, Crashed):
                crashed.append(report)
            elif report.ready is not None and not self._ending:
                in_flight[report.courier.number] = report.ready.key
                ready.append((report, report.ready))
            elif report.ready is not None:
                report.courier.permits.put(False)
        self._record(endings, in_flight)
        self._after(endings)
        now = timezone.now()
        for report, task in ready:
            # Not through a relay that has just proved to be in trouble: the message is given back instead.
            permitted = not self._outlets[report.courier.relay.name].is_paused(now)
            if permitted:
                self._on_wire.add(task.key)
            report.courier.permits.put(permitted)
        self._unsettled = []
        for crash in crashed:
            raise RuntimeError(f"The thread {crash.courier.name} has died: {crash.error!r}") from crash.error

    def _record(self, endings: list[tuple[Done, Courier]], in_flight: dict[int, int | None]) -> None:
        now = timezone.now()
        withdrawn = [done.task.key for done, _ in endings if done.result is WITHDRAWN]
        ended = [
            Ending(
                self._held[done.task.key],
                courier.relay.name,
                self._outlets[courier.relay.name].judged(done.result, now),
                address_is_dead(done.result),
            )
            for done, courier in endings
            if done.result is not WITHDRAWN
        ]
        recorded = self._commit(ended, in_flight)
        self._on_wire.difference_update(done.task.key for done, _ in endings)
        for ending in ended:
            self._held.pop(ending.message.id, None)
        for status, ids in recorded.ids.items():
            self._news[status] += ids
        for job_id, delta in recorded.deltas.items():
            self._deltas[job_id].update(delta)
        self._count(recorded.ids)
        self._give_back_ids(withdrawn)

    def _commit(self, ended: list[Ending], in_flight: dict[int, int | None]) -> record.Recorded:
        """
        Record, again when the database was out of reach for a moment.

        Recording twice what was committed unheard changes nothing: the fence lets only claimed messages through.
        """
        return self._persistently(
            lambda: record.record(
                self.sender_id, ended, in_flight, timezone.now(), host=self._host, settings=self._settings
            ),
            self._pauses,
        )

    def _count(self, ids: dict[MessageStatus, list[int]]) -> None:
        self.summary.sent += len(ids.get(MessageStatus.SENT, ()))
        self.summary.deferred += len(ids.get(MessageStatus.DEFERRED, ()))
        self.summary.failed += len(ids.get(MessageStatus.FAILED, ()))
        self.summary.in_doubt += len(ids.get(MessageStatus.IN_DOUBT, ()))
        returned = len(ids.get(MessageStatus.QUEUED, ()))
        self.summary.given_back += returned
        if self._left is not None:
            self._left += returned
        if handled := sum(map(len, ids.values())) - returned:
            self._progress(handled)

    # -- what follows from results -----------------------------------------------------------------------------

    def _after(self, endings: list[tuple[Done, Courier]]) -> None:
        accepted: Counter[str] = Counter()
        for done, courier in endings:
            outcome, message = done.result.outcome, done.task.item
            if outcome == Outcome.SENT:
                accepted[courier.relay.name] += 1
                self._sender_refusals.pop(message.job_id, None)
            elif done.result is not WITHDRAWN and outcome in _TROUBLE | {Outcome.IN_DOUBT}:
                self._trouble(courier, done.result)
            elif outcome == Outcome.SENDER_REFUSED and message.job_id is not None:
                self._sender_refused(message.job_id, done.result)
        for name, count in accepted.items():
            self._outlets[name].succeeded(count, timezone.now())

    def _trouble(self, courier: Courier, result: Result) -> None:
        now = timezone.now()
        outlet = self._outlets[courier.relay.name]
        if courier.stock is not outlet.stock:
            return  # late news of a trouble that is over
        if not outlet.is_paused(now) and outlet.is_serious(result):
            self._give_back(outlet.trouble(result, now))
            self.summary.trouble = f"relay {outlet.relay.name}: {outlet.reason}"

    def _sender_refused(self, job_id: int, result: Result) -> None:
        self._sender_refusals[job_id] += 1
        if self._sender_refusals[job_id] >= _SENDER_REFUSALS:
            del self._sender_refusals[job_id]
            self._pause_job(job_id, f"The relay refuses the sender of this job: {in_words(result)}")

    def _pause_job(self, job_id: int, reason: str) -> None:
        try:
            control.pause(job_id, reason=reason)
        except WrongState:
            return  # paused or cancelled by somebody else already
        logger.error("Job %s is paused: %s", job_id, redact_all(reason))
        self.summary.trouble = f"job {job_id} is paused: {reason}"
        # Whoever resumes it may have mended its words.
        self._renderer.forget(job_id)
        for outlet in self._outlets.values():
            tasks = outlet.stock.drain()
            outlet.put([task for task in tasks if task.item.job_id != job_id])
            self._give_back(task for task in tasks if task.item.job_id == job_id)

    def _give_back(self, tasks: Iterable[Task]) -> None:
        self._give_back_ids([task.key for task in tasks])

    def _give_back_ids(self, ids: list[int]) -> None:
        if not ids:
            return
        claim.give_back(self.sender_id, ids)
        self.summary.given_back += len(ids)
        if self._left is not None:
            self._left += len(ids)
        for pk in ids:
            self._held.pop(pk, None)

    # -- what is not urgent ------------------------------------------------------------------------------------

    def _tick(self, *, final: bool = False) -> None:
        now = time.monotonic()
        if now < self._next_tick and not final:
            return
        self._next_tick = now + _TICK
        if not final:
            self._overtake()
        self.stay_alive()
        if self._deltas:
            deltas, self._deltas = self._deltas, defaultdict(Counter)
            counters.add(deltas)
            minutes.note(deltas, timezone.now())
        if self._news:
            news, self._news = self._news, defaultdict(list)
            announce_messages(news)
        if final or not self._held or now < self._dry_until:
            finished = finish.finish_jobs(timezone.now())
            self.summary.finished_jobs += [job.pk for job in finished]
            announce_finished(finished)

    def _overtake(self) -> None:
        """Claim what is more urgent than the stock in hand, however full that is."""
        now = timezone.now()
        for outlet in self._outlets.values():
            least = outlet.stock.least_urgent()
            if least is None or outlet.is_paused(now) or self._left is not None:
                continue
            # Looked at first, since it is rare: a claim is a transaction, and a look is one short query.
            if claim.waits(outlet.names, urgent_than=least):
                self._claim(outlet, outlet.spend(outlet.relay.connections, now), urgent_than=least)
