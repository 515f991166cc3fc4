from __future__ import annotations

import asyncio
import socket
from typing import Any

from aiosmtpd.controller import Controller

from courant_mail.choices import Outcome
from courant_mail.conf import RelaySettings
from courant_mail.deliver.smtp import SmtpChannel
from courant_mail.exceptions import ImproperlyConfiguredMail
from courant_mail.testing.smtp_server import EXTENSIONS, SmtpServer, drip, late, reply

from .helpers import BODY, SmtpTestCase, mail_to, send

DOTS = b"Subject: x\r\n\r\n.\r\n..\r\n.line\r\n\r\n.\r\nend.\r\n.\r\n"


class FriendlyServerTests(SmtpTestCase):
    def test_many_messages_over_one_connection(self):
        with SmtpServer() as server:
            channel = self.opened(server)
            results = [send(channel, mail_to(f"reader{number}@example.org")) for number in range(20)]
            self.assertEqual({result.outcome for result in results}, {Outcome.SENT})
            self.assertEqual((channel.used, channel.is_open), (20, True))
            channel.close()
            self.assertFalse(channel.is_open)
            self.assertEqual(server.connections, 1)
            self.assertEqual([mail.rcpt_to for mail in server.mails], [(f"reader{n}@example.org",) for n in range(20)])
            self.assertEqual({mail.mail_from for mail in server.mails}, {"news@example.org"})
            self.assertTrue(server.wait_for_command(b"QUIT"))

    def test_aiosmtpd_gets_the_same_bytes(self):
        got: list[bytes] = []

        class Keep:
            async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
                got.append(envelope.original_content)
                await asyncio.sleep(0)
                return "250 OK"

        with socket.create_server(("127.0.0.1", 0)) as unused:  # aiosmtpd cannot choose a port
            port = unused.getsockname()[1]
        controller = Controller(Keep(), hostname="127.0.0.1", port=port)
        controller.start()
        self.addCleanup(controller.stop)
        channel = SmtpChannel(RelaySettings(name="test", options={"host": "127.0.0.1", "port": port}))
        self.assertIsNone(channel.open())
        for data in (DOTS, BODY):
            self.assertIs(send(channel, mail_to(data=data)).outcome, Outcome.SENT)
        channel.close()
        self.assertEqual(got, [DOTS, BODY])

    def test_every_body_arrives_as_it_was(self):
        for data in (DOTS, b".\r\n", b"..", b".", b"", b"x" * 998 + b"\r\n", b"\r\n.\r\n.\r\n" * 3, b"a\r\n" * 500_000):
            with self.subTest(data=data[:20]), SmtpServer() as server:
                channel = self.opened(server)
                for _ in range(2):
                    self.assertIs(send(channel, mail_to(data=data)).outcome, Outcome.SENT)
                channel.close()
                whole = data if data.endswith(b"\r\n") else data + b"\r\n"
                self.assertEqual([mail.data for mail in server.mails], [whole, whole])

    def test_with_pipelining_the_three_commands_go_out_together(self):
        with SmtpServer() as server:
            channel = self.opened(server)
            send(channel)
            channel.close()
            pipelined = [command.line[:4] for command in server.commands if command.pipelined]
            self.assertEqual(pipelined, [b"MAIL", b"RCPT"])

    def test_without_pipelining_each_command_waits_for_its_answer(self):
        with SmtpServer(extensions=EXTENSIONS[1:]) as server:
            server.on("mail", late(0.02))
            channel = self.opened(server)
            self.assertIs(send(channel).outcome, Outcome.SENT)
            self.assertIs(send(channel).outcome, Outcome.SENT)
            channel.close()
            self.assertEqual((server.violations, server.count), ([], 2))

    def test_a_server_from_before_esmtp(self):
        with SmtpServer(extensions=()) as server:
            server.on("ehlo", reply(502, "5.5.1 what is EHLO?"))
            channel = self.opened(server)
            self.assertIs(send(channel).outcome, Outcome.SENT)
            self.assertEqual(server.mails[0].parameters, "")

    def test_answers_in_drops_and_in_many_lines_are_understood(self):
        for pipelining in (EXTENSIONS, EXTENSIONS[1:]):
            with self.subTest(pipelining), SmtpServer(extensions=pipelining) as server:
                for step in ("connect", "ehlo", "mail", "data"):
                    server.on(step, drip())
                server.on("rcpt", reply(250, "2.1.5 fine", "really", "and truly"))
                server.on("dot", reply(250, "2.0.0 queued", "as 17"))
                channel = self.opened(server)
                result = send(channel)
                self.assertEqual((result.outcome, result.reply), (Outcome.SENT, "2.0.0 queued\nas 17"))

    def test_nothing_is_accepted_before_finish(self):
        with SmtpServer() as server:
            channel = self.opened(server)
            self.assertIsNone(channel.prepare(mail_to()))
            channel.abandon()
            self.assertFalse(channel.is_open)
            self.assertIsNone(channel.open())
            self.assertIs(send(channel, mail_to("bob@example.org")).outcome, Outcome.SENT)
            self.assertEqual([mail.rcpt_to for mail in server.mails], [("bob@example.org",)])


class ExtensionTests(SmtpTestCase):
    def parameters(self, extensions: tuple[str, ...], **mail: Any) -> tuple[str, Outcome, str]:
        with SmtpServer(extensions=extensions) as server:
            result = send(self.opened(server), mail_to(**mail))
            return (server.mails[0].parameters if server.mails else "", result.outcome, result.reply)

    def test_size_is_announced_and_respected(self):
        self.assertEqual(self.parameters(("SIZE",))[0], f"SIZE={len(BODY)}")
        self.assertEqual(self.parameters((f"SIZE {len(BODY)}",))[1], Outcome.SENT)
        _, outcome, text = self.parameters((f"SIZE {len(BODY) - 1}",))
        self.assertIs(outcome, Outcome.REFUSED)
        self.assertIn(str(len(BODY)), text)

    def test_eight_bit_bodies(self):
        data = "Subject: x\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n"
        self.assertEqual(self.parameters(("8BITMIME",), data=data.encode())[0], "BODY=8BITMIME")

    def test_eight_bit_bodies_are_encoded_anew_where_eight_bits_are_too_many(self):
        data = (
            "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: 8bit\r\nMessage-ID: <17@example.org>\r\n\r\nGrüße aus Köln\r\n"
        ).encode()
        with SmtpServer(extensions=()) as server:
            self.assertIs(send(self.opened(server), mail_to(data=data)).outcome, Outcome.SENT)
            [mail] = server.mails
            self.assertTrue(mail.data.isascii())
            self.assertIn(b"Message-ID: <17@example.org>\r\n", mail.data)
            self.assertIn(b"R3LDvMOfZSBhdXMgS8O2bG4", mail.data.replace(b"\r\n", b""))

    def test_an_international_domain_needs_no_extension(self):
        with SmtpServer(extensions=()) as server:
            self.assertIs(send(self.opened(server), mail_to("ann@bücher.example")).outcome, Outcome.SENT)
            self.assertEqual(server.mails[0].rcpt_to, ("ann@xn--bcher-kva.example",))

    def test_an_international_local_part_needs_smtputf8(self):
        with SmtpServer() as server:
            self.assertIs(send(self.opened(server), mail_to("jürgen@example.org")).outcome, Outcome.SENT)
            self.assertEqual(server.mails[0].rcpt_to, ("jürgen@example.org",))
            self.assertIn("SMTPUTF8", server.mails[0].parameters)
        _, outcome, text = self.parameters(("8BITMIME",), address="jürgen@example.org")
        self.assertIs(outcome, Outcome.REFUSED)
        self.assertIn("SMTPUTF8", text)

    def test_a_refusal_for_want_of_an_extension_leaves_the_channel_open(self):
        with SmtpServer(extensions=("PIPELINING",)) as server:
            channel = self.opened(server)
            self.assertIs(send(channel, mail_to("jürgen@example.org")).outcome, Outcome.REFUSED)
            self.assertIs(send(channel).outcome, Outcome.SENT)


class SmugglingTests(SmtpTestCase):
    def test_bare_line_ends_never_reach_the_wire(self):
        for data in (
            b"a: b\r\n\r\nx\n.\nMAIL FROM:<evil@example.org>\r\n",
            b"a: b\r\n\r\nx\r\n.\nMAIL",
            b"a\r.\r\n",
            b"\nx",
            b"x\r",
            b"\r\r\n",
        ):
            with self.subTest(data=data), SmtpServer() as server:
                channel = self.opened(server)
                self.assertIs(send(channel, mail_to(data=data)).outcome, Outcome.OUR_FAULT)
                self.assertIs(send(channel).outcome, Outcome.SENT)
                self.assertEqual(server.count, 1)

    def test_addresses_cannot_add_to_a_command(self):
        for address in (
            "ann@example.org> SIZE=1",
            "ann@example.org\r\nRCPT TO:<eve@example.org",
            "ann@example.org>\r\nDATA",
            'ann"@example.org',
            "an n@example.org",
            "ann@exa mple.org",
            "",
            "<>",
        ):
            with self.subTest(address=address), SmtpServer() as server:
                channel = self.opened(server)
                self.assertIs(send(channel, mail_to(address)).outcome, Outcome.OUR_FAULT)
                if address:
                    self.assertIs(send(channel, mail_to(mail_from=address)).outcome, Outcome.OUR_FAULT)
                self.assertEqual((server.count, server.violations), (0, []))
                self.assertNotIn(b"RCPT", [command.line[:4] for command in server.commands])

    def test_quoted_local_parts_and_the_empty_sender_are_fine(self):
        with SmtpServer() as server:
            envelope = mail_to('"ann lee"@example.org', mail_from="")
            self.assertIs(send(self.opened(server), envelope).outcome, Outcome.SENT)
            self.assertEqual((server.mails[0].mail_from, server.mails[0].rcpt_to), ("", ('"ann lee"@example.org',)))


class OptionsTests(SmtpTestCase):
    def test_an_unknown_option_is_named(self):
        with self.assertRaisesMessage(ImproperlyConfiguredMail, "'hots'"):
            SmtpChannel(RelaySettings(name="x", options={"hots": "localhost"}))

    def test_two_kinds_of_tls_are_one_too_many(self):
        with self.assertRaisesMessage(ImproperlyConfiguredMail, "use_ssl"):
            SmtpChannel(RelaySettings(name="x", options={"host": "h", "use_tls": True, "use_ssl": True}))

    def test_a_mailers_alias_must_name_its_host(self):
        with self.assertRaisesMessage(ImproperlyConfiguredMail, "'host'"):
            SmtpChannel(RelaySettings(name="x", alias="x"))
