"""A PostgreSQL server of our own, which may be restarted and crashed: in a temporary folder, on loopback."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: who may run it when we are root, which PostgreSQL refuses
_USERS = ("postgres", "nobody")


class Unavailable(Exception):
    """There is no PostgreSQL to start; the text says why."""


class OwnPostgres:
    """The server; `url` is that of its database, for `COURANT_TEST_DATABASE`."""

    def __init__(self, folder: str, user: str | None) -> None:
        self._folder = folder
        self._user = user
        self._run("initdb", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale", "C", "--no-sync")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = f"-c listen_addresses=127.0.0.1 -p {self.port} -c unix_socket_directories={self._folder}"
        self._run("pg_ctl", "-w", "-l", f"{self._folder}/log", "-o", options, "start")

    def restart(self, mode: str) -> None:
        """ "fast" ends connections and closes down; "immediate" is a crash, from which it recovers."""
        self._run("pg_ctl", "-w", "-m", mode, "-l", f"{self._folder}/log", "restart")

    def stop(self) -> None:
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        command = [_program(program), "-D", f"{self._folder}/data", *arguments]
        # Its output goes nowhere: the server would inherit a pipe and keep it open.
        subprocess.run(
            command, user=self._user, cwd="/", check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """The server, started. Raises Unavailable where its programs are not installed."""
    _program("initdb"), _program("pg_ctl")
    user = next((name for name in _USERS if _exists(name)), None) if os.getuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="courant-mail-postgres-") as folder:
        if user:
            shutil.chown(folder, user)
        server = OwnPostgres(folder, user)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _program(name: str) -> str:
    """Debian keeps them apart by version, and off PATH."""
    folders = [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    found = shutil.which(name, path=os.pathsep.join([*folders, os.environ.get("PATH", "")]))
    if found is None:
        raise Unavailable(f"PostgreSQL's program {name} is not installed, so no server of our own can be restarted")
    return found


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
