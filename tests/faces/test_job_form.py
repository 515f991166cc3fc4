"""Writing a job in the admin: words, files, recipients typed or uploaded, and who may do it."""

from __future__ import annotations

import csv
import datetime
import io
import unittest
from email import message_from_bytes
from typing import Any

from django.contrib.admin import site
from django.contrib.admin.models import LogEntry
from django.contrib.messages.storage.fallback import FallbackStorage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import RequestFactory, override_settings
from django.utils import timezone, translation

from courant_mail import sources
from courant_mail.addresses import iter_recipients
from courant_mail.admin.drafts import LARGE
from courant_mail.admin.jobs import MessageJobAdmin
from courant_mail.choices import JobStatus, MessageStatus
from courant_mail.models import Attachment, Message, MessageJob, RecipientFile
from courant_mail.queue import control
from courant_mail.queue.database import room_for_text
from courant_mail.testing import drain

from .test_admin import AdminTestCase, url

WITH_FROM = {"SITE_URL": "https://www.courant.example"}


@sources.register("tests.form")
def form_source(issue: int, language: str = "en"):
    return ["source@example.org"]


def upload(content: str | bytes, name: str = "readers.csv") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content.encode() if isinstance(content, str) else content)


def download(response) -> list[list[str]]:
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


class FormTestCase(AdminTestCase):
    def write(self, job: MessageJob | None = None, **values: Any):
        """Post the form as a browser does: what it shows, with these values in it."""
        page = self.client.get(url("messagejob", "change", job.pk) if job else url("messagejob", "add"))
        form = page.context["adminform"].form
        data = {"subject": "News", "text": "Hello {{ name }}", "recipients": "ann@example.org"} if job is None else {}
        for field in form:
            if field.name == "scheduled_at":
                at = timezone.localtime(field.value()) if field.value() else None
                data["scheduled_at_0"], data["scheduled_at_1"] = (
                    (f"{at:%Y-%m-%d}", f"{at:%H:%M:%S}") if at else ("", "")
                )
            elif field.name not in data and field.value() is not None:
                data[field.name] = field.value()
        data = {name: value for name, value in (data | values).items() if value not in (None, False)}
        return self.client.post(page.request["PATH_INFO"], data, follow=True)

    def errors(self, page) -> str:
        self.assertFalse(page.redirect_chain, "it was stored")
        return " ".join(page.context["adminform"].form.errors.as_text().split())

    def told(self, page) -> str:
        return " ".join(str(message) for message in page.context["messages"])


class WritingTests(FormTestCase):
    def test_a_draft_is_stored_and_its_page_is_what_comes_next(self):
        page = self.write(html="<p>Hi {{ name }}</p>", reply_to="desk@example.org", priority="2")
        job = MessageJob.objects.get()
        self.assertEqual(page.redirect_chain[-1][0], url("messagejob", "change", job.pk))
        self.assertEqual((job.status, job.reply_to, job.priority), (JobStatus.DRAFT, "desk@example.org", 2))
        self.assertEqual(drain(), [])

    def test_only_drafts_can_be_written(self):
        self.write()
        job = MessageJob.objects.get()
        control.submit(job.pk)
        page = self.client.get(url("messagejob", "change", job.pk))
        self.assertNotContains(page, "<textarea")
        self.assertNotContains(page, 'type="file"')
        page = self.client.post(url("messagejob", "change", job.pk), {"subject": "Other"}, follow=True)
        self.assertIn("no draft any more", self.told(page))
        self.assertNotIn("success", self.told(page))
        self.assertEqual(MessageJob.objects.get().subject, "News")

    def test_a_draft_that_is_sent_while_it_is_stored_keeps_what_was_sent(self):
        self.write()
        job = MessageJob.objects.get()
        request: Any = RequestFactory().post("/")
        request.session, request.user = self.client.session, self.sign_in()
        request._messages = FallbackStorage(request)
        admin = MessageJobAdmin(MessageJob, site)
        data = {"subject": "Other", "recipients": "new@example.org", "source_params": "{}", "priority": 2}
        files: Any = {"new_attachments": [upload("x", "a.txt")]}
        form: Any = admin.get_form(request, job, change=True)(data, files, instance=job)
        self.assertTrue(form.is_valid(), form.errors)
        control.submit(job.pk)
        admin.save_model(request, form.save(commit=False), form, True)
        stored = MessageJob.objects.get()
        self.assertEqual((stored.subject, stored.recipients, stored.priority), ("News", "ann@example.org", 3))
        self.assertFalse(Attachment.objects.exists())
        self.assertEqual(len(list(request._messages)), 1)

    def test_a_draft_that_is_sent_while_it_is_deleted_stays(self):
        self.write()
        job = MessageJob.objects.get()
        meanwhile = [job.pk]

        def interrupted(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            found = execute(sql, params, many, context)
            if meanwhile and sql.startswith("SELECT") and 'FROM "courant_mail_messagejob"' in sql.replace("`", '"'):
                control.submit(meanwhile.pop())
            return found

        with connection.execute_wrapper(interrupted):
            answer = self.client.post(url("messagejob", "delete", job.pk), {"post": "yes"})
        self.assertEqual((answer.status_code, meanwhile), (403, []))
        self.assertTrue(MessageJob.objects.exists())

    def test_what_somebody_else_has_written_meanwhile_is_not_overwritten(self):
        self.write()
        job = MessageJob.objects.get()
        opened = self.client.get(url("messagejob", "change", job.pk))
        version = opened.context["adminform"].form["version"].value()
        self.assertContains(opened, f'value="{version}"')
        for theirs in ({"recipients": "two@example.org"}, {"new_attachments": upload("x", "a.txt")}):
            with self.subTest(theirs):
                self.write(job, **theirs)
                page = self.write(job, version=version, subject="Mine")
                self.assertIn("Somebody else has changed", self.errors(page))
                version = (
                    self.client.get(url("messagejob", "change", job.pk)).context["adminform"].form["version"].value()
                )
        self.assertEqual(MessageJob.objects.get().subject, "News")
        self.assertEqual(MessageJob.objects.get().recipients, "two@example.org")

    def test_saving_without_a_change_changes_nothing(self):
        self.write(
            text="one\r\ntwo",
            recipients="a@example.org\r\nb@example.org",
            scheduled_at_0="2100-01-02",
            scheduled_at_1="03:04:05",
        )
        job = MessageJob.objects.get()
        self.assertEqual(job.recipients, "a@example.org\nb@example.org")
        self.write(job, recipients="a@example.org\r\nb@example.org")
        self.assertIn("No fields changed", LogEntry.objects.latest("pk").get_change_message())
        self.assertEqual(timezone.localtime(MessageJob.objects.get().scheduled_at).hour, 3)

    def test_html_of_the_sites_templates_is_sanitised_once_somebody_has_changed_it(self):
        trusted = '<p class="x">Hi</p><form></form>'
        job = MessageJob.objects.create(
            subject="S", html=trusted, from_email="editors@courant.example", recipients="a@example.org", status="draft"
        )
        self.write(job, subject="T")
        job.refresh_from_db()
        self.assertEqual((job.subject, job.html, job.sanitize_html), ("T", trusted, False))
        self.write(job, html="<p>Bye</p>")
        job.refresh_from_db()
        self.assertTrue(job.sanitize_html)

    def test_the_zone_of_the_time_is_named_and_no_past_time_is_taken(self):
        self.assertContains(self.client.get(url("messagejob", "add")), "Europe/Berlin")
        self.assertIn("passed", self.errors(self.write(scheduled_at_0="2001-01-01", scheduled_at_1="12:00")))
        self.write(scheduled_at_0="2100-07-01", scheduled_at_1="12:00")
        at = datetime.datetime(2100, 7, 1, 10, tzinfo=datetime.UTC)
        self.assertEqual(MessageJob.objects.get().scheduled_at, at)

    def test_mistakes_stand_at_the_field_they_are_in(self):
        for field, value in (
            ("subject", "{% if %}"),
            ("html", "<p>{{ a|safe }}</p>"),
            ("text", "{% now 'Y' %}"),
            ("reply_to", "nobody"),
            ("relay", "nowhere"),
            ("source_params", "[1]"),
        ):
            with self.subTest(field):
                page = self.write(None, **{field: value})
                self.assertIn(field, page.context["adminform"].form.errors)
        self.assertFalse(MessageJob.objects.exists())

    @override_settings(COURANT_MAIL={})
    def test_bulk_mail_without_a_page_to_unsubscribe_is_told_of(self):
        self.assertIn("SITE_URL", self.errors(self.write()))
        self.assertTrue(self.write(bulk=False).redirect_chain)

    def test_hostile_words_are_shown_as_words(self):
        hostile = "<script>alert(1)</script>"
        page = self.write(
            subject=hostile,
            recipients=f"{hostile}\na@example.org",
            recipients_file=upload(f"email,{hostile}\nb@example.org,1\n{hostile},2", f"{hostile}.csv"),
        )
        self.assertTrue(page.redirect_chain)
        self.assertNotContains(page, hostile)
        self.assertContains(page, "&lt;script&gt;alert(1)&lt;")


class SenderTests(FormTestCase):
    def test_mail_comes_from_the_addresses_of_the_site(self):
        page = self.client.get(url("messagejob", "add"))
        self.assertContains(page, '<option value="The Courant &lt;editors@courant.example&gt;">')
        self.assertContains(page, '<option value="server@courant.example">')
        self.assertIn("editors@courant.example", self.errors(self.write(from_email="me@elsewhere.example")))
        self.write(from_email="Sports Desk <Server@courant.example>")
        self.assertEqual(MessageJob.objects.get().from_email, "Sports Desk <Server@courant.example>")

    def test_a_draft_of_the_sites_own_code_keeps_its_sender(self):
        job = MessageJob.objects.create(subject="S", from_email="x@y.example", recipients="a@b.example", status="draft")
        self.assertTrue(self.write(job, subject="T").redirect_chain)
        self.assertIn("may not come from", self.errors(self.write(job, from_email="z@y.example")))

    @override_settings(COURANT_MAIL={**WITH_FROM, "FROM_ADDRESSES": ["News@Example.org", "@münchen.example"]})
    def test_the_site_says_which_those_are(self):
        for allowed in ("news@example.org", "Ann <ann@xn--mnchen-3ya.example>", "b@MÜNCHEN.example"):
            with self.subTest(allowed):
                self.assertTrue(self.write(from_email=allowed).redirect_chain)
        for other in ("editors@courant.example", "ann@sub.münchen.example", "ann@example.org", "", "@münchen.example"):
            with self.subTest(other):
                self.assertTrue(self.errors(self.write(from_email=other)))
        page = self.write(from_email="ann@example.org")
        self.assertIn("news@example.org, all of münchen.example", self.errors(page))

    def test_relays_are_those_that_are_configured(self):
        page = self.client.get(url("messagejob", "add"))
        self.assertContains(page, "the default relay (")
        relay = page.context["adminform"].form.fields["relay"].choices[1][0]
        self.write(relay=relay)
        self.assertEqual(MessageJob.objects.get().relay, relay)


class AttachmentTests(FormTestCase):
    def test_files_are_attached_listed_with_their_sizes_and_removed(self):
        self.write(new_attachments=[upload(b"%PDF" * 512, "issue.pdf"), upload("x", "<b>.txt")])
        job = MessageJob.objects.get()
        self.assertEqual(
            list(job.attachments.order_by("pk").values_list("filename", "content_type")),
            [("issue.pdf", "application/pdf"), ("<b>.txt", "text/plain")],
        )
        page = self.client.get(url("messagejob", "change", job.pk))
        self.assertContains(page, "issue.pdf (2.0\xa0KB)")
        self.assertNotContains(page, "<b>.txt")
        self.write(job, remove_attachments=[str(job.attachments.get(filename="<b>.txt").pk)])
        self.assertEqual([file.filename for file in job.attachments.all()], ["issue.pdf"])
        control.submit(job.pk)
        self.assertContains(self.client.get(url("messagejob", "change", job.pk)), "issue.pdf (2.0\xa0KB)")
        self.assertIn(b'filename="issue.pdf"', drain()[0].data)

    def test_only_the_files_of_the_job_itself_can_be_removed(self):
        self.write(new_attachments=upload("x", "a.txt"))
        other = MessageJob.objects.get()
        self.write(new_attachments=upload("x", "b.txt"))
        job = MessageJob.objects.exclude(pk=other.pk).get()
        self.errors(self.write(job, remove_attachments=[str(other.attachments.get().pk)]))
        self.assertEqual(Attachment.objects.count(), 2)

    @override_settings(COURANT_MAIL={**WITH_FROM, "MAX_MESSAGE_BYTES": 5000})
    def test_the_size_is_that_of_the_whole_mail(self):
        self.assertIn("too large", self.errors(self.write(new_attachments=upload("x" * 6000, "a.txt"))))
        self.assertIn("too large", self.errors(self.write(new_attachments=upload("x" * 4000, "a.txt"))))
        self.write(new_attachments=upload("x" * 2000, "a.txt"))
        job = MessageJob.objects.get()
        self.assertIn("too large", self.errors(self.write(job, new_attachments=upload("x" * 2000, "b.txt"))))
        self.assertTrue(
            self.write(
                job, new_attachments=upload("x" * 2000, "b.txt"), remove_attachments=[str(job.attachments.get().pk)]
            ).redirect_chain
        )

    def test_files_are_asked_for_again_when_something_else_is_wrong(self):
        page = self.write(subject="", new_attachments=upload("x", "a.txt"))
        self.assertIn("choose the file again", self.errors(page))


class RecipientTests(FormTestCase):
    def test_what_is_no_address_is_told_of_and_kept(self):
        page = self.write(recipients="ann@example.org; nobody, Bo <bo@example.org>\none@\ntwo@\nthree@")
        self.assertIn("4 recipients are not addresses", self.told(page))
        self.assertIn("“nobody”, “one@”, “two@”…", self.told(page))
        job = MessageJob.objects.get()
        page = self.write(job, subject="Other")
        self.assertNotIn("not addresses", self.told(page))
        control.submit(job.pk)
        self.assertEqual(len(drain()), 2)
        self.assertEqual(Message.objects.filter(status=MessageStatus.FAILED).count(), 4)

    def test_a_file_is_added_and_its_columns_are_values_of_the_mail(self):
        self.write(
            text="Hello {{ first_name }} of {{ city }}",
            recipients="x@example.org\n",
            recipients_file=upload("E-Mail;First name;City\nann@example.org;Ann;Mainz\nbo@example.org;Bo;\n"),
        )
        job = MessageJob.objects.get()
        page = self.client.get(url("messagejob", "change", job.pk))
        self.assertContains(page, "<code>{{ first_name }}</code>")
        self.assertContains(page, "2 recipients were taken")
        self.write(job, recipients_file=upload("email\ncy@example.org", "more.csv"))
        self.assertEqual(job.files.count(), 2)
        control.submit(job.pk)
        mails = {mail.rcpt_to: message_from_bytes(mail.data) for mail in drain()}
        self.assertEqual(set(mails), {f"{name}@example.org" for name in ("x", "ann", "bo", "cy")})
        self.assertIn(b"Hello Ann of Mainz", mails["ann@example.org"].get_payload(decode=True))

    def test_rejected_lines_are_reported_and_none_is_lost(self):
        lines = [f"nobody{n},{n}\n" for n in range(30)]
        page = self.write(recipients="", recipients_file=upload("email,n\nann@example.org,1\n\n" + "".join(lines)))
        self.assertIn("30 lines of it were not taken", self.told(page))
        self.assertContains(page, "nobody9, 9")
        self.assertNotContains(page, "nobody10, 10")
        self.assertContains(page, "And 20 more")
        file = RecipientFile.objects.get()
        self.assertEqual((file.accepted, file.rejected, file.filename), (1, 30, "readers.csv"))
        link = url("messagejob", "rejected_lines", file.job_id, file.pk)
        self.assertContains(page, link)
        response = self.client.get(link)
        self.assertEqual(response["Content-Type"], "text/csv; charset=utf-8")
        self.assertIn("attachment", response["Content-Disposition"])
        rows = download(response)
        self.assertEqual([row[0] for row in rows[1:]], [str(n) for n in range(4, 34)])
        self.assertEqual([row[2:] for row in rows[1:]], [[f"nobody{n}", str(n)] for n in range(30)])

    def test_a_cell_of_the_rejected_lines_cannot_become_a_formula(self):
        hostile = ["=HYPERLINK(1)", "+1", "@x", "\t=1", "-1"]
        text = "email,n\nann@example.org,1\n" + "".join(f'nobody,"{cell}"\n' for cell in hostile)
        self.write(recipients_file=upload(text))
        file = RecipientFile.objects.get()
        rows = download(self.client.get(url("messagejob", "rejected_lines", file.job_id, file.pk)))
        self.assertEqual([row[3] for row in rows[1:]], [f"'{cell}" for cell in hostile])

    def test_a_file_that_cannot_be_taken_is_told_with_the_fix_and_stores_nothing(self):
        for content, fix in (
            (b"PK\x03\x04", "CSV UTF-8"),
            (b"name\nAnn", "email"),
            (b"ann@example.org\n", "name the columns"),
            (b"email\nnobody\n", "Line 2:"),
            (b"", "empty"),
        ):
            with self.subTest(content):
                page = self.write(recipients_file=upload(content))
                self.assertIn(fix, self.errors(page))
                self.assertIn("recipients_file", page.context["adminform"].form.errors)
        self.assertFalse(MessageJob.objects.exists() or RecipientFile.objects.exists())

    def test_guessed_letters_are_told_of(self):
        page = self.write(recipients_file=upload("email,name\na@example.org,Zoë".encode("cp1252")))
        self.assertIn("not in UTF-8", self.told(page))

    def test_a_long_list_is_not_sent_to_the_browser_and_back(self):
        lines = "".join(f"reader{n}@example.org,Name {n}\n" for n in range(100_000))
        page = self.write(recipients="", recipients_file=upload("email,name\n" + lines))
        self.assertIn("100000 recipients were taken", self.told(page))
        self.assertContains(page, "about 100,000 recipients")
        self.assertNotContains(page, "reader70000@")
        self.assertLess(len(page.content), LARGE)
        job = MessageJob.objects.get()
        self.assertEqual(sum(1 for _ in iter_recipients(job.recipients)), 100_000)
        self.write(job, subject="Other")
        self.assertEqual(MessageJob.objects.get().recipients, job.recipients)
        self.write(job, recipients_file=upload("email\nlast@example.org"))
        self.assertTrue(MessageJob.objects.get().recipients.endswith("\nlast@example.org"))
        page = self.write(job, forget_recipients="on")
        self.assertIn("either recipients or", self.errors(page))
        self.write(job, forget_recipients="on", recipients_file=upload("email\nonly@example.org"))
        self.assertEqual(MessageJob.objects.get().recipients, "only@example.org")
        self.assertEqual([file.accepted for file in RecipientFile.objects.all()], [1])

    @unittest.skipUnless(connection.vendor == "mysql", "Only this database limits the size of a statement.")
    def test_more_than_the_database_takes_is_told_of(self):
        room = room_for_text() or 0
        if room > 64 * 1024 * 1024:
            self.skipTest("The server takes more than this test can bring.")
        lines = f"a@example.org,{'n' * 10_000}\n" * (room // 10_000)
        page = self.write(recipients="", recipients_file=upload("email,name\n" + lines))
        self.assertIn("database", self.errors(page))

    def test_a_source_is_chosen_with_its_parameters(self):
        page = self.client.get(url("messagejob", "add"))
        self.assertContains(page, "tests.form: &quot;issue&quot; (a number), perhaps &quot;language&quot; (a text)")
        for params, why in (("{}", "issue"), ('{"issue": 1, "colour": 2}', "colour"), ("x", "JSON")):
            with self.subTest(params):
                self.assertIn(why, self.errors(self.write(recipients="", source="tests.form", source_params=params)))
        self.write(recipients="", source="tests.form", source_params='{"issue": 1}')
        job = MessageJob.objects.get()
        self.assertEqual((job.source, job.source_params), ("tests.form", {"issue": 1}))
        control.submit(job.pk)
        self.assertEqual([mail.rcpt_to for mail in drain()], ["source@example.org"])

    def test_recipients_are_typed_or_come_from_a_source(self):
        self.assertIn("either", self.errors(self.write(recipients="")))
        self.assertIn("either", self.errors(self.write(source="tests.form", source_params='{"issue": 1}')))
        page = self.write(
            recipients="",
            source="tests.form",
            source_params='{"issue": 1}',
            recipients_file=upload("email\na@example.org"),
        )
        self.assertIn("either", self.errors(page))

    def test_no_parameters_are_an_empty_set_of_them(self):
        self.write(source_params="")
        self.assertEqual(MessageJob.objects.get().source_params, {})

    def test_a_source_that_is_gone_is_named(self):
        job = MessageJob.objects.create(
            subject="S", from_email="editors@courant.example", source="tests.gone", status="draft"
        )
        self.assertIn("tests.gone", self.errors(self.write(job)))

    def test_a_long_list_that_was_typed_is_counted(self):
        many = "; ".join(f"reader{n}@example.org" for n in range(6000))
        MessageJob.objects.create(subject="S", recipients=many, status="queued")
        page = self.client.get(url("messagejob", "change", MessageJob.objects.get().pk))
        self.assertContains(page, "about 6,000 recipients")


class PermissionTests(FormTestCase):
    def setUp(self):
        super().setUp()
        self.write(recipients_file=upload("email\nb@example.org\nnobody"))
        self.job = MessageJob.objects.get()
        self.link = url("messagejob", "rejected_lines", self.job.pk, RecipientFile.objects.get().pk)
        self.change = url("messagejob", "change", self.job.pk)

    def test_who_is_not_signed_in_is_asked_to(self):
        self.client.logout()
        for page in (self.link, self.change, url("messagejob", "add")):
            self.assertEqual(self.client.get(page).status_code, 302)
            self.assertEqual(self.client.post(page, {"subject": "x"}).status_code, 302)
        self.assertEqual(MessageJob.objects.get().subject, "News")

    def test_staff_without_permission_see_and_write_nothing(self):
        self.sign_in("courant_mail.view_message")
        for page in (self.link, self.change, url("messagejob", "add")):
            self.assertEqual(self.client.get(page).status_code, 403)
            self.assertEqual(self.client.post(page, {"subject": "x"}).status_code, 403)

    def test_who_may_look_sees_the_draft_and_its_report_and_writes_nothing(self):
        self.sign_in("courant_mail.view_messagejob")
        page = self.client.get(self.change)
        self.assertContains(page, "ann@example.org")
        self.assertContains(page, self.link)
        self.assertNotContains(page, "<textarea")
        self.assertEqual(len(download(self.client.get(self.link))), 2)
        self.assertEqual(self.client.post(self.change, {"subject": "x"}).status_code, 403)

    def test_who_may_add_writes_a_draft_and_no_more(self):
        self.sign_in("courant_mail.add_messagejob")
        self.assertTrue(self.write(subject="Mine").redirect_chain)
        self.assertTrue(MessageJob.objects.filter(subject="Mine").exists())
        self.assertEqual(self.client.post(self.change, {"subject": "x"}).status_code, 403)

    def test_a_file_of_another_job_is_not_found(self):
        other = MessageJob.objects.create(subject="Other", status="draft")
        file = RecipientFile.objects.get()
        self.assertEqual(self.client.get(url("messagejob", "rejected_lines", other.pk, file.pk)).status_code, 404)
        self.assertEqual(
            self.client.get(url("messagejob", "rejected_lines", self.job.pk, file.pk + 1)).status_code, 404
        )

    def test_looking_changes_nothing(self):
        before = list(MessageJob.objects.values())
        for page in (self.link, self.change, url("messagejob", "add")):
            self.client.get(page, {"subject": "x", "recipients": "y"})
        self.assertEqual(list(MessageJob.objects.values()), before)

    def test_no_page_has_scripts_or_styles_inside_it_of_ours(self):
        for page in (self.change, url("messagejob", "add")):
            with translation.override("en"):
                text = self.client.get(page).content.decode()
            self.assertNotIn(" style=", text)
            self.assertNotRegex(text, r"<script>|<style|javascript:| on\w+=")
