"""The relays that mail is sent to: Postfix's `smtp-sink`, and one of our own that takes its time. On loopback only."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from . import tools
from .processes import ROOT, Failed, Program, cpu_seconds, wait_for

HOST = "127.0.0.1"
_PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class Accepted:
    """When a watched mail was accepted, in seconds since the epoch, and its bytes."""

    at: float
    size: int


@dataclass(frozen=True, slots=True)
class Sink:
    """A relay on loopback that takes every mail."""

    port: int
    program: Program

    @property
    def cpu(self) -> float:
        """Seconds of CPU that it has used."""
        return cpu_seconds(self.program.pid)

    def accepted(self) -> dict[str, Accepted]:
        """The watched mails by recipient; only a watching sink has some."""
        lines = [line.split() for line in self.program.output.splitlines()[1:]]
        return {line[0]: Accepted(float(line[1]), int(line[2])) for line in lines if len(line) == 3}


@contextlib.contextmanager
def postfix() -> Iterator[Sink]:
    """Postfix's `smtp-sink`, without delay. Raises Unavailable where it cannot be had."""
    tool = tools.find("smtp-sink", ["postfix"])
    port = free_port()
    user = ["-u", "nobody"] if os.getuid() == 0 else []
    with Program([tool.path, *user, f"{HOST}:{port}", "256"], tool.surroundings()) as program:
        wait_until_it_listens(program, port)
        yield Sink(port, program)


@contextlib.contextmanager
def watching(
    *, delay: float = 0.0, watch: str = "urgent-", certificate: tuple[str, str] | None = None
) -> Iterator[Sink]:
    """Our own: each mail takes `delay` seconds; it tells when mails to recipients that begin with `watch` came in."""
    options = ["--delay", str(delay), "--watch", watch]
    if certificate:
        options += ["--certificate", *certificate]
    command = [sys.executable, "-m", "benchmarks.watching_sink", *options]
    with Program(command, os.environ | {"PYTHONPATH": str(ROOT)}) as program:
        yield Sink(first_number(program), program)


def first_number(program: Program) -> int:
    """The number that a program of ours prints first: its port."""
    wait_for(lambda: "\n" in program.output or not program.is_running, _not_started(program), seconds=_PATIENCE)
    number = program.output.partition("\n")[0]
    if not number.isdigit():
        raise Failed(f"{_not_started(program)}\n{program.output}")
    return int(number)


def wait_until_it_listens(program: Program, port: int) -> None:
    """Wait until the program accepts connections. Raises Failed when it does not."""

    def listens() -> bool:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return True
        return not program.is_running

    wait_for(listens, _not_started(program), seconds=_PATIENCE)
    if not program.is_running:
        raise Failed(f"{_not_started(program)}\n{program.output}")


def free_port() -> int:
    """A port on which nobody listens right now."""
    with socket.socket() as found:
        found.bind((HOST, 0))
        return int(found.getsockname()[1])


def _not_started(program: Program) -> str:
    return f"This did not start: {' '.join(program.command)}"
