"""Starts the site and its helpers as processes of their own, and stops every one of them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

HERE = Path(__file__).resolve().parent.parent
START_SECONDS = 30
STOP_SECONDS = 15


class ProcessFailed(Exception):
    """A process that was needed did not start, or ended with an error. The text holds the end of its output."""


class Processes:
    """
    Processes with one environment, whose output goes to `folder/NAME.log`.

    As a context manager it stops what it has started, the last one first, whatever happened meanwhile.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.environment = os.environ | environment | {"PYTHONUNBUFFERED": "1"}
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def __enter__(self) -> Processes:
        # A plain "kill" of this program must not leave the others behind. A program that has a handler of its own
        # knows what to do.
        self._previous = signal.getsignal(signal.SIGTERM)
        if self._previous is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._running:
            self.stop(self._running[-1][0])
        signal.signal(signal.SIGTERM, self._previous)

    def start(self, name: str, script: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Starts a Python script of this folder in the background."""
        with self._log(name).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, str(HERE / script), *arguments],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C reaches this program alone, which then stops the others in order.
                start_new_session=True,
            )
        self._running.append((name, process))
        return process

    def wait_for_port(self, name: str, port: int) -> None:
        """Until the process of this name answers at the port. Raises ProcessFailed when it never does."""
        process = dict(self._running)[name]
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise ProcessFailed(f"{name} does not answer at port {port}:\n{self.end_of_log(name)}")

    def finish(self, name: str) -> float:
        """Waits for a started process to end by itself. Raises ProcessFailed when it ended with an error."""
        started = time.monotonic()
        process = dict(self._running)[name]
        if process.wait() != 0:
            raise ProcessFailed(f"{name} ended with exit code {process.returncode}:\n{self.end_of_log(name)}")
        self._running.remove((name, process))
        return time.monotonic() - started

    def run(self, name: str, script: str, *arguments: str) -> float:
        """Runs a script to its end and returns the seconds. Raises ProcessFailed when it ends with an error."""
        self.start(name, script, *arguments)
        return self.finish(name)

    def read(self, script: str, *arguments: str) -> str:
        """What a script prints. Raises ProcessFailed when it ends with an error."""
        command = [sys.executable, str(HERE / script), *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ProcessFailed(f"{script} {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}")
        return done.stdout

    def stop(self, name: str) -> None:
        """Asks the process politely (SIGTERM), then less so."""
        process = dict(self._running)[name]
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.remove((name, process))

    def ended(self) -> str | None:
        """The name of a process that has ended although nobody asked it to, or None."""
        return next((name for name, process in self._running if process.poll() is not None), None)

    def end_of_log(self, name: str) -> str:
        """The last lines of what the process has printed."""
        lines = self._log(name).read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-25:]) or "It has printed nothing."

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"


def free_port(wanted: int = 0) -> int:
    """`wanted` where nobody listens there, otherwise any free port."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ProcessFailed("No free port was found on 127.0.0.1.")
