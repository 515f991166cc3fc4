"""
Django's SMTP backend alone, without a queue: `python -m benchmarks.inside.django_backend MESSAGES KILOBYTES`.

One connection for all mails. It fails when a mail does not go out.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from benchmarks import mails
from benchmarks.inside import program


def main(messages: int, kilobytes: int) -> None:
    """Compose and send the mails one by one, as a loop in a site would."""
    from django.core.mail import EmailMultiAlternatives, get_connection

    html = mails.html(kilobytes)

    def each() -> Iterator[EmailMultiAlternatives]:
        for one in map(mails.reader, range(1, messages + 1)):
            subject, text = mails.merged(mails.SUBJECT, one), mails.merged(mails.TEXT, one)
            mail = EmailMultiAlternatives(subject, text, mails.FROM, [one["email"]])
            mail.attach_alternative(mails.merged(html, one), "text/html")
            yield mail

    with get_connection() as connection:
        sent = sum(connection.send_messages([mail]) or 0 for mail in each())
    if sent != messages:
        sys.exit(f"Only {sent} of {messages} were sent.")


if __name__ == "__main__":
    program.begin()
    main(int(sys.argv[1]), int(sys.argv[2]))
