"""One thread per connection: takes tasks, renders and delivers them, asks before each final dot. No database here."""

from __future__ import annotations

import logging
import queue
import threading
import time
from dataclasses import dataclass, replace
from typing import Protocol

from ..choices import Outcome
from ..conf import RelaySettings
from ..exceptions import ImproperlyConfiguredMail, InvalidMail
from .channel import Channel, Envelope
from .outcomes import Result, clean_reply
from .relays import open_channel
from .stock import Stock, Task

__all__ = ["Courier", "Crashed", "Done", "Report", "Stock", "Task", "WITHDRAWN"]

logger = logging.getLogger(__name__)

#: seconds without work after which a connection is closed, well before servers lose their patience
IDLE_SECONDS = 30.0
#: results are reported at the latest when so many have gathered
MAX_UNREPORTED = 20
#: a relay that answers the final dot within so many seconds is worth looking ahead
QUICK_SECONDS = 0.02
#: the result of a task whose permit was refused: nothing left the house, give the message back
WITHDRAWN = Result(Outcome.RELAY_TROUBLE, reply="withdrawn")

_TROUBLE = frozenset({Outcome.RELAY_TROUBLE, Outcome.THROTTLED, Outcome.MISCONFIGURED})
_WORTH_RECONNECTING = frozenset({Outcome.RELAY_TROUBLE, Outcome.THROTTLED})


@dataclass(slots=True)
class Done:
    """A task that has ended, and how."""

    task: Task
    result: Result


@dataclass(slots=True)
class Report:
    """
    What a courier tells the coordinator: tasks that ended, and the one that waits for its permit (or None).

    After a report with `ready` the courier waits for `courier.permits`: True sends the final dot, False withdraws. When
    the connection turns out to be lost before the dot could leave, the same task may be reported as ready once more.
    """

    courier: Courier
    done: list[Done]
    ready: Task | None


@dataclass(slots=True)
class Crashed:
    """A courier has died of an unforeseen error; `task` is what it had in hand, `done` what it had not told."""

    courier: Courier
    error: BaseException
    task: Task | None
    done: list[Done]


def _envelope(task: Task) -> Envelope | Result:
    """The task rendered; a Result where that is impossible."""
    try:
        return Envelope(task.mail_from, task.rcpt_to, task.render())
    except InvalidMail as error:
        return Result(Outcome.OUR_FAULT, reply=clean_reply(str(error)))
    except Exception as error:  # whatever a template or its data can raise harms this message only
        logger.exception("Message %s could not be rendered.", task.key)
        return Result(Outcome.OUR_FAULT, reply=clean_reply(f"{type(error).__name__}: {error}"))


class Inbox(Protocol):
    """Where reports go: the coordinator's queue, which may carry other things as well."""

    def put(self, item: Report | Crashed) -> None: ...


class Courier(threading.Thread):
    """
    One connection to a relay and the thread that works on it.

    It takes tasks from `stock` and puts a `Report` into `inbox` whenever a task is ready for its final dot, when it
    has nothing to do, and at once when the relay is in trouble; if the thread dies, a `Crashed`. After trouble
    (RELAY_TROUBLE, THROTTLED, MISCONFIGURED that a new connection did not cure) it rests until the coordinator calls
    `stock.put` or `stock.close`. The coordinator answers every report with `ready` by `permits.put(True or False)`.
    """

    def __init__(
        self,
        number: int,
        relay: RelaySettings,
        stock: Stock,
        inbox: Inbox,
        *,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        super().__init__(name=f"courier-{relay.name}-{number}", daemon=True)
        self.number = number
        self.relay = relay
        self.stock = stock
        self.inbox = inbox
        self.permits: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._idle_seconds = idle_seconds
        self._channel: Channel | None = None
        self._stopped = threading.Event()
        self._done: list[Done] = []
        self._task: Task | None = None
        self._ahead: tuple[Task, Envelope | Result] | None = None
        self._quick = False

    def stop(self) -> None:
        """Finish what is in hand (its permit must still be answered), say goodbye and end. Returns at once."""
        self._stopped.set()
        self.stock.wake()

    def untold(self) -> list[Done]:
        """The tasks that have ended and are not yet reported; they will be, unless the process ends first."""
        return list(self._done)

    def run(self) -> None:
        """The thread's life; not to be called."""
        try:
            while (task := self._next_task()) is not None:
                self._task = task
                self._work(task)
                self._task = None
            self._tell(None)
            self._close()
        except BaseException as error:  # a thread that dies in silence would leave its messages claimed for ever
            self._withdraw_ahead()
            self.inbox.put(Crashed(self, error, self._task, self._done))
            self._drop()

    def _next_task(self) -> Task | None:
        if self._is_over():
            self._withdraw_ahead()
            return None
        if self._ahead is not None:
            return self._ahead[0]
        task = self.stock.pop_nowait()
        if task is not None:
            return task
        self._tell(None)
        if not self._is_open:
            return self.stock.wait(until=self._stopped.is_set)
        task = self.stock.wait(self._idle_seconds, until=self._stopped.is_set)
        if task is None and not self._is_over():
            self._close()
            return self.stock.wait(until=self._stopped.is_set)
        return task

    def _is_over(self) -> bool:
        return self._stopped.is_set() or self.stock.closed

    def _work(self, task: Task) -> None:
        result = self._deliver(task)
        self._done.append(Done(task, result))
        puts = self.stock.puts
        if result.outcome in _TROUBLE:
            self._tell(None)
            if result is not WITHDRAWN:
                self.stock.wait_for_put(puts, until=self._stopped.is_set)
        elif len(self._done) >= MAX_UNREPORTED:
            self._tell(None)

    def _deliver(self, task: Task) -> Result:
        ahead, self._ahead = self._ahead, None
        envelope = ahead[1] if ahead is not None and ahead[0] is task else _envelope(task)
        if isinstance(envelope, Result):
            return envelope
        used = self._channel.used if self._channel is not None else 0
        result = self._attempt(task, envelope)
        # Servers close connections that were idle or have carried many messages; that says nothing about the relay.
        if used and result.outcome in _WORTH_RECONNECTING and result is not WITHDRAWN and not self._is_open:
            result = self._attempt(task, envelope)
        return result

    def _look_ahead(self) -> Envelope | None:
        """
        Take and render the next task while the permit for this one is being written down.

        Only where the relay is quick and every courier has more to do: a task that waits here waits for nobody else,
        and urgent mail cannot overtake it.
        """
        limit = self.relay.messages_per_connection
        worn = bool(limit and self._open_channel.used + 1 >= limit)
        if self._ahead is None and self._quick and not worn and len(self.stock) > self.relay.connections:
            task = self.stock.pop_nowait()
            if task is not None:
                self._ahead = (task, _envelope(task))
        if worn or self._ahead is None or isinstance(self._ahead[1], Result):
            return None
        return self._ahead[1]

    def _withdraw_ahead(self) -> None:
        if self._ahead is not None:
            self._done.append(Done(self._ahead[0], WITHDRAWN))
            self._ahead = None

    def _attempt(self, task: Task, envelope: Envelope) -> Result:
        trouble = self._open()
        if trouble is not None:
            return trouble
        started = time.perf_counter()
        ended = self._prepare(envelope, task)
        seconds = time.perf_counter() - started
        if ended is None:
            self._tell(task)
            following = self._look_ahead()
            if not self.permits.get():
                self._drop()
                return WITHDRAWN
            started = time.perf_counter()
            ended = self._finish(task, following)
            waited = time.perf_counter() - started
            self._quick = waited < QUICK_SECONDS
            seconds += waited
        self._retire_worn()
        return replace(ended, seconds=seconds)

    def _open(self) -> Result | None:
        """Make sure of an open channel; None when there is one."""
        if self._is_open:
            return None
        # Connecting may take as long as its timeout; what is known must not wait for it.
        if self._done:
            self._tell(None)
        started = time.perf_counter()
        try:
            if self._channel is None:
                self._channel = open_channel(self.relay)
            trouble = self._channel.open()
        except ImproperlyConfiguredMail as error:
            trouble = Result(Outcome.MISCONFIGURED, reply=str(error), stage="connect")
        return trouble and replace(trouble, seconds=time.perf_counter() - started)

    def _prepare(self, envelope: Envelope, task: Task) -> Result | None:
        try:
            return self._open_channel.prepare(envelope)
        except Exception as error:  # nothing has left yet: one message that a channel cannot bear harms only itself
            logger.exception("Message %s could not be prepared.", task.key)
            self._drop()
            return Result(Outcome.OUR_FAULT, reply=clean_reply(f"{type(error).__name__}: {error}"))

    def _finish(self, task: Task, following: Envelope | None) -> Result:
        try:
            return self._open_channel.finish(following)
        except Exception as error:  # the dot may have gone out
            logger.exception("Message %s: the end of its transmission failed.", task.key)
            self._drop()
            return Result(Outcome.IN_DOUBT, reply=clean_reply(f"{type(error).__name__}: {error}"), stage="dot")

    @property
    def _is_open(self) -> bool:
        return self._channel is not None and self._channel.is_open

    @property
    def _open_channel(self) -> Channel:
        if self._channel is None:
            raise RuntimeError("The courier has no channel; _open() comes first.")
        return self._channel

    def _retire_worn(self) -> None:
        limit = self.relay.messages_per_connection
        if limit is not None and self._channel is not None and self._channel.used >= limit:
            self._close()

    def _tell(self, ready: Task | None) -> None:
        self.inbox.put(Report(self, self._done, ready))
        self._done = []

    def _close(self) -> None:
        if self._channel is not None:
            self._channel.close()

    def _drop(self) -> None:
        if self._channel is not None:
            self._channel.abandon()
