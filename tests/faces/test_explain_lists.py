"""Every question of the lists of messages is answered from an index, with 200,000 other rows in the table."""

from __future__ import annotations

import re
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.test import TransactionTestCase, override_settings
from django.test.utils import CaptureQueriesContext

from courant_mail.causes import Cause
from courant_mail.choices import MessageStatus
from courant_mail.models import Message
from tests.queue.helpers import make_job, make_messages
from tests.queue.test_explain import OTHERS, analyze, fill, plan

from .desk import url

LIST = "/admin/courant_mail/message/"
#: what databases call the indexes that have no name of their own, or none; SQLite walks along its key without a word
NAMES = {
    "postgresql": {"key": "courant_mail_message_pkey"},
    "mysql": {"courant_mail_got": "courant_mail_missed", "key": "PRIMARY"},
    "sqlite": {
        "courant_mail_once_per_job": "sqlite_autoindex_courant_mail_message_1",
        "courant_mail_got": "courant_mail_message",
        "key": "SCAN courant_mail_message",
    },
}


@override_settings(ALLOWED_HOSTS=["*"])
class ListIndexTests(TransactionTestCase):
    def test_no_page_about_messages_reads_them_all(self) -> None:
        fill(make_job(subject="another"), OTHERS)
        job = make_job(subject="large")
        fill(job, 20_000)
        Message.objects.filter(job=job, recipient__startswith="sent1").update(
            status=MessageStatus.FAILED, cause=Cause.BLOCKED
        )
        Message.objects.filter(job=job, recipient__startswith="sent2").update(status=MessageStatus.QUEUED)
        make_messages(job, 5, status=MessageStatus.IN_DOUBT, cause=Cause.IN_DOUBT)
        analyze()
        self.client.force_login(User.objects.create(username="root", is_staff=True, is_superuser=True))
        for query, index in (
            ({}, "courant_mail_once_per_job"),
            ({"q": "sent19"}, "courant_mail_once_per_job"),
            ({"fate": "sent"}, "courant_mail_got"),
            ({"fate": "waiting"}, "courant_mail_claim"),
            ({"fate": "missed"}, "courant_mail_missed"),
            ({"cause": Cause.BLOCKED.value}, "courant_mail_missed"),
        ):
            with self.subTest(query):
                self.assert_uses(index, LIST, {"job__id__exact": job.pk, **query})
        with self.subTest("the newest of all"):
            self.assert_uses("key", LIST)
        with self.subTest("what keeps the page of the job up to date"):
            self.assert_uses("courant_mail_missed", url("progress", job.pk))
        with self.subTest("the export"):
            self.assert_uses("courant_mail_once_per_job", url("messages_csv", job.pk))
            self.assert_uses("courant_mail_missed", url("messages_csv", job.pk), {"which": "missed"})

    def assert_uses(self, index: str, address: str, query: dict[str, Any] | None = None) -> None:
        """Each SELECT over the messages behind this page uses the index, and none reads the whole table."""
        with CaptureQueriesContext(connection) as captured:
            answer = self.client.get(address, query)
            self.assertEqual(answer.status_code, 200)
            self.assertTrue(b"".join(answer))
        found = [entry["sql"] for entry in captured if re.search(r"courant_mail_message\W", entry["sql"])]
        self.assertGreaterEqual(len(found), 2, found)
        name = NAMES[connection.vendor].get(index, index)
        for sql in found:
            text = plan(sql)
            self.assertIn(name, text, sql)
            self.assertNotRegex(text, r"Seq Scan on courant_mail_message\b", sql)
            if name not in ("SCAN courant_mail_message", "courant_mail_message"):
                self.assertNotRegex(text, r"SCAN courant_mail_message\b", sql)
