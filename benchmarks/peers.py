"""Who is compared: how each fills its queue, sends it, and how many of its mails have left."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .processes import Failed, Run
from .sites import Site

_SMTP = "django.core.mail.backends.smtp.EmailBackend"


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """
    A way to send many mails from a Django site.

    `speed` is about how many mails a second it sends on a small machine, by the size of their HTML in kB: only to
    choose how many it gets. `count` is the SQL that says how many have left.
    """

    key: str
    what: str
    app: str
    command: tuple[str, ...]
    speed: dict[int, float]
    count: str = ""
    settings: dict[str, Any] = field(default_factory=dict)

    def fill(self, site: Site, messages: int, kilobytes: int) -> None:
        """Put so many mails into the emptied queue."""
        if not self.app:
            return
        site.empty()
        site.inside("fill", self.app, messages, kilobytes)
        if self.app == "courant_mail":
            site.manage("process_mail_jobs", "--verbosity", "0")
        # What autovacuum does in its time; nobody shall suffer from statistics of an empty table.
        site.database.analyze(f"{self.app}_")

    def idle(self, site: Site) -> Run:
        """A run without mail: what starting Python and Django costs."""
        if not self.app:
            return site.inside("django_backend", 0, 0)
        site.empty()
        return site.manage(*self.command)

    def send(self, site: Site, messages: int, kilobytes: int) -> Run:
        """Send everything, as cron would. Raises Failed unless all of it has left."""
        if not self.app:
            return site.inside("django_backend", messages, kilobytes)
        done = site.manage(*self.command)
        if (sent := site.database.value(self.count)) != messages:
            raise Failed(f"{self.what}: only {sent} of {messages} mails were sent:\n{done.output[-2000:]}")
        return done


def ours(connections: int, key: str = "", words: str = "", **settings: Any) -> Contestant:
    """This project, one `send_mail` process."""
    return Contestant(
        key=f"courant_mail-{connections}{key}",
        what=f"courant_mail, {connections} connections{words}",
        app="courant_mail",
        command=("send_mail", "--verbosity", "0"),
        settings={"connections": connections} | settings,
        count="SELECT count(*) FROM courant_mail_message WHERE sent_at IS NOT NULL",
        speed={2: 3500, 30: 2000},
    )


#: what is gained when PostgreSQL does not wait for the disk with each commit
OURS_NOT_WAITING = ours(
    4, "-not-waiting", ", synchronous_commit off", database_options={"options": "-c synchronous_commit=off"}
)


def _mailer(key: str, what: str, **settings: Any) -> Contestant:
    return Contestant(
        key=f"django-mailer{key}",
        what=f"django-mailer 2.3.2{what}",
        app="mailer",
        command=("send_mail", "--verbosity", "0"),
        settings=settings,
        count="SELECT count(*) FROM mailer_messagelog WHERE result = '1'",
        speed={2: 150, 30: 80},
    )


def _post_office(processes: int, threads: int, batch: int, log_level: int = 2) -> Contestant:
    backends = {"default": _SMTP}
    logged = ", no log" if not log_level else ""
    given = {"BACKENDS": backends, "BATCH_SIZE": batch, "THREADS_PER_PROCESS": threads, "LOG_LEVEL": log_level}
    return Contestant(
        key=f"post_office-{processes}-{threads}-{batch}-{log_level}",
        what=f"django-post_office 3.12.0, {processes} × {threads} threads, batches of {batch}{logged}",
        app="post_office",
        command=("send_queued_mail", "--processes", str(processes), "--verbosity", "0"),
        settings={"POST_OFFICE": given},
        count="SELECT count(*) FROM post_office_email WHERE status = 0",
        speed={2: 500 if processes > 1 else 350, 30: 200 if processes > 1 else 150},
    )


MAILER = _mailer("", "")
#: its log keeps a copy of each mail unless it is told not to
MAILER_SHORT_LOG = _mailer("-short-log", ", mails not logged", MAILER_EMAIL_LOG_MESSAGE_DATA=False)

POST_OFFICE = _post_office(1, 5, 100)
POST_OFFICE_PROCESSES = _post_office(2, 5, 1000)
#: as it comes, and further ways to set what its documentation offers: batches, processes, threads, no log
POST_OFFICE_SETTINGS = (
    POST_OFFICE,
    _post_office(2, 1, 1000, log_level=0),
    _post_office(4, 5, 1000, log_level=0),
)

DJANGO = Contestant(
    key="django",
    what="Django's SMTP backend alone, no queue, one connection",
    app="",
    command=(),
    speed={2: 500, 30: 180},
)
