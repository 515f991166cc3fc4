"""The relay: the project's own misbehaving SMTP server as a program, which writes down what it accepts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parent.parent
#: recipients that begin so are refused for now, the first time
GREYLISTED = "grey"


@dataclass(frozen=True, slots=True)
class Copy:
    """One accepted mail. `confirmed`: the client was told so at once and clearly."""

    at: float
    message_id: str
    confirmed: bool


class Relay:
    """A server on loopback; it may be ended, and started again on the same port with better manners."""

    def __init__(self, journal: Path) -> None:
        self.port = 0
        self._journal = journal
        self._process: subprocess.Popen[str] | None = None

    def start(self, *, chaos: str = "", share: float = 0.1, hang: float = 1.5, delay: float = 0.0) -> None:
        """Serve, with chaos of this seed, or well but for the greylisting; every mail takes `delay` seconds."""
        command = [sys.executable, "-m", "courant_mail.testing.smtp_server", "--port", str(self.port)]
        command += ["--journal", str(self._journal), "--delay", str(delay), "--defer", f"{GREYLISTED}*"]
        if chaos:
            command += ["--chaos", chaos, "--chaos-share", str(share), "--chaos-hang", str(hang)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline().rpartition(":")[2])

    def stop(self) -> None:
        """End it, when nobody speaks with it any more."""
        if self._process is not None:
            self._process.terminate()
            self._process.communicate(timeout=20)
            self._process = None

    def copies(self) -> Mapping[str, Sequence[Copy]]:
        """What every recipient was given, in the order of acceptance."""
        found: dict[str, list[Copy]] = defaultdict(list)
        if self._journal.exists():
            for line in self._journal.read_text().splitlines():
                told: dict[str, Any] = json.loads(line)
                [recipient] = told["rcpt_to"]
                found[recipient].append(Copy(told["at"], told["message_id"], told["confirmed"]))
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate(timeout=20)
