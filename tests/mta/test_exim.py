"""A real mail server: everybody's mail arrives in their mailbox, once, with the words that were asked for."""

from __future__ import annotations

import time
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any
from unittest import SkipTest

from django.db import connection

from courant_mail import engine
from courant_mail.causes import Cause
from courant_mail.choices import MessageStatus
from courant_mail.models import Message, RelayState
from courant_mail.queue.letters import message_id_pattern
from tests.engine.base import EngineTestCase
from tests.queue.helpers import statuses

from . import exim

_COUNT = 2000
_STRANGERS = 20
_TEXT = """Dear {{ first_name }},

.
..
.hidden, and a dot alone
From the editors: “{{ word }}”
{{ line }}

Number {{ number }}.
"""


def person(number: int) -> dict[str, Any]:
    """A reader with values of her own."""
    names = ["Ann", "Jörg", "Πηνελόπη", "O’Neil & Co", "名前"]
    return {
        "email": f"reader{number}@{exim.DOMAIN}",
        "first_name": f"{names[number % len(names)]} {number}",
        "word": "Grüße" if number % 3 else "greetings",
        "line": "long " * 250 if number % 7 == 0 else "short",
        "number": number,
    }


def text_for(values: dict[str, Any]) -> str:
    """The words that this reader should see."""
    text = _TEXT
    for name, value in values.items():
        text = text.replace(f"{{{{ {name} }}}}", str(value))
    return text


class EximTests(EngineTestCase):
    exim: exim.Exim

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        if connection.vendor != "sqlite":
            raise SkipTest("a database makes no difference to Exim; this runs with the tests on SQLite")
        try:
            cls.exim = cls.enterClassContext(exim.started(f"reader{number}" for number in range(_COUNT)))
        except exim.NoExim as reason:
            raise SkipTest(str(reason)) from reason

    def wait_until_delivered(self, count: int) -> None:
        """Exim delivers in processes of its own, after it has accepted."""
        for _ in range(1500):
            if self.exim.delivered() >= count:
                return
            time.sleep(0.1)
        self.fail(f"only {self.exim.delivered()} of {count} are there")

    def test_two_thousand_personal_mails_arrive_each_once_and_unknown_users_are_told_apart(self) -> None:
        self.use_relay(self.exim.port, CONNECTIONS=4, options={"timeout": 30})
        readers = [person(number) for number in range(_COUNT)]
        strangers = [{"email": f"stranger{number}@{exim.DOMAIN}", "first_name": "x"} for number in range(_STRANGERS)]
        for number, stranger in enumerate(strangers):
            readers.insert(number * 90, stranger)
        job = self.queue(
            recipients=readers,
            subject="No. {{ number }} for {{ first_name }}",
            text=_TEXT,
            html="<p>Dear <b>{{ first_name }}</b>, {{ word }}</p>",
            headers={"X-Campaign": "spring"},
        )
        summary = engine.send()
        self.assertEqual((summary.sent, summary.failed, summary.trouble), (_COUNT, _STRANGERS, None))
        self.assertEqual(statuses(), {"sent": _COUNT, "failed": _STRANGERS})
        self.check_strangers()
        self.wait_until_delivered(_COUNT)
        ids = dict(Message.objects.values_list("recipient", "pk"))
        pattern = message_id_pattern(job)
        for number in range(_COUNT):
            values = person(number)
            [data] = self.exim.mails(f"reader{number}")
            self.check_mail(data, values, pattern.format(ids[values["email"]]))
        self.assertEqual(self.exim.delivered(), _COUNT)

    def check_mail(self, data: bytes, values: dict[str, Any], message_id: str) -> None:
        mail = BytesParser(policy=policy.default).parsebytes(data)
        assert isinstance(mail, EmailMessage)
        self.assertEqual(mail["Return-path"], "<editors@courant.example>")
        self.assertEqual(mail["Envelope-to"], values["email"])
        self.assertEqual(mail["To"], values["email"])
        self.assertEqual(mail["Subject"], f"No. {values['number']} for {values['first_name']}")
        self.assertEqual((mail["Message-ID"], mail["X-Campaign"]), (message_id, "spring"))
        self.assertRegex(mail["List-Unsubscribe"], r"^<https://www\.courant\.example/.+>$")
        plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
        assert plain is not None and html is not None
        self.assertEqual(plain.get_content().rstrip(), text_for(values).rstrip())
        name = values["first_name"].replace("&", "&amp;")
        self.assertIn(f"{name}</b>, {values['word']}", html.get_content())
        self.assertFalse(mail.defects)

    def check_strangers(self) -> None:
        """550 at RCPT, and nobody else has suffered."""
        rows = Message.objects.filter(recipient__startswith="stranger")
        self.assertEqual(
            set(rows.values_list("status", "cause", "reply", "attempts")),
            {(MessageStatus.FAILED, Cause.UNKNOWN_ADDRESS, "550 Unknown user", 1)},
        )
        self.assertFalse(RelayState.objects.filter(failures__gt=0).exists())
