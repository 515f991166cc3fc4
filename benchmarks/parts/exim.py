"""
A local mail server or a remote service? The same job through both.

A real Exim on loopback that only queues, and a simulated service: STARTTLS, 30 ms for a round trip, 100 ms for a mail.
What Exim has taken is not delivered yet: what it needs to hand it on to the same service is measured as well.
"""

from __future__ import annotations

import time

from .. import exim_server, jobs, remote_service, tools
from ..exim_server import Exim
from ..peers import DJANGO
from ..processes import Program
from ..remote_service import PER_MAIL, ROUND_TRIP, RemoteService
from ..sites import Site
from ..stage import Stage
from .sending import UNIT

KIND = "postgresql"
KILOBYTES = 30
CONNECTIONS = {"local": (1, 4, 8, 16), "remote": (1, 4, 10, 20, 50)}
#: about how long a mail takes on one connection, to choose how many are sent
_SECONDS = {"local": 0.004, "remote": PER_MAIL + ROUND_TRIP}
#: Exim's queue runners, and for how long they are watched
RUNNERS = 10
WATCHED = 20.0


def measure(stage: Stage) -> None:
    """`exim/local/CONNECTIONS` and `exim/remote/CONNECTIONS` in messages a second, and what Exim does onwards."""
    if not stage.has(KIND):
        return
    with (
        remote_service.started(stage.folder) as service,
        exim_server.started(service.port, service.certificate) as exim,
    ):
        stage.facts["Exim"] = tools.package_version("exim4-daemon-light") or "not known"
        for number in range(stage.sizes.runs):
            stage.say(f"Exim and a remote service, round {number + 1} of {stage.sizes.runs}")
            for connections in CONNECTIONS["local"]:
                _one(stage, "local", connections, stage.site(KIND, port=exim.port, connections=connections))
            for connections in CONNECTIONS["remote"]:
                _one(stage, "remote", connections, _remote(stage, service, connections))
            _django(stage, exim, service)
        _onwards(stage, exim, service)
    stage.database(KIND).empty("courant_mail_")


def _remote(stage: Stage, service: RemoteService, connections: int) -> Site:
    return stage.site(
        KIND,
        port=service.port,
        connections=connections,
        options={"use_tls": True},
        environment={"SSL_CERT_FILE": service.certificate},
    )


def _one(stage: Stage, where: str, connections: int, site: Site) -> None:
    """One run of the job, of at most about ten seconds."""
    messages = min(stage.sizes.relayed, int(10 * connections / _SECONDS[where]))
    idle = jobs.idle(site)
    jobs.fill(site, messages, KILOBYTES)
    done = jobs.send(site, messages)
    words = "Exim on this host" if where == "local" else "remote service"
    what = f"courant_mail to {words}, {connections} connection{'s' if connections > 1 else ''}"
    rate = messages / (done.seconds - idle.seconds)
    stage.book.add(f"exim/{where}/{connections}", rate, what=what, unit=UNIT, database=KIND)


def _django(stage: Stage, exim: Exim, service: RemoteService) -> None:
    """Django's backend alone, over one connection, for comparison."""
    for where, words, port, messages in (
        ("local", "Exim on this host", exim.port, stage.sizes.relayed // 15),
        ("remote", "remote service", service.port, stage.sizes.relayed // 100),
    ):
        site = Site(
            "",
            stage.database(KIND),
            stage.folder,
            port=port,
            environment={"SSL_CERT_FILE": service.certificate},
            EMAIL_USE_TLS=where == "remote",
        )
        seconds = DJANGO.send(site, messages, KILOBYTES).seconds - DJANGO.idle(site).seconds
        what = f"Django's SMTP backend to {words}, one connection"
        stage.book.add(f"exim/django/{where}", messages / seconds, what=what, unit=UNIT)


def _onwards(stage: Stage, exim: Exim, service: RemoteService) -> None:
    """What Exim hands on to the service in some seconds, with several queue runners at once."""
    stage.say(f"Exim hands on what it has queued: {exim.queued:,} mails")
    runners: list[Program] = []
    try:
        runners += [exim.runner() for _ in range(RUNNERS)]
        time.sleep(2)
        before, started = exim.queued, time.monotonic()
        time.sleep(WATCHED)
        handed_on, seconds = before - exim.queued, time.monotonic() - started
    finally:
        for runner in runners:
            runner.stop()
    what = f"Exim onwards to the remote service, {RUNNERS} queue runners"
    stage.book.add("exim/onwards", handed_on / seconds, what=what, unit=UNIT)
