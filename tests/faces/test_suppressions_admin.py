"""Suppressions in the admin: look for them, add them, lift them with a reason, files of them in and out."""

from __future__ import annotations

import csv
import io
from typing import Any

from django.contrib.admin.models import DELETION, LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from courant_mail.admin import csv_export
from courant_mail.choices import Scope
from courant_mail.models import Suppression
from courant_mail.queue.suppress import suppress

from .test_admin import AdminTestCase, url


def page_of(name: str, *args: object) -> str:
    return str(url("suppression", name, *args))


def upload(content: str | bytes, name: str = "stop.csv") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content.encode() if isinstance(content, str) else content)


class OneTests(AdminTestCase):
    def add(self, **values):
        return self.client.post(page_of("add"), {"address": "A@Example.org", "scope": "bulk", **values})

    def test_an_address_is_suppressed_in_any_spelling_and_says_who_did_it(self):
        self.assertEqual(self.add(reason="asked by phone").status_code, 302)
        row = Suppression.objects.get()
        self.assertEqual((row.address, row.scope, row.reason), ("a@example.org", Scope.BULK, "asked by phone"))
        self.assertIn("user", row.source)

    def test_what_is_no_address_or_known_already_is_said_in_the_form(self):
        suppress("a@example.org")
        for address in ("nobody", "a@EXAMPLE.org"):
            page = self.add(address=address)
            self.assertEqual(page.status_code, 200)
            self.assertTrue(page.context["adminform"].form.errors)
        self.assertEqual(Suppression.objects.count(), 1)

    def test_scope_and_reason_can_be_changed_and_the_address_cannot(self):
        row = suppress("a@example.org")
        self.client.post(page_of("change", row.pk), {"address": "b@example.org", "scope": "all", "reason": "dead"})
        row.refresh_from_db()
        self.assertEqual((row.address, row.scope, row.reason), ("a@example.org", Scope.ALL, "dead"))

    def test_addresses_are_found_by_their_beginning_and_their_end(self):
        for address in ("ann@example.org", "bo@example.org", "ann@example.com"):
            suppress(address)
        for term, found in (("Ann@", 2), ("bo@example.org", 1), ("@Example.org", 2), ("nn@", 0), (" ann@ ", 2)):
            with self.subTest(term):
                page = self.client.get(page_of("changelist"), {"q": term})
                self.assertEqual(len(page.context["cl"].result_list), found)


class LiftTests(AdminTestCase):
    def lift(self, *rows: Suppression, **data):
        keys = [row.pk for row in rows]
        return self.client.post(
            page_of("changelist"), {"action": "delete_selected", "_selected_action": keys, **data}, follow=True
        )

    def test_one_is_lifted_with_a_reason_that_is_kept(self):
        row = suppress("a@example.org", reason="unsubscribed")
        page = self.client.get(page_of("delete", row.pk))
        self.assertContains(page, "a@example.org")
        self.assertContains(page, "unsubscribed")
        page = self.client.post(page_of("delete", row.pk), {"reason": "  "})
        self.assertContains(page, "This field is required")
        self.assertTrue(Suppression.objects.exists())
        page = self.client.post(page_of("delete", row.pk), {"reason": "asked <b>again</b>"}, follow=True)
        self.assertContains(page, "1 address may get mail again")
        self.assertFalse(Suppression.objects.exists())
        entry = LogEntry.objects.get(action_flag=DELETION)
        self.assertEqual((entry.change_message, entry.object_id), ("asked <b>again</b>", str(row.pk)))
        page = self.client.get(page_of("lifted"))
        self.assertContains(page, "asked &lt;b&gt;again&lt;/b&gt;")
        self.assertContains(page, "a@example.org")

    def test_many_are_lifted_after_a_page_that_names_their_number(self):
        rows = [suppress(f"a{n}@example.org") for n in range(3)]
        page = self.lift(*rows[:2])
        self.assertContains(page, "<strong>2 addresses</strong>")
        self.assertEqual(Suppression.objects.count(), 3)
        page = self.lift(*rows[:2], lift="Lift")
        self.assertContains(page, "This field is required")
        self.assertContains(page, f'value="{rows[1].pk}"')
        self.assertEqual(Suppression.objects.count(), 3)
        page = self.lift(*rows[:2], lift="Lift", reason="by mistake")
        self.assertContains(page, "2 addresses may get mail again")
        self.assertEqual(Suppression.objects.get(), rows[2])
        self.assertEqual(LogEntry.objects.filter(action_flag=DELETION, change_message="by mistake").count(), 2)

    def test_all_that_were_found_are_lifted_and_not_only_a_page_of_them(self):
        rows = Suppression.objects.bulk_create(Suppression(address=f"a{n}@x.org") for n in range(1200))
        suppress("b@x.org")
        found = f"{page_of('changelist')}?q=a"
        data = {"action": "delete_selected", "_selected_action": [rows[0].pk], "select_across": "1"}
        data["_selected_action"] = [Suppression.objects.order_by("pk")[0].pk]
        page = self.client.post(found, data)
        self.assertContains(page, "<strong>1200 addresses</strong>")
        self.assertContains(page, 'name="select_across" value="1"')
        self.client.post(found, {**data, "lift": "Lift", "reason": "wrong file"})
        self.assertEqual(Suppression.objects.get().address, "b@x.org")

    def test_nobody_deletes_without_a_reason(self):
        row = suppress("a@example.org")
        self.client.post(page_of("delete", row.pk), {"post": "yes"})
        self.act("delete_selected", row, model="suppression", post="yes")
        self.assertTrue(Suppression.objects.exists())
        page = self.client.get(page_of("change", row.pk))
        self.assertNotContains(page, "deletelink")
        self.assertContains(page, page_of("delete", row.pk))
        self.assertEqual(self.client.get(page_of("delete", row.pk + 1)).status_code, 404)


class ExportTests(AdminTestCase):
    def rows(self) -> list[list[str]]:
        response: Any = self.client.get(page_of("export"))
        self.assertTrue(response.streaming)
        self.assertIn("attachment", response["Content-Disposition"])
        text = b"".join(response.streaming_content).decode("utf-8-sig")
        return list(csv.reader(io.StringIO(text)))

    def test_all_suppressions_are_in_the_file(self):
        suppress("é@example.org", scope=Scope.ALL, reason='said, "no"\nby phone', source="editor ann")
        suppress("b@example.org")
        rows = self.rows()
        self.assertEqual(rows[0], ["email", "scope", "reason", "source", "since"])
        self.assertEqual(rows[1][:4], ["é@example.org", "all", 'said, "no"\nby phone', "editor ann"])
        self.assertEqual(len(rows), 3)

    def test_no_cell_becomes_a_formula(self):
        suppress("=cmd@example.org", reason="=HYPERLINK(1)", source="@x")
        self.assertEqual(self.rows()[1][:4], ["'=cmd@example.org", "bulk", "'=HYPERLINK(1)", "'@x"])

    def test_the_table_is_read_in_pages(self):
        Suppression.objects.bulk_create(Suppression(address=f"a{n}@x.org") for n in range(2500))
        with CaptureQueriesContext(connection) as queries:
            self.assertEqual(len({row[0] for row in self.rows()}), 2501)
        read = [q["sql"] for q in queries if "courant_mail_suppression" in q["sql"]]
        self.assertEqual(len(read), 3)
        self.assertTrue(all(f"LIMIT {csv_export._PAGE}" in sql for sql in read))


class ImportTests(AdminTestCase):
    def bring(self, content: str | bytes, **data):
        return self.client.post(page_of("import"), {"file": upload(content), "scope": "bulk", **data})

    def test_each_line_is_taken_or_told_of(self):
        page = self.bring(
            "E-Mail;Scope;Reason\n"
            "Ann@Example.org;all;dead\n"
            "bo@example.org;;\n"
            "nobody;all;\n"
            "\n"
            "cy@example.org;some;<script>x</script>\n"
            "di@example.org;Bulk mail;=1\n"
            "DI@example.org;;\n",
            reason="old list",
        )
        self.assertEqual(
            list(Suppression.objects.order_by("address").values_list("address", "scope", "reason")),
            [
                ("ann@example.org", "all", "dead"),
                ("bo@example.org", "bulk", "old list"),
                ("di@example.org", "bulk", "=1"),
            ],
        )
        report = page.context["report"]
        self.assertEqual((report.tally.added, report.tally.known, report.rejected, report.blank), (3, 1, 2, 1))
        self.assertEqual([line.number for line in report.first], [4, 6])
        self.assertContains(page, "“some” is no scope")
        self.assertContains(page, "&lt;script&gt;x")
        self.assertNotContains(page, "<script>x")
        self.assertIn("import", Suppression.objects.get(address="bo@example.org").source)
        self.assertIn("3 new addresses", LogEntry.objects.latest("pk").get_change_message())

    def test_importing_it_again_changes_nothing(self):
        content = "email,scope,reason\na@x.org,all,one\nb@x.org,bulk,two\n"
        self.bring(content)
        before = list(Suppression.objects.order_by("pk").values())
        page = self.bring(content)
        self.assertEqual(list(Suppression.objects.order_by("pk").values()), before)
        self.assertContains(page, "2 were suppressed already")

    def test_who_is_suppressed_for_more_gets_the_new_reason_and_nobody_gets_less(self):
        suppress("a@x.org", reason="first")
        suppress("b@x.org", reason="first", scope=Scope.ALL)
        page = self.bring("email,scope,reason\na@x.org,all,second\nb@x.org,bulk,second\na@x.org,bulk,third\n")
        self.assertContains(page, "1 address was suppressed for bulk mail")
        rows = Suppression.objects.order_by("address").values_list("scope", "reason")
        self.assertEqual(list(rows), [("all", "second"), ("all", "first")])

    def test_an_export_can_be_imported_as_it_is(self):
        suppress("=a@x.org", scope=Scope.ALL, reason="=1")
        suppress("b@x.org", reason="it's, so")
        response: Any = self.client.get(page_of("export"))
        exported = b"".join(response.streaming_content)
        before = list(Suppression.objects.order_by("address").values_list("address", "scope", "reason"))
        Suppression.objects.all().delete()
        page = self.bring(exported)
        self.assertEqual(page.context["report"].rejected, 0)
        self.assertEqual(
            list(Suppression.objects.order_by("address").values_list("address", "scope", "reason")), before
        )

    def test_columns_and_scopes_are_known_in_the_language_of_the_page_and_in_english(self):
        with translation.override("en"):
            for given in ("all", "ALL", "all mail", "All Mail"):
                self.bring(f"email,scope\n{len(given)}{given[0]}@x.org,{given}")
        self.assertEqual(set(Suppression.objects.values_list("scope", flat=True)), {"all"})

    def test_a_file_that_cannot_be_taken_is_told_with_the_fix(self):
        for content, fix in ((b"PK\x03\x04", "CSV UTF-8"), (b"a@x.org\n", "name the columns"), (b"", "empty")):
            with self.subTest(content):
                page = self.bring(content)
                self.assertContains(page, fix)
                self.assertIsNone(page.context["report"])
        self.assertFalse(LogEntry.objects.exists())

    def test_the_first_rejected_lines_are_shown_and_all_are_counted(self):
        page = self.bring("email\na@x.org\n" + "nobody\n" * 150)
        self.assertContains(page, "150 lines were not taken")
        self.assertContains(page, "And 50 more")

    def test_a_long_list_takes_a_few_queries_for_some_hundreds(self):
        lines = "".join(f"reader{n}@example.org,reason {n}\n" for n in range(20_000))
        with CaptureQueriesContext(connection) as queries:
            self.bring("email,reason\n" + lines)
        self.assertEqual(Suppression.objects.count(), 20_000)
        self.assertLess(len(queries), 20_000 / 500 * 8 + 30)


class PermissionTests(AdminTestCase):
    def setUp(self):
        super().setUp()
        self.row = suppress("a@example.org")
        self.pages = [page_of(name) for name in ("import", "export", "lifted", "changelist", "add")]
        self.pages += [page_of(name, self.row.pk) for name in ("delete", "change")]

    def allowed(self) -> set[str]:
        return {page for page in self.pages if self.client.get(page).status_code == 200}

    def test_who_is_not_signed_in_is_asked_to(self):
        self.client.logout()
        for page in self.pages:
            self.assertEqual(self.client.get(page).status_code, 302)
            self.assertEqual(self.client.post(page, {"reason": "x"}).status_code, 302)
        self.assertTrue(Suppression.objects.exists())

    def test_staff_without_permission_get_nothing(self):
        self.sign_in("courant_mail.view_messagejob")
        self.assertEqual(self.allowed(), set())
        for page in self.pages:
            self.assertEqual(self.client.post(page, {"reason": "x", "file": upload("email\nb@x.org")}).status_code, 403)
        self.assertEqual(Suppression.objects.get(), self.row)

    def test_who_may_look_exports(self):
        self.sign_in("courant_mail.view_suppression")
        change = page_of("change", self.row.pk)
        self.assertEqual(self.allowed(), {page_of(name) for name in ("export", "lifted", "changelist")} | {change})
        self.act("delete_selected", self.row, model="suppression", lift="Lift", reason="x")
        self.assertTrue(Suppression.objects.exists())
        page = self.client.get(page_of("changelist"))
        self.assertNotContains(page, page_of("import"))
        self.assertNotContains(self.client.get(change), page_of("delete", self.row.pk))

    def test_who_may_add_imports(self):
        self.sign_in("courant_mail.add_suppression")
        self.assertEqual(self.allowed(), {page_of("import"), page_of("add")})

    def test_who_may_delete_lifts(self):
        self.sign_in("courant_mail.delete_suppression", "courant_mail.view_suppression")
        self.assertIn(page_of("delete", self.row.pk), self.allowed())
        self.assertNotIn(page_of("import"), self.allowed())
        self.act("delete_selected", self.row, model="suppression", lift="Lift", reason="x")
        self.assertFalse(Suppression.objects.exists())

    def test_looking_changes_nothing_and_no_page_has_scripts_or_styles_inside_it(self):
        for page in self.pages:
            response = self.client.get(page, {"reason": "x", "lift": "1"})
            if page != page_of("export"):
                self.assertNotIn(" style=", response.content.decode())
                self.assertNotRegex(response.content.decode(), r"<script>|<style|javascript:| on\w+=")
        self.assertEqual(Suppression.objects.get(), self.row)
        self.assertFalse(LogEntry.objects.exists())
