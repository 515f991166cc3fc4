"""The SMTP server by itself, as a program: what it keeps, and where."""

from __future__ import annotations

import argparse
import email
import itertools
import json
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from .smtp_script import reply
from .smtp_server import ReceivedMail, SmtpServer


class Maildir:
    """Writes mails into the `new` folder of a Maildir, the envelope in Return-Path and Delivered-To headers on top."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._numbers = itertools.count(1)
        for folder in ("tmp", "new", "cur"):
            (path / folder).mkdir(parents=True, exist_ok=True)

    def __call__(self, mail: ReceivedMail) -> None:
        """Write one mail; complete whenever it is visible in `new`."""
        name = f"{mail.at:.6f}.{next(self._numbers):09d}.sink"
        head = f"Return-Path: <{mail.mail_from}>\r\n" + "".join(f"Delivered-To: {a}\r\n" for a in mail.rcpt_to)
        temporary = self._path / "tmp" / name
        temporary.write_bytes(head.encode() + mail.data)
        temporary.rename(self._path / "new" / name)


class Journal:
    """Appends a line of JSON for each mail to a file: what was accepted, when, and whether the client was told so."""

    def __init__(self, file: TextIO) -> None:
        """The file must be buffered by lines: each is there before the client can know of it."""
        self._file = file
        self._writing = threading.Lock()

    def __call__(self, mail: ReceivedMail) -> None:
        """Write down one mail."""
        head = email.message_from_bytes(mail.data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
        line = {
            "at": mail.at,
            "connection": mail.connection,
            "mail_from": mail.mail_from,
            "rcpt_to": mail.rcpt_to,
            "message_id": str(head["Message-ID"] or ""),
            "bytes": len(mail.data),
            "confirmed": mail.confirmed,
        }
        with self._writing:
            self._file.write(json.dumps(line) + "\n")


def run(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, serve until SIGINT or SIGTERM, and say how many mails came."""
    given = _parser().parse_args(arguments)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with ExitStack() as files, _server(given, files) as server:
        sys.stdout.write(f"listening on {server.host}:{server.port}\n")
        sys.stdout.flush()
        ended.wait()
    sys.stdout.write(f"{server.count} mails over {server.connections} connections\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m courant_mail.testing.smtp_server", description="An SMTP server for tests, on 127.0.0.1."
    )
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one, which is printed")
    parser.add_argument("--maildir", type=Path, help="keep the mails in this Maildir")
    parser.add_argument("--journal", type=Path, metavar="FILE", help="append a line of JSON for each accepted mail")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds that each mail takes")
    parser.add_argument(
        "--defer", action="append", default=[], metavar="PATTERN", help="450 for such recipients at first"
    )
    parser.add_argument("--defer-times", type=int, default=1, metavar="N", help="so often for each address")
    parser.add_argument("--refuse", action="append", default=[], metavar="PATTERN", help="550 for such recipients")
    parser.add_argument(
        "--chaos", metavar="SEED", help="everything that a server can do wrong, at random; the same seed, the same fate"
    )
    parser.add_argument(
        "--chaos-share", type=float, default=0.1, metavar="SHARE", help="of how many mails and connections (0.1)"
    )
    parser.add_argument(
        "--chaos-hang", type=float, default=3.0, metavar="SECONDS", help="after which a late answer comes (3)"
    )
    return parser


def _server(given: argparse.Namespace, files: ExitStack) -> SmtpServer:
    keepers: list[Callable[[ReceivedMail], None]] = []
    if given.maildir:
        keepers.append(Maildir(given.maildir))
    if given.journal:
        keepers.append(Journal(files.enter_context(given.journal.open("a", buffering=1))))

    def keep(mail: ReceivedMail) -> None:
        for keeper in keepers:
            keeper(mail)

    server = SmtpServer(given.port, delay=given.delay, journal=False, on_mail=keep, seed=given.chaos or 0)
    for pattern in given.defer:
        server.on("rcpt", reply(450, "4.2.1 come again later"), to=pattern, each=given.defer_times)
    for pattern in given.refuse:
        server.on("rcpt", reply(550, "5.1.1 no such user"), to=pattern)
    if given.chaos is not None:
        server.misbehave(given.chaos_share, hang=given.chaos_hang)
    return server
