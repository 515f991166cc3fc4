"""
Messages a second: this project, its peers, Django's backend alone, and Postfix's `smtp-source` as the limit.

All of them send to the same `smtp-sink`. The rounds are interleaved, so that a noisy minute hits all alike. What a
command takes with an empty queue, which is the start of Python and Django, is taken off everybody's time.
"""

from __future__ import annotations

from .. import mails, sinks, tools
from ..databases import NAMES
from ..peers import (
    DJANGO,
    MAILER,
    MAILER_SHORT_LOG,
    OURS_NOT_WAITING,
    POST_OFFICE,
    POST_OFFICE_PROCESSES,
    POST_OFFICE_SETTINGS,
    Contestant,
    ours,
)
from ..processes import machine_cpu_seconds, run
from ..sinks import HOST
from ..stage import Stage

UNIT = "messages/s"
SESSIONS = 4
#: of HTML in a mail, in 1,000 bytes
KILOBYTES = (30, 2)

#: who is measured on which kind of database; with the second size of mail and in a quick run, only the first few
_FIELDS: dict[str, tuple[Contestant, ...]] = {
    "postgresql": (
        *(ours(4), MAILER, POST_OFFICE_PROCESSES, DJANGO),
        *(ours(8), OURS_NOT_WAITING, MAILER_SHORT_LOG, *POST_OFFICE_SETTINGS),
    ),
    "sqlite": (ours(4), MAILER, POST_OFFICE_PROCESSES, ours(8), MAILER_SHORT_LOG, POST_OFFICE),
    "mysql": (ours(4), ours(8)),
}
_FEW = {"postgresql": 4, "sqlite": 2, "mysql": 1}


def measure(stage: Stage) -> None:
    """`sending/DATABASE/KILOBYTES/CONTESTANT`, and smtp-source under `limit/KILOBYTES/SESSIONS`."""
    kinds = [kind for kind in _FIELDS if stage.has(kind)]
    sizes = {kilobytes: wire_size(stage, kinds[0], kilobytes) for kilobytes in KILOBYTES}
    for number in range(stage.sizes.runs):
        for kilobytes in KILOBYTES:
            stage.say(f"sending, {kilobytes} kB, round {number + 1} of {stage.sizes.runs}")
            for sessions in (1, SESSIONS):
                _limit(stage, kilobytes, sizes[kilobytes], sessions)
            for kind in kinds:
                _commit(stage, kind)
                for contestant in _field(stage, kind, kilobytes):
                    _one(stage, kind, kilobytes, contestant)


def _field(stage: Stage, kind: str, kilobytes: int) -> tuple[Contestant, ...]:
    everybody = stage.sizes.everybody and kilobytes == KILOBYTES[0]
    return _FIELDS[kind] if everybody else _FIELDS[kind][: _FEW[kind]]


def wire_size(stage: Stage, kind: str, kilobytes: int) -> int:
    """The bytes of one of our mails as they go over the wire."""
    with sinks.watching(watch=mails.READER) as sink:
        site = stage.site(kind, port=sink.port)
        contestant = ours(4)
        contestant.fill(site, 1, kilobytes)
        contestant.send(site, 1, kilobytes)
        [accepted] = sink.accepted().values()
    return accepted.size


def _limit(stage: Stage, kilobytes: int, size: int, sessions: int) -> None:
    tool = tools.find("smtp-source", ["postfix"])
    messages = stage.sizes.fast
    options = ["-d", "-s", str(sessions), "-l", str(size), "-m", str(messages)]
    addresses = ["-f", "editors@courant.example", "-t", "reader@example.org"]
    done = run([tool.path, *options, *addresses, f"{HOST}:{stage.sink.port}"], tool.surroundings(), limit=300)
    stage.book.add(
        f"limit/{kilobytes}/{sessions}",
        messages / done.seconds,
        what=f"smtp-source, {kilobytes} kB, {sessions} session{'s' if sessions > 1 else ''}",
        unit=UNIT,
    )


def _commit(stage: Stage, kind: str) -> None:
    took = 1e6 * stage.database(kind).commit_seconds()
    what = "the smallest commit: how long the disk is waited for, at least once for each group of messages"
    stage.book.add(f"commit/{kind}", took, what=what, unit="µs", database=kind)


def _one(stage: Stage, kind: str, kilobytes: int, contestant: Contestant) -> None:
    site = stage.site(kind, contestant.app, port=stage.sink.port, **contestant.settings)
    messages = _messages(stage, contestant, kilobytes)
    idle = contestant.idle(site)
    contestant.fill(site, messages, kilobytes)
    sink, machine = stage.sink.cpu, machine_cpu_seconds()
    done = contestant.send(site, messages, kilobytes)
    sink, machine = stage.sink.cpu - sink, machine_cpu_seconds() - machine
    key = f"sending/{kind}/{kilobytes}/{contestant.key}"
    what = f"{contestant.what}, {kilobytes} kB"
    rate = messages / (done.seconds - idle.seconds)
    stage.say(f"  {NAMES[kind]}: {what}: {rate:,.0f}/s")
    stage.book.add(key, rate, what=what, unit=UNIT, database="" if contestant is DJANGO else kind)
    if contestant.app != "courant_mail":
        return
    rest = machine - done.cpu - sink
    for part, seconds in (("sender", done.cpu - idle.cpu), ("relay", sink), ("database and others", rest)):
        stage.book.add(
            f"cpu/{kind}/{kilobytes}/{contestant.key}/{part}",
            1e6 * seconds / messages,
            what=f"CPU per message, {what}: {part}",
            unit="µs",
            database=kind,
        )


def _messages(stage: Stage, contestant: Contestant, kilobytes: int) -> int:
    if contestant.app == "courant_mail":
        return stage.sizes.fast
    return max(20, round(contestant.speed[kilobytes] * stage.sizes.peer_seconds))
