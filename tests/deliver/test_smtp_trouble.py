from __future__ import annotations

import socket

from courant_mail.choices import Outcome
from courant_mail.conf import RelaySettings
from courant_mail.deliver.smtp import SmtpChannel
from courant_mail.testing.smtp_server import (
    EXTENSIONS,
    Action,
    SmtpServer,
    Step,
    close,
    garbage,
    half,
    reply,
    reset,
    silence,
)

from .helpers import SmtpTestCase, mail_to, relay_of, send

LOSSES: dict[str, Action] = {
    "close": close(),
    "reset": reset(),
    "garbage": garbage(),
    "half a reply": half(),
    "no number": garbage(b"ok\r\n"),
    "lines that disagree": garbage(b"250-yes\r\n550 no\r\n"),
    "a line without end": Action(say=b"250 " + b"x" * 9000, accept=False),
    "421": reply(421, "4.3.2 going down", close=True),
}
BOTH = {"pipelining": EXTENSIONS, "plain": EXTENSIONS[1:]}


class OpeningTests(SmtpTestCase):
    def opening(self, step: Step, action: Action, **options: object) -> Outcome:
        with SmtpServer(users={"u": "p"}) as server:
            server.on(step, action)
            channel = SmtpChannel(relay_of(server, timeout=0.2, **options))
            trouble = channel.open()
            self.assertFalse(channel.is_open)
            self.assertIsNotNone(trouble)
            return trouble.outcome if trouble else Outcome.SENT

    def test_a_port_where_nobody_listens(self):
        with socket.create_server(("127.0.0.1", 0)) as unused:
            port = unused.getsockname()[1]
        channel = SmtpChannel(RelaySettings(name="test", options={"host": "127.0.0.1", "port": port}))
        trouble = channel.open()
        self.assertIs(trouble and trouble.outcome, Outcome.RELAY_TROUBLE)
        self.assertIn(f"127.0.0.1:{port}", trouble.reply if trouble else "")

    def test_losses_before_the_first_message(self):
        for name, action in LOSSES.items():
            for step in ("connect", "ehlo"):
                if (name, step) == ("421", "ehlo"):
                    continue
                with self.subTest(name, step=step):
                    self.assertIs(self.opening(step, action), Outcome.RELAY_TROUBLE)

    def test_silence_at_the_greeting(self):
        self.assertIs(self.opening("connect", silence()), Outcome.RELAY_TROUBLE)

    def test_a_greeting_that_says_no(self):
        self.assertIs(self.opening("connect", reply(554, "5.7.1 go away")), Outcome.MISCONFIGURED)
        self.assertIs(self.opening("connect", reply(421, "4.7.0 too many connections")), Outcome.THROTTLED)

    def test_a_wrong_password(self):
        self.assertIs(self.opening("noop", close(), username="u", password="x"), Outcome.MISCONFIGURED)

    def test_a_password_where_the_server_takes_none(self):
        with SmtpServer() as server:
            trouble = SmtpChannel(relay_of(server, username="u", password="p")).open()
            self.assertIs(trouble and trouble.outcome, Outcome.MISCONFIGURED)

    def test_a_password_that_smtplib_cannot_send(self):
        self.assertIs(self.opening("noop", close(), username="u", password="müsli"), Outcome.MISCONFIGURED)

    def test_authentication_that_is_out_of_order_for_now(self):
        self.assertIs(self.opening("auth", reply(451, "later"), username="u", password="p"), Outcome.RELAY_TROUBLE)

    def test_the_right_password(self):
        with SmtpServer(users={"u": "p"}) as server:
            self.assertIs(send(self.opened(server, username="u", password="p")).outcome, Outcome.SENT)


class RefusalTests(SmtpTestCase):
    """The server says no to one message; the next one goes through over the same connection."""

    def check(self, step: Step, action: Action, outcome: Outcome) -> None:
        for name, extensions in BOTH.items():
            with self.subTest(name, step=step, action=action), SmtpServer(extensions=extensions) as server:
                server.on(step, action, nth=2)
                channel = self.opened(server)
                results = [send(channel, mail_to(f"r{number}@example.org")) for number in range(3)]
                self.assertEqual([result.outcome for result in results], [Outcome.SENT, outcome, Outcome.SENT])
                self.assertEqual([mail.rcpt_to for mail in server.mails], [("r0@example.org",), ("r2@example.org",)])
                self.assertEqual((server.connections, server.violations), (1, []))

    def test_at_mail(self):
        self.check("mail", reply(550, "5.7.1 not you"), Outcome.SENDER_REFUSED)
        self.check("mail", reply(450, "4.1.8 not now"), Outcome.REFUSED_FOR_NOW)

    def test_at_rcpt(self):
        self.check("rcpt", reply(550, "5.1.1 no such user", "really not"), Outcome.REFUSED)
        self.check("rcpt", reply(450, "4.2.0 greylisted"), Outcome.REFUSED_FOR_NOW)

    def test_at_data(self):
        self.check("data", reply(554, "5.7.1 no"), Outcome.REFUSED)
        self.check("data", reply(451, "4.3.0 later"), Outcome.REFUSED_FOR_NOW)

    def test_at_the_dot(self):
        self.check("dot", reply(554, "5.7.1 spam"), Outcome.REFUSED)
        self.check("dot", reply(452, "4.3.1 disk full"), Outcome.REFUSED_FOR_NOW)

    def test_a_server_that_wants_a_body_although_it_refused_the_recipient(self):
        with SmtpServer() as server:
            server.on("rcpt", reply(550, "5.1.1 no such user"), to="nobody@*")
            server.on("data", reply(354, "go ahead anyway"))
            channel = self.opened(server)
            refused = send(channel, mail_to("nobody@example.org"))
            self.assertEqual((refused.outcome, refused.enhanced), (Outcome.REFUSED, "5.1.1"))
            self.assertIs(send(channel).outcome, Outcome.SENT)
            self.assertEqual([mail.rcpt_to for mail in server.mails], [("ann@example.org",)])

    def test_a_421_closes_the_channel(self):
        for step, outcome in (
            ("mail", Outcome.THROTTLED),
            ("rcpt", Outcome.THROTTLED),
            ("data", Outcome.THROTTLED),
            ("dot", Outcome.THROTTLED),
        ):
            for name, extensions in BOTH.items():
                with self.subTest(name, step=step), SmtpServer(extensions=extensions) as server:
                    server.on(step, reply(421, "4.7.0 slow down", close=True))  # type: ignore[arg-type]
                    channel = self.opened(server)
                    self.assertIs(send(channel).outcome, outcome)
                    self.assertFalse(channel.is_open)
                    self.assertEqual(server.count, 0)


class LossTests(SmtpTestCase):
    """The connection breaks, or the server stops making sense."""

    def test_before_the_dot_it_is_relay_trouble(self):
        for name, action in LOSSES.items():
            for step in ("mail", "rcpt", "data"):
                for kind, extensions in BOTH.items():
                    with self.subTest(name, step=step, kind=kind), SmtpServer(extensions=extensions) as server:
                        server.on(step, action)
                        channel = self.opened(server)
                        self.assertIs(send(channel).outcome, Outcome.RELAY_TROUBLE)
                        self.assertFalse(channel.is_open)
                        self.assertEqual(server.count, 0)

    def test_after_the_dot_it_is_in_doubt_whatever_the_server_did(self):
        for accepted in (False, True):
            for name, action in {
                "close": close(accept=accepted),
                "reset": reset(accept=accepted),
                "silence": silence(accept=accepted),
                "garbage": garbage(),
                "half a reply": half(),
                "lines that disagree": garbage(b"250-yes\r\n550 no\r\n"),
            }.items():
                with self.subTest(name, accepted=accepted), SmtpServer() as server:
                    server.on("dot", action)
                    channel = self.opened(server, timeout=0.2)
                    result = send(channel)
                    self.assertEqual((result.outcome, result.code), (Outcome.IN_DOUBT, None))
                    self.assertFalse(channel.is_open)

    def test_silence_before_the_dot_ends_at_the_timeout(self):
        for step in ("mail", "rcpt", "data"):
            with self.subTest(step), SmtpServer() as server:
                server.on(step, silence())
                self.assertIs(send(self.opened(server, timeout=0.2)).outcome, Outcome.RELAY_TROUBLE)

    def test_a_reply_in_drops_that_takes_too_long(self):
        with SmtpServer() as server:
            server.on("mail", Action(drip=0.05))
            self.assertIs(send(self.opened(server, timeout=0.1)).outcome, Outcome.RELAY_TROUBLE)

    def test_a_server_that_hangs_up_while_the_dot_waits_for_its_permit(self):
        for name, action in {
            "close": close(),
            "reset": reset(),
            "421": reply(421, "4.4.2 idle for too long", close=True),
        }.items():
            with self.subTest(name), SmtpServer() as server:
                server.on("body", action)
                channel = self.opened(server)
                ended = channel.prepare(mail_to())
                if ended is None:
                    for thread in server._threads[1:]:
                        thread.join(5)
                    ended = channel.finish()
                self.assertIs(ended.outcome, Outcome.RELAY_TROUBLE)
                self.assertEqual(server.count, 0)

    def test_a_refusal_in_the_middle_of_a_large_body_is_heard(self):
        with SmtpServer() as server:
            server.on("body", reply(552, "5.3.4 too large for me", close=True))
            channel = self.opened(server)
            ended = channel.prepare(mail_to(data=b"x: y\r\n\r\n" + b"line\r\n" * 2_000_000))
            result = ended or channel.finish()
            # The reset that follows may overtake the words; the message has not arrived in either case.
            self.assertIn(result.outcome, (Outcome.REFUSED, Outcome.RELAY_TROUBLE))
            self.assertEqual((channel.is_open, server.count), (False, 0))

    def test_a_connection_closed_between_two_messages_is_noticed_before_anything_is_sent(self):
        with SmtpServer() as server:
            channel = self.opened(server)
            send(channel)
            server.hang_up()
            for thread in server._threads[1:]:
                thread.join(5)
            self.assertIs(send(channel).outcome, Outcome.RELAY_TROUBLE)
            self.assertFalse(channel.is_open)

    def test_a_server_that_speaks_out_of_turn_is_dropped_before_its_words_count_as_an_answer(self):
        with SmtpServer() as server:
            server.on("dot", garbage(b"250 2.0.0 queued\r\n250 2.0.0 and another one\r\n"), nth=1)
            channel = self.opened(server)
            self.assertIs(send(channel).outcome, Outcome.SENT)
            result = send(channel, mail_to("bob@example.org"))
            self.assertIs(result.outcome, Outcome.RELAY_TROUBLE)
            self.assertIn("out of turn", result.reply)
