"""The server that misbehaves on demand, held against Python's own client."""

from __future__ import annotations

import smtplib
import socket
import subprocess
import sys
import tempfile
from email import message_from_bytes
from pathlib import Path

from django.test import SimpleTestCase

from courant_mail.testing.smtp_server import SmtpServer, reply

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
