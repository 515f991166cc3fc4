"""
The project's own SMTP server as a relay that takes its time and tells when some mails came in.

`python -m benchmarks.watching_sink --delay 0.1 --watch urgent-` prints a line with the port, then, for each accepted
mail whose first recipient begins like that, one with the recipient, the time in seconds since the epoch, and the size.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from courant_mail.testing.smtp_server import ReceivedMail, SmtpServer


def main() -> None:
    """Take every mail until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds that each mail takes")
    parser.add_argument("--watch", default="", help="how the recipients begin that are told; none where left out")
    parser.add_argument("--certificate", nargs=2, metavar=("FILE", "KEY"), help="offer STARTTLS with it")
    given = parser.parse_args()
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())

    def tell(mail: ReceivedMail) -> None:
        if mail.rcpt_to[0].startswith(given.watch):
            sys.stdout.write(f"{mail.rcpt_to[0]} {mail.at:.6f} {len(mail.data)}\n")
            sys.stdout.flush()

    certificate = tuple(given.certificate) if given.certificate else None
    with SmtpServer(
        delay=given.delay, journal=False, on_mail=tell if given.watch else None, certificate=certificate
    ) as server:
        sys.stdout.write(f"{server.port}\n")
        sys.stdout.flush()
        ended.wait()


if __name__ == "__main__":
    main()
