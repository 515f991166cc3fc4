"""SMTP: one write for MAIL, RCPT and DATA where the server can take it, the plain conversation where not."""

from __future__ import annotations

import logging

from ..choices import Outcome
from ..conf import RelaySettings
from .channel import Channel, Envelope
from .outcomes import Result, Stage, TryEnded, classify
from .smtp_connection import BadReply, SmtpConnection
from .smtp_opening import connect, described
from .smtp_options import smtp_options
from .smtp_wire import Offers, WireMail, wire_mail

logger = logging.getLogger(__name__)

#: seconds to wait for the answer to QUIT, and for the last word of a server that has stopped listening
LAST_WORD_SECONDS = 2.0


class SmtpChannel(Channel):
    """
    A connection to an SMTP server, with the options of Django's SMTP backend.

    What the server offers is used: PIPELINING (RFC 2920), SIZE (1870), 8BITMIME (6152), SMTPUTF8 (6531). A mail that
    needs an extension which is not offered is REFUSED; only an 8-bit body is encoded anew instead.
    """

    def __init__(self, relay: RelaySettings) -> None:
        """Raises ImproperlyConfiguredMail for options that cannot work. Connects at `open`, not before."""
        self._options = smtp_options(relay)
        self._connection: SmtpConnection | None = None
        self._offers = Offers()
        self._reset_first = False
        self._begun: tuple[Envelope, WireMail] | None = None
        self.is_open = False
        self.used = 0

    def open(self) -> Result | None:
        self._drop()
        self.used = 0
        self._reset_first = False
        try:
            self._connection = connect(self._options)
        except TryEnded as ended:
            return ended.result
        self._offers = Offers.read(self._connection.esmtp_features)
        self.is_open = True
        return None

    def prepare(self, envelope: Envelope) -> Result | None:
        connection = self._live()
        begun, self._begun = self._begun, None
        try:
            if begun is not None and begun[0] is envelope:
                mail = begun[1]
            else:
                begun = None
                mail = wire_mail(envelope, self._offers)
                self._expect_silence(connection, "mail")
            self._converse(connection, mail, begun=begun is not None)
            self._send_body(connection, mail.body)
        except TryEnded as ended:
            return ended.result
        return None

    def finish(self, following: Envelope | None = None) -> Result:
        connection = self._live()
        try:
            # A server that hung up meanwhile is noticed while it is still certain that the message did not arrive.
            self._expect_silence(connection, "data")
        except TryEnded as ended:
            return ended.result
        try:
            connection.send(b".\r\n" + self._beginning_of(following))
            code, text = connection.getreply(self._options.dot_timeout)
        except (OSError, BadReply) as error:
            self._drop()
            return classify("dot", None, described(error))
        result = classify("dot", code, text)
        if result.outcome is Outcome.SENT:
            self.used += 1
        elif result.outcome is Outcome.IN_DOUBT or code == 421:
            self._drop()
        return result

    def abandon(self) -> None:
        self._drop()

    def close(self) -> None:
        if self._connection is None:
            return
        if self._begun is not None:  # the server waits for a mail and would not understand a goodbye
            self._drop()
            return
        try:
            self._connection.wait_at_most(LAST_WORD_SECONDS)
            self._connection.send(b"QUIT\r\n")
            self._connection.getreply()
        except (OSError, BadReply) as error:
            logger.debug("The server did not answer QUIT: %s", described(error))
        self._drop()

    def _live(self) -> SmtpConnection:
        if self._connection is None:
            raise RuntimeError("The channel is closed; call open() first.")
        return self._connection

    def _drop(self) -> None:
        self.is_open = False
        self._begun = None
        if self._connection is not None:
            self._connection.drop()
            self._connection = None

    def _lost(self, stage: Stage, error: BaseException) -> TryEnded:
        """The connection is of no more use, and the message is not on the other side."""
        self._drop()
        return TryEnded(classify(stage, None, described(error)))

    def _expect_silence(self, connection: SmtpConnection, stage: Stage) -> None:
        """
        Raises TryEnded when the server has spoken or hung up unasked.

        Its words are not lost ("421 idle for too long"), and no reply can ever be taken for the answer to another
        command: whoever is out of step is dropped.
        """
        try:
            if not connection.anything_to_read():
                return
            connection.wait_at_most(LAST_WORD_SECONDS)
            code, text = connection.getreply()
        except (OSError, BadReply) as error:
            raise self._lost(stage, error) from error
        self._drop()
        if code < 400:
            raise TryEnded(classify(stage, None, b"the server spoke out of turn: " + text))
        raise TryEnded(classify(stage, code, text))

    def _beginning_of(self, following: Envelope | None) -> bytes:
        """
        MAIL, RCPT and DATA of the message after this one, to be sent together with the dot (RFC 2920 section 3.1).

        It saves a write and a round trip for each message. A message that cannot be begun is left to `prepare`.
        """
        if following is None or not self._offers.pipelining:
            return b""
        try:
            mail = wire_mail(following, self._offers)
        except TryEnded:
            return b""
        self._begun = (following, mail)
        return mail.mail + mail.rcpt + b"DATA\r\n"

    def _converse(self, connection: SmtpConnection, mail: WireMail, *, begun: bool) -> None:
        """MAIL, RCPT, DATA; returns when the server waits for the body. Raises TryEnded otherwise."""
        steps: list[tuple[Stage, bytes]] = [("mail", mail.mail), ("rcpt", mail.rcpt), ("data", b"DATA\r\n")]
        refused: Result | None = None
        waits_for_body = False
        stage: Stage = "mail"
        try:
            self._begin(connection, [] if begun else steps)
            for stage, command in steps:
                if not self._offers.pipelining:
                    if refused:
                        break
                    connection.send(command)
                code, text = connection.getreply()
                waits_for_body = stage == "data" and code == 354
                if not (waits_for_body or (stage != "data" and 200 <= code <= 299)):
                    refused = refused or classify(stage, code, text)
                    if code == 421 or code < 400:  # it closes, or it is out of step
                        raise TryEnded(refused)
            if refused and waits_for_body:
                self._end_empty(connection)
        except TryEnded:
            self._drop()
            raise
        except (OSError, BadReply) as error:
            ended = self._lost(stage, error)
            # What was said about the message before the connection broke stands.
            raise TryEnded(refused) if refused else ended from error
        if refused:
            self._reset_first = True
            raise TryEnded(refused)

    def _begin(self, connection: SmtpConnection, steps: list[tuple[Stage, bytes]]) -> None:
        """RSET where the last message left a transaction open; with PIPELINING all commands in one write."""
        commands = [command for _, command in steps] if self._offers.pipelining else []
        if self._reset_first:
            commands.insert(0, b"RSET\r\n")
        if commands:
            connection.send(b"".join(commands))
        if self._reset_first:
            code, text = connection.getreply()
            if code != 250:
                raise TryEnded(classify("mail", code if code == 421 else None, text))
            self._reset_first = False

    def _end_empty(self, connection: SmtpConnection) -> None:
        """The recipient was refused, but the server waits for a body: it gets none (RFC 2920 section 3.1)."""
        connection.send(b".\r\n")
        code, text = connection.getreply()
        if code == 421:
            raise BadReply(text.decode("utf-8", "replace"))

    def _send_body(self, connection: SmtpConnection, body: bytes) -> None:
        try:
            connection.send(body)
        except OSError as error:
            try:
                # A server that has seen enough may say why before it hangs up ("552 too large").
                connection.wait_at_most(LAST_WORD_SECONDS)
                code, text = connection.getreply()
            except (OSError, BadReply):
                raise self._lost("data", error) from error
            self._drop()
            raise TryEnded(classify("data", code, text)) from error
