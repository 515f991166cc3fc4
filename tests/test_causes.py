"""Real replies of real servers, and the reason that an editor reads."""

from __future__ import annotations

import itertools

from django.test import SimpleTestCase

from courant_mail.causes import BY_STATUS, Cause, cause_of
from courant_mail.choices import MessageStatus, Outcome
from courant_mail.deliver.outcomes import Stage, classify

#: what the server said to RCPT or after DATA, as it came
FOR_GOOD: dict[str, list[tuple[Cause, int, str]]] = {
    "Gmail": [
        (
            Cause.UNKNOWN_ADDRESS,
            550,
            "5.1.1 The email account that you tried to reach does not exist. Please try\n5.1.1 double-checking the "
            "recipient's email address for typos or\n5.1.1 unnecessary spaces. a640c23a62f3a-aa4c2 - gsmtp",
        ),
        (Cause.UNKNOWN_ADDRESS, 550, "5.2.1 The email account that you tried to reach is inactive. - gsmtp"),
        (Cause.UNKNOWN_ADDRESS, 553, "5.1.3 The recipient address <ann> is not a valid RFC 5321 address. - gsmtp"),
        (Cause.MAILBOX_FULL, 552, "5.2.2 The recipient's inbox is out of storage space and inactive. - gsmtp"),
        (Cause.TOO_LARGE, 552, "5.3.4 Your message exceeded Google's message size limits. - gsmtp"),
        (
            Cause.BLOCKED,
            550,
            "5.7.26 Your email has been blocked because the sender is unauthenticated.\n5.7.26 Gmail requires all "
            "senders to authenticate with either SPF or DKIM. - gsmtp",
        ),
        (Cause.BLOCKED, 550, "5.7.1 [203.0.113.5] Our system has detected that this message is\n5.7.1 likely spam."),
        (Cause.REFUSED, 550, "5.4.5 Daily user sending quota exceeded. - gsmtp"),
    ],
    "Outlook and Exchange Online": [
        (Cause.UNKNOWN_ADDRESS, 550, "5.5.0 Requested action not taken: mailbox unavailable (S2017062302)."),
        (
            Cause.UNKNOWN_ADDRESS,
            550,
            "5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient ann@example.org not found by SMTP address lookup",
        ),
        (Cause.UNKNOWN_ADDRESS, 550, "5.4.1 Recipient address rejected: Access denied. [AM0EUR02FT021.eop-EUR02]"),
        (Cause.UNKNOWN_DOMAIN, 550, "5.4.310 DNS domain example.invalid does not exist"),
        (
            Cause.MAILBOX_FULL,
            554,
            "5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded",
        ),
        (
            Cause.BLOCKED,
            550,
            "5.7.1 Unfortunately, messages from [203.0.113.5] weren't sent. Please contact your Internet service "
            "provider since part of their network is on our block list (S3140).",
        ),
        (Cause.BLOCKED, 550, "5.7.606 Access denied, banned sending IP [203.0.113.5]."),
        (Cause.BLOCKED, 550, "5.7.509 Access denied, sending domain example.org does not pass DMARC verification"),
        (Cause.REFUSED, 550, "5.7.54 SMTP; Unable to relay recipient in non-accepted domain"),
        (Cause.TOO_LARGE, 552, "5.2.3 RESOLVER.RST.RecipSizeLimit; message too large for this recipient"),
    ],
    "Yahoo": [
        (
            Cause.UNKNOWN_ADDRESS,
            554,
            "delivery error: dd This user doesn't have a yahoo.com account (ann@yahoo.com) [0] - mta4183",
        ),
        (Cause.UNKNOWN_ADDRESS, 554, "30 Sorry, your message cannot be delivered. This mailbox is disabled (554.30)."),
        (Cause.UNKNOWN_ADDRESS, 552, "1 Requested mail action aborted, mailbox not found"),
        (Cause.BLOCKED, 553, "5.7.1 [BL21] Connections will not be accepted from 203.0.113.5, because the ip is in "),
        (Cause.BLOCKED, 554, "5.7.9 Message not accepted for policy reasons. See https://postmaster.yahooinc.com/"),
    ],
    "GMX and WEB.DE": [
        (Cause.UNKNOWN_ADDRESS, 550, "Requested action not taken: mailbox unavailable"),
        (Cause.MAILBOX_FULL, 552, "Requested mail action aborted: exceeded storage allocation"),
        (Cause.BLOCKED, 554, "Transaction failed\nReject due to policy restrictions."),
    ],
    "iCloud": [
        (Cause.UNKNOWN_ADDRESS, 550, "5.1.1 <ann@icloud.com>: user does not exist"),
        (Cause.MAILBOX_FULL, 552, "5.2.2 <ann@icloud.com>: user is over quota"),
        (Cause.BLOCKED, 554, "5.7.1 [CS01] Message rejected due to local policy."),
    ],
    "Postfix and Dovecot": [
        (
            Cause.UNKNOWN_ADDRESS,
            550,
            "5.1.1 <ann@example.org>: Recipient address rejected: User unknown in virtual mailbox table",
        ),
        (Cause.UNKNOWN_ADDRESS, 550, "5.1.0 <ann@example.org>: Recipient address rejected: undeliverable address"),
        (Cause.UNKNOWN_DOMAIN, 550, "5.1.2 <ann@example.org>: Recipient address rejected: Domain not found"),
        (Cause.UNKNOWN_DOMAIN, 556, "5.1.10 <ann@example.org>: Recipient address rejected: Domain has null MX"),
        (Cause.MAILBOX_FULL, 552, "5.2.2 <ann@example.org>: Quota exceeded (mailbox for user is full)"),
        (Cause.TOO_LARGE, 552, "5.3.4 Message size exceeds fixed limit"),
        (Cause.BLOCKED, 554, "5.7.1 Service unavailable; Client host [203.0.113.5] blocked using zen.spamhaus.org"),
        (Cause.REFUSED, 554, "5.7.1 <ann@example.org>: Relay access denied"),
        (Cause.REFUSED, 554, "5.4.6 Too many hops"),
        (Cause.SENDER_REFUSED, 550, "5.1.8 <news@example.invalid>: Sender address rejected: Domain not found"),
    ],
    "Exim": [
        (Cause.UNKNOWN_ADDRESS, 550, "Unrouteable address"),
        (Cause.UNKNOWN_ADDRESS, 550, "No Such User Here"),
        (Cause.UNKNOWN_ADDRESS, 550, "Unknown user"),
        (Cause.REFUSED, 550, "relay not permitted"),
        (Cause.REFUSED, 550, "Administrative prohibition"),
        (Cause.SENDER_REFUSED, 550, "Sender verify failed"),
        (Cause.BLOCKED, 550, "This message was classified as SPAM and may not be delivered"),
        (Cause.TOO_LARGE, 552, "Message size exceeds maximum permitted"),
    ],
    "qmail": [
        (Cause.UNKNOWN_ADDRESS, 550, "sorry, no mailbox here by that name. (#5.7.17)"),
        (Cause.UNKNOWN_ADDRESS, 550, "sorry, no mailbox here by that name. (#5.1.1)"),
        (Cause.TOO_LARGE, 552, "sorry, that message size exceeds my databytes limit (#5.3.4)"),
    ],
}
FOR_NOW: dict[str, list[tuple[Cause, int, str]]] = {
    "Gmail": [
        (Cause.MAILBOX_FULL, 452, "4.2.2 The email account that you tried to reach is over quota. - gsmtp"),
        (Cause.PUT_OFF, 450, "4.2.1 The user you are trying to contact is receiving mail too quickly. - gsmtp"),
    ],
    "Postfix": [
        (Cause.PUT_OFF, 450, "4.2.0 <ann@example.org>: Recipient address rejected: Greylisted, see http://postgrey/"),
        (Cause.PUT_OFF, 452, "4.3.1 Insufficient system storage"),
        (Cause.PUT_OFF, 450, "4.1.1 <ann@example.org>: Recipient address rejected: unverified address"),
        (Cause.MAILBOX_FULL, 452, "4.2.2 <ann@example.org>: mailbox is full"),
    ],
    "Exim": [
        (Cause.PUT_OFF, 451, "Temporary local problem - please try later"),
        (Cause.PUT_OFF, 452, "space shortage, please try later"),
        (Cause.MAILBOX_FULL, 452, "mailbox for ann is full"),
    ],
    "Yahoo": [(Cause.PUT_OFF, 451, "4.3.2 Internal error reading data")],
}


class CauseTests(SimpleTestCase):
    def cause(self, stage: Stage, code: int, reply: str, status: MessageStatus) -> tuple[Outcome, Cause | None]:
        result = classify(stage, code, reply)
        return result.outcome, cause_of(result.outcome, status, enhanced=result.enhanced, reply=result.reply)

    def test_a_refusal_for_good_says_what_is_wrong(self) -> None:
        for server, replies in FOR_GOOD.items():
            for expected, code, reply in replies:
                with self.subTest(server, reply=reply):
                    outcome, cause = self.cause("rcpt", code, reply, MessageStatus.FAILED)
                    self.assertIn(outcome, (Outcome.REFUSED, Outcome.SENDER_REFUSED))
                    self.assertIs(cause, expected)

    def test_of_a_refusal_for_now_only_a_full_mailbox_is_told_apart(self) -> None:
        for server, replies in FOR_NOW.items():
            for expected, code, reply in replies:
                with self.subTest(server, reply=reply):
                    outcome, cause = self.cause("rcpt", code, reply, MessageStatus.DEFERRED)
                    self.assertIs(outcome, Outcome.REFUSED_FOR_NOW)
                    self.assertIs(cause, expected)

    def test_what_was_put_off_until_the_end_was_given_up(self) -> None:
        _, cause = self.cause("rcpt", 451, "4.7.1 Greylisted", MessageStatus.FAILED)
        self.assertIs(cause, Cause.GAVE_UP)
        _, cause = self.cause("rcpt", 452, "4.2.2 Mailbox full", MessageStatus.FAILED)
        self.assertIs(cause, Cause.MAILBOX_FULL)

    def test_there_is_a_cause_exactly_where_somebody_did_not_get_it(self) -> None:
        for outcome, status in itertools.product(Outcome, MessageStatus):
            for enhanced, reply in (("", ""), ("5.1.1", "no such user"), ("5.999.999", "\N{SNOWMAN}")):
                cause = cause_of(outcome, status, enhanced=enhanced, reply=reply)
                self.assertEqual(cause is not None, status in BY_STATUS, (outcome, status))

    def test_what_is_our_own_fault_or_unknown_is_not_laid_to_the_receiver(self) -> None:
        for outcome, expected in (
            (Outcome.OUR_FAULT, Cause.NOT_RENDERED),
            (Outcome.SENDER_REFUSED, Cause.SENDER_REFUSED),
            (Outcome.IN_DOUBT, Cause.IN_DOUBT),
            (Outcome.RELAY_TROUBLE, Cause.OTHER),
        ):
            cause = cause_of(outcome, MessageStatus.FAILED, enhanced="5.1.1", reply="5.1.1 User unknown")
            self.assertIs(cause, expected)

    def test_every_cause_has_words_of_its_own(self) -> None:
        self.assertEqual(len({str(cause.label) for cause in Cause}), len(Cause))
