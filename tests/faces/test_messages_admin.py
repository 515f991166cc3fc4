"""Every recipient's fate: the lists of messages, the story of each, what one may decide about them, and the export."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from courant_mail.admin import job_export, message_acts
from courant_mail.admin.fates import FATES, tried
from courant_mail.admin.messages import MOST_OF_ALL
from courant_mail.api import send_mail
from courant_mail.causes import Cause
from courant_mail.choices import JobStatus, MessageStatus, Outcome
from courant_mail.models import Attempt, Message, MessageJob
from courant_mail.queue.letters import message_id_of
from courant_mail.testing import drain

from .desk import CHANGE, SECRET, SEND, VIEW, DeskTestCase, url

MESSAGES = "view_message"
LIST = "/admin/courant_mail/message/"
MOMENT = datetime(2026, 11, 22, 13, 3, tzinfo=UTC)

KINDS: dict[str, tuple[MessageStatus, Cause | None]] = {
    "sent": (MessageStatus.SENT, None),
    "queued": (MessageStatus.QUEUED, None),
    "sending": (MessageStatus.SENDING, None),
    "deferred": (MessageStatus.DEFERRED, Cause.PUT_OFF),
    "failed": (MessageStatus.FAILED, Cause.BLOCKED),
    "invalid": (MessageStatus.FAILED, Cause.NO_ADDRESS),
    "suppressed": (MessageStatus.SUPPRESSED, Cause.UNSUBSCRIBED),
    "cancelled": (MessageStatus.CANCELLED, Cause.CANCELLED),
    "doubtful": (MessageStatus.IN_DOUBT, Cause.IN_DOUBT),
}
MISSED = {name for name, (_, cause) in KINDS.items() if cause is not None}


class MessagesTestCase(DeskTestCase):
    def setUp(self) -> None:
        self.sent_job = self.filled("example.org")
        self.sign_in(VIEW, MESSAGES)

    def filled(self, domain: str, **values: Any) -> MessageJob:
        """A job with one message of each kind."""
        job = self.job(JobStatus.SENDING, **values)
        Message.objects.bulk_create(
            Message(
                job=job,
                recipient=f"{name}@{domain}",
                priority=job.priority,
                status=status,
                cause=cause,
                attempts=1,
                reply="250 ok" if status == MessageStatus.SENT else "",
                sent_at=MOMENT if status == MessageStatus.SENT else None,
                not_before=timezone.now() + timedelta(hours=1) if status == MessageStatus.DEFERRED else None,
            )
            for name, (status, cause) in KINDS.items()
        )
        return job

    def message(self, name: str) -> Message:
        return Message.objects.get(recipient=f"{name}@example.org")

    def listed(self, **query: Any) -> Any:
        return self.client.get(LIST, query)

    def found(self, **query: Any) -> list[str]:
        answer = self.listed(**query)
        self.assertEqual(answer.status_code, 200)
        return [message.recipient.partition("@")[0] for message in answer.context["cl"].result_list]

    def of_job(self, **query: Any) -> list[str]:
        return self.found(job__id__exact=self.sent_job.pk, **query)


class ListTests(MessagesTestCase):
    def test_the_list_of_a_job_has_all_its_messages_and_no_others(self) -> None:
        self.filled("other.example")
        self.assertEqual(self.of_job(), sorted(KINDS), "in the order of their addresses")
        page = self.listed(job__id__exact=self.sent_job.pk)
        self.assertContains(page, "Who got “News for {{ first_name }}”")
        self.assertContains(page, f'href="{url("change", self.sent_job.pk)}"')

    def test_who_got_it_who_did_not_and_who_waits(self) -> None:
        for fate, expected in (
            ("sent", {"sent"}),
            ("missed", MISSED),
            ("waiting", {"queued"}),
            ("sending", {"sending"}),
            ("<script>", set(KINDS)),
        ):
            with self.subTest(fate):
                self.assertEqual(set(self.of_job(fate=fate)), expected)
                self.assertEqual(set(self.found(fate=fate)), expected)

    def test_one_cause(self) -> None:
        self.assertEqual(self.of_job(cause=Cause.BLOCKED.value), ["failed"])
        self.assertEqual(self.found(cause=Cause.NO_ADDRESS.value), ["invalid"])
        self.assertEqual(self.of_job(cause=Cause.BLOCKED.value, fate="sent"), [])

    def test_nonsense_in_the_address_finds_everybody_and_breaks_nothing(self) -> None:
        for nonsense in ("999", "x", "<script>", "-1", "1' OR 1=1", "9" * 30, "²"):
            with self.subTest(nonsense):
                self.assertEqual(set(self.of_job(cause=nonsense)), set(KINDS))
                answer = self.client.get(LIST, {"job__id__exact": nonsense}, follow=True)
                self.assertEqual(answer.status_code, 200)
                self.assertNotContains(answer, "<script>alert")

    def test_each_fate_and_reason_has_words_that_everybody_knows(self) -> None:
        page = self.listed(job__id__exact=self.sent_job.pk).content.decode()
        for words in (*FATES.values(), "blocked as unwanted by the receiving server", "has unsubscribed"):
            self.assertIn(str(words), page)

    def test_addresses_are_found_by_how_they_begin(self) -> None:
        self.filled("other.example")
        self.assertEqual(self.of_job(q="SE"), ["sending", "sent"])
        self.assertEqual(self.of_job(q=" sent@exam "), ["sent"])
        self.assertEqual(self.found(q="sent@"), ["sent", "sent"])
        self.assertEqual(self.of_job(q="example.org"), [])
        self.assertEqual(self.of_job(q="s", fate="missed"), ["suppressed"])
        for hostile in ("%", "_", "' OR 1=1 --", "\\", '"', SECRET):
            with self.subTest(hostile):
                self.assertEqual(self.of_job(q=hostile), [])

    def test_a_search_without_a_job_finds_single_mails_too(self) -> None:
        send_mail("Your password", "…", None, ["sent@example.org"])
        self.assertEqual(len(self.found(q="sent@")), 2)
        self.assertContains(self.listed(), "Your password")

    def test_a_list_that_does_not_look_at_everything_says_so(self) -> None:
        self.assertContains(self.listed(fate="missed"), "only the latest 100,000 are looked through")
        self.assertNotContains(self.listed(), "looked through")
        self.assertNotContains(self.listed(fate="missed", job__id__exact=self.sent_job.pk), "looked through")
        self.assertContains(self.listed(q="a"), "The latest 1,000 mass mails and all single mails are looked through")

    def test_no_list_counts_further_than_people_turn_its_pages_and_says_so(self) -> None:
        job = self.filled("other.example")
        Message.objects.bulk_create(
            Message(job=job, recipient=f"r{n:05}@example.org", priority=3, status=4) for n in range(MOST_OF_ALL + 1)
        )
        page = self.listed()
        self.assertEqual(page.context["cl"].result_count, MOST_OF_ALL)
        self.assertContains(page, "There are 1,000 or more; only so many are listed")
        page = self.listed(job__id__exact=job.pk)
        self.assertEqual(page.context["cl"].result_count, MOST_OF_ALL + 1 + len(KINDS))
        self.assertNotContains(page, "only so many are listed")
        page = self.listed(job__id__exact=job.pk, q="r")
        self.assertEqual(page.context["cl"].result_count, MOST_OF_ALL)
        self.assertContains(page, "There are 1,000 or more; only so many are listed")

    def test_it_costs_the_same_for_few_and_many_and_reads_no_mails(self) -> None:
        for query in ({}, {"job__id__exact": self.sent_job.pk}, {"fate": "missed"}, {"q": "s"}):
            with self.subTest(query):
                costs = []
                for turn in range(2):
                    with CaptureQueriesContext(connection) as queries:
                        self.listed(**query)
                    costs.append(len(queries))
                    self.assertFalse([q["sql"] for q in queries if "COUNT(" in q["sql"] and "LIMIT" not in q["sql"]])
                    columns = [connection.ops.quote_name(name) for name in ("body", "html", "recipients")]
                    self.assertFalse([q["sql"] for q in queries if any(f".{name}" in q["sql"] for name in columns)])
                    self.filled(f"more{turn}{len(query)}{next(iter(query), '')}.example")
                self.assertEqual(costs[0], costs[1])
                self.assertLessEqual(costs[0], 9)

    def test_nothing_of_it_can_become_markup(self) -> None:
        MessageJob.objects.update(subject=SECRET)
        Message.objects.filter(pk=self.message("failed").pk).update(recipient=f"failed@{SECRET}", reply=SECRET)
        Message.objects.filter(pk=self.message("invalid").pk).update(reply=f"{'x' * 200}{SECRET}\"'>")
        for query in ({}, {"job__id__exact": self.sent_job.pk}, {"q": SECRET}, {"cause": SECRET}, {"fate": SECRET}):
            page = self.listed(**query)
            self.assertNotContains(page, SECRET)
            self.assertNotContains(page, "<script>alert")
        self.assertContains(self.listed(), "&lt;script&gt;")

    def test_columns_cannot_be_sorted_by_what_no_index_serves(self) -> None:
        self.assertNotContains(self.listed(), "sortable")
        self.assertEqual(self.of_job(o="-2"), sorted(KINDS))

    def test_looking_changes_nothing(self) -> None:
        before = self.rows()
        self.listed()
        self.client.get(reverse("admin:courant_mail_message_change", args=[self.message("failed").pk]))
        self.client.get(LIST, {"action": "send_again", "_selected_action": self.message("failed").pk})
        self.assertEqual(self.rows(), before)

    def test_whoever_may_not_see_messages_sees_none(self) -> None:
        page = reverse("admin:courant_mail_message_change", args=[self.message("failed").pk])
        for codenames in ((), (VIEW, CHANGE, SEND)):
            self.sign_in(*codenames)
            self.assertEqual(self.listed().status_code, 403)
            self.assertEqual(self.client.get(page).status_code, 403)
        self.client.logout()
        self.assertEqual(self.listed().status_code, 302)

    def test_a_way_back_to_the_job_is_for_those_who_may_see_jobs(self) -> None:
        self.sign_in(MESSAGES)
        self.assertNotContains(self.listed(job__id__exact=self.sent_job.pk), "Back to the mail")


class StoryTests(MessagesTestCase):
    def page(self, name: str) -> str:
        page = self.client.get(reverse("admin:courant_mail_message_change", args=[self.message(name).pk]))
        self.assertEqual(page.status_code, 200)
        return str(page.content, "utf-8")

    def story(self, name: str) -> list[str]:
        found = re.search(r'<ol class="courant-story">(.*?)</ol>', self.page(name), re.S)
        assert found is not None
        sentences = re.findall(r"<li>(.*?)</li>", found[1], re.S)
        return [re.sub(r"<[^>]+>", "", sentence) for sentence in sentences]

    def attempt(self, name: str, outcome: Outcome, code: int | None, reply: str, minutes: int = 0) -> None:
        at = MOMENT + timedelta(minutes=minutes)
        Attempt.objects.create(
            message=self.message(name), at=at, outcome=outcome, code=code, reply=reply, relay="smtp", host="mx1"
        )

    def test_what_happened_is_told_from_the_first_try_to_the_end(self) -> None:
        self.attempt("failed", Outcome.REFUSED_FOR_NOW, 451, "4.7.1 Greylisted")
        self.attempt("failed", Outcome.REFUSED, 550, "5.7.1 Spam", minutes=30)
        Message.objects.filter(pk=self.message("failed").pk).update(reply="550 5.7.1 Spam")
        self.assertEqual(
            self.story("failed"),
            [
                "Nov. 22, 2026, 2:03 p.m.: put off by the receiving server 451 4.7.1 Greylisted",
                "Nov. 22, 2026, 2:33 p.m.: refused for good by the receiving server 550 5.7.1 Spam",
                "It is not tried again: blocked as unwanted by the receiving server.",
            ],
        )

    def test_each_fate_has_its_last_sentence(self) -> None:
        for name, beginning in (
            ("sent", "Nov. 22, 2026, 2:03 p.m.: Taken by the receiving server. 250 ok"),
            ("queued", "It waits for its turn."),
            ("sending", "It is being sent right now."),
            ("deferred", "It will be tried again on "),
            ("invalid", "It was never sent: not a valid address."),
            ("suppressed", "It was not sent: has unsubscribed."),
            ("cancelled", "It was not sent: the sending was cancelled before."),
            ("doubtful", "Nobody knows whether it has arrived."),
        ):
            with self.subTest(name):
                [sentence] = self.story(name)
                self.assertTrue(sentence.startswith(beginning), sentence)

    def test_what_somebody_has_counted_as_sent_is_not_said_to_be_taken(self) -> None:
        Message.objects.filter(pk=self.message("sent").pk).update(sent_at=None, reply="")
        self.assertEqual(self.story("sent"), ["Somebody has decided to count it as sent."])

    def test_every_outcome_has_words(self) -> None:
        for outcome in Outcome:
            self.assertNotIn("_", tried(outcome))
            self.assertNotEqual(tried(outcome), outcome.value)

    def test_the_tries_are_a_table_with_the_words_of_the_server(self) -> None:
        self.attempt("failed", Outcome.REFUSED, 550, f"5.7.1 {SECRET}")
        page = self.page("failed")
        self.assertIn('<th scope="col">When</th>', page)
        self.assertIn("550 5.7.1 &lt;script&gt;alert(1)&lt;/script&gt;</q>", page)
        self.assertIn("<td>mx1</td>", page)
        self.assertNotIn(SECRET, page)

    def test_the_values_of_the_recipient_and_the_message_id_are_shown(self) -> None:
        row = self.message("failed")
        Message.objects.filter(pk=row.pk).update(merge={"first_name": SECRET, "nothing": None, "number": 3})
        page = self.page("failed")
        self.assertIn('<th scope="row">first_name</th><td>&lt;script&gt;', page)
        self.assertIn('<th scope="row">number</th><td>3</td>', page)
        self.assertNotIn(SECRET, page)
        self.assertIn(message_id_of(row).strip("<>"), page)

    def test_the_message_id_is_the_one_that_was_sent(self) -> None:
        Message.objects.all().delete()
        job = self.job()
        MessageJob.objects.filter(pk=job.pk).update(status=JobStatus.QUEUED)
        send_mail("Hi", "…", None, ["single@example.org"])
        for mail in drain():
            message = Message.objects.select_related("job", "content").get(recipient=mail.rcpt_to.lower())
            self.assertEqual(message_id_of(message), mail.message["Message-ID"])

    def test_nothing_on_the_pages_needs_inline_scripts_or_styles(self) -> None:
        self.attempt("failed", Outcome.REFUSED, 550, "no")
        listed = self.listed(job__id__exact=self.sent_job.pk).content.decode()
        for html in (self.page("failed"), listed):
            self.assertEqual(re.findall(r"<[^>]+\sstyle=|<style|\son[a-z]+=|javascript:", html), [])
            self.assertEqual([tag for tag in re.findall(r"<script[^>]*>", html) if "src=" not in tag], [])


class DecisionTests(MessagesTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.user = self.sign_in(MESSAGES, SEND)
        send_mail("Hi", "…", None, ["single@example.org"])
        Message.objects.filter(job=None).update(status=MessageStatus.FAILED, cause=Cause.REFUSED)

    def decide(self, action: str, *names: str, **data: Any) -> Any:
        selected = [self.message(name).pk for name in names]
        return self.client.post(LIST, {"action": action, "_selected_action": selected, **data})

    def statuses(self, *names: str) -> list[int]:
        return [self.message(name).status for name in names]

    def test_first_it_asks_and_names_the_number_of_people(self) -> None:
        before = self.rows()
        page = self.decide("send_again", "failed", "doubtful", "single", "sent")
        self.assertContains(page, "The mail is sent again to 3 people")
        self.assertContains(page, "1 other that you have chosen is in another state and stays as it is")
        page = self.decide("count_as_sent", "failed", "doubtful")
        self.assertContains(page, "From now on 1 person count")
        self.assertEqual(self.rows(), before)

    def test_nothing_to_do_is_said_and_has_no_button(self) -> None:
        page = self.decide("send_again", "sent", "suppressed")
        self.assertContains(page, "None of those that you have chosen is in a state for this")
        self.assertNotContains(page, "Yes, do it")

    def test_what_failed_is_sent_again_and_the_history_knows(self) -> None:
        self.decide("send_again", "failed", "doubtful", "single", "sent", confirmed="yes")
        self.assertEqual(self.statuses("failed", "doubtful", "single", "sent"), [1, 1, 1, 4])
        self.assertHistory(self.sent_job, "Queued again for 2 people.")
        entry = LogEntry.objects.get(content_type__model="message")
        self.assertEqual((entry.object_id, entry.user), (str(self.message("single").pk), self.user))
        self.assertIn("Queued again for 1 person.", entry.get_change_message())

    def test_what_is_in_doubt_is_counted_as_sent_and_the_history_knows(self) -> None:
        self.decide("count_as_sent", "failed", "doubtful", confirmed="yes")
        self.assertEqual(self.statuses("failed", "doubtful"), [5, 4])
        self.assertHistory(self.sent_job, "Counted as sent to 1 person.")

    def test_nothing_of_a_cancelled_job_is_sent_again(self) -> None:
        MessageJob.objects.update(status=JobStatus.CANCELLED)
        self.assertContains(self.decide("send_again", "failed"), "None of those that you have chosen")
        self.decide("send_again", "failed", confirmed="yes")
        self.assertEqual(self.statuses("failed"), [5])
        self.assertHistory(self.sent_job)

    def test_too_many_at_once_are_refused(self) -> None:
        Message.objects.bulk_create(
            Message(job=self.sent_job, recipient=f"r{n}@example.org", priority=3, status=5, cause=7)
            for n in range(message_acts.MOST_MESSAGES + 1)
        )
        data = {"action": "send_again", "select_across": "1", "_selected_action": [self.message("r0").pk]}
        self.client.post(LIST, {**data, "confirmed": "yes"})
        self.assertContains(self.listed(), "Choose at most 500 at a time")
        self.assertFalse(Message.objects.filter(recipient__startswith="r", status=MessageStatus.QUEUED).exists())

    def test_whoever_may_only_look_decides_nothing(self) -> None:
        self.sign_in(MESSAGES, CHANGE)
        self.assertNotContains(self.listed(), "send_again")
        self.decide("send_again", "failed", confirmed="yes")
        self.decide("count_as_sent", "doubtful", confirmed="yes")
        self.assertEqual(self.statuses("failed", "doubtful"), [5, 8])

    def test_the_button_needs_its_token(self) -> None:
        strict = self.client_class(enforce_csrf_checks=True)
        strict.cookies = self.client.cookies
        data = {"action": "send_again", "_selected_action": [self.message("failed").pk], "confirmed": "yes"}
        self.assertEqual(strict.post(LIST, data).status_code, 403)
        self.assertEqual(self.statuses("failed"), [5])


class ExportTests(MessagesTestCase):
    def export(self, job: MessageJob | None = None, **query: str) -> list[list[str]]:
        answer = self.client.get(url("messages_csv", (job or self.sent_job).pk), query)
        self.assertEqual(answer.status_code, 200)
        self.assertTrue(answer.streaming)
        data = b"".join(answer.streaming_content)
        self.assertTrue(data.startswith(b"\xef\xbb\xbf"), "so that Excel knows the encoding")
        return list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))

    def test_it_has_a_line_for_everybody_with_fate_and_reason(self) -> None:
        self.filled("other.example")
        head, *lines = self.export()
        self.assertEqual(head, ["address", "name", "fate", "why", "server’s reply", "tries", "sent at", "Message-ID"])
        self.assertEqual([line[0].partition("@")[0] for line in lines], sorted(KINDS))
        by_name = {line[0].partition("@")[0]: line for line in lines}
        identifier = message_id_of(self.message("sent"))
        self.assertEqual(by_name["sent"][1:], ["", "sent", "", "250 ok", "1", "2026-11-22 14:03:00", identifier])
        self.assertEqual(by_name["failed"][2:4], ["not delivered", "blocked as unwanted by the receiving server"])

    def test_those_who_did_not_get_it_can_be_had_alone(self) -> None:
        lines = self.export(which="missed")[1:]
        self.assertEqual({line[0].partition("@")[0] for line in lines}, MISSED)

    def test_addresses_are_written_as_their_owners_spell_them_and_names_are_there(self) -> None:
        Message.objects.filter(pk=self.message("sent").pk).update(spelled="Sent@Example.org", merge={"name": "Ann Lee"})
        self.assertIn(["Sent@Example.org", "Ann Lee"], [line[:2] for line in self.export()])

    def test_no_cell_can_become_a_formula(self) -> None:
        Message.objects.filter(pk=self.message("failed").pk).update(
            recipient="=cmd|calc@example.org", merge={"name": "@SUM(1+1)"}, reply='-2+3\n=HYPERLINK("http://x")'
        )
        line = next(line for line in self.export() if "cmd" in line[0])
        self.assertEqual(line[:2], ["'=cmd|calc@example.org", "'@SUM(1+1)"])
        self.assertTrue(line[4].startswith("'-2+3"))

    def test_nobody_is_left_out_or_named_twice_however_many_pages_there_are(self) -> None:
        Message.objects.bulk_create(
            Message(
                job=self.sent_job,
                recipient=f"r{n:05}@example.org",
                priority=3,
                status=MessageStatus.FAILED if n % 3 else MessageStatus.SENT,
                cause=Cause.BLOCKED if n % 3 else None,
            )
            for n in range(2 * job_export.PAGE + 7)
        )
        for which, count in (
            ("all", 2 * job_export.PAGE + 7),
            ("missed", Message.objects.missed().count() - len(MISSED)),
        ):
            lines = self.export(which=which)[1:]
            addresses = [line[0] for line in lines if re.match(r"r\d", line[0])]
            self.assertEqual((len(addresses), len(set(addresses))), (count, count))

    def test_it_is_read_page_by_page(self) -> None:
        Message.objects.bulk_create(
            Message(job=self.sent_job, recipient=f"r{n}@example.org", priority=3, status=4)
            for n in range(3 * job_export.PAGE)
        )
        with CaptureQueriesContext(connection) as queries:
            answer = self.client.get(url("messages_csv", self.sent_job.pk))
            pieces = iter(answer.streaming_content)
            next(pieces)
            next(pieces)
        reading = [q["sql"] for q in queries if "courant_mail_message" in q["sql"] and "recipient" in q["sql"]]
        reading = [sql for sql in reading if "LIMIT" in sql and "spelled" in sql]
        self.assertEqual(len(reading), 1, "the rest is read when somebody takes it")
        self.assertGreater(len(list(pieces)), 3)

    def test_times_are_in_the_zone_of_the_reader_to_the_last_line(self) -> None:
        with timezone.override("Asia/Tokyo"):
            answer = self.client.get(url("messages_csv", self.sent_job.pk))
            lines = iter(answer)
            next(lines)
        with timezone.override("UTC"):
            data = b"".join(lines).decode()
        self.assertIn("2026-11-22 22:03:00", data)

    def test_its_name_says_what_it_is(self) -> None:
        answer = self.client.get(url("messages_csv", self.sent_job.pk), {"which": "missed"})
        self.assertIn(f"mail-{self.sent_job.pk}-not delivered.csv", answer["Content-Disposition"])
        self.assertIn("attachment", answer["Content-Disposition"])
        self.assertEqual(answer["X-Content-Type-Options"], "nosniff")
        self.assertTrue(list(answer))

    def test_it_is_for_those_who_may_see_the_job_and_its_messages(self) -> None:
        address = url("messages_csv", self.sent_job.pk)
        for codenames, expected in (
            ((), 403),
            ((VIEW,), 403),
            ((CHANGE, SEND), 403),
            ((MESSAGES,), 403),
            ((VIEW, MESSAGES), 200),
        ):
            with self.subTest(codenames):
                self.sign_in(*codenames)
                answer = self.client.get(address)
                self.assertEqual(answer.status_code, expected)
                self.assertEqual(b"failed@example.org" in b"".join(answer), expected == 200)
        self.assertEqual(self.client.get(url("messages_csv", 10**9)).status_code, 404)
        self.client.logout()
        self.assertEqual(self.client.get(address).status_code, 302)

    def test_it_changes_nothing(self) -> None:
        before = self.rows()
        self.export()
        self.assertEqual(self.client.post(url("messages_csv", self.sent_job.pk)).status_code, 405)
        self.assertEqual(self.rows(), before)
