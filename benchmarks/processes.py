"""Start programs, time them, and end what was started: by its own id, and within a limit of time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parent.parent
#: no program of ours takes longer than this many seconds; what does is ended
LIMIT = 1800.0
_ENDS_WITHIN = 20.0


class Failed(Exception):
    """A program ended badly; the text has what it said last."""


@dataclass(frozen=True, slots=True)
class Run:
    """What became of a program: the seconds it took, its peak of memory in MB, its seconds of CPU, what it printed."""

    seconds: float
    memory: float
    cpu: float
    output: str

    @property
    def told(self) -> Any:
        """The JSON of the last line that it printed."""
        return json.loads(self.output.strip().rpartition("\n")[2])


class Program:
    """A program that runs. As a context manager it is ended at the end, unless it has ended itself."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], *, limit: float = LIMIT, user: str | None = None
    ) -> None:
        self.command = list(command)
        self._limit = limit
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 (closed when the program has ended)
        self._started = time.perf_counter()
        self._process = subprocess.Popen(
            self.command,
            env=dict(environment),
            cwd="/" if user else ROOT,
            user=user,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that what it starts itself can be ended with it
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.returncode is None and self._process.poll() is None

    @property
    def output(self) -> str:
        """What it has printed so far."""
        # The program writes to the same open file: to move our place in it would move the program's.
        number = self._output.fileno()
        return os.pread(number, os.fstat(number).st_size, 0).decode(errors="replace")

    def finish(self) -> Run:
        """Wait for its end. Raises Failed when it does not end well, or not in time."""
        watchdog = threading.Timer(self._limit, self._kill)
        watchdog.daemon = True
        watchdog.start()
        try:
            _, status, usage = os.wait4(self.pid, 0)
        except BaseException:
            self.stop()
            raise
        finally:
            watchdog.cancel()
        seconds = time.perf_counter() - self._started
        self._process.returncode = os.waitstatus_to_exitcode(status)
        output = self.output
        self._output.close()
        if self._process.returncode:
            tail = "\n".join(output.splitlines()[-15:])
            raise Failed(f"{' '.join(self.command)} ended with {self._process.returncode}:\n{tail}")
        return Run(seconds, usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime, output)

    def stop(self) -> None:
        """End it, kindly first."""
        if self.is_running:
            self._process.terminate()
            try:
                self._process.wait(_ENDS_WITHIN)
            except subprocess.TimeoutExpired:
                self._kill()
                self._process.wait()

    def _kill(self) -> None:
        with suppress(ProcessLookupError):  # it has just ended
            os.killpg(self.pid, signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        self._output.close()


def run(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    *,
    limit: float = LIMIT,
    user: str | None = None,
) -> Run:
    """Run a program to its end, as another user where one is named. Raises Failed when that is a bad one."""
    return Program(command, os.environ if environment is None else environment, limit=limit, user=user).finish()


def wait_for(condition: Callable[[], bool], trouble: str, *, seconds: float = 20.0) -> None:
    """Wait until it holds. Raises Failed, with the trouble, when that takes too long."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Failed(trouble)
        time.sleep(0.05)


def cpu_seconds(pid: int) -> float:
    """Seconds of CPU that a running process has used; 0 where the system does not say."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def machine_cpu_seconds() -> float:
    """Seconds of CPU that everything on this machine has used since it was started; 0 where the system does not say."""
    with suppress(OSError):
        first = Path("/proc/stat").read_text().partition("\n")[0].split()
        user, nice, system, _, _, irq, softirq = (int(value) for value in first[1:8])
        return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
    return 0.0
