"""The local SMTP server keeps what it gets, and the inbox shows it."""

from __future__ import annotations

import smtplib
import tempfile
from email.message import EmailMessage
from pathlib import Path

from django.test import SimpleTestCase, override_settings
from django.urls import reverse

from tools.journal import read_journal
from tools.processes import Processes, free_port


def newsletter(recipient: str) -> EmailMessage:
    """A mail with everything that the inbox has to show."""
    message = EmailMessage()
    message["From"] = "The Courant <editors@courant.example>"
    message["To"] = recipient
    message["Subject"] = "Théâtre <tonight>"
    message["List-Unsubscribe"] = "<mailto:no@courant.example>, <https://www.courant.example/mail/u/token>"
    message.set_content("Hello Zoë,\n.a line with a dot in front\n")
    message.add_alternative("<html><head></head><body><p>Hello Zoë</p></body></html>", subtype="html")
    return message


@override_settings(DEBUG=True)
class InboxTests(SimpleTestCase):
    """One server for all tests; each looks at what it has stored."""

    maildir: Path
    pipelining: bool
    refusals: list[int]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.maildir = folder / "maildir"
        cls.enterClassContext(override_settings(LOCAL_MAILDIR=cls.maildir))
        processes = cls.enterClassContext(Processes(folder, {}))
        port = free_port()
        processes.start("smtp", "local_smtp.py", "--port", str(port), "--maildir", str(cls.maildir))
        processes.wait_for_port("smtp", port)
        with smtplib.SMTP("127.0.0.1", port) as client:
            client.ehlo()
            cls.pipelining = client.has_extn("pipelining")
            client.send_message(newsletter("zoe@example.org"))
            client.send_message(newsletter("emre@example.org"))
            cls.refusals = [cls.refusal(client, "a@busy.example"), cls.refusal(client, "b@gone.example")]
            client.send_message(newsletter("a@busy.example"))

    @staticmethod
    def refusal(client: smtplib.SMTP, address: str) -> int:
        """The code with which the server refuses the address."""
        try:
            client.send_message(newsletter(address))
        except smtplib.SMTPRecipientsRefused as error:
            return error.recipients[address][0]
        return 250

    def test_the_server_offers_pipelining(self) -> None:
        self.assertTrue(self.pipelining)

    def test_the_server_refuses_some_for_now_and_some_for_good(self) -> None:
        self.assertEqual(self.refusals, [451, 550])

    def test_the_journal_tells_what_happened_in_its_order(self) -> None:
        told = [(line["event"], line["recipient"], line.get("position")) for line in read_journal(self.maildir)]
        self.assertEqual(
            told,
            [
                ("accepted", "zoe@example.org", 1),
                ("accepted", "emre@example.org", 2),
                ("refused for now", "a@busy.example", None),
                ("refused for good", "b@gone.example", None),
                ("accepted", "a@busy.example", 3),
            ],
        )

    def test_lists_the_mails_newest_first(self) -> None:
        page = self.client.get(reverse("inbox:list")).content.decode()
        self.assertLess(page.index("a@busy.example"), page.index("emre@example.org"))
        self.assertIn("Théâtre &lt;tonight&gt;", page)

    def test_finds_mails_by_a_part_of_the_address(self) -> None:
        page = self.client.get(reverse("inbox:list"), {"q": "EMRE@"})
        self.assertContains(page, "emre@example.org")
        self.assertNotContains(page, "zoe@example.org")

    def test_shows_text_headers_and_the_unsubscribe_link_of_a_mail(self) -> None:
        page = self.client.get(reverse("inbox:letter", args=[1]))
        self.assertContains(page, "\n.a line with a dot in front")
        self.assertContains(page, 'href="https://www.courant.example/mail/u/token"')
        self.assertContains(page, "<th>Subject</th>", html=True)

    def test_shows_the_html_where_it_can_do_nothing(self) -> None:
        page = self.client.get(reverse("inbox:html", args=[1]))
        self.assertContains(page, "<p>Hello Zoë</p>")
        self.assertTrue(page["Content-Security-Policy"].startswith("sandbox"), "its own policy, not that of the site")
        self.assertEqual(page["X-Frame-Options"], "SAMEORIGIN")

    def test_a_mail_that_has_not_arrived_is_not_found(self) -> None:
        with self.assertLogs("django.request", "WARNING"):
            self.assertEqual(self.client.get(reverse("inbox:letter", args=[9])).status_code, 404)

    @override_settings(DEBUG=False)
    def test_nothing_is_shown_unless_debug_is_on(self) -> None:
        for url in (reverse("inbox:list"), reverse("inbox:letter", args=[1]), reverse("inbox:source", args=[1])):
            self.assertEqual(self.client.get(url).status_code, 404)
