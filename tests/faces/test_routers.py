"""The router that puts the app's tables on a database of their own."""

from __future__ import annotations

from django.apps import apps
from django.contrib.auth.models import Group, User
from django.test import SimpleTestCase

from courant_mail.models import Message, MessageJob
from courant_mail.routers import CourantMailRouter


class RouterTests(SimpleTestCase):
    router = CourantMailRouter()

    def test_every_table_of_the_app_is_read_and_written_there(self):
        for model in apps.get_app_config("courant_mail").get_models():
            self.assertEqual(self.router.db_for_read(model), "mail")
            self.assertEqual(self.router.db_for_write(model), "mail")

    def test_other_tables_are_left_to_others(self):
        self.assertIsNone(self.router.db_for_read(User))
        self.assertIsNone(self.router.db_for_write(User))
        self.assertIsNone(self.router.allow_relation(User(), Group()))
        self.assertIsNone(self.router.allow_relation(User(), Message()))
        self.assertIsNone(self.router.allow_migrate("default", "auth"))

    def test_the_tables_are_made_there_and_no_others(self):
        self.assertIs(self.router.allow_migrate("mail", "courant_mail"), True)
        self.assertIs(self.router.allow_migrate("default", "courant_mail"), False)
        self.assertIs(self.router.allow_migrate("mail", "auth"), False)
        self.assertIs(self.router.allow_relation(MessageJob(), Message()), True)

    def test_a_subclass_names_another_alias(self):
        class Elsewhere(CourantMailRouter):
            database = "default"

        self.assertEqual(Elsewhere().db_for_write(Message), "default")
        self.assertIs(Elsewhere().allow_migrate("default", "courant_mail"), True)
        self.assertIsNone(Elsewhere().allow_migrate("default", "auth"))

    def test_no_foreign_key_leaves_the_app(self):
        for model in apps.get_app_config("courant_mail").get_models():
            for field in model._meta.get_fields():
                if field.is_relation and field.related_model:
                    self.assertEqual(field.related_model._meta.app_label, "courant_mail", field)
