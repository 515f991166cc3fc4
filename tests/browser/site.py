"""The example newspaper, running: site, SMTP server and, where wanted, the mail daemon, each a process of its own."""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from tools.journal import read_journal
from tools.processes import Processes, free_port

#: who may edit the newspaper and send its mail (made by `load_sample_data`)
EDITOR, PASSWORD, EDITOR_EMAIL = "editor", "courant", "editor@courant.example"


class ExampleSite:
    """
    The newspaper in a folder of its own, as a context manager.

    Mail leaves when a test runs the commands, or by itself where `start_mailer` was called.
    """

    def __init__(self, *, subscribers: int, milliseconds_per_mail: int = 0, public_url: str = "") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="site-", dir=os.environ.get("COURANT_TEST_FOLDER")))
        self.maildir = self.folder / "maildir"
        self.port, self.smtp_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._milliseconds = milliseconds_per_mail
        self._subscribers = subscribers
        environment = {
            "DJANGO_SETTINGS_MODULE": "newspaper.settings",
            "EXAMPLE_FOLDER": str(self.folder),
            "EXAMPLE_SMTP_PORT": str(self.smtp_port),
            "EXAMPLE_SITE_URL": public_url or self.url,
        }
        self.processes = Processes(self.folder / "logs", environment)

    def __enter__(self) -> ExampleSite:
        self.processes.__enter__()
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.processes.__exit__(None, None, None)
        shutil.rmtree(self.folder)

    def _start(self) -> None:
        shutil.copy(_filled_database(self._subscribers), self.folder / "courant.sqlite3")
        self.processes.start("site", "manage.py", "runserver", "--noreload", "--no-color", str(self.port))
        self.processes.start(
            "smtp",
            "local_smtp.py",
            *("--port", str(self.smtp_port), "--maildir", str(self.maildir)),
            *("--milliseconds-per-mail", str(self._milliseconds)),
        )
        self.processes.wait_for_port("smtp", self.smtp_port)
        self.processes.wait_for_port("site", self.port)

    def run(self, command: str, *arguments: str) -> None:
        """Run a management command to its end. Raises ProcessFailed when it ends with an error."""
        self.processes.run(command, "manage.py", command, *arguments)

    def start_mailer(self) -> None:
        """Start the daemon, which does what the commands do until the site is stopped."""
        self.processes.start("runmailer", "manage.py", "runmailer")

    def arrived(self) -> list[dict[str, Any]]:
        """What the SMTP server has accepted, oldest first: dicts with "recipient" and "file"."""
        return [line for line in read_journal(self.maildir) if line["event"] == "accepted"]

    def letter(self, file: str) -> EmailMessage:
        """A mail that has arrived."""
        content = (self.maildir / "new" / file).read_bytes()
        return message_from_bytes(content, policy=policy.default)


@functools.cache
def _filled_database(subscribers: int) -> Path:
    """A database with the sample data, made once and copied for every site."""
    folder = Path(tempfile.mkdtemp(prefix="sample-", dir=os.environ.get("COURANT_TEST_FOLDER")))
    environment = {"DJANGO_SETTINGS_MODULE": "newspaper.settings", "EXAMPLE_FOLDER": str(folder)}
    with Processes(folder / "logs", environment) as processes:
        processes.run("migrate", "manage.py", "migrate", "--no-color")
        processes.run("load_sample_data", "manage.py", "load_sample_data", "--subscribers", str(subscribers))
    return folder / "courant.sqlite3"
