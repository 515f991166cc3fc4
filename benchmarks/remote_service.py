"""A mail service far away, simulated: STARTTLS, a round trip of 30 ms, and 100 ms for each mail."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import mails, sinks
from .processes import ROOT, Program
from .sinks import HOST, Sink
from .tools import Unavailable

ROUND_TRIP = 0.03
PER_MAIL = 0.1


@dataclass(frozen=True, slots=True)
class RemoteService:
    """Where it is, and the file that vouches for its certificate."""

    port: int
    certificate: str
    sink: Sink


@contextlib.contextmanager
def started(folder: Path) -> Iterator[RemoteService]:
    """The service, behind a network that takes its time. Raises Unavailable without the openssl command."""
    certificate, key = _certificate(folder)
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(sinks.watching(delay=PER_MAIL, watch=mails.READER, certificate=(certificate, key)))
        command = [sys.executable, "-m", "benchmarks.delaying_proxy", str(sink.port), str(ROUND_TRIP / 2)]
        proxy = stack.enter_context(Program(command, os.environ | {"PYTHONPATH": str(ROOT)}))
        yield RemoteService(sinks.first_number(proxy), certificate, sink)


def _certificate(folder: Path) -> tuple[str, str]:
    if shutil.which("openssl") is None:
        raise Unavailable("The openssl command is not installed; it makes the certificate of the remote service.")
    certificate, key = str(folder / "service.pem"), str(folder / "service.key")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=courant.example"),
            *("-addext", f"subjectAltName=IP:{HOST}"),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key
