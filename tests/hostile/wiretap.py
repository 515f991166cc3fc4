"""What really goes over the wire: a proxy in front of an SMTP server that keeps every byte the client sends."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from typing import Self

#: CRLF "." CRLF as the one end of a mail, and what more careless servers take for it as well
_END = b"\r\n.\r\n"
_LOOKALIKE = re.compile(rb"(?:\r\n|\r|\n)\.(?:\r\n|\r|\n|\0|\Z)")
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


class Wiretap:
    """Passes the conversations with the server at `port` on, byte by byte; use it as a context manager."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._sent: list[bytearray] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._start(self._accept)
        return self

    def __exit__(self, *exc_info: object) -> None:
        with contextlib.suppress(OSError):  # wakes the thread that waits for connections
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    @property
    def sent(self) -> list[bytes]:
        """What the client has sent over each connection."""
        return [bytes(sent) for sent in self._sent]

    def mails(self) -> list[bytes]:
        """What was sent between DATA and the end of each mail, still dot-stuffed, its last line end included."""
        found = []
        for sent in self.sent:
            # MAIL and RCPT of the next mail may follow its end at once; so DATA is looked for, not counted.
            position = 0
            while (start := sent.find(b"\r\nDATA\r\n", position)) >= 0:
                start += len(b"\r\nDATA\r\n")
                end = sent.index(_END, start - 2)
                found.append(sent[start : end + 2])
                position = end + 3
        return found

    def faults(self) -> list[bytes]:
        """Everything in the mails that some server might take for an end of data, with what stands around it."""
        return [
            mail[max(0, fault.start() - 20) : fault.end() + 20]
            for mail in self.mails()
            for pattern in (_LOOKALIKE, _BARE)
            for fault in pattern.finditer(mail)
        ]

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            kept = bytearray()
            self._sent.append(kept)
            back = threading.Thread(target=self._pump, args=(server, client), daemon=True)
            back.start()
            self._start(self._both, client, server, kept, back)

    def _both(self, client: socket.socket, server: socket.socket, kept: bytearray, back: threading.Thread) -> None:
        self._pump(client, server, kept)
        back.join(5)
        client.close()
        server.close()

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket, kept: bytearray | None = None) -> None:
        with contextlib.suppress(OSError):  # either side may hang up whenever it likes
            while piece := source.recv(65536):
                if kept is not None:
                    kept += piece
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)
