from __future__ import annotations

from django.test import SimpleTestCase

from courant_mail.choices import Outcome
from courant_mail.deliver.outcomes import MAX_REPLY, Stage, address_is_dead, classify

TABLE: list[tuple[Stage, int | None, str, Outcome]] = [
    ("connect", None, "Connection refused", Outcome.RELAY_TROUBLE),
    ("greeting", 421, "4.3.2 shutting down", Outcome.RELAY_TROUBLE),
    ("greeting", 421, "4.7.0 too many connections from you", Outcome.THROTTLED),
    ("greeting", 421, "Too many concurrent SMTP connections", Outcome.THROTTLED),
    ("greeting", 554, "5.7.1 no service for you", Outcome.MISCONFIGURED),
    ("ehlo", 550, "your name is not in the DNS", Outcome.MISCONFIGURED),
    ("ehlo", None, "not an SMTP reply", Outcome.RELAY_TROUBLE),
    ("starttls", 454, "4.7.0 TLS not available due to temporary reason", Outcome.RELAY_TROUBLE),
    ("starttls", 502, "unknown command", Outcome.MISCONFIGURED),
    ("auth", 535, "5.7.8 bad credentials", Outcome.MISCONFIGURED),
    ("auth", 454, "4.7.0 too many logins", Outcome.THROTTLED),
    ("auth", 454, "temporary authentication failure", Outcome.RELAY_TROUBLE),
    ("mail", 550, "5.7.1 you may not use this sender", Outcome.SENDER_REFUSED),
    ("mail", 553, "5.1.8 sender domain does not exist", Outcome.SENDER_REFUSED),
    ("mail", 530, "5.7.0 authentication required", Outcome.MISCONFIGURED),
    ("mail", 552, "5.3.4 message too big", Outcome.REFUSED),
    ("mail", 450, "4.1.8 sender domain not found", Outcome.REFUSED_FOR_NOW),
    ("mail", 452, "4.3.1 insufficient system storage", Outcome.RELAY_TROUBLE),
    ("mail", 454, "Throttling failure: Maximum sending rate exceeded", Outcome.THROTTLED),
    ("rcpt", 450, "4.7.1 greylisted", Outcome.REFUSED_FOR_NOW),
    ("rcpt", 451, "4.3.0 mailbox busy", Outcome.REFUSED_FOR_NOW),
    ("rcpt", 452, "4.2.2 mailbox full", Outcome.REFUSED_FOR_NOW),
    ("rcpt", 450, "4.7.28 our system has detected an unusual rate", Outcome.THROTTLED),
    ("rcpt", 451, "4.7.650 temporarily rate limited", Outcome.THROTTLED),
    ("rcpt", 421, "4.7.0 try again later", Outcome.THROTTLED),
    ("rcpt", 421, "closing connection", Outcome.RELAY_TROUBLE),
    ("rcpt", 550, "5.1.1 no such user", Outcome.REFUSED),
    ("rcpt", 550, "5.1.8 sender address rejected", Outcome.SENDER_REFUSED),
    ("rcpt", 556, "5.1.10 this domain takes no mail", Outcome.REFUSED),
    ("rcpt", None, "connection closed", Outcome.RELAY_TROUBLE),
    ("rcpt", 354, "what?", Outcome.RELAY_TROUBLE),
    ("data", 554, "5.7.1 not here", Outcome.REFUSED),
    ("data", 451, "try later", Outcome.REFUSED_FOR_NOW),
    ("data", 250, "not what was asked", Outcome.RELAY_TROUBLE),
    ("dot", 250, "2.0.0 queued", Outcome.SENT),
    ("dot", 451, "4.6.0 try later", Outcome.REFUSED_FOR_NOW),
    ("dot", 421, "shutting down", Outcome.REFUSED_FOR_NOW),
    ("dot", 421, "4.7.0 too fast", Outcome.THROTTLED),
    ("dot", 454, "Throttling failure: Daily message quota exceeded.", Outcome.THROTTLED),
    ("dot", 554, "5.7.1 looks like spam", Outcome.REFUSED),
    ("dot", None, "timed out", Outcome.IN_DOUBT),
    ("dot", 354, "what?", Outcome.IN_DOUBT),
]


class ReplyTests(SimpleTestCase):
    def test_each_reply_has_its_outcome(self):
        for stage, code, text, outcome in TABLE:
            with self.subTest(stage=stage, code=code, text=text):
                self.assertIs(classify(stage, code, text).outcome, outcome)

    def test_every_code_at_every_stage_has_an_outcome_and_only_a_success_after_the_dot_is_sent(self):
        for stage in ("connect", "greeting", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "dot"):
            for code in (None, *range(200, 600)):
                sent = classify(stage, code, "").outcome is Outcome.SENT
                self.assertEqual(sent, stage == "dot" and code is not None and code < 300)

    def test_keeps_code_enhanced_code_and_stage(self):
        result = classify("rcpt", 550, b"5.1.1 <ann@example.org>: no such user\nsee https://example.org", seconds=0.5)
        self.assertEqual((result.code, result.enhanced, result.stage, result.seconds), (550, "5.1.1", "rcpt", 0.5))
        self.assertEqual(result.reply, "5.1.1 <ann@example.org>: no such user\nsee https://example.org")

    def test_reads_the_enhanced_code_where_qmail_writes_it(self):
        self.assertEqual(classify("rcpt", 550, "sorry, no mailbox here by that name. (#5.1.1)").enhanced, "5.1.1")

    def test_an_enhanced_code_of_another_class_does_not_count(self):
        self.assertEqual(classify("rcpt", 450, "5.1.1 not now").enhanced, "")

    def test_numbers_in_the_text_are_no_enhanced_code(self):
        self.assertEqual(classify("rcpt", 550, "host 5.1.1.7 is on a list").enhanced, "")

    def test_the_reply_can_be_stored_anywhere(self):
        reply = classify("rcpt", 550, b"no\x00such\x1b[31m user \xff\xed\xa0\x80" + b"x" * 5000).reply
        self.assertLessEqual(len(reply), MAX_REPLY)
        self.assertNotRegex(reply, r"[\x00-\x08\x1b\ud800-\udfff]")

    def test_only_a_refusal_about_the_address_makes_it_dead(self):
        for stage, code, text, dead in (
            ("rcpt", 550, "5.1.1 no such user", True),
            ("rcpt", 556, "5.1.10 takes no mail", True),
            ("rcpt", 550, "5.1.8 bad sender", False),
            ("rcpt", 550, "5.2.2 mailbox full", False),
            ("rcpt", 450, "4.1.1 unknown for now", False),
            ("rcpt", 550, "no such user", False),
        ):
            with self.subTest(text=text):
                self.assertIs(address_is_dead(classify(stage, code, text)), dead)  # type: ignore[arg-type]
