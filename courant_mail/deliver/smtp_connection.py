"""smtplib's connection with strict replies, one buffer, TCP_NODELAY and errors that keep their reason."""

from __future__ import annotations

import contextlib
import re
import smtplib
import socket
import ssl
import struct
import sys
import time

_MAX_LINE = 8192
_MAX_REPLY_LINES = 200
_REPLY_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])([^\r\n]*))?\r?\n")
#: larger writes go out in pieces, so that the timeout counts for a piece and not for the whole mail
_PIECE = 256 * 1024


class BadReply(Exception):
    """The server said something that is no SMTP reply. What comes after it cannot be trusted: close the connection."""


class SmtpConnection(smtplib.SMTP):
    """
    A connection of smtplib whose errors are told apart.

    `send` and `getreply` raise OSError (TimeoutError, ConnectionError) when the network fails and BadReply for
    garbage, where smtplib turns both into one exception. Make it with `SmtpConnection(...)`, then
    `open_socket(host, port)`.
    """

    def __init__(self, host: str, local_hostname: str, timeout: float, tls: ssl.SSLContext | None = None) -> None:
        """With `tls` it is encrypted from its first byte. `host` is the name that the certificate must carry."""
        super().__init__(local_hostname=local_hostname, timeout=timeout)
        self._host = host  # smtplib takes the name for the certificate from here
        self._tls = tls
        self._buffer = b""

    @property
    def unread(self) -> bytes:
        """What the server has sent beyond the last reply that was read."""
        return self._buffer

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        sock = socket.create_connection((host, port), timeout)
        try:
            # Without it the small write of the final dot waits 40 ms for an acknowledgement.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return self._tls.wrap_socket(sock, server_hostname=self._host) if self._tls else sock
        except BaseException:
            sock.close()
            raise

    def open_socket(self, host: str, port: int) -> None:
        """Connect (and, with `tls`, encrypt); the greeting is the first reply to read. Raises OSError."""
        self.sock = self._get_socket(host, port, self.timeout)
        self._bound()

    def _bound(self) -> None:
        """
        Let the kernel keep the timeout of a plain socket.

        Python's own timeout polls before every call and gives up the interpreter once more each time; with several
        connections in one process that costs more than the conversation itself. TLS needs Python's.
        """
        sock = self._open_socket()
        if isinstance(sock, ssl.SSLSocket) or sys.platform == "win32":
            sock.settimeout(self.timeout)
            return
        sock.settimeout(None)
        seconds, fraction = divmod(self.timeout, 1)
        timeval = struct.pack("ll", int(seconds), int(fraction * 1_000_000))
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            sock.setsockopt(socket.SOL_SOCKET, option, timeval)

    def starttls(self, *, context: ssl.SSLContext | None = None) -> tuple[int, bytes]:  # type: ignore[override]
        """Encrypt from here on, after the server's answer 220; see `smtplib.SMTP.starttls`."""
        self._open_socket().settimeout(self.timeout)
        answer = super().starttls(context=context)
        self._bound()
        return answer

    def send(self, s: object) -> None:
        """Send text or bytes as they are. Raises OSError; a text must be ASCII."""
        data = s.encode("ascii") if isinstance(s, str) else bytes(s)  # type: ignore[call-overload]
        sock = self._open_socket()
        try:
            if len(data) <= _PIECE:
                sock.sendall(data)
                return
            view = memoryview(data)
            for start in range(0, len(data), _PIECE):
                sock.sendall(view[start : start + _PIECE])
        except BlockingIOError:
            raise TimeoutError("timed out") from None

    def getreply(self, patience: float = 0.0) -> tuple[int, bytes]:
        """
        The next reply: its code, and its lines without their codes, joined by a newline (RFC 5321 section 4.2.1).

        It must be complete within `patience` seconds, or the timeout of every step where that is longer. Raises
        OSError when the connection fails or closes, BadReply for anything else than a well-formed reply.
        """
        deadline = 0.0
        position, code = 0, b""
        lines: list[bytes] = []
        while True:
            match = _REPLY_LINE.match(self._buffer, position)
            if match is None:
                if b"\n" in self._buffer[position:] or len(self._buffer) - position > _MAX_LINE:
                    raise BadReply(_shown(self._buffer[position:]))
                deadline = deadline or time.monotonic() + max(patience, self.timeout)
                self._receive_more(deadline)
                continue
            if (lines and match[1] != code) or len(lines) >= _MAX_REPLY_LINES:
                raise BadReply(_shown(self._buffer))
            code, position = match[1], match.end()
            lines.append((match[3] or b"").strip())
            if match[2] != b"-":
                self._buffer = self._buffer[position:]
                return int(code), b"\n".join(lines)

    def _receive_more(self, deadline: float) -> None:
        """Wait for more of a reply; not beyond the deadline, give or take the timeout of a step."""
        sock = self._open_socket()
        while True:
            if time.monotonic() > deadline:
                raise TimeoutError("timed out")
            try:
                piece = sock.recv(65536)
                break
            except (BlockingIOError, TimeoutError):
                if time.monotonic() >= deadline - self.timeout / 10:
                    raise TimeoutError("timed out") from None
        if not piece:
            raise ConnectionResetError(f"connection closed by the server{_after(self._buffer)}")
        self._buffer += piece

    def anything_to_read(self) -> bool:
        """
        Whether the server has spoken or hung up although it was not asked; takes no time.

        Raises OSError when the connection was reset.
        """
        if self._buffer:
            return True
        sock = self._open_socket()
        try:
            if sock.gettimeout() is None:
                self._buffer = sock.recv(65536, socket.MSG_DONTWAIT)
                return True
            sock.settimeout(0)
            try:
                self._buffer = sock.recv(65536)
            finally:
                sock.settimeout(self.timeout)
        except (BlockingIOError, ssl.SSLWantReadError):
            return False  # silence, or TLS housekeeping such as a session ticket
        return True

    def drop(self) -> None:
        """Close hard: what the server has not got yet, it never gets."""
        if self.sock is not None:
            with contextlib.suppress(OSError):  # a dead socket takes no options, and needs none
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def wait_at_most(self, seconds: float) -> None:
        """The timeout of every step from here on."""
        if seconds != self.timeout:
            self.timeout = seconds
            self._bound()

    def _open_socket(self) -> socket.socket:
        if self.sock is None:
            raise ConnectionResetError("the connection is closed")
        return self.sock


def _shown(data: bytes) -> str:
    return f"not an SMTP reply: {data[:200]!r}"


def _after(data: bytes) -> str:
    return f" in the middle of a reply: {data[:200]!r}" if data else ""
