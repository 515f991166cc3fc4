"""The next message may be begun together with the final dot of this one (RFC 2920)."""

from __future__ import annotations

from courant_mail.choices import Outcome
from courant_mail.deliver.outcomes import Result
from courant_mail.deliver.smtp import SmtpChannel
from courant_mail.testing.smtp_server import EXTENSIONS, SmtpServer, close, reply
from courant_mail.wire import WireBytes

from .helpers import BODY, SmtpTestCase, mail_to

ADDRESSES = [f"reader{n}@example.org" for n in range(5)]


def send_all(channel: SmtpChannel, addresses: list[str]) -> list[Outcome]:
    """One after the other, each begun with the dot of the one before."""
    envelopes = [mail_to(address) for address in addresses]
    outcomes: list[Outcome] = []
    for envelope, following in zip(envelopes, [*envelopes[1:], None], strict=True):
        if not channel.is_open and channel.open() is not None:
            break
        ended: Result | None = channel.prepare(envelope)
        outcomes.append((channel.finish(following) if ended is None else ended).outcome)
    return outcomes


class FollowingTests(SmtpTestCase):
    def test_each_message_arrives_once_with_and_without_pipelining(self) -> None:
        for extensions in (EXTENSIONS, EXTENSIONS[1:]):
            with self.subTest(extensions), SmtpServer(extensions=extensions) as server:
                self.assertEqual(send_all(self.opened(server), ADDRESSES), [Outcome.SENT] * 5)
                self.assertEqual([mail.rcpt_to[0] for mail in server.mails], ADDRESSES)
                self.assertEqual({mail.data for mail in server.mails}, {BODY})
                self.assertEqual((server.violations, server.connections), ([], 1))

    def test_the_next_message_is_begun_with_the_dot(self) -> None:
        with SmtpServer() as server:
            channel = self.opened(server)
            first, second = mail_to(ADDRESSES[0]), mail_to(ADDRESSES[1])
            self.assertIsNone(channel.prepare(first))
            self.assertIs(channel.finish(second).outcome, Outcome.SENT)
            self.assertTrue(server.wait_for_command(b"DATA", 2, timeout=5))
            self.assertEqual(server.count, 1)

    def test_refusals_harm_only_their_own_message(self) -> None:
        for step, outcome in (("rcpt", Outcome.REFUSED), ("dot", Outcome.REFUSED)):
            with self.subTest(step), SmtpServer() as server:
                server.on(step, reply(550, "5.7.1 no"), to=ADDRESSES[2])  # type: ignore[arg-type]
                expected = [Outcome.SENT] * 5
                expected[2] = outcome
                self.assertEqual(send_all(self.opened(server), ADDRESSES), expected)
                self.assertEqual([m.rcpt_to[0] for m in server.mails], ADDRESSES[:2] + ADDRESSES[3:])
                self.assertEqual(server.violations, [])

    def test_a_server_that_closes_at_the_dot_has_not_got_the_next_message(self) -> None:
        with SmtpServer() as server:
            server.on("dot", close(accept=True), to=ADDRESSES[1], times=1)
            outcomes = send_all(self.opened(server), ADDRESSES)
            self.assertEqual(outcomes, [Outcome.SENT, Outcome.IN_DOUBT, *[Outcome.SENT] * 3])
            self.assertEqual([mail.rcpt_to[0] for mail in server.mails], ADDRESSES)

    def test_a_goodbye_in_between_drops_the_message_that_was_begun(self) -> None:
        with SmtpServer() as server:
            channel = self.opened(server)
            self.assertIsNone(channel.prepare(mail_to(ADDRESSES[0])))
            channel.finish(mail_to(ADDRESSES[1]))
            channel.close()
            self.assertFalse(channel.is_open)
            self.assertEqual([mail.rcpt_to[0] for mail in server.mails], ADDRESSES[:1])


class WireBytesTests(SmtpTestCase):
    def test_checked_bytes_arrive_as_they_are(self) -> None:
        with SmtpServer() as server:
            channel = self.opened(server)
            self.assertIsNone(channel.prepare(mail_to(data=WireBytes(BODY))))
            self.assertIs(channel.finish().outcome, Outcome.SENT)
            self.assertEqual(server.mails[0].data, BODY)
