"""What the commands share: one run at a time, a clean end on a signal, a progress bar for people, one line for cron."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, TypeAlias

from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError

from ..exceptions import AlreadyRunning, CourantMailError
from ..locks import single_run

Progress: TypeAlias = Callable[[int], None] | None

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class MailCommand(BaseCommand):
    """
    A command of the queue. Subclasses say in `run` what it does; `name` is that of the command and its lock.

    An overlapping run ends well, with one line. What keeps the command from its work (a wrong setting, a relay in
    trouble, a database that does not answer) ends it with one line and the exit code 1.
    """

    #: mistakes in the settings are told with their hints before anything is sent
    requires_system_checks = ["courant_mail"]
    name: ClassVar[str]

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with single_run(self.name):
                self.run(options)
        except AlreadyRunning as error:
            self.say(options, str(error))
        except CourantMailError as error:
            raise CommandError(str(error)) from error
        except (OperationalError, InterfaceError) as error:
            raise CommandError(f"The database cannot be used: {' '.join(str(error).split())}") from error
        except KeyboardInterrupt:
            # Whatever was under way is rolled back, and the next run does it.
            raise CommandError("Interrupted.", returncode=130) from None

    def run(self, options: dict[str, Any]) -> None:
        """Do the work."""
        raise TypeError(f"{type(self).__name__} must define run().")

    def say(self, options: dict[str, Any], text: str) -> None:
        """One line, unless the user wants none (`--verbosity 0`)."""
        if options["verbosity"] >= 1:
            self.stdout.write(text)

    @contextmanager
    def progress(self, options: dict[str, Any], unit: str, total: Callable[[], int | None]) -> Iterator[Progress]:
        """A progress bar on a terminal; elsewhere nothing, and `total` is not asked for."""
        if options["verbosity"] < 1 or not sys.stderr.isatty():
            yield None
            return
        from tqdm import tqdm  # for people alone: cron need not load it

        with tqdm(total=total(), unit=f" {unit}", file=sys.stderr, leave=False, dynamic_ncols=True) as bar:

            def advance(count: int) -> None:
                bar.update(count)

            yield advance


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """
    An event that SIGTERM and Ctrl-C set, for work that wants to end cleanly; the second time they end it at once.

    Outside the main thread, where Python takes no signals, the event is one that nobody sets.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def handle(number: int, frame: Any) -> None:
        stop.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in _SIGNALS:
        signal.signal(number, handle)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def rate(count: int, seconds: float) -> str:
    """The end of a line about work done: "in 2.3 s (536/s)"."""
    return f"in {seconds:.1f} s ({count / max(seconds, 0.001):,.0f}/s)"
