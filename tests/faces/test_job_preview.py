"""The preview of a job: what is shown is what would be sent, it can do nothing, and no page ends in an error."""

from __future__ import annotations

import re
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from courant_mail import sources
from courant_mail.choices import JobStatus
from courant_mail.compose import decorators
from courant_mail.compose.letter import AttachedFile, Words
from courant_mail.models import Message, MessageJob
from courant_mail.testing import drain

from .desk import CHANGE, SECRET, SEND, VIEW, DeskTestCase, url


@sources.register("tests.preview")
def readers(broken: bool = False) -> Any:
    if broken:
        raise RuntimeError("the other database is away")
    return User.objects.filter(username__startswith="reader").values("email", "first_name")


@sources.register("tests.preview_generator")
def endless() -> Any:
    number = 0
    while True:
        number += 1
        yield {"email": f"r{number}@example.org", "first_name": f"R{number}"}


def without_date(data: bytes) -> bytes:
    found, count = re.subn(rb"(?m)^Date: [^\r]*\r\n", b"", data, count=1)
    assert count == 1
    return found


class PreviewTests(DeskTestCase):
    def setUp(self):
        self.sign_in(VIEW)

    def html(self, job, **query):
        return self.client.get(url("preview_html", job.pk), query)

    def page(self, job, **query):
        return self.client.get(url("preview", job.pk), query)

    def eml(self, job, **query):
        return self.client.get(url("preview_file", job.pk), query)

    def test_what_is_shown_is_byte_for_byte_what_was_sent(self):
        files = [AttachedFile("dot.png", "image/png", b"\x89PNG", "dot"), AttachedFile("a.txt", "text/plain", b"text")]
        job = self.job(
            html='<p>Hello {{ first_name }} <img src="cid:dot" alt=""> {{ unsubscribe_url }}</p>',
            attachments=files,
            headers={"X-Campaign": "spring"},
        )
        MessageJob.objects.update(status=JobStatus.QUEUED)
        sent = {mail.rcpt_to: mail for mail in drain()}
        self.assertEqual(set(sent), {"ann@example.org", "Bo@example.org"})
        for address, mail in sent.items():
            with self.subTest(address):
                data = self.eml(job, **{"for": address.lower()}).content
                self.assertEqual(without_date(data), without_date(mail.data))
                self.assertContains(self.html(job, **{"for": address}), mail.unsubscribe_url)
                page = self.page(job, **{"for": address})
                shown = page.context["preview"].mail
                self.assertEqual(shown.size, len(mail.data))
                self.assertEqual(shown.subject, mail.subject)
                self.assertEqual(shown.text, mail.text)
                self.assertIn(("Message-ID", mail.message["Message-ID"]), shown.headers)
                self.assertIn(("X-Campaign", "spring"), shown.headers)
                self.assertContains(page, "X-Campaign")
                self.assertContains(page, "a.txt")

    def test_before_it_is_sent_the_bytes_differ_in_what_is_not_known_yet_and_in_nothing_else(self):
        job = self.job()
        before = self.eml(job, **{"for": "ann@example.org"}).content
        MessageJob.objects.update(status=JobStatus.QUEUED)
        [mail] = [mail for mail in drain() if mail.rcpt_to == "ann@example.org"]

        def same(data):
            data = re.sub(rb"Message-ID: [^\r]*\r\n", b"", without_date(data))
            return re.sub(rb"List-Unsubscribe: <[^>]*>", b"List-Unsubscribe:", data)

        self.assertEqual(same(before), same(mail.data))

    def test_the_link_to_unsubscribe_of_a_draft_unsubscribes_nobody(self):
        data = self.eml(self.job(), **{"for": "ann@example.org"}).content.decode()
        [path] = re.findall(r"List-Unsubscribe: <https://www.courant.example([^>]+)>", data)
        self.assertEqual(self.client.post(path).status_code, 404)

    def test_without_a_name_the_first_recipient_is_shown(self):
        page = self.page(self.job())
        self.assertContains(page, "Hello Ann")
        self.assertContains(page, '<option value="ann@example.org">')
        self.assertContains(page, '<option value="Bo@example.org">')

    def test_any_recipient_of_a_draft_is_found_however_the_list_is_written(self):
        text = "\n".join(f"r{n}@example.org" for n in range(12_000))
        job = self.job(recipients=f'{text}\r\n"Zoë; Z." <ZOE@example.org>, Last <last@bücher.example>\n')
        for address, name in (
            ("zoe@EXAMPLE.org", "Zoë; Z."),
            ("last@xn--bcher-kva.example", "Last"),
            ("r7@example.org", ""),
        ):
            with self.subTest(address):
                chosen = self.page(job, **{"for": address}).context["preview"].chosen
                self.assertEqual(chosen.remark, "")
                self.assertEqual((chosen.person.merge or {}).get("name", ""), name)

    def test_somebody_else_is_said_to_be_somebody_else_and_shown_without_values(self):
        page = self.page(self.job(), **{"for": "an@example.org"})
        self.assertContains(page, "not among the recipients of this mail")
        self.assertContains(page, "<dd>an@example.org</dd>")
        self.assertNotContains(page, "Hello Ann")
        self.assertContains(self.page(self.job(), **{"for": "nobody"}), "“nobody” is not an address")

    def test_recipients_of_a_source_are_found_among_the_first(self):
        User.objects.create(username="reader1", email="one@example.org", first_name="One")
        User.objects.create(username="reader2", email="Two@example.org", first_name="Two")
        job = self.job(source="tests.preview")
        self.assertContains(self.page(job), "Hello One")
        self.assertContains(self.page(job, **{"for": "two@example.org"}), "Hello Two")
        self.assertContains(self.page(job, **{"for": "three@example.org"}), "not among the first 1,000 recipients")

    def test_a_source_without_an_end_does_no_harm(self):
        job = self.job(source="tests.preview_generator")
        self.assertContains(self.page(job, **{"for": "r999@example.org"}), "Hello R999")
        self.assertContains(self.page(job, **{"for": "r1001@example.org"}), "not among the first")

    def test_a_source_that_fails_is_told_and_the_mail_is_shown_all_the_same(self):
        job = self.job(source="tests.preview", source_params={"broken": True})
        with self.assertLogs("courant_mail", "ERROR"):
            page = self.page(job)
        self.assertContains(page, "the other database is away")
        self.assertContains(page, "<dd>reader@example.org</dd>")

    def test_words_that_are_no_mail_are_told_on_every_page_and_are_no_error_of_the_site(self):
        job = self.job()
        MessageJob.objects.update(text="{% if %}")
        self.assertContains(self.page(job), "text, line 1")
        self.assertContains(self.client.get(url("change", job.pk)), "text, line 1")
        for answer in (self.html(job), self.eml(job)):
            self.assertContains(answer, "text, line 1", status_code=422)
            self.assertTrue(answer["Content-Type"].startswith("text/plain"))

    def test_a_letter_decorator_that_fails_is_told(self):
        def broken(words: Words) -> Words:
            raise KeyError("campaign")

        job = self.job()
        decorators.register(broken)
        self.addCleanup(decorators.unregister, broken)
        with self.assertLogs("courant_mail", "ERROR"):
            self.assertContains(self.page(job), "KeyError")

    def test_values_that_break_the_mail_are_told_for_whom_they_do(self):
        job = self.job(
            subject="{{ title }}", recipients=[{"email": "a@example.org", "title": "x" * 2000}, "b@example.org"]
        )
        self.assertContains(self.page(job, **{"for": "a@example.org"}), "2,000 characters")
        self.assertNotContains(self.page(job, **{"for": "b@example.org"}), "errornote")

    def test_the_frame_can_run_nothing_and_load_nothing(self):
        answer = self.html(self.job())
        policy = dict(part.strip().partition(" ")[::2] for part in answer["Content-Security-Policy"].split(";"))
        self.assertEqual(policy["sandbox"], "")
        self.assertEqual(policy["default-src"], "'none'")
        self.assertEqual(policy["img-src"], "data:")
        self.assertEqual(policy["frame-ancestors"], "'self'")
        self.assertNotIn("script-src", policy)
        self.assertEqual(answer["X-Frame-Options"], "SAMEORIGIN")
        self.assertEqual(answer["Referrer-Policy"], "no-referrer")
        self.assertIn("no-store", answer["Cache-Control"])

    def test_pictures_are_loaded_where_somebody_asks_for_them_and_never_from_the_own_network(self):
        job = self.job()
        answer = self.html(job, pictures="1")
        self.assertIn("img-src data: https: https://www.courant.example", answer["Content-Security-Policy"])
        self.assertEqual(answer["Cross-Origin-Embedder-Policy"], "credentialless")
        page = self.page(job, pictures="1")
        self.assertContains(page, "pictures=1")
        with override_settings(COURANT_MAIL={"SITE_URL": "http://a.example;script-src"}):
            self.assertNotIn("script-src", self.html(job, pictures="1")["Content-Security-Policy"])

    def test_the_page_shows_the_frame_in_a_sandbox(self):
        job = self.job()
        self.assertContains(self.page(job), "<iframe sandbox referrerpolicy=")
        self.assertContains(self.page(job), f'src="{url("preview_html", job.pk)}?for=ann%40example.org"')

    def test_the_file_is_one_to_keep(self):
        job = self.job()
        answer = self.eml(job)
        self.assertEqual(answer["Content-Disposition"], f'attachment; filename="mail-{job.pk}.eml"')
        self.assertEqual(answer["Content-Type"], "message/rfc822")

    def test_what_people_have_typed_is_text_on_the_page(self):
        job = self.job(
            subject=SECRET,
            text=SECRET,
            headers={"X-Note": SECRET},
            attachments=[(f"{SECRET}.txt".replace("/", ""), b"x")],
            recipients=[{"email": "ann@example.org", "first_name": SECRET, "name": SECRET}],
        )
        for page in (self.page(job), self.page(job, **{"for": SECRET}), self.client.get(url("change", job.pk))):
            self.assertNotContains(page, "<script>alert")
            self.assertContains(page, "&lt;script&gt;alert(1)")

    def test_nothing_is_changed_by_looking(self):
        job = self.job(attachments=[("a.txt", b"x")])
        before = self.rows()
        for page in ("preview", "preview_html", "preview_file", "change"):
            self.assertEqual(self.client.get(url(page, job.pk), {"for": "bo@example.org"}).status_code, 200)
        self.assertEqual(self.rows(), before)
        self.assertEqual(drain(), [])

    def test_the_number_of_queries_does_not_grow_with_the_recipients(self):
        counts = []
        for number in (2, 300):
            job = self.job(recipients=[f"r{n}@example.org" for n in range(number)])
            MessageJob.objects.filter(pk=job.pk).update(status=JobStatus.QUEUED)
            drain()
            with CaptureQueriesContext(connection) as queries:
                self.page(job, **{"for": "r1@example.org"})
            counts.append(len(queries))
            self.assertEqual(Message.objects.filter(job=job).count(), number)
        self.assertEqual(counts[0], counts[1])


class PreviewPermissionTests(DeskTestCase):
    def setUp(self):
        self.found = self.job()

    def statuses(self):
        return {
            self.client.get(url(page, self.found.pk)).status_code
            for page in ("preview", "preview_html", "preview_file")
        }

    def test_whoever_is_not_signed_in_is_asked_to(self):
        for page in ("preview", "preview_html", "preview_file"):
            address = url(page, self.found.pk)
            self.assertRedirects(
                self.client.get(address), f"/admin/login/?next={address}", fetch_redirect_response=False
            )

    def test_staff_without_permission_sees_nothing(self):
        self.sign_in()
        self.assertEqual(self.statuses(), {403})

    def test_who_may_view_or_change_jobs_sees_all(self):
        for permission in (VIEW, CHANGE):
            self.sign_in(permission)
            self.assertEqual(self.statuses(), {200})

    def test_who_may_only_send_sees_the_own_jobs(self):
        user = self.sign_in(SEND)
        self.assertEqual(self.statuses(), {403})
        MessageJob.objects.update(created_by=user.username)
        self.assertEqual(self.statuses(), {200})
        self.assertEqual(self.client.get(url("change", self.found.pk)).status_code, 200)
        self.assertEqual(self.client.get(url("changelist")).status_code, 403)

    def test_what_is_not_there_is_not_found(self):
        self.sign_in(VIEW)
        self.assertEqual(self.client.get(url("preview", 999999)).status_code, 404)
        self.assertEqual(self.client.get(url("preview", "x")).status_code, 404)
