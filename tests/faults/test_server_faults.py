"""Every fault that an SMTP server can have, against the real engine: what becomes of the message, and of the relay."""

from __future__ import annotations

from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any

from django.test import tag

from courant_mail import engine
from courant_mail.causes import Cause
from courant_mail.choices import JobStatus, MessageStatus, Outcome
from courant_mail.models import Attempt, Message, MessageJob, RelayState
from courant_mail.testing.smtp_server import (
    EXTENSIONS,
    Action,
    SmtpServer,
    Step,
    close,
    drip,
    garbage,
    half,
    late,
    reply,
    reset,
    self_signed,
    silence,
)
from tests.engine.base import parsed

from .base import FaultTestCase, patience_with

BOTH = {"pipelining": EXTENSIONS, "plain": tuple(line for line in EXTENSIONS if line != "PIPELINING")}

#: what breaks a connection, or makes it useless
LOSSES: dict[str, Action] = {
    "close": close(),
    "reset": reset(),
    "silence": silence(),
    "half a reply": half(),
    "half a reply and silence": half(close=False),
    "garbage": garbage(),
    "a reply that contradicts itself": garbage(b"250-yes\r\n550 no\r\n"),
    "too late": late(1.0),
    "too slow": Action(drip=0.1),
    "421": reply(421, "4.3.2 going down", close=True),
}
THROTTLES = {
    "421 4.7.0": reply(421, "4.7.0 too many mails from you", close=True),
    "421 in words": reply(421, "too many connections from your address", close=True),
    "454 4.7.0": reply(454, "4.7.0 slow down"),
    "450 4.7.28": reply(450, "4.7.28 unusual rate of mail"),
}


@dataclass(frozen=True)
class Refusal:
    step: Step
    action: Action
    status: MessageStatus
    cause: Cause


REFUSALS = [
    Refusal("mail", reply(450, "4.1.8 cannot find your domain"), MessageStatus.DEFERRED, Cause.PUT_OFF),
    Refusal("rcpt", reply(450, "4.2.0 greylisted", "come again"), MessageStatus.DEFERRED, Cause.PUT_OFF),
    Refusal("rcpt", reply(451, "4.3.0 local error"), MessageStatus.DEFERRED, Cause.PUT_OFF),
    Refusal("rcpt", reply(452, "4.2.2 mailbox full"), MessageStatus.DEFERRED, Cause.MAILBOX_FULL),
    Refusal("data", reply(451, "4.3.0 later"), MessageStatus.DEFERRED, Cause.PUT_OFF),
    Refusal("dot", reply(452, "4.3.1 disk full"), MessageStatus.DEFERRED, Cause.PUT_OFF),
    Refusal("mail", reply(552, "5.3.4 too large"), MessageStatus.FAILED, Cause.TOO_LARGE),
    Refusal("mail", reply(550, "5.7.1 not with this sender"), MessageStatus.FAILED, Cause.SENDER_REFUSED),
    Refusal("rcpt", reply(550, "5.1.1 no such user"), MessageStatus.FAILED, Cause.UNKNOWN_ADDRESS),
    Refusal("rcpt", reply(550, "5.1.2 no such domain"), MessageStatus.FAILED, Cause.UNKNOWN_DOMAIN),
    Refusal("rcpt", reply(552, "5.2.2 mailbox full"), MessageStatus.FAILED, Cause.MAILBOX_FULL),
    Refusal("rcpt", reply(550, "we do not like you", "at all"), MessageStatus.FAILED, Cause.REFUSED),
    Refusal("rcpt", reply(553, "5.1.8 what a sender"), MessageStatus.FAILED, Cause.SENDER_REFUSED),
    Refusal("data", reply(554, "5.7.1 no"), MessageStatus.FAILED, Cause.BLOCKED),
    Refusal("dot", reply(554, "5.7.1 looks like spam"), MessageStatus.FAILED, Cause.BLOCKED),
    Refusal("dot", reply(552, "5.2.3 too long"), MessageStatus.FAILED, Cause.TOO_LARGE),
]


@tag("faults")
class MessageFaultTests(FaultTestCase):
    """The fault strikes one message of three."""

    def strike(self, step: Step, action: Action, extensions: tuple[str, ...] = EXTENSIONS, **words: Any) -> MessageJob:
        """Send three mails; at the first of them, or at that to "odd…", the server does this."""
        RelayState.objects.all().delete()
        server = self.use(SmtpServer(extensions=extensions), patience=patience_with(action))
        # The address at MAIL is the sender's.
        server.on(step, action, times=1) if step == "mail" else server.on(step, action, to="odd*", times=1)
        job = self.queue_three(**words)
        engine.send()
        self.assertEqual(server.violations, [])
        return job

    def test_a_refusal_concerns_one_message_and_its_cause_is_told(self) -> None:
        for refusal in REFUSALS:
            for kind, extensions in BOTH.items():
                with self.subTest(refusal.step, action=refusal.action.say, kind=kind):
                    job = self.strike(refusal.step, refusal.action, extensions)
                    odd = self.odd(job)
                    self.assertEqual((odd.status, odd.cause), (refusal.status, refusal.cause), odd.reply)
                    self.assertEqual((odd.attempts, odd.tries.count()), (1, 1))
                    self.assertEqual(self.found(job).get("sent"), 2)
                    self.assertEqual((self.is_paused(), self.server.connections), (False, 1))
                    self.mend()
                    again = 1 if refusal.status == MessageStatus.DEFERRED else 0
                    self.assertEqual(sorted(self.copies(job).values()), [again, 1, 1])

    def test_a_connection_that_is_lost_before_the_dot_is_nobodys_fault(self) -> None:
        for name, action in LOSSES.items():
            for step in ("mail", "rcpt", "data"):
                with self.subTest(name, step=step):
                    self.check_nobodys_fault(step, action)

    def test_a_connection_that_is_lost_within_the_body_is_nobodys_fault(self) -> None:
        # So long a body that the end of it cannot have left when the server has seen enough.
        words = {"text": "All the news. " * 500_000}
        for name in ("close", "reset", "421"):
            with self.subTest(name):
                self.check_nobodys_fault("body", LOSSES[name], **words)

    def test_throttling_is_nobodys_fault(self) -> None:
        for name, action in THROTTLES.items():
            for step in ("mail", "rcpt", "data", "dot"):
                with self.subTest(name, step=step):
                    self.check_nobodys_fault(step, action)

    def check_nobodys_fault(self, step: Any, action: Action, **words: Any) -> None:
        Attempt.objects.all().delete()
        job = self.strike(step, action, **words)
        self.assertEqual(self.found(job), {"queued": 3})
        self.assertEqual(set(Message.objects.filter(job=job).values_list("attempts", "cause")), {(0, None)})
        self.assertEqual((Attempt.objects.count(), self.is_paused(), self.server.count), (0, True, 0))
        self.mend()
        self.assertEqual((self.found(job), set(self.copies(job).values())), ({"sent": 3}, {1}))
        job.refresh_from_db()
        self.assertEqual((job.status, job.sent), (JobStatus.FINISHED, 3))

    def test_no_clear_answer_to_the_dot_leaves_one_message_in_doubt(self) -> None:
        for taken in (True, False):
            for name, action in {
                "close": close(accept=taken),
                "reset": reset(accept=taken),
                "silence": silence(accept=taken),
                "half a reply": half(),
                "garbage": garbage(),
                "a reply that contradicts itself": garbage(b"250-yes\r\n550 no\r\n"),
                "too late": late(1.0),
                "the wrong class": reply(354, "go on"),
            }.items():
                with self.subTest(name, taken=taken):
                    job = self.strike("dot", action)
                    odd = self.odd(job)
                    self.assertEqual((odd.status, odd.cause), (MessageStatus.IN_DOUBT, Cause.IN_DOUBT))
                    self.assertEqual((odd.attempts, odd.tries.get().outcome), (1, Outcome.IN_DOUBT))
                    self.assertEqual((self.found(job)["sent"], self.is_paused()), (2, False))
                    self.mend()
                    self.assertEqual(self.found(job), {"in_doubt": 1, "sent": 2})
                    self.assertLessEqual(max(self.copies(job).values()), 1)

    def test_what_is_odd_but_clear_changes_nothing(self) -> None:
        for name, action, step in (
            ("many lines", reply(250, "2.0.0 queued", "with pleasure", "as 4711"), "dot"),
            ("one byte at a time", drip(0.001), "dot"),
            ("a goodbye", reply(250, "2.0.0 queued, goodbye", close=True), "dot"),
            ("late, but not too late", late(0.1), "dot"),
            ("many lines", reply(250, "2.1.0 fine", "very fine"), "mail"),
            ("one byte at a time", drip(0.001), "rcpt"),
            ("many lines", reply(354, "go", "ahead"), "data"),
            ("no goodbye", close(), "quit"),
        ):
            with self.subTest(name, step=step):
                job = self.strike(step, action)  # type: ignore[arg-type]
                self.assertEqual((self.found(job), set(self.copies(job).values())), ({"sent": 3}, {1}))
                self.assertFalse(self.is_paused())

    def test_in_doubt_with_the_policy_retry_everybody_has_it_and_a_repeat_has_the_same_message_id(self) -> None:
        self.site = {"IN_DOUBT": "retry"}
        for taken in (True, False):
            with self.subTest(taken=taken):
                job = self.strike("dot", close(accept=taken))
                self.assertEqual(self.found(job), {"sent": 3})
                self.assertEqual(self.copies(job)[self.odd(job).recipient], 1 + taken)
                ids = {str(parsed(m)["Message-ID"]) for m in self.server.mails if m.rcpt_to[0].startswith("odd")}
                self.assertEqual(len(ids), 1)


@tag("faults")
class ConnectionFaultTests(FaultTestCase):
    """The fault strikes before the first message."""

    def send(self) -> tuple[MessageJob, str]:
        RelayState.objects.all().delete()
        job = self.queue_three()
        return job, engine.send().trouble or ""

    def check(self, words: str) -> None:
        """Nothing has left, nothing is counted, the relay is paused, the run says so; and then all goes well."""
        job, trouble = self.send()
        self.assertIn(words, trouble)
        self.assertEqual((self.found(job), self.is_paused()), ({"queued": 3}, True))
        self.assertEqual((Attempt.objects.count(), self.server.count), (0, 0))
        self.assertEqual(set(Message.objects.filter(job=job).values_list("attempts", flat=True)), {0})

    def test_at_the_greeting_and_at_ehlo(self) -> None:
        for name, action in LOSSES.items():
            for step in ("connect", "ehlo"):
                with self.subTest(name, step=step):
                    self.use(SmtpServer(), patience=patience_with(action))
                    self.server.on(step, action)
                    self.check("relay trouble: ")
                    self.mend()
                    self.assertEqual(self.server.count, 3)

    def test_a_server_that_wants_nothing_from_us(self) -> None:
        self.use(SmtpServer()).on("connect", reply(554, "5.7.1 go away"))
        self.check("relay misconfigured: 554 5.7.1 go away")

    def test_a_server_that_has_too_many_connections(self) -> None:
        self.use(SmtpServer()).on("connect", reply(421, "4.7.0 too many connections", close=True))
        self.check("throttled by the relay: 421 4.7.0")

    def test_authentication_that_is_refused(self) -> None:
        self.use(SmtpServer(users={"ann": "right"}), username="ann", password="wrong")
        self.check("relay misconfigured: 535")

    def test_authentication_that_is_not_offered(self) -> None:
        self.use(SmtpServer(), username="ann", password="right")
        self.check("relay misconfigured: ")

    def test_authentication_that_is_asked_for_and_not_given(self) -> None:
        self.use(SmtpServer(users={"ann": "right"})).on("mail", reply(530, "5.7.0 authenticate first"))
        self.check("relay misconfigured: 530")

    def test_authentication_that_is_out_of_order(self) -> None:
        self.use(SmtpServer(users={"ann": "right"}), username="ann", password="right")
        self.server.on("auth", reply(454, "4.3.0 the directory does not answer"))
        self.check("relay trouble: 454")
        self.mend()
        self.assertEqual(self.server.count, 3)

    def test_encryption_that_is_not_offered(self) -> None:
        self.use(SmtpServer(), use_tls=True)
        self.check("relay misconfigured: The server offers no STARTTLS")

    def test_encryption_with_a_certificate_that_nobody_knows(self) -> None:
        folder = self.enterContext(TemporaryDirectory())
        self.use(SmtpServer(certificate=self_signed(folder)), use_tls=True)
        self.check("relay misconfigured: The server's certificate is not valid")
        self.assertFalse(any(command.line.startswith(b"MAIL") for command in self.server.commands))

    def test_encryption_that_breaks_off(self) -> None:
        folder = self.enterContext(TemporaryDirectory())
        for action in (close(), garbage(), reply(454, "4.3.0 not now")):
            with self.subTest(action):
                self.use(SmtpServer(certificate=self_signed(folder)), use_tls=True).on("starttls", action)
                self.check("relay trouble: ")

    def test_a_connection_that_may_carry_only_some_messages_is_made_anew(self) -> None:
        self.use(SmtpServer()).on("mail", reply(421, "4.7.0 enough of you", close=True), beyond=4)
        self.queue(20)
        self.assertEqual(engine.send().trouble, None)
        self.assertEqual((self.server.count, self.server.connections), (20, 5))
        self.assertEqual(len(set(self.recipients())), 20)


@tag("faults")
class ExtensionTests(FaultTestCase):
    """Servers that can do less."""

    words: dict[str, Any] = {"subject": "Grüße", "html": "<p>Grüße</p>", "from_email": "news@courant.example"}

    def test_a_mail_arrives_whatever_the_server_can_do(self) -> None:
        for without in ("PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE", "ENHANCEDSTATUSCODES", "everything"):
            with self.subTest(without=without):
                extensions = [line for line in EXTENSIONS if not line.startswith(without) and without != "everything"]
                self.use(SmtpServer(extensions=extensions))
                self.queue(3, **self.words)
                self.assertEqual((engine.send().sent, self.server.violations), (3, []))
                message = parsed(self.server.mails[0])
                self.assertEqual(message["Subject"], "Grüße")
                self.assertIn("Grüße", message.get_body(("plain",)).get_content())  # type: ignore[union-attr]

    def test_a_server_that_knows_only_helo(self) -> None:
        self.use(SmtpServer(extensions=())).on("ehlo", reply(502, "5.5.1 what is that?"))
        self.queue(3, **self.words)
        self.assertEqual((engine.send().sent, self.server.violations), (3, []))

    def test_an_address_that_only_smtputf8_can_carry_fails_where_it_is_not_offered(self) -> None:
        self.use(SmtpServer(extensions=("PIPELINING", "8BITMIME")))
        job = self.queue(recipients=["jörg@example.org", "ann@example.org"], **self.words)
        engine.send()
        self.assertEqual(self.found(job), {"failed": 1, "sent": 1})
        self.assertFalse(self.is_paused())

    def test_a_mail_that_is_larger_than_the_server_takes_fails_and_says_so(self) -> None:
        self.use(SmtpServer(extensions=("PIPELINING", "SIZE 300")))
        job = self.queue(2, **self.words)
        engine.send()
        self.assertEqual(self.found(job), {"failed": 2})
        self.assertEqual(set(Message.objects.filter(job=job).values_list("cause", flat=True)), {Cause.TOO_LARGE})
        self.assertEqual((self.is_paused(), self.server.count), (False, 0))
