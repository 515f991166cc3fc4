"""Commands in processes of their own, on the database of the running test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db import OperationalError, connection
from django.test import TransactionTestCase, override_settings
from django.utils import timezone

from courant_mail.models import MessageJob, Sender
from courant_mail.queue.enqueue import enqueue_job
from courant_mail.testing.smtp_server import SmtpServer

from .base import without_mailers

ROOT = Path(__file__).resolve().parents[2]


def surroundings(courant_mail: dict[str, Any]) -> dict[str, str]:
    """The environment in which a command finds the database of this test, and these settings."""
    return os.environ | {
        "COURANT_TEST_NAME": str(connection.settings_dict["NAME"]),
        "COURANT_TEST_SETTINGS": json.dumps(courant_mail),
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "PYTHONPATH": str(ROOT),
    }


def start(command: str, *arguments: str, courant_mail: dict[str, Any]) -> subprocess.Popen[str]:
    """Start a management command with these settings; the caller ends it."""
    return subprocess.Popen(
        [sys.executable, "-m", "django", command, *arguments],
        env=surroundings(courant_mail),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


class ProcessTestCase(TransactionTestCase):
    """`self.server` is the only relay, and `self.site` the setting COURANT_MAIL, here and in the processes."""

    in_doubt = "hold"
    connections = 3

    def setUp(self) -> None:
        self.server = self.enterContext(SmtpServer())
        options = {"host": "127.0.0.1", "port": self.server.port, "timeout": 5}
        self.site: dict[str, Any] = {
            "SITE_URL": "https://www.courant.example",
            "RELAYS": {"smtp": {"CONNECTIONS": self.connections, "OPTIONS": options}},
            "IN_DOUBT": self.in_doubt,
            "POLL_SECONDS": 0.1,
        }
        self.enterContext(override_settings(COURANT_MAIL=self.site, **without_mailers()))

    def queue(self, count: int) -> MessageJob:
        readers = [f"reader{n}@example.org" for n in range(count)]
        return enqueue_job(subject="News", text="Hello", from_email="ed@courant.example", recipients=readers)

    def start(self, command: str, *arguments: str) -> subprocess.Popen[str]:
        process = start(command, *arguments, courant_mail=self.site)
        self.addCleanup(self.end, process)
        return process

    def end(self, process: subprocess.Popen[str]) -> str:
        if process.poll() is None:
            process.kill()
        output, _ = process.communicate(timeout=20)
        return output

    def bury(self) -> None:
        """What time does to the row of a process that was killed: its claim expires."""
        Sender.objects.update(alive_until=timezone.now() - timedelta(seconds=1))

    def freeze(self, process: subprocess.Popen[str]) -> None:
        """Stop the process, and let its claim expire. On SQLite not within a transaction, which would lock us all."""
        for _ in range(50):
            process.send_signal(signal.SIGSTOP)
            try:
                self.bury()
                return
            except OperationalError:
                process.send_signal(signal.SIGCONT)
                self.server.wait_for(self.server.count + 1, timeout=1)
        self.fail("It was in a transaction every time.")

    def wait_for(self, condition: Callable[[], Any], seconds: float = 20.0) -> None:
        """Look at the database again and again: it has no event to wait for."""
        for _ in range(int(seconds / 0.02)):
            if condition():
                return
            time.sleep(0.02)
        self.fail("This did not happen in time.")
