"""Queue one job over a recipient source: `python -m benchmarks.inside.queue_job SOURCE COUNT KILOBYTES`."""

from __future__ import annotations

import sys

from benchmarks import mails
from benchmarks.inside import program


def queue(source: str, count: int, kilobytes: int) -> None:
    """The job; its messages are made by process_mail_jobs."""
    from courant_mail.api import queue_job

    queue_job(
        subject=mails.SUBJECT,
        text=mails.TEXT,
        html=mails.html(kilobytes),
        from_email=mails.FROM,
        source=source,
        source_params={"limit" if source == "bench.readers" else "count": count},
    )


if __name__ == "__main__":
    program.begin()
    queue(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
