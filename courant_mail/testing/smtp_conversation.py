"""The server's side of one SMTP connection, in a thread of its own."""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
import socket
import ssl
import struct
import time
from typing import TYPE_CHECKING

from .smtp_script import Action, Step
from .smtp_terms import is_announced, objection_to_body, objection_to_mail, offers

if TYPE_CHECKING:
    from .smtp_server import SmtpServer

_ORDINARY = Action()
_PATH = re.compile(rb"(?:FROM|TO):\s*<([^>]*)>(.*)", re.IGNORECASE | re.DOTALL)
_PREFIXES: dict[bytes, Step] = {
    b"EHLO": "ehlo",
    b"HELO": "helo",
    b"STARTTLS": "starttls",
    b"AUTH": "auth",
    b"MAIL": "mail",
    b"RCPT": "rcpt",
    b"DATA": "data",
    b"RSET": "rset",
    b"NOOP": "noop",
    b"QUIT": "quit",
}
#: what a client may send without waiting for the answer to what comes before (RFC 2920)
_PIPELINED: frozenset[Step | None] = frozenset({"mail", "rcpt", "data", "rset", "noop", "quit"})


class _Over(Exception):
    """The conversation has ended."""


class Conversation:
    """
    Reads commands and mails from one socket and answers as the server's rules say.

    Lines end in CRLF and nothing else, and only CRLF "." CRLF ends a mail, so that a client which is careless about
    line ends is found out and not understood by luck.
    """

    def __init__(self, server: SmtpServer, sock: socket.socket, number: int) -> None:
        self._server = server
        self._sock = sock
        self._number = number
        self._input = bytearray()
        self._output: list[bytes] = []
        self._carried = 0
        self._reset()

    def run(self) -> None:
        """Until the client or a rule ends it."""
        try:
            if self._server.tls_from_start:
                self._encrypt()
            self._act("connect", b"220 test.example ESMTP\r\n")
            while True:
                self._command(self._line())
        except (_Over, OSError):
            # Clients may hang up whenever they like; the journal says how far they came.
            return
        finally:
            with contextlib.suppress(OSError):
                self._sock.close()

    # Reading and writing -----------------------------------------------------------------------------------------

    def _receive(self) -> None:
        self._flush()
        piece = self._sock.recv(262144)
        if not piece:
            raise _Over
        self._input += piece

    def _line(self) -> bytes:
        while (end := self._input.find(b"\r\n")) < 0:
            self._receive()
        line = bytes(self._input[:end])
        del self._input[: end + 2]
        return line

    def _flush(self) -> None:
        if self._output:
            output, self._output = b"".join(self._output), []
            self._sock.sendall(output)

    def _act(self, step: Step, ordinary: bytes, addresses: list[str] | None = None) -> bytes:
        """Answer, as a rule says or as usual; returns the whole answer, also where less of it was sent."""
        rule = self._server.rule_for(step, addresses or [], self._carried)
        if rule is None:
            self._output.append(ordinary)
            return ordinary
        return self._obey(rule, ordinary)

    def _obey(self, action: Action, ordinary: bytes) -> bytes:
        self._flush()
        self._server.stopping.wait(action.delay)
        answer = ordinary if action.say is None else action.say
        sent = answer[: len(answer) - action.cut]
        if action.drip:
            for index in range(len(sent)):
                self._sock.sendall(sent[index : index + 1])
                self._server.stopping.wait(action.drip)
        else:
            self._sock.sendall(sent)
        if action.then == "hang":
            while self._sock.recv(65536):
                continue
        if action.then == "reset":
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if action.then != "go on":
            raise _Over
        return answer

    # Commands ----------------------------------------------------------------------------------------------------

    def _command(self, line: bytes) -> None:
        server = self._server
        if server.journal:
            server.note_command(self._number, line, bool(self._input))
        step = _PREFIXES.get(line.partition(b" ")[0].upper())
        if b"\n" in line or b"\r" in line:
            self._output.append(b"500 5.5.2 a CR or LF stands alone\r\n")
        elif self._input and not self._may_pipeline(step):
            server.note_violation(f"unexpected pipelining after {line!r}")
            self._output.append(b"503 5.5.0 wait for the answer\r\n")
        elif step is None:
            self._output.append(b"502 5.5.1 unknown command\r\n")
        else:
            self._HANDLERS[step](self, line)

    def _may_pipeline(self, step: Step | None) -> bool:
        return offers(self._server.extensions, "PIPELINING") and step in (
            "mail",
            "rcpt",
            "data",
            "rset",
            "noop",
            "quit",
        )

    def _reset(self) -> None:
        self._mail_from: str | None = None
        self._parameters = ""
        self._rcpt_to: list[str] = []

    def _ehlo(self, line: bytes) -> None:
        self._reset()
        tls = isinstance(self._sock, ssl.SSLSocket)
        lines = ["test.example", *self._server.greeting_lines(encrypted=tls)]
        wire = [f"250{'-' if i < len(lines) else ' '}{text}\r\n" for i, text in enumerate(lines, 1)]
        self._act("ehlo", "".join(wire).encode())

    def _helo(self, line: bytes) -> None:
        self._reset()
        self._act("helo", b"250 test.example\r\n")

    def _starttls(self, line: bytes) -> None:
        offered = self._server.certificate is not None and not isinstance(self._sock, ssl.SSLSocket)
        answer = self._act("starttls", b"220 2.0.0 go ahead\r\n" if offered else b"502 5.5.1 not offered\r\n")
        self._flush()
        if answer.startswith(b"220"):
            self._encrypt()
            self._reset()

    def _encrypt(self) -> None:
        if self._server.certificate is None:
            raise _Over
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self._server.certificate)
        self._sock = context.wrap_socket(self._sock, server_side=True)
        self._server.replace_socket(self._number, self._sock)

    def _auth(self, line: bytes) -> None:
        if self._server.users is None:
            self._act("auth", b"502 5.5.1 not offered\r\n")
            return
        mechanism, _, first = line[5:].partition(b" ")
        given: tuple[bytes, bytes]
        if mechanism.upper() == b"PLAIN":
            _, user, password = (self._decoded(first or self._ask(b"")) + b"\0\0").split(b"\0")[:3]
            given = user, password
        else:
            given = (
                self._decoded(first or self._ask(b"Username:")),
                self._decoded(self._ask(b"Password:")),
            )
        right = self._server.users.get(given[0].decode("utf-8", "replace")) == given[1].decode("utf-8", "replace")
        self._act("auth", b"235 2.7.0 welcome\r\n" if right else b"535 5.7.8 wrong user name or password\r\n")

    def _ask(self, prompt: bytes) -> bytes:
        self._output.append(b"334 " + base64.b64encode(prompt) + b"\r\n")
        return self._line()

    @staticmethod
    def _decoded(text: bytes) -> bytes:
        try:
            return base64.b64decode(text)
        except binascii.Error:
            return b""

    def _mail(self, line: bytes) -> None:
        match = _PATH.match(line, 5)
        if match is None or self._mail_from is not None:
            self._output.append(b"501 5.5.4 MAIL FROM:<address>\r\n" if match is None else b"503 5.5.1 nested MAIL\r\n")
            return
        address = match[1].decode("utf-8", "replace")
        parameters = match[2].decode("utf-8", "replace").strip()
        ordinary = objection_to_mail(self._server.extensions, address, parameters) or b"250 2.1.0 sender is fine\r\n"
        if self._act("mail", ordinary, [address]).startswith(b"2"):
            self._mail_from, self._parameters = address, parameters

    def _rcpt(self, line: bytes) -> None:
        match = _PATH.match(line, 5)
        if match is None or self._mail_from is None:
            self._output.append(b"501 5.5.4 RCPT TO:<address>\r\n" if match is None else b"503 5.5.1 MAIL first\r\n")
            return
        address = match[1].decode("utf-8", "replace")
        if self._act("rcpt", b"250 2.1.5 recipient is fine\r\n", [address]).startswith(b"2"):
            self._rcpt_to.append(address)

    def _data(self, line: bytes) -> None:
        ordinary = b"354 go ahead\r\n" if self._rcpt_to else b"554 5.5.1 no valid recipients\r\n"
        if self._act("data", ordinary, self._rcpt_to).startswith(b"354"):
            self._accept(self._body())

    def _body(self) -> bytes:
        """The mail without its final dot and with its dots unstuffed."""
        if not self._input:
            self._receive()
        rule = self._server.rule_for("body", self._rcpt_to, self._carried)
        if rule is not None:
            self._obey(rule, b"")
        start, end = 0, 0 if self._input.startswith(b".\r\n") else -1
        while end < 0:
            found = self._input.find(b"\r\n.\r\n", start)
            if found >= 0:
                end = found + 2
                break
            start = max(0, len(self._input) - 4)
            self._receive()
            if start == 0 and self._input.startswith(b".\r\n"):
                end = 0
        data = bytes(self._input[:end])
        del self._input[: end + 3]
        data = data.replace(b"\r\n..", b"\r\n.")
        return data[1:] if data.startswith(b".") else data

    def _accept(self, data: bytes) -> None:
        server, recipients = self._server, self._rcpt_to
        if server.delay:
            self._flush()
            time.sleep(server.delay)
        ordinary = b"250 2.0.0 queued\r\n" if recipients else b"554 5.5.1 no valid recipients\r\n"
        if not is_announced(data, self._parameters):
            server.note_violation("8-bit bytes that MAIL did not announce")
        ordinary = objection_to_body(server.extensions, data) or ordinary
        action = server.rule_for("dot", recipients, self._carried) or _ORDINARY
        answer = ordinary if action.say is None else action.say
        accepted = answer.startswith(b"2") if action.accept is None else action.accept
        if accepted and recipients:
            self._carried += 1
            envelope = (self._mail_from or "", self._parameters, tuple(recipients))
            server.store(self._number, *envelope, data, confirmed=action.answers(ordinary))
        self._reset()
        if action is _ORDINARY:
            self._output.append(ordinary)
        else:
            self._obey(action, ordinary)

    def _rset(self, line: bytes) -> None:
        self._reset()
        self._act("rset", b"250 2.0.0 forgotten\r\n")

    def _noop(self, line: bytes) -> None:
        self._act("noop", b"250 2.0.0 still here\r\n")

    def _quit(self, line: bytes) -> None:
        self._act("quit", b"221 2.0.0 goodbye\r\n")
        self._flush()
        raise _Over

    _HANDLERS = {
        "ehlo": _ehlo,
        "helo": _helo,
        "starttls": _starttls,
        "auth": _auth,
        "mail": _mail,
        "rcpt": _rcpt,
        "data": _data,
        "rset": _rset,
        "noop": _noop,
        "quit": _quit,
    }
