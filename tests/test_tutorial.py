"""
The tutorial, done as it is written: its files are written, its commands run, its mails arrive.

Blocks of the language `shell` are run by bash, in one folder and in their order; the one that is run in a second
terminal runs until the end. A block whose caption is the name of a file is written to that file. A block `text` is what
the commands before it print, but for the numbers. Blocks `console` (to install, to look at in a browser) are for
people alone; what they do in the browser is done here by Django's test client.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import IO

from django.test import SimpleTestCase

ROOT = Path(__file__).resolve().parent.parent
TUTORIAL = ROOT / "docs" / "tutorial" / "first-mail.md"

PRESS_THE_BUTTON = """
import re
from django.test import Client
from readers.models import Letter

letter = Letter.objects.create(title="Spring", body="It is here.")
browser = Client(HTTP_HOST="127.0.0.1:8000", raise_request_exception=True)
assert browser.login(username="editor", password="gazette")
data = {"action": "send_object_mail", "_selected_action": letter.pk}
page = browser.post("/admin/readers/letter/", data, follow=True)
assert "about 100 people" in page.content.decode(), page.content.decode()
hidden = dict(re.findall(r'name="(job|seen-\\d+)" value="(\\w+)"', page.content.decode()))
page = browser.post("/admin/courant_mail/messagejob/send/", {**hidden, "when": "now"}, follow=True)
assert "The mail “Spring” is queued." in page.content.decode(), page.content.decode()
"""


@dataclass(frozen=True)
class Block:
    language: str
    caption: str
    code: str


class TutorialTests(SimpleTestCase):
    """One long test: each step of the tutorial needs those before it."""

    folder: Path

    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = str(found.getsockname()[1])
        self.printed = ""

    def test_the_tutorial_mails_a_hundred_readers_twice(self) -> None:
        for block in blocks(TUTORIAL.read_text(), self.port):
            with self.subTest(block=block.caption or block.code.strip().splitlines()[0]):
                self.do(block)
        self.assertEqual(len(self.arrived()), 200)
        first = [mail for mail in self.arrived() if str(mail["Subject"]).startswith("Good morning")]
        second = [mail for mail in self.arrived() if mail["Subject"] == "Spring"]
        for number, mail in enumerate(sorted(first, key=number_of), start=1):
            self.assertEqual(mail["Subject"], f"Good morning, Reader {number}")
            self.assertEqual(mail["To"], f"reader{number}@example.org")
            self.assertIn(f"Dear Reader {number},\n\nthe Gazette", content(mail, "plain"))
        self.assertEqual(len(first), 100)
        self.assertEqual(len({str(mail["To"]) for mail in second}), 100)
        for mail in second:
            self.assertIn(f"Dear Reader {number_of(mail)},", content(mail, "plain"))
            self.assertIn(f"<p>Dear Reader {number_of(mail)},</p>", content(mail, "html"))
            link = str(mail["List-Unsubscribe"]).strip("<>")
            self.assertIn(f'href="{link}"', content(mail, "html"))

    def do(self, block: Block) -> None:
        if block.language == "text":
            self.assertEqual(without_numbers(block.code), without_numbers(self.printed))
        elif block.language == "shell" and block.caption == "In a second terminal":
            self.serve(block.code)
        elif block.language == "shell":
            if block.caption == "After pressing the button":
                self.run_python(PRESS_THE_BUTTON)
            self.run_shell(block.code)
        elif block.language != "console":
            self.write(block)

    def write(self, block: Block) -> None:
        name, _, more = block.caption.partition(" ")
        self.assertIn(more, ("", "(add at the end)"))
        path = self.folder / "gazette" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a" if more else "w") as file:
            file.write(f"\n{block.code}" if more else block.code)

    def run_shell(self, code: str) -> None:
        self.printed = self.run_and_read(["bash", "-e", "-c", code])

    def run_python(self, code: str) -> None:
        self.run_and_read([sys.executable, "manage.py", "shell", "-v", "0", "-c", code])

    def run_and_read(self, command: list[str]) -> str:
        done = subprocess.run(command, cwd=self.here, env=environment(), capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(done.stderr, "", "nothing of this is worth a warning")
        return done.stdout

    @property
    def here(self) -> Path:
        """Where somebody who follows the tutorial is: in the new site's folder once there is one."""
        site = self.folder / "gazette"
        return site if (site / "manage.py").exists() else self.folder

    def serve(self, code: str) -> None:
        server = subprocess.Popen(
            ["bash", "-c", f"exec {code}"], cwd=self.here, env=environment(), stdout=subprocess.PIPE, text=True
        )
        output: IO[str] | None = server.stdout
        if output is None:
            raise AssertionError("a pipe was asked for")
        self.addCleanup(output.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        self.assertIn("listening", output.readline())

    def arrived(self) -> list[EmailMessage]:
        files = (self.folder / "gazette" / "mails" / "new").iterdir()
        return [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]


def blocks(text: str, port: str) -> Iterator[Block]:
    """The blocks of a page in their order, with the port of the mail server replaced by a free one."""
    pattern = r"^```(?:\{code-block\} )?([\w+]+)\n(?::caption: ([^\n]+)\n)?(.*?)^```$"
    for found in re.finditer(pattern, text, re.MULTILINE | re.DOTALL):
        yield Block(found[1], found[2] or "", textwrap.dedent(found[3]).replace("2525", port))


def environment() -> dict[str, str]:
    """As in an activated virtual environment, with this copy of the project in it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("COURANT_", "DJANGO_"))}
    return kept | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }


def without_numbers(text: str) -> str:
    """What was printed, but for how long it took."""
    return re.sub(r"in [\d.]+ s \([\d,]+/s\)", "in … s (…/s)", text.strip())


def number_of(mail: EmailMessage) -> int:
    return int(re.sub(r"\D", "", str(mail["To"])))


def content(mail: EmailMessage, subtype: str) -> str:
    part = mail.get_body((subtype,))
    if part is None:
        raise AssertionError(f"the mail to {mail['To']} has no part text/{subtype}")
    return str(part.get_content()).replace("\r\n", "\n")
