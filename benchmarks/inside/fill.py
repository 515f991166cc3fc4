"""Fill the queue of the site's app: `python -m benchmarks.inside.fill APP MESSAGES KILOBYTES`."""

from __future__ import annotations

import sys
from collections.abc import Callable

from benchmarks import mails
from benchmarks.inside import program
from benchmarks.inside.queue_job import queue


def courant_mail(messages: int, kilobytes: int) -> None:
    """One job; its messages are made by process_mail_jobs."""
    queue("bench.numbers", messages, kilobytes)


def mailer(messages: int, kilobytes: int) -> None:
    """A mail for each reader, as django-mailer's own function queues it."""
    from django.db import transaction
    from mailer import send_html_mail

    html = mails.html(kilobytes)
    with transaction.atomic():
        for number in range(1, messages + 1):
            one = mails.reader(number)
            words = (mails.merged(text, one) for text in (mails.SUBJECT, mails.TEXT, html))
            send_html_mail(*words, mails.FROM, [one["email"]])


def post_office(messages: int, kilobytes: int) -> None:
    """A mail for each reader, merged already, as post_office's function for many queues them."""
    from post_office import mail

    html = mails.html(kilobytes)
    for start in range(1, messages + 1, 500):
        mail.send_many(
            [
                {
                    "recipients": one["email"],
                    "sender": mails.FROM,
                    "subject": mails.merged(mails.SUBJECT, one),
                    "message": mails.merged(mails.TEXT, one),
                    "html_message": mails.merged(html, one),
                }
                for one in map(mails.reader, range(start, min(start + 500, messages + 1)))
            ]
        )


_FILL: dict[str, Callable[[int, int], None]] = {
    "courant_mail": courant_mail,
    "mailer": mailer,
    "post_office": post_office,
}

if __name__ == "__main__":
    program.begin()
    app, messages, kilobytes = sys.argv[1:]
    _FILL[app](int(messages), int(kilobytes))
