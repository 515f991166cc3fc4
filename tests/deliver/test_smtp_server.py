"""The server that misbehaves on demand, held against Python's own client."""

from __future__ import annotations

import json
import smtplib
import socket
import subprocess
import sys
import tempfile
from email import message_from_bytes
from pathlib import Path

from django.test import SimpleTestCase

from courant_mail.testing.smtp_chaos import chaos
from courant_mail.testing.smtp_server import SmtpServer, close, drip, half, late, reply

from .helpers import BODY

ROOT = Path(__file__).parents[2]


def raw(server: SmtpServer, *lines: bytes) -> bytes:
    """Send these bytes, each after the answer to the one before; returns all answers."""
    with socket.create_connection((server.host, server.port), 5) as sock:
        answers = sock.recv(4096)
        for line in lines:
            sock.sendall(line)
            answers += sock.recv(4096)
        return answers


class ServerTests(SimpleTestCase):
    def test_keeps_envelope_and_bytes(self):
        with SmtpServer() as server, smtplib.SMTP(server.host, server.port, timeout=5) as client:
            client.sendmail("a@example.org", ["b@example.org", "c@example.org"], b"x: y\r\n\r\n.\r\n..\r\n")
            [mail] = server.mails
            self.assertEqual((mail.mail_from, mail.rcpt_to), ("a@example.org", ("b@example.org", "c@example.org")))
            self.assertEqual(mail.data, b"x: y\r\n\r\n.\r\n..\r\n")

    def test_rules_by_address_number_and_times(self):
        with SmtpServer() as server, smtplib.SMTP(server.host, server.port, timeout=5) as client:
            server.on("rcpt", reply(550, "5.1.1 nobody"), to="nobody@*")
            server.on("rcpt", reply(450, "4.2.0 later"), to="later@*", each=1)
            server.on("noop", reply(500, "no"), every=3, times=1)
            client.ehlo()
            client.mail("a@example.org")
            asked = ["nobody@example.org", "later@example.org", "later@example.org", "later@example.com", "b@x.org"]
            self.assertEqual([client.rcpt(address)[0] for address in asked], [550, 450, 250, 450, 250])
            self.assertEqual([client.noop()[0] for _ in range(6)], [250, 250, 500, 250, 250, 250])

    def test_only_crlf_dot_crlf_ends_a_mail(self):
        with SmtpServer() as server:
            raw(
                server,
                b"EHLO x\r\n",
                b"MAIL FROM:<a@x>\r\n",
                b"RCPT TO:<b@x>\r\n",
                b"DATA\r\n",
                b"x\n.\n\r\n.\n\r\n.\r\n",
            )
            self.assertEqual([mail.data for mail in server.mails], [b"x\n.\n\r\n.\n\r\n"])

    def test_careless_clients_are_found_out(self):
        with SmtpServer(extensions=()) as server:
            self.assertIn(b"500", raw(server, b"EHLO x\nMAIL FROM:<a@x>\r\n"))
            self.assertIn(b"503", raw(server, b"EHLO x\r\n", b"MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\n"))
            self.assertEqual(len(server.violations), 1)

    def test_clients_are_held_to_what_is_offered(self):
        with SmtpServer(extensions=("SIZE 100",)) as server:
            for parameters, code in (("SIZE=101", b"552"), ("BODY=8BITMIME", b"555"), ("SMTPUTF8", b"555")):
                with self.subTest(parameters):
                    answers = raw(server, b"EHLO x\r\n", f"MAIL FROM:<a@x> {parameters}\r\n".encode())
                    self.assertEqual(answers.splitlines()[-1][:3], code)
            dialogue = [b"EHLO x\r\n", b"MAIL FROM:<a@x>\r\n", b"RCPT TO:<b@x>\r\n", b"DATA\r\n"]
            self.assertIn(b"552 5.3.4", raw(server, *dialogue, b"x" * 200 + b"\r\n.\r\n"))
            raw(server, *dialogue, b"Subject: \xc3\xa4\r\n\r\n.\r\n")
            self.assertEqual(server.violations, ["8-bit bytes that MAIL did not announce"])

    def test_a_connection_can_be_worn_out(self):
        with SmtpServer() as server:
            server.on("mail", reply(421, "4.7.0 too many messages", close=True), beyond=2)
            for _ in range(2):
                with smtplib.SMTP(server.host, server.port, timeout=5) as client:
                    for _ in range(2):
                        client.sendmail("a@example.org", ["b@example.org"], BODY)
                    with self.assertRaises(smtplib.SMTPException):
                        client.sendmail("a@example.org", ["b@example.org"], BODY)
            self.assertEqual((server.count, server.connections), (4, 2))

    def test_chance_is_the_same_again_for_the_same_seed_in_whatever_order(self):
        readers = [f"r{number}@example.org" for number in range(200)]

        def refused(seed: int, readers: list[str]) -> list[str]:
            with SmtpServer(seed=seed) as server, smtplib.SMTP(server.host, server.port, timeout=5) as client:
                server.on("rcpt", reply(550, "5.1.1 nobody"), chance=0.3)
                client.ehlo()
                client.mail("a@example.org")
                return sorted(reader for reader in readers if client.rcpt(reader)[0] == 550)

        first = refused(1, readers)
        self.assertEqual(refused(1, readers[::-1]), first)
        self.assertNotEqual(refused(2, readers), first)
        self.assertTrue(30 < len(first) < 90, len(first))

    def test_the_journal_says_who_was_told_that_the_mail_was_taken(self):
        actions = {
            "told@x.org": None,
            "told-more@x.org": reply(250, "2.0.0 queued", "with pleasure"),
            "closed@x.org": close(accept=True),
            "half@x.org": half(),
            "late@x.org": late(0.01),
            "drip@x.org": drip(),
        }
        with SmtpServer() as server:
            for address, action in actions.items():
                if action is not None:
                    server.on("dot", action, to=address)
                dialogue = [b"EHLO x\r\n", b"MAIL FROM:<a@x>\r\n", f"RCPT TO:<{address}>\r\n".encode(), b"DATA\r\n"]
                raw(server, *dialogue, b"x: y\r\n\r\n.\r\n")
            self.assertEqual(
                {mail.rcpt_to[0]: mail.confirmed for mail in server.mails},
                {address: address.startswith("told") for address in actions},
            )

    def test_chaos_comes_to_about_the_share_that_was_asked_for(self):
        rules = list(chaos("seed", 0.5, 0.1))
        self.assertEqual(len({rule.seed for rule in rules if rule.step == "dot"}), sum(r.step == "dot" for r in rules))
        met = sum(
            any(rule.strikes(step, [f"r{number}@example.org"]) for rule in rules)
            for number in range(1000)
            for step in ("mail", "rcpt", "data", "body", "dot")
        )
        self.assertTrue(350 < met < 550, met)

    def test_wrong_order_is_refused(self):
        with SmtpServer() as server:
            answers = raw(server, b"EHLO x\r\n", b"RCPT TO:<b@x>\r\n", b"DATA\r\n", b"MAIL a@x\r\n", b"WHAT\r\n")
            self.assertRegex(answers, rb"(?s)503 .*554 .*501 .*502 ")


class SinkTests(SimpleTestCase):
    def test_the_stand_alone_sink_stores_mails_and_refuses_as_told(self):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "courant_mail.testing.smtp_server", "--maildir", folder]
            command += ["--refuse", "nobody@*", "--defer", "later@*"]
            with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as sink:
                self.addCleanup(sink.kill)
                assert sink.stdout is not None
                port = int(sink.stdout.readline().rpartition(":")[2])
                with smtplib.SMTP("127.0.0.1", port, timeout=5) as client:
                    everybody = ["nobody@example.org", "later@example.org", "ann@example.org"]
                    refused = client.sendmail("news@example.org", everybody, BODY)
                    self.assertEqual(
                        {address: code for address, (code, _) in refused.items()},
                        {everybody[0]: 550, everybody[1]: 450},
                    )
                    client.sendmail("news@example.org", ["later@example.org"], BODY)
                sink.terminate()
                self.assertEqual(sink.stdout.read(), "2 mails over 1 connections\n")
            files = sorted(Path(folder, "new").iterdir())
            mails = [message_from_bytes(path.read_bytes()) for path in files]
            self.assertEqual([mail["Delivered-To"] for mail in mails], ["ann@example.org", "later@example.org"])
            self.assertTrue(files[0].read_bytes().endswith(BODY))

    def test_with_chaos_and_a_journal_it_writes_down_what_it_took(self):
        with tempfile.TemporaryDirectory() as folder:
            journal = Path(folder, "journal")
            command = [sys.executable, "-m", "courant_mail.testing.smtp_server", "--journal", str(journal)]
            command += ["--chaos", "4711", "--chaos-share", "0.5", "--chaos-hang", "0.1"]
            with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as sink:
                self.addCleanup(sink.kill)
                assert sink.stdout is not None
                port = int(sink.stdout.readline().rpartition(":")[2])
                believed = sum(delivered(port, f"reader{number}@example.org") for number in range(60))
                sink.terminate()
                taken = int(sink.stdout.read().split()[0])
            lines = [json.loads(line) for line in journal.read_text().splitlines()]
            self.assertEqual(len(lines), taken)
            self.assertLess(believed, 60)
            self.assertLessEqual(sum(line["confirmed"] for line in lines), believed)
            self.assertEqual(lines[0]["message_id"], "<1@example.org>")


def delivered(port: int, recipient: str) -> bool:
    """Whether Python's client believes so."""
    try:
        with smtplib.SMTP("127.0.0.1", port, timeout=0.3) as client:
            client.sendmail("news@example.org", [recipient], b"Message-ID: <1@example.org>\r\n" + BODY)
    except (OSError, smtplib.SMTPException):
        return False
    return True
