"""A queue, a relay that is a real SMTP server, and a site's settings that point to it."""

from __future__ import annotations

from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any

from django.test import TransactionTestCase, override_settings

from courant_mail import engine
from courant_mail.models import Message, MessageJob
from courant_mail.queue.enqueue import enqueue_job
from courant_mail.testing.smtp_server import ReceivedMail, SmtpServer

#: a site whose URLs do not include those of the app, for tests that set ROOT_URLCONF to this module
urlpatterns: list[Any] = []


class EngineTestCase(TransactionTestCase):
    """`self.server` is the relay named "default"."""

    #: more keys of COURANT_MAIL, and of its one relay
    site: dict[str, Any] = {}
    relay: dict[str, Any] = {}

    def setUp(self) -> None:
        self.server = self.enterContext(SmtpServer())
        self.use_relay(self.server.port)

    def use_relay(self, port: int, **relay: Any) -> None:
        """From now on mail leaves through this port."""
        options = {"host": "127.0.0.1", "port": port, "timeout": 5} | relay.pop("options", {})
        entry = {"CONNECTIONS": 3, "OPTIONS": options} | self.relay | relay
        settings = {"SITE_URL": "https://www.courant.example", "RELAYS": {"default": entry}} | self.site
        self.enterContext(override_settings(COURANT_MAIL=settings, **without_mailers()))

    def queue(self, count: int = 10, **words: Any) -> MessageJob:
        """A job for so many readers, expanded."""
        given = [{"email": f"reader{n}@example.org", "first_name": f"Reader {n}"} for n in range(count)]
        defaults: dict[str, Any] = {
            "subject": "News for {{ first_name }}",
            "html": "<p>Hello {{ first_name }}</p>",
            "from_email": "The Courant <editors@courant.example>",
            "recipients": given,
        }
        job = enqueue_job(**defaults | words)
        engine.expand_jobs()
        job.refresh_from_db()
        return job

    def recipients(self) -> list[str]:
        """Who got a mail, in the order of acceptance."""
        return [mail.rcpt_to[0] for mail in self.server.mails]

    def row(self, recipient: str) -> Message:
        return Message.objects.get(recipient=recipient)


def without_mailers() -> dict[str, Any]:
    """On Django 6.1 the aliases of MAILERS are relays as well; these tests want one relay."""
    from django.conf import settings

    backend = {"BACKEND": "courant_mail.backend.EmailBackend"}
    return {"MAILERS": {"default": backend}} if hasattr(settings, "MAILERS") else {}


def parsed(mail: ReceivedMail) -> EmailMessage:
    message = BytesParser(policy=policy.default).parsebytes(mail.data)
    assert isinstance(message, EmailMessage)
    return message
