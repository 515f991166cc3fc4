"""Commands of the site in processes of their own: forked from this one, which has loaded Django already."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import ManagementUtility
from django.db import connections

from courant_mail.conf import get_settings

_POLL_SECONDS = 0.005


class Child:
    """
    A command that runs, as `manage.py` would run it; to start one takes some milliseconds instead of a second.

    Its lock folder is its own, so that it is a host of its own.
    """

    def __init__(self, command: str, *arguments: str, folder: Path) -> None:
        self.command = command
        self.folder = folder
        self.started = time.monotonic()
        self.code: int | None = None
        self.folder.mkdir()
        # A connection that two processes share would be of no use to either.
        connections.close_all()
        self.pid = os.fork()
        if self.pid == 0:
            _become([command, *arguments], folder)

    @property
    def output(self) -> str:
        """What it has printed."""
        return (self.folder / "output").read_text(errors="replace")

    @property
    def age(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self.started

    def is_running(self) -> bool:
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is None

    def send(self, sign: signal.Signals) -> None:
        """Send it a signal, if it is still there to get it."""
        if self.is_running():
            os.kill(self.pid, sign)

    def kill(self) -> None:
        """End it at once, and be sure of it."""
        self.send(signal.SIGKILL)
        if self.code is None:
            _, status = os.waitpid(self.pid, 0)
            self.code = os.waitstatus_to_exitcode(status)

    def wait(self, seconds: float) -> bool:
        """Whether it has ended within so many seconds."""
        end = time.monotonic() + seconds
        while self.is_running():
            if time.monotonic() > end:
                return False
            time.sleep(_POLL_SECONDS)
        return True


def _become(arguments: Sequence[str], folder: Path) -> None:
    """The life of the child."""
    code = 1
    try:
        for sign in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(sign, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        output = os.open(folder / "output", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        random.seed()
        site: dict[str, Any] = settings.COURANT_MAIL
        settings.COURANT_MAIL = site | {"LOCK_DIR": str(folder)}
        get_settings.cache_clear()
        ManagementUtility(["manage.py", *arguments]).execute()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # Threads that hang in a conversation end with the process, as they do at the end of every command.
        os._exit(code)
