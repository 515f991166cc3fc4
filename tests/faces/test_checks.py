"""The system checks: each says what is wrong and how it is mended."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from unittest import skipIf, skipUnless

import django
from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.auth.models import Group
from django.core.checks import registry, run_checks
from django.db import connection, connections
from django.test import SimpleTestCase, TestCase, override_settings

import courant_mail.checks
from courant_mail.admin import MessageJobAdmin
from courant_mail.backend import EmailBackend
from courant_mail.checks import check_databases, check_https, check_links, check_object_mail, check_settings
from courant_mail.models import MessageJob
from courant_mail.routers import CourantMailRouter

from .site import GroupAdmin


class LoopingBackend(EmailBackend):
    """A site's own version of the queue, named as a relay by mistake."""


class OtherRouter(CourantMailRouter):
    database = "other"


def mail_settings(**changed):
    return override_settings(COURANT_MAIL={**settings.COURANT_MAIL, **changed})


class CheckTests(SimpleTestCase):
    def ids(self, messages):
        for message in messages:
            self.assertTrue(message.msg)
            self.assertTrue(message.hint, message.id)
        return [message.id.removeprefix("courant_mail.") for message in messages]

    def test_a_good_site_has_no_complaints(self):
        self.assertEqual([message for message in run_checks() if str(message.id).startswith("courant_mail")], [])

    def test_wrong_settings_are_named(self):
        for name, wrong in (
            ("Did you mean 'SITE_URL'?", {"SITE_URLL": "x"}),
            ("SITE_URL", {"SITE_URL": "example.org"}),
            ("RETRY", {"RETRY": 5}),
            ("RATE", {"RELAYS": {"x": {"RATE": "fast"}}}),
        ):
            with self.subTest(name), mail_settings(**wrong):
                [message] = check_settings(None)
                self.assertEqual(self.ids([message]), ["E001"])
                self.assertIn(name, message.msg)

    def test_a_relay_whose_backend_is_missing_is_named(self):
        with mail_settings(RELAYS={"esp": {"BACKEND": "no.such.Backend"}}):
            [message] = check_settings(None)
        self.assertEqual(self.ids([message]), ["E002"])
        self.assertIn("'esp'", message.msg)

    def test_a_relay_that_is_the_queue_is_named(self):
        with mail_settings(RELAYS={"esp": {"BACKEND": f"{__name__}.LoopingBackend"}}):
            self.assertEqual(self.ids(check_settings(None)), ["E003"])
        with mail_settings(RELAYS={"esp": {"BACKEND": "courant_mail.backend.EmailBackend"}}):
            self.assertEqual(self.ids(check_settings(None)), ["E001"])

    @skipIf(django.VERSION < (6, 1), "MAILERS came with Django 6.1")
    def test_mailers_without_a_way_out_are_told(self):
        queue = {"BACKEND": "courant_mail.backend.EmailBackend"}
        with override_settings(MAILERS={"default": queue}):
            self.assertEqual(self.ids(check_settings(None)), ["E004"])

    @skipIf(django.VERSION < (6, 1), "MAILERS came with Django 6.1")
    def test_a_queue_that_names_no_relay_of_the_site_is_told(self):
        queue = {"BACKEND": "courant_mail.backend.EmailBackend", "OPTIONS": {"relay": "smpt"}}
        with override_settings(MAILERS={"default": {"OPTIONS": {"host": "localhost"}}, "queue": queue}):
            [message] = check_settings(None)
        self.assertEqual(self.ids([message]), ["E005"])
        self.assertIn("'smpt'", message.msg)

    def test_a_converter_that_is_no_function_is_told(self):
        for name in ("no.such.function", "courant_mail.choices.UNFINISHED", "nothing"):
            with mail_settings(HTML_TO_TEXT=name):
                self.assertEqual(self.ids(check_settings(None)), ["E006"])

    def test_a_lock_folder_that_cannot_be_used_is_told(self):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "file").touch()
            for name in ("missing", "file"):
                with mail_settings(LOCK_DIR=f"{folder}/{name}"):
                    self.assertEqual(self.ids(check_settings(None)), ["E007"])

    def test_an_action_that_leads_to_no_page_is_told(self):
        site = AdminSite(name="without_jobs")
        site.register(Group, GroupAdmin)
        found = check_object_mail(None)
        self.assertEqual(self.ids(found), ["E008"])
        self.assertIn("'without_jobs'", found[0].msg)
        site.register(MessageJob, MessageJobAdmin)
        self.assertEqual(check_object_mail(None), [])

    def test_a_site_without_an_address_is_warned(self):
        given = {key: value for key, value in settings.COURANT_MAIL.items() if key != "SITE_URL"}
        with override_settings(COURANT_MAIL=given):
            self.assertEqual(self.ids(check_links(None)), ["W001"])

    def test_a_site_without_the_unsubscribe_page_is_warned(self):
        with override_settings(ROOT_URLCONF="tests.faces.no_urls"):
            self.assertEqual(self.ids(check_links(None)), ["W002"])

    def test_links_without_https_are_warned_about_at_deployment(self):
        with mail_settings(SITE_URL="http://www.example.org"):
            self.assertEqual(self.ids(check_https(None)), ["W004"])
            self.assertIn("courant_mail.W004", [m.id for m in run_checks(include_deployment_checks=True)])
            self.assertNotIn("courant_mail.W004", [m.id for m in run_checks()])
        self.assertEqual(check_https(None), [])

    def test_wrong_settings_are_told_once_and_not_by_every_check(self):
        with mail_settings(SITE_URLL="x"):
            self.assertEqual(check_links(None) + check_https(None), [])

    def test_every_id_is_used_once_and_has_a_test_here(self):
        source = Path(courant_mail.checks.__file__).read_text(encoding="utf-8")
        ids = re.findall(r'id="courant_mail\.([EW]\d{3})"', source)
        self.assertEqual(len(ids), len(set(ids)))
        tests = Path(__file__).read_text(encoding="utf-8")
        self.assertEqual([name for name in ids if f'"{name}"' not in tests and name not in tests], [])

    def test_the_commands_of_the_queue_run_the_errors_and_not_the_warnings(self):
        tagged = [check for check in registry.registry.get_checks() if "courant_mail" in getattr(check, "tags", ())]
        self.assertEqual(tagged, [check_settings])


class DatabaseCheckTests(TestCase):
    @skipUnless(connection.vendor == "sqlite", "about SQLite alone")
    def test_an_sqlite_file_without_a_write_ahead_log_is_warned_about(self):
        self.assertEqual(check_databases(None, databases=["default"]), [])
        with tempfile.TemporaryDirectory() as folder:
            other = connection.copy("other")
            other.settings_dict = {
                **other.settings_dict,
                "NAME": f"{folder}/plain.sqlite3",
                "OPTIONS": {"init_command": "PRAGMA journal_mode=DELETE;"},
            }
            connections["other"] = other
            try:
                with other.cursor() as cursor:
                    cursor.execute("CREATE TABLE something (id integer)")
                self.assertEqual(check_databases(None, databases=["other"]), [], "the queue is not there")
                with override_settings(DATABASE_ROUTERS=[f"{__name__}.OtherRouter"]):
                    found = check_databases(None, databases=["default", "other"])
                self.assertEqual([message.id for message in found], ["courant_mail.W003"])
            finally:
                other.close()
                del connections["other"]

    def test_databases_are_looked_at_only_when_asked_to(self):
        with self.assertNumQueries(0):
            self.assertEqual(check_databases(None), [])
