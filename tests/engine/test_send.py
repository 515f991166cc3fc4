"""One run of `send`, against a real server: who gets what, what is recorded, and what trouble does."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

from django.test import override_settings
from django.utils import timezone

from courant_mail import engine
from courant_mail.choices import JobStatus, MessageStatus, Outcome, Priority
from courant_mail.compose import decorators
from courant_mail.compose.letter import Words
from courant_mail.exceptions import InvalidMail
from courant_mail.models import Attempt, InFlight, Message, MessageJob, RelayState, Sender, Suppression
from courant_mail.queue import control
from courant_mail.queue.enqueue import enqueue_content, enqueue_job
from courant_mail.queue.retry import retry_deferred
from courant_mail.signals import job_finished, messages_failed, messages_sent
from courant_mail.testing.smtp_server import close, reply
from tests.queue.helpers import kill, make_job, statuses

from .base import EngineTestCase, parsed


class DeliveryTests(EngineTestCase):
    def test_everybody_gets_their_own_mail_once(self) -> None:
        job = self.queue(50)
        summary = engine.send()
        self.assertEqual(sorted(self.recipients()), sorted(f"reader{n}@example.org" for n in range(50)))
        self.assertEqual((summary.sent, summary.trouble, summary.finished_jobs), (50, None, [job.pk]))
        mail = next(m for m in self.server.mails if m.rcpt_to == ("reader7@example.org",))
        message = parsed(mail)
        self.assertEqual(message["Subject"], "News for Reader 7")
        self.assertEqual(message["To"], "reader7@example.org")
        self.assertIn("Hello Reader 7", message.get_body(("html",)).get_content())  # type: ignore[union-attr]
        self.assertIn("Hello Reader 7", message.get_body(("plain",)).get_content())  # type: ignore[union-attr]
        self.assertEqual(mail.mail_from, "editors@courant.example")
        self.assertEqual(message["List-Unsubscribe-Post"], "List-Unsubscribe=One-Click")
        self.assertRegex(message["List-Unsubscribe"], r"^<https://www\.courant\.example/.+>$")
        self.assertLessEqual(self.server.connections, 3)
        self.assertEqual(self.server.violations, [])

    def test_rows_and_counters_tell_what_happened(self) -> None:
        job = self.queue(5)
        engine.send()
        job.refresh_from_db()
        self.assertEqual((job.status, job.total, job.sent, job.waiting), (JobStatus.FINISHED, 5, 5, 0))
        self.assertIsNotNone(job.finished_at)
        for row in Message.objects.all():
            self.assertEqual((row.status, row.relay, row.attempts), (MessageStatus.SENT, "default", 1))
            self.assertIsNotNone(row.sent_at)
            self.assertTrue(row.reply)
        self.assertEqual((Sender.objects.count(), InFlight.objects.count()), (0, 0))

    def test_message_ids_are_unique_and_the_same_when_sent_again(self) -> None:
        self.queue(3)
        self.server.on("rcpt", reply(451, "4.7.1 greylisted"), each=1)
        engine.send()
        retry_deferred(timezone.now(), everything=True)
        engine.send()
        first = {parsed(mail)["Message-ID"] for mail in self.server.mails}
        self.assertEqual(len(first), 3)
        Message.objects.update(status=MessageStatus.QUEUED)
        MessageJob.objects.update(status=JobStatus.SENDING)
        engine.send()
        self.assertEqual({parsed(mail)["Message-ID"] for mail in self.server.mails[3:]}, first)

    def test_a_limit_and_a_number_of_connections_hold(self) -> None:
        self.queue(20)
        self.assertEqual(engine.send(limit=7, connections=1).sent, 7)
        self.assertEqual((len(self.server.mails), self.server.connections), (7, 1))
        self.assertEqual(statuses(), {"sent": 7, "queued": 13})
        self.assertEqual(engine.send().sent, 13)

    def test_single_mails_leave_before_the_newsletter(self) -> None:
        self.queue(30)
        enqueue_content(data=b"Subject: Reset\n\n.dot\n", mail_from="", recipients=["ann@example.org"])
        engine.send(connections=1)
        self.assertEqual(self.recipients()[0], "ann@example.org")
        self.assertEqual(self.server.mails[0].data, b"Subject: Reset\r\n\r\n.dot\r\n")

    def test_an_urgent_mail_overtakes_a_running_job(self) -> None:
        self.use_relay(self.server.port, CONNECTIONS=1)
        self.queue(400)
        queued = threading.Event()

        def interrupt(count: int) -> None:
            if not queued.is_set():
                queued.set()
                enqueue_content(data=b"Subject: Reset\n\nx\n", mail_from="", recipients=["ann@example.org"])

        self.server.delay = 0.005
        engine.send(progress=interrupt)
        position = self.recipients().index("ann@example.org")
        # Half a second of work is claimed at most, which is a hundred mails at this relay.
        self.assertLess(position, 200)
        self.assertEqual(len(self.server.mails), 401)

    def test_progress_is_told_in_messages(self) -> None:
        self.queue(25)
        told: list[int] = []
        engine.send(progress=told.append)
        self.assertEqual(sum(told), 25)

    def test_signals_come_in_batches_and_a_broken_receiver_disturbs_nobody(self) -> None:
        sent: list[int] = []
        failed: list[int] = []
        finished: list[Any] = []

        def on_sent(ids: list[int], **_: Any) -> None:
            sent.extend(ids)
            raise RuntimeError("receiver")

        def on_failed(ids: list[int], **_: Any) -> None:
            failed.extend(ids)

        def on_finished(job: MessageJob, **_: Any) -> None:
            finished.append((job.pk, job.status, job.sent))

        for signal, receiver in ((messages_sent, on_sent), (messages_failed, on_failed), (job_finished, on_finished)):
            signal.connect(receiver)
            self.addCleanup(signal.disconnect, receiver)
        job = self.queue(10)
        self.server.on("rcpt", reply(550, "5.7.1 no"), to="reader3@*")
        with self.assertLogs("courant_mail.engine.announce", "ERROR"):
            engine.send()
        self.assertEqual((len(sent), len(failed)), (9, 1))
        self.assertEqual(finished, [(job.pk, JobStatus.FINISHED, 9)])

    def test_scheduled_for_later_and_paused_jobs_stay(self) -> None:
        later = enqueue_job(
            subject="x", text="x", recipients="a@example.org", scheduled_at=timezone.now() + timedelta(hours=1)
        )
        paused = self.queue(3)
        control.pause(paused.pk)
        engine.expand_jobs()
        self.assertEqual(engine.send().sent, 0)
        later.refresh_from_db()
        self.assertEqual(later.status, JobStatus.QUEUED)

    def test_a_job_without_recipients_finishes(self) -> None:
        job = enqueue_job(subject="x", text="x", recipients=[])
        engine.expand_jobs()
        job.refresh_from_db()
        self.assertEqual(job.status, JobStatus.FINISHED)


class RefusalTests(EngineTestCase):
    def test_what_is_refused_for_now_is_deferred_and_sent_later(self) -> None:
        self.queue(10)
        self.server.on("rcpt", reply(451, "4.7.1 Greylisted"), to="reader[123]@*", each=1)
        summary = engine.send()
        self.assertEqual((summary.sent, summary.deferred), (7, 3))
        self.assertEqual(statuses(), {"sent": 7, "deferred": 3})
        self.assertEqual(retry_deferred(timezone.now()), 0)
        self.assertEqual(retry_deferred(timezone.now() + timedelta(minutes=6)), 3)
        self.assertEqual(engine.send().sent, 3)
        row = self.row("reader2@example.org")
        self.assertEqual((row.attempts, row.tries.get().outcome), (2, Outcome.REFUSED_FOR_NOW))
        self.assertEqual(len(self.server.mails), 10)

    def test_what_is_refused_for_good_fails_and_the_dead_address_is_suppressed(self) -> None:
        self.queue(4)
        self.server.on("rcpt", reply(550, "5.1.1 no such user"), to="reader1@*")
        self.server.on("dot", reply(554, "5.7.1 looks like spam"), to="reader2@*")
        summary = engine.send()
        self.assertEqual((summary.sent, summary.failed), (2, 2))
        self.assertEqual(self.row("reader2@example.org").reply, "554 5.7.1 looks like spam")
        self.assertEqual([s.address for s in Suppression.objects.all()], ["reader1@example.org"])

    def test_no_whole_address_is_logged_above_debug(self) -> None:
        self.queue(3)
        self.server.on("rcpt", reply(550, "5.1.1 <reader1@example.org>: Recipient address rejected"), to="reader1@*")
        with self.assertLogs("courant_mail", "INFO") as logs:
            engine.send()
        self.assertIn("r…@example.org", "\n".join(logs.output))
        self.assertNotIn("reader1@", "\n".join(logs.output))
        self.assertIn("reader1@", self.row("reader1@example.org").reply)

    def test_a_job_whose_sender_is_refused_is_paused_after_a_few(self) -> None:
        job = self.queue(50)
        self.server.on("mail", reply(553, "5.7.1 you may not send as this"))
        summary = engine.send(connections=1)
        job.refresh_from_db()
        self.assertEqual(job.status, JobStatus.PAUSED, summary)
        self.assertIn("you may not send as this", job.status_reason)
        self.assertIn("paused", summary.trouble or "")
        self.assertLess(statuses()["failed"], 10)
        self.assertEqual(sum(statuses().values()), 50)
        self.assertNotIn("sending", statuses())

    def test_a_poison_message_harms_only_itself(self) -> None:
        job = self.queue(5, text="{% for a in list %}{% for b in list %}{{ a }}{% endfor %}{% endfor %}", html="")
        Message.objects.filter(recipient="reader2@example.org").update(merge={"list": ["x" * 50] * 900})
        summary = engine.send()
        self.assertEqual((summary.sent, summary.failed), (4, 1))
        row = self.row("reader2@example.org")
        self.assertEqual((row.status, row.tries.get().outcome), (MessageStatus.FAILED, Outcome.OUR_FAULT))
        self.assertTrue(row.reply)
        job.refresh_from_db()
        self.assertEqual(job.status, JobStatus.FINISHED)

    def test_a_job_that_became_unrenderable_is_paused_with_the_reason(self) -> None:
        job = self.queue(5)
        MessageJob.objects.update(html="{% broken %}")
        summary = engine.send()
        job.refresh_from_db()
        self.assertEqual((job.status, statuses()), (JobStatus.PAUSED, {"queued": 5}))
        self.assertIn("broken", job.status_reason)
        self.assertIsNotNone(summary.trouble)

    def test_a_job_that_cannot_be_sent_does_not_keep_the_next_one_from_leaving(self) -> None:
        broken = self.queue(50)
        MessageJob.objects.filter(pk=broken.pk).update(html="{% broken %}")
        self.queue(50)
        self.assertEqual(engine.send().sent, 50)
        self.assertEqual(statuses(), {"queued": 50, "sent": 50})

    @override_settings(ROOT_URLCONF="tests.engine.base")
    def test_without_a_page_to_unsubscribe_bulk_mail_waits_and_other_mail_leaves(self) -> None:
        with self.assertRaisesMessage(InvalidMail, "Include courant_mail.urls"):
            self.queue(3)
        self.queue(2, bulk=False)
        MessageJob.objects.update(bulk=True)
        enqueue_content(data=b"Subject: Reset\n\nx\n", mail_from="", recipients=["ann@example.org"])
        summary = engine.send()
        self.assertEqual(self.recipients(), ["ann@example.org"])
        self.assertIn("Include courant_mail.urls", summary.trouble or "")

    def test_smtputf8_that_is_not_offered_fails_with_the_reason(self) -> None:
        self.queue(recipients=["jörg@example.org", "info@bücher.example"])
        self.server.extensions = ("PIPELINING", "8BITMIME")
        summary = engine.send()
        self.assertEqual((summary.sent, summary.failed), (1, 1))
        self.assertIn("SMTPUTF8", self.row("jörg@example.org").reply)
        self.assertEqual(self.recipients(), ["info@xn--bcher-kva.example"])


class TroubleTests(EngineTestCase):
    def test_a_relay_that_is_not_there_costs_no_attempt_and_is_said(self) -> None:
        self.server.stop()
        self.queue(10)
        summary = engine.send()
        self.assertEqual(summary.sent, 0)
        self.assertIn("relay default", summary.trouble or "")
        self.assertEqual(statuses(), {"queued": 10})
        self.assertEqual(set(Message.objects.values_list("attempts", flat=True)), {0})
        self.assertFalse(Attempt.objects.exists())
        state = RelayState.objects.get()
        self.assertEqual(state.failures, 1)
        self.assertTrue(state.paused_until and state.paused_until > timezone.now())

    def test_while_it_is_paused_nobody_tries_and_then_it_recovers(self) -> None:
        self.queue(10)
        self.server.on("connect", reply(421, "4.3.2 going down", close=True))
        engine.send()
        connections = self.server.connections
        self.assertIn("is paused until", engine.send().trouble or "")
        self.assertEqual(self.server.connections, connections)
        self.server.forget_rules()
        RelayState.objects.update(paused_until=timezone.now() - timedelta(seconds=1))
        self.assertEqual((engine.send().sent, RelayState.objects.get().failures), (10, 0))

    def test_pauses_grow_from_trouble_to_trouble(self) -> None:
        self.server.on("connect", reply(421, "4.3.2 going down", close=True))
        self.queue(3)
        pauses = []
        for _ in range(3):
            before = timezone.now()
            engine.send()
            until = RelayState.objects.get().paused_until
            assert until is not None
            pauses.append(round((until - before).total_seconds()))
            RelayState.objects.update(paused_until=before - timedelta(seconds=1))
        self.assertEqual(pauses, [5, 10, 20])

    def test_a_wrong_password_stops_the_run_and_is_said(self) -> None:
        self.use_relay(self.server.port, options={"username": "ann", "password": "wrong"})
        self.server.users = {"ann": "right"}
        self.queue(5)
        summary = engine.send()
        self.assertIn("relay misconfigured", summary.trouble or "")
        self.assertIn("535", summary.trouble or "")
        self.assertEqual(statuses(), {"queued": 5})

    def test_a_connection_that_the_server_closes_after_some_mails_is_made_anew(self) -> None:
        self.server.on("mail", reply(421, "4.7.0 too many mails on this connection", close=True), every=7)
        self.queue(40)
        # One connection: with several, the seventh mail may be the first of a new one, and that is throttling.
        summary = engine.send(connections=1)
        self.assertEqual((summary.sent, summary.trouble), (40, None))
        self.assertGreater(self.server.connections, 4)
        self.assertEqual(len(set(self.recipients())), 40)

    def test_a_connection_lost_after_the_dot_leaves_the_message_in_doubt(self) -> None:
        self.queue(10)
        self.server.on("dot", close(accept=True), to="reader4@*", times=1)
        summary = engine.send()
        self.assertEqual((summary.sent, summary.in_doubt), (9, 1))
        row = self.row("reader4@example.org")
        self.assertEqual((row.status, row.tries.get().outcome), (MessageStatus.IN_DOUBT, Outcome.IN_DOUBT))
        self.assertEqual(len(self.server.mails), 10)

    def test_one_mail_in_doubt_is_repeated_once_and_then_waits(self) -> None:
        enqueue_content(data=b"Subject: Reset\n\nx\n", mail_from="", recipients=["ann@example.org"])
        self.server.on("dot", close(accept=True))
        engine.send()
        RelayState.objects.update(paused_until=timezone.now() - timedelta(seconds=1))
        engine.send()
        self.assertEqual(len(self.server.mails), 2)
        self.assertEqual(self.row("ann@example.org").status, MessageStatus.DEFERRED)

    def test_a_relay_that_breaks_at_every_dot_is_paused_before_a_job_is_in_doubt(self) -> None:
        self.queue(200)
        self.server.on("dot", close())
        summary = engine.send()
        self.assertIn("in doubt", summary.trouble or "")
        self.assertLessEqual(statuses()["in_doubt"], 8)
        self.assertEqual(set(statuses()), {"in_doubt", "queued"})

    def test_an_outage_in_the_middle_of_all_conversations_is_nobodys_fault(self) -> None:
        self.queue(50)
        self.server.on("data", close())
        engine.send()
        self.assertEqual(statuses(), {"queued": 50})
        self.assertEqual(set(Message.objects.values_list("attempts", flat=True)), {0})

    def test_a_letter_decorator_that_fails_stops_only_its_job(self) -> None:
        bad, good = self.queue(3, subject="bad"), self.queue(3, subject="good")

        def decorator(words: Words) -> Words:
            if words.subject == "bad":
                raise KeyError("campaign")
            return words

        decorators.register(decorator)
        self.addCleanup(decorators.unregister, decorator)
        with self.assertLogs("courant_mail.engine", "ERROR"):
            self.assertEqual(engine.send().sent, 3)
        bad.refresh_from_db()
        good.refresh_from_db()
        self.assertEqual((bad.status, good.status), (JobStatus.PAUSED, JobStatus.FINISHED))
        self.assertIn("campaign", bad.status_reason)

    def test_a_message_that_breaks_every_connection_steps_aside_for_the_others(self) -> None:
        self.queue(10)
        self.server.on("data", close(), to="reader0@*")
        engine.send(connections=1)
        first = self.row("reader0@example.org")
        self.assertEqual((first.status, first.attempts), (MessageStatus.QUEUED, 0))
        for _ in range(2):
            RelayState.objects.update(paused_until=timezone.now() - timedelta(seconds=1))
            engine.send(connections=1)
        self.assertEqual(statuses(), {"sent": 9, "deferred": 1})
        self.assertEqual(self.row("reader0@example.org").tries.count(), 1)

    def test_messages_per_connection_are_limited_where_the_site_says_so(self) -> None:
        self.use_relay(self.server.port, MESSAGES_PER_CONNECTION=4, CONNECTIONS=1)
        self.queue(12)
        engine.send()
        self.assertEqual(self.server.connections, 3)

    def test_claims_of_a_dead_sender_are_sent_by_the_next_run(self) -> None:
        self.queue(6)
        sender = Sender.objects.create(host="x", pid=1, command="send_mail", alive_until=timezone.now())
        Message.objects.update(status=MessageStatus.SENDING, claimed_by=sender.pk)
        kill(sender.pk)
        self.assertEqual(engine.send().sent, 6)


class StopTests(EngineTestCase):
    def test_stopping_gives_back_what_was_not_sent_and_leaves_nothing_in_doubt(self) -> None:
        self.queue(200)
        self.server.delay = 0.01
        stop = threading.Event()
        summary = engine.send(progress=lambda count: stop.set(), stop=stop)
        self.assertGreater(summary.sent, 0)
        self.assertLess(summary.sent, 200)
        self.assertEqual(statuses(), {"sent": summary.sent, "queued": 200 - summary.sent})
        self.assertEqual(len(self.server.mails), summary.sent)
        self.assertEqual((Sender.objects.count(), InFlight.objects.count()), (0, 0))

    def test_an_empty_run_asks_the_database_once(self) -> None:
        with self.assertNumQueries(1):
            engine.send()
        with self.assertNumQueries(1):
            engine.expand_jobs()


class RateTests(EngineTestCase):
    relay = {"RATE": "40/s"}

    def test_no_more_leave_than_the_rate_allows(self) -> None:
        self.queue(70)
        engine.send()
        at = sorted(mail.at for mail in self.server.mails)
        self.assertEqual(len(at), 70)
        # A full bucket of one second, and then forty a second: never more than that in any window.
        for first, last in zip(at, at[45:], strict=False):
            self.assertGreater(last - first, 0.08)


class OtherBackendTests(EngineTestCase):
    def test_any_django_backend_is_a_relay(self) -> None:
        from django.core import mail

        self.use_relay(1)
        locmem = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
        with override_settings(COURANT_MAIL={"SITE_URL": "https://www.courant.example", "RELAYS": locmem}):
            self.queue(5, priority=Priority.HIGH)
            self.assertEqual(engine.send().sent, 5)
        self.assertEqual(sorted(m.to[0] for m in mail.outbox), [f"reader{n}@example.org" for n in range(5)])
        self.assertEqual(mail.outbox[0].subject[:15], "News for Reader")
        self.assertFalse(make_job().sent)
