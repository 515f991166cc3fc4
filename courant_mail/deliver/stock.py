"""The tasks of one relay that wait for a courier."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True, eq=False)
class Task:
    """One message to deliver. `key` is its id; `render` makes its bytes in the courier's thread; `item` is free."""

    key: int
    priority: int
    mail_from: str
    rcpt_to: str
    render: Callable[[], bytes]
    item: Any = None


class Stock:
    """The tasks that wait for a courier of one relay; lowest priority number first, then first come, first served."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Task]] = []
        self._arrivals = 0
        self._puts = 0
        self._closed = False
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def puts(self) -> int:
        """How often `put` was called; see `wait_for_put`."""
        return self._puts

    def least_urgent(self) -> int | None:
        """The largest priority number that waits; None when nothing does."""
        with self._changed:
            return max((entry[0] for entry in self._heap), default=None)

    def put(self, tasks: Iterable[Task]) -> None:
        """Add tasks (an empty list only wakes couriers that rest after trouble). RuntimeError on a closed stock."""
        with self._changed:
            if self._closed:
                raise RuntimeError("This stock is closed; make a new one with new couriers.")
            for task in tasks:
                self._arrivals += 1
                heapq.heappush(self._heap, (task.priority, self._arrivals, task))
            self._puts += 1
            self._changed.notify_all()

    def pop_nowait(self) -> Task | None:
        """The most urgent task; None when there is none or the stock is closed."""
        with self._changed:
            return self._pop()

    def wait(self, timeout: float | None = None, until: Callable[[], bool] = lambda: False) -> Task | None:
        """The most urgent task; None when the stock was closed, `until()` became true or `timeout` seconds passed."""
        with self._changed:
            self._changed.wait_for(lambda: self._heap or self._closed or until(), timeout)
            return None if until() else self._pop()

    def wait_for_put(self, seen: int, until: Callable[[], bool] = lambda: False) -> None:
        """Sleep until `puts` is no longer `seen`, the stock is closed or `until()` became true."""
        with self._changed:
            self._changed.wait_for(lambda: self._puts != seen or self._closed or until())

    def wake(self) -> None:
        """Let all who wait look at their `until` again."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """No more tasks go out; what is left is for `drain`."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def drain(self) -> list[Task]:
        """Take out everything that no courier has taken, in order."""
        with self._changed:
            left = [entry[2] for entry in sorted(self._heap)]
            self._heap.clear()
            return left

    def _pop(self) -> Task | None:
        return None if self._closed or not self._heap else heapq.heappop(self._heap)[2]
