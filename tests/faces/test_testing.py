"""What the app offers to the tests of a site."""

from __future__ import annotations

from django.test import TestCase, TransactionTestCase, override_settings

from courant_mail import sources
from courant_mail.api import queue_job, send_mail
from courant_mail.choices import JobStatus, MessageStatus, Scope
from courant_mail.conf import get_settings
from courant_mail.exceptions import CourantMailError
from courant_mail.models import Message, MessageJob
from courant_mail.queue.suppress import suppress
from courant_mail.testing import SentMail, drain


@sources.register("tests.away")
def away():
    """A source that cannot be read."""
    raise ConnectionError("away")


class DrainTests(TestCase):
    def test_what_would_have_gone_out_is_returned_with_its_envelope(self):
        send_mail("Grüße", "Text", "Me <me@courant.example>", ["Ann <ann@example.org>"], html_message="<p>HTML</p>")
        [mail] = drain()
        self.assertIsInstance(mail, SentMail)
        self.assertEqual((mail.mail_from, mail.rcpt_to), ("me@courant.example", "ann@example.org"))
        self.assertEqual((mail.subject, mail.text.strip(), mail.html.strip()), ("Grüße", "Text", "<p>HTML</p>"))
        self.assertEqual(str(mail.message["To"]), "Ann <ann@example.org>")
        self.assertEqual(mail.unsubscribe_url, "")
        self.assertNotIn(b"\n", mail.data.replace(b"\r\n", b""))
        self.assertIn(mail.relay, get_settings().relays)

    def test_nothing_is_returned_twice(self):
        send_mail("Hi", "Body", None, ["ann@example.org"])
        self.assertEqual(len(drain()), 1)
        self.assertEqual(drain(), [])

    def test_urgent_mail_comes_first(self):
        for priority in ("low", "high", "medium"):
            send_mail(priority, "Body", None, ["ann@example.org"], priority)
        queue_job(subject="job", text="Hi", recipients=["ann@example.org"])
        self.assertEqual([mail.subject for mail in drain()][:2], ["high", "medium"])

    def test_jobs_come_to_their_end(self):
        job = queue_job(subject="News", text="Hi", recipients=["a@example.org", "nobody", "c@example.org"])
        suppress("c@example.org", scope=Scope.BULK)
        [mail] = drain()
        self.assertEqual(mail.rcpt_to, "a@example.org")
        self.assertTrue(mail.unsubscribe_url.startswith("https://www.courant.example/"))
        job.refresh_from_db()
        self.assertEqual(
            (job.status, job.total, job.sent, job.failed, job.suppressed), (JobStatus.FINISHED, 3, 1, 1, 1)
        )

    def test_refusals_can_be_played(self):
        send_mail("Hi", "Body", None, ["never@example.org", "later@example.org", "now@example.org"])
        refuse = {"Never@example.org": "550 5.1.1 No such user", "later@example.org": "450 4.2.0 Greylisted"}
        self.assertEqual([mail.rcpt_to for mail in drain(refuse=refuse)], ["now@example.org"])
        statuses = dict(Message.objects.values_list("recipient", "status"))
        self.assertEqual(statuses["never@example.org"], MessageStatus.FAILED)
        self.assertEqual(statuses["later@example.org"], MessageStatus.DEFERRED)
        self.assertEqual(drain(), [])
        self.assertEqual([mail.rcpt_to for mail in drain(deferred=True)], ["later@example.org"])

    def test_a_source_that_fails_fails_the_test(self):
        queue_job(subject="News", text="Hi", source="tests.away")
        with self.assertLogs("courant_mail", "ERROR"), self.assertRaisesMessage(CourantMailError, "away"):
            drain()

    def test_a_relay_that_stands_still_fails_the_test(self):
        send_mail("Hi", "Body", None, ["ann@example.org"])
        with self.assertLogs("courant_mail", "WARNING"), self.assertRaisesMessage(CourantMailError, "Busy"):
            drain(refuse={"ann@example.org": "421 4.7.0 Busy"})

    def test_the_settings_are_as_before(self):
        before = get_settings()
        drain()
        self.assertEqual(get_settings(), before)

    def test_named_relays_are_replaced_too(self):
        relays = {"default": {}, "esp": {"BACKEND": "no.such.Backend", "RATE": "1/d"}}
        with override_settings(COURANT_MAIL={"SITE_URL": "https://x.example", "RELAYS": relays}):
            queue_job(subject="News", text="Hi", recipients=["a@example.org", "b@example.org"], relay="esp")
            self.assertEqual({mail.relay for mail in drain()}, {"esp"})


class DrainOutsideTests(TransactionTestCase):
    def test_it_works_without_a_transaction_around_it(self):
        job = queue_job(subject="News", text="Hi", recipients=[f"r{n}@example.org" for n in range(20)])
        self.assertEqual(len(drain()), 20)
        self.assertEqual(MessageJob.objects.get(pk=job.pk).sent, 20)
