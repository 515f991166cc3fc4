"""The check at the end of the demo notices what it is there to notice."""

from __future__ import annotations

import tempfile
from email.message import EmailMessage
from email.policy import SMTPUTF8
from pathlib import Path
from typing import Any

from django.test import SimpleTestCase

from .check import Expected, Received, compare, compare_counts, expect, same_address
from .processes import Processes, ProcessFailed

RESET = "editor@courant.example"


def letter(address: str, name: str, number: int) -> bytes:
    """A mail of the newsletter as it should be."""
    message = EmailMessage(policy=SMTPUTF8)
    message["To"] = address
    message["Message-ID"] = f"<{number}@courant.example>"
    message["List-Unsubscribe"] = "<https://www.courant.example/mail/unsubscribe/x/>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(f"Hello {name},\n")
    page = f"Hello {name}".replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    message.add_alternative(f"<p>{page},</p>", subtype="html")
    return message.as_bytes()


class CheckTests(SimpleTestCase):
    """A run in which all went well, and then one thing did not."""

    def setUp(self) -> None:
        self.expected: Expected = expect(60)
        self.maildir = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (self.maildir / "new").mkdir()
        self.journal: list[dict[str, Any]] = [
            *({"event": "refused for good", "recipient": address} for address in self.expected.refused_for_good),
            *({"event": "refused for now", "recipient": address} for address in self.expected.refused_for_now),
            {"event": "accepted", "recipient": RESET, "file": "none"},
        ]
        for number, (address, name) in enumerate(self.expected.delivered.items()):
            self.deliver(address, letter(address, name, number), f"{number}.eml")

    def deliver(self, address: str, raw: bytes, file: str) -> None:
        (self.maildir / "new" / file).write_bytes(raw)
        self.journal.append({"event": "accepted", "recipient": address, "file": file})

    def compare(self) -> Received:
        return compare(self.expected, self.journal, self.maildir, apart_from=RESET)

    def test_a_run_as_expected_has_no_differences(self) -> None:
        found = self.compare()
        self.assertEqual(found.differences, [])
        self.assertGreater(found.looked_into, 3)

    def test_a_missing_mail_is_noticed(self) -> None:
        lost = self.journal.pop()
        self.assertEqual(self.compare().differences, [f"delivered: {lost['recipient']} is missing"])

    def test_a_mail_that_came_twice_is_noticed(self) -> None:
        self.journal.append(self.journal[-1])
        self.assertIn(f"{self.journal[-1]['recipient']} got 2 mails", self.compare().differences)

    def test_a_mail_to_somebody_who_has_unsubscribed_is_noticed(self) -> None:
        address = "jerome.1@quiet.example"
        self.deliver(address, letter(address, "Jérôme", 999), "999.eml")
        self.assertIn(f"delivered: {address} was not expected", self.compare().differences)

    def test_a_mail_with_the_words_for_somebody_else_is_noticed(self) -> None:
        address = "zoë.fletcher@example.org"
        file = next(line["file"] for line in self.journal if line["recipient"] == address)
        (self.maildir / "new" / file).write_bytes(letter("sean@example.net", "Seán", 999))
        self.assertEqual(len([text for text in self.compare().differences if text.startswith(address)]), 3)

    def test_a_message_id_used_twice_is_noticed(self) -> None:
        address, name = next(iter(self.expected.delivered.items()))
        (self.maildir / "new" / "0.eml").write_bytes(letter(address, name, 1))
        self.assertEqual(self.compare().differences, ["2 mails have the Message-ID <1@courant.example>"])

    def test_other_counts_are_noticed(self) -> None:
        sent, failed = len(self.expected.delivered) + 1, len(self.expected.refused_for_good) + self.expected.invalid
        counts = {"queued": 0, "sent": sent, "failed": failed, "suppressed": self.expected.suppressed}
        self.assertEqual(compare_counts(self.expected, counts), [])
        self.assertEqual(compare_counts(self.expected, counts | {"queued": 1}), ["queued: 0 expected, 1 counted"])

    def test_an_address_is_the_same_in_all_its_spellings(self) -> None:
        self.assertEqual(same_address("Kaethe@xn--bcher-kva.example"), same_address("kaethe@bücher.example"))
        self.assertNotEqual(same_address("zoe@example.org"), same_address("zoë@example.org"))


class ProcessTests(SimpleTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def test_a_script_that_fails_is_told_with_the_end_of_its_output(self) -> None:
        with Processes(self.folder, {}) as processes, self.assertRaisesRegex(ProcessFailed, "No such command|Unknown"):
            processes.run("wrong", "manage.py", "no_such_command")

    def test_what_was_started_is_stopped_whatever_happens(self) -> None:
        with self.assertRaises(ZeroDivisionError), Processes(self.folder, {}) as processes:
            server = processes.start("smtp", "local_smtp.py", "--port", "0", "--maildir", str(self.folder / "maildir"))
            raise ZeroDivisionError
        self.assertIsNotNone(server.returncode)
