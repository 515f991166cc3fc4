from __future__ import annotations

import os
import shutil
import tempfile
from unittest import mock, skipUnless

from courant_mail.choices import Outcome
from courant_mail.deliver.smtp import SmtpChannel
from courant_mail.testing.smtp_server import SmtpServer, garbage, reply, self_signed

from .helpers import SmtpTestCase, relay_of, send


@skipUnless(shutil.which("openssl"), "the openssl command makes the certificates")
class TlsTests(SmtpTestCase):
    folder: tempfile.TemporaryDirectory[str]
    certificate: tuple[str, str]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.certificate = self_signed(cls.folder.name)

    def trusted(self, certificate: str) -> None:
        """What an operator does for an own authority: OpenSSL's variable."""
        patch = mock.patch.dict(os.environ, SSL_CERT_FILE=certificate)
        patch.start()
        self.addCleanup(patch.stop)

    def trouble(self, server: SmtpServer, **options: object) -> Outcome | None:
        channel = SmtpChannel(relay_of(server, **options))
        self.addCleanup(channel.abandon)
        trouble = channel.open()
        return trouble.outcome if trouble else None

    def test_starttls(self):
        self.trusted(self.certificate[0])
        with SmtpServer(certificate=self.certificate, users={"u": "p"}) as server:
            channel = self.opened(server, use_tls=True, username="u", password="p")
            for _ in range(3):
                self.assertIs(send(channel).outcome, Outcome.SENT)
            channel.close()
            commands = [command.line.split()[0].upper() for command in server.commands]
            self.assertEqual(commands[:4], [b"EHLO", b"STARTTLS", b"EHLO", b"AUTH"])

    def test_tls_from_the_start(self):
        self.trusted(self.certificate[0])
        with SmtpServer(certificate=self.certificate, tls_from_start=True) as server:
            channel = self.opened(server, use_ssl=True)
            for _ in range(3):
                self.assertIs(send(channel).outcome, Outcome.SENT)

    def test_a_loss_between_body_and_dot_is_noticed_through_tls(self):
        self.trusted(self.certificate[0])
        with SmtpServer(certificate=self.certificate) as server:
            channel = self.opened(server, use_tls=True)
            self.assertIs(send(channel).outcome, Outcome.SENT)
            server.hang_up()
            for thread in server._threads[1:]:
                thread.join(5)
            self.assertIs(send(channel).outcome, Outcome.RELAY_TROUBLE)

    def test_a_certificate_nobody_has_signed_for_is_a_matter_of_configuration(self):
        with SmtpServer(certificate=self.certificate) as server:
            self.assertIs(self.trouble(server, use_tls=True), Outcome.MISCONFIGURED)
            self.assertEqual(server.count, 0)

    def test_a_certificate_for_another_name(self):
        other = self_signed(self.folder.name, name="DNS:mail.example.org")
        self.trusted(other[0])
        with SmtpServer(certificate=other) as server:
            self.assertIs(self.trouble(server, use_tls=True), Outcome.MISCONFIGURED)

    def test_no_starttls_where_it_is_asked_for(self):
        with SmtpServer() as server:
            self.assertIs(self.trouble(server, use_tls=True), Outcome.MISCONFIGURED)
            self.assertNotIn(b"MAIL", [command.line[:4] for command in server.commands])

    def test_starttls_out_of_order_for_now(self):
        with SmtpServer(certificate=self.certificate) as server:
            server.on("starttls", reply(454, "4.7.0 TLS not available"))
            self.assertIs(self.trouble(server, use_tls=True), Outcome.RELAY_TROUBLE)

    def test_plain_text_smuggled_into_the_start_of_tls(self):
        self.trusted(self.certificate[0])
        with SmtpServer(certificate=self.certificate) as server:
            server.on("starttls", garbage(b"220 go ahead\r\n250-evil.example\r\n250 AUTH PLAIN\r\n"))
            self.assertIs(self.trouble(server, use_tls=True), Outcome.MISCONFIGURED)

    def test_tls_at_a_port_without_it(self):
        with SmtpServer() as server:
            self.assertIs(self.trouble(server, use_ssl=True), Outcome.RELAY_TROUBLE)

    def test_a_client_certificate_that_is_not_there(self):
        with SmtpServer(certificate=self.certificate) as server:
            options = {"use_tls": True, "ssl_certfile": "/nowhere/cert.pem"}
            self.assertIs(self.trouble(server, **options), Outcome.MISCONFIGURED)
