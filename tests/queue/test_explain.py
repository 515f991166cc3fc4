"""The claim uses its index on each database, with 200,000 other rows in the table."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from django.db import connection
from django.test import TransactionTestCase
from django.test.utils import CaptureQueriesContext

from courant_mail.choices import MessageStatus
from courant_mail.models import Message, MessageJob
from courant_mail.queue.agenda import look
from courant_mail.queue.finish import finish_jobs
from courant_mail.queue.retry import retry_deferred

from .helpers import NOW, claim_all, make_job, make_messages, make_sender, make_single

OTHERS = 200_000


def fill(job: MessageJob, count: int) -> None:
    """Sent messages, as many as asked for, with one statement."""
    numbers = {
        "postgresql": f"SELECT generate_series(1, {count}) AS n",
        "mysql": f"SELECT seq AS n FROM seq_1_to_{count}",
        "sqlite": f"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {count}) SELECT n FROM c",
    }[connection.vendor]
    address = "CONCAT('sent', n, '@example.org')" if connection.vendor == "mysql" else "'sent' || n || '@example.org'"
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO courant_mail_message (job_id, recipient, priority, status, attempts, relay, reply) "
            f"SELECT {job.pk}, {address}, 3, {MessageStatus.SENT}, 1, 'smtp', '250 ok' FROM ({numbers}) AS numbers"
        )


def plan(sql: str) -> str:
    """How the database would run the statement, in its own words."""
    prefix = {"postgresql": "EXPLAIN", "mysql": "EXPLAIN FORMAT=JSON", "sqlite": "EXPLAIN QUERY PLAN"}[
        connection.vendor
    ]
    with connection.cursor() as cursor:
        cursor.execute(f"{prefix} {sql}")
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


def rows_to_read(text: str) -> int:
    """The largest number of rows of one table that MariaDB or MySQL expects to read."""

    def walk(node: Any) -> int:
        if isinstance(node, list):
            return max(map(walk, node), default=0)
        if not isinstance(node, dict):
            return 0
        own = int(node.get("rows") or node.get("rows_examined_per_scan") or 0)
        return max([own, *map(walk, node.values())])

    return walk(json.loads(text))


def analyze() -> None:
    """Let the planner know what is in the table (MariaDB and MySQL commit here, hence no `TestCase`)."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE TABLE courant_mail_message" if connection.vendor == "mysql" else "ANALYZE")
        if connection.vendor == "mysql":
            cursor.fetchall()


class ClaimIndexTests(TransactionTestCase):
    def test_no_question_of_the_queue_reads_the_finished_rows(self) -> None:
        fill(make_job(subject="yesterday's"), OTHERS)
        make_messages(make_job(subject="today's"), 50)
        make_single()
        make_single("bo@example.org", status=MessageStatus.DEFERRED, not_before=NOW)
        analyze()
        sender = make_sender()
        claim_index, due_index = {"courant_mail_claim"}, {"courant_mail_claim", "courant_mail_due"}
        with self.subTest("the agenda"):
            self.assert_uses(claim_index, lambda: self.assertTrue(look(NOW).send), selects=1)
        with self.subTest("a claim: which lanes, single mails, a job"):
            self.assert_uses(claim_index, lambda: self.assertEqual(len(claim_all(sender, 10).messages), 10), selects=3)
        with self.subTest("what a dead sender had claimed"):
            self.assert_uses(claim_index, lambda: self.assertEqual(len(Message.objects.held_by(sender)), 10), selects=1)
        with self.subTest("what is due for another try"):
            self.assert_uses(due_index, lambda: self.assertEqual(retry_deferred(NOW), 1), selects=2)
        with self.subTest("which jobs are at their end"):
            self.assert_uses(claim_index, lambda: self.assertEqual(len(finish_jobs(NOW)), 1), selects=2)

    def assert_uses(self, indexes: set[str], work: Callable[[], Any], *, selects: int) -> None:
        """Every SELECT over the messages that `work` runs uses one of the indexes and scans no table of messages."""
        with CaptureQueriesContext(connection) as captured:
            work()
        found = [
            query["sql"]
            for query in captured
            if query["sql"].startswith("SELECT") and re.search(r"courant_mail_message\W", query["sql"])
        ]
        found = [sql for sql in found if "GROUP BY" not in sql]  # counting a finished job anew reads its rows
        self.assertEqual(len(found), selects, found)
        for sql in found:
            text = plan(sql)
            self.assertTrue(any(index in text for index in indexes), f"\n{sql}\n{text}")
            self.assertNotRegex(text, r"Seq Scan on courant_mail_message\b", sql)
            self.assertNotRegex(text, r"SCAN courant_mail_message\b", sql)
            if connection.vendor == "mysql":
                self.assertLess(rows_to_read(text), 1000, f"\n{sql}\n{text}")
