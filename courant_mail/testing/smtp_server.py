"""
An SMTP server for tests and demonstrations: it keeps what it accepts, and it misbehaves on demand.

In a test::

    from courant_mail.testing.smtp_server import SmtpServer, reply, close

    with SmtpServer() as server:
        server.on("rcpt", reply(550, "5.1.1 no such user"), to="nobody@*")
        server.on("dot", close(accept=True), nth=3)       # takes the third mail, but never says so
        server.on("data", reply(451, "4.3.0 later"), chance=0.1)
        ...                                               # send to server.host, server.port
        server.wait_for(2, timeout=5)
        assert server.mails[0].rcpt_to == ("ann@example.org",)

As a stand-alone sink, which takes thousands of mails a second and prints how many it has got when it is ended::

    python -m courant_mail.testing.smtp_server --port 2525 [--maildir DIR] [--delay SECONDS] [--chaos SEED]

It listens on 127.0.0.1 only, uses nothing but the standard library, and a thread for each connection.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from .certificates import self_signed
from .smtp_chaos import chaos
from .smtp_conversation import Conversation
from .smtp_script import Action, Rule, Step, close, drip, garbage, half, late, reply, reset, silence

__all__ = [
    "Action",
    "Command",
    "ReceivedMail",
    "Rule",
    "SmtpServer",
    "Step",
    "close",
    "drip",
    "garbage",
    "half",
    "late",
    "main",
    "reply",
    "reset",
    "self_signed",
    "silence",
]

#: what the server offers unless it is told otherwise
EXTENSIONS = ("PIPELINING", "SIZE 36700160", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")


@dataclass(frozen=True, slots=True)
class ReceivedMail:
    """
    A mail that the server has accepted: envelope, parameters of MAIL, the bytes as they were before dot-stuffing.

    `connection` counts connections from 1, `at` is in seconds since the epoch. `confirmed` says that the client is told
    so clearly and at once; else it may be in doubt, and may send the mail again.
    """

    connection: int
    mail_from: str
    parameters: str
    rcpt_to: tuple[str, ...]
    data: bytes
    at: float
    confirmed: bool = True


@dataclass(frozen=True, slots=True)
class Command:
    """A command as it came in; `pipelined` says that more had come with it."""

    connection: int
    line: bytes
    pipelined: bool


class SmtpServer:
    """
    A server on 127.0.0.1; a context manager, or use `start` and `stop`.

    `mails` and `commands` are its journal, `count` the number of accepted mails, `connections` that of connections,
    `violations` what clients did against the protocol. All of it may be read from any thread at any time.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        extensions: Iterable[str] = EXTENSIONS,
        users: Mapping[str, str] | None = None,
        certificate: tuple[str, str] | None = None,
        tls_from_start: bool = False,
        delay: float = 0.0,
        journal: bool = True,
        on_mail: Callable[[ReceivedMail], None] | None = None,
        seed: int | str = 0,
    ) -> None:
        """
        `extensions` are the lines of the answer to EHLO; the server holds clients to them, also to its SIZE. `users`
        (name → password) offers AUTH PLAIN and LOGIN.
        `certificate` (files of the certificate and its key) offers STARTTLS, or TLS at once with `tls_from_start`.
        `delay` is the time in seconds that each mail takes. Without `journal` mails are counted and given to `on_mail`,
        but not kept, so that memory does not grow. `seed` decides what happens at random.
        """
        self.host = "127.0.0.1"
        self.port = port
        self.users = users
        self.certificate = certificate
        self.tls_from_start = tls_from_start
        self.delay = delay
        self.journal = journal
        self.seed = seed
        self.mails: list[ReceivedMail] = []
        self.commands: list[Command] = []
        self.violations: list[str] = []
        self.count = 0
        self.connections = 0
        self.stopping = threading.Event()
        self.extensions = tuple(extensions)
        self._on_mail = on_mail
        self._rules: list[Rule] = []
        self._sockets: dict[int, socket.socket] = {}
        self._threads: list[threading.Thread] = []
        self._changed = threading.Condition()
        self._listener: socket.socket | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def on(
        self,
        step: Step,
        action: Action,
        *,
        to: str | None = None,
        nth: int | None = None,
        every: int | None = None,
        times: int | None = None,
        each: int | None = None,
        beyond: int | None = None,
        chance: float | None = None,
    ) -> Rule:
        """
        Take `action` at `step`: always, or for addresses like `to` (a pattern such as "*@example.org"; the sender's at
        "mail", the recipients' from "rcpt" on), only the `nth` time, `every` so many times, at most so many `times`,
        at most so often for `each` address (as in greylisting), only on connections that have carried mails `beyond`
        this number, at random with this `chance` between 0 and 1.

        Counting runs over all connections. The first rule that fits wins. May be called while the server runs. Chance
        depends on the server's seed, the addresses and how often they came by: the same run meets the same faults.
        """
        with self._changed:
            seed = f"{self.seed}/{len(self._rules)}"
            rule = Rule(step, action, to, nth, every, times, each, beyond, chance, seed)
            self._rules.append(rule)
        return rule

    def misbehave(self, share: float = 0.1, *, hang: float = 3.0) -> None:
        """
        Do everything wrong that a server can do, at random, to about this share of the mails and of the connections.

        A late answer comes after `hang` seconds, which should be longer than the client's timeout.
        """
        with self._changed:
            self._rules += chaos(self.seed, share, hang)

    def forget_rules(self) -> None:
        """Behave well from now on."""
        with self._changed:
            self._rules.clear()

    def wait_for(self, count: int, timeout: float = 10.0) -> bool:
        """Wait until so many mails have been accepted; False when that took longer than `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self.count >= count, timeout)

    def wait_for_command(self, prefix: bytes, count: int = 1, timeout: float = 10.0) -> bool:
        """Wait until so many commands that start like this have come in."""
        with self._changed:
            return self._changed.wait_for(
                lambda: sum(command.line.upper().startswith(prefix.upper()) for command in self.commands) >= count,
                timeout,
            )

    def start(self) -> None:
        """Listen; `port` is the real one afterwards."""
        self._listener = socket.create_server((self.host, self.port), backlog=128)
        self.port = self._listener.getsockname()[1]
        thread = threading.Thread(target=self._accept, args=(self._listener,), name="smtp-server", daemon=True)
        thread.start()
        self._threads.append(thread)

    def stop(self) -> None:
        """Close everything, also conversations in the middle, and wait for the threads."""
        self.stopping.set()
        if self._listener is not None:
            with contextlib.suppress(OSError):  # wakes the thread that waits for connections
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        self.hang_up()
        for thread in self._threads:
            thread.join(5)

    def hang_up(self) -> None:
        """Close all connections as they are; new ones are welcome."""
        with self._changed:
            sockets = list(self._sockets.values())
        for sock in sockets:
            with contextlib.suppress(OSError):  # it may have ended by itself
                sock.shutdown(socket.SHUT_RDWR)

    # For the conversations ---------------------------------------------------------------------------------------

    def greeting_lines(self, *, encrypted: bool) -> list[str]:
        """The lines of the answer to EHLO after the first."""
        lines = list(self.extensions)
        if self.certificate and not encrypted:
            lines.append("STARTTLS")
        if self.users is not None:
            lines.append("AUTH PLAIN LOGIN")
        return lines

    def rule_for(self, step: Step, addresses: list[str], carried: int = 0) -> Action | None:
        """The action of the first rule that strikes now."""
        if not self._rules:
            return None
        with self._changed:
            return next((rule.action for rule in self._rules if rule.strikes(step, addresses, carried)), None)

    def note_command(self, connection: int, line: bytes, pipelined: bool) -> None:
        """Write a command into the journal."""
        with self._changed:
            self.commands.append(Command(connection, line, pipelined))
            self._changed.notify_all()

    def note_violation(self, text: str) -> None:
        """Write down what a client did wrong."""
        with self._changed:
            self.violations.append(text)

    def store(
        self,
        connection: int,
        mail_from: str,
        parameters: str,
        rcpt_to: tuple[str, ...],
        data: bytes,
        *,
        confirmed: bool,
    ) -> None:
        """Keep or count an accepted mail."""
        mail = ReceivedMail(connection, mail_from, parameters, rcpt_to, data, time.time(), confirmed)
        if self._on_mail is not None:
            self._on_mail(mail)
        with self._changed:
            self.count += 1
            if self.journal:
                self.mails.append(mail)
            self._changed.notify_all()

    def replace_socket(self, connection: int, sock: socket.socket) -> None:
        """The connection speaks TLS now."""
        with self._changed:
            self._sockets[connection] = sock

    def _accept(self, listener: socket.socket) -> None:
        for number in itertools.count(1):
            try:
                sock, _ = listener.accept()
            except OSError:
                return  # stopped
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._changed:
                self.connections = number
                self._sockets[number] = sock
            thread = threading.Thread(target=self._converse, args=(sock, number), name=f"smtp-{number}", daemon=True)
            self._threads = [*(thread for thread in self._threads if thread.is_alive()), thread]
            thread.start()

    def _converse(self, sock: socket.socket, number: int) -> None:
        Conversation(self, sock, number).run()
        with self._changed:
            self._sockets.pop(number, None)


def main(arguments: Sequence[str] | None = None) -> None:
    """The stand-alone sink; ends at SIGINT or SIGTERM."""
    from .smtp_sink import run

    run(arguments)


if __name__ == "__main__":
    main()
