"""What every part of the benchmarks stands on: databases, relays, a folder, the book of figures. Ends what it began."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from . import databases, sinks, sites
from .databases import Database
from .figures import Book
from .sinks import Sink
from .sites import Site
from .sizes import Sizes


class Stage:
    """
    One run of the benchmarks. Databases and the common relay are made when a part first asks for them.

    A context manager: on leaving, programs are ended and databases dropped, whatever happened.
    """

    def __init__(self, sizes: Sizes, kinds: Iterable[str]) -> None:
        self.sizes = sizes
        self.book = Book()
        self.kinds = tuple(kinds)
        #: what is to be known about how it was measured
        self.facts: dict[str, str] = {}
        #: kinds of databases that were asked for and cannot be had, with the reason
        self.missing: dict[str, str] = {}
        self._databases: dict[str, Database] = {}
        self._sink: Sink | None = None
        self._stack = contextlib.ExitStack()
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="courant-bench-")))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def say(self, text: str) -> None:
        """A line for whoever waits, with the time since the beginning."""
        seconds = time.monotonic() - self._started
        print(f"[{seconds // 60:3.0f}:{seconds % 60:02.0f}] {text}", file=sys.stderr, flush=True)

    def has(self, kind: str) -> bool:
        """Whether a database of this kind is wanted and can be had."""
        if kind in self.kinds and kind not in self.missing and kind not in self._databases:
            try:
                self._databases[kind] = self._make(kind)
            except databases.Unusable as reason:
                self.missing[kind] = str(reason)
                self.say(f"not measured on {kind}: {reason}")
        return kind in self._databases

    def database(self, kind: str) -> Database:
        """The database of this kind; ask `has` first."""
        return self._databases[kind]

    @property
    def used(self) -> dict[str, Database]:
        """The databases that were made, by kind."""
        return dict(self._databases)

    @property
    def sink(self) -> Sink:
        """Postfix's `smtp-sink`, the relay of everybody who is compared. Raises Unavailable."""
        if self._sink is None:
            self._sink = self._stack.enter_context(sinks.postfix())
        return self._sink

    def site(self, kind: str, app: str = "courant_mail", **settings: Any) -> Site:
        """A site with this queue on the database of this kind."""
        return Site(app, self.database(kind), self.folder, **settings)

    def _make(self, kind: str) -> Database:
        self.say(f"making a database on {kind}")
        database = self._stack.enter_context(databases.made(kind, self.folder))
        sites.make_tables(database, self.folder)
        return database
