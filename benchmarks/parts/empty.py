"""Runs of the commands with nothing to do: their queries, and their time against that of `manage.py check`."""

from __future__ import annotations

from ..databases import KINDS
from ..stage import Stage

#: the commands that cron runs
COMMANDS = ("process_mail_jobs", "send_mail", "retry_deferred", "purge_mail_log")
CHECK = ("check", "--database", "default")


def measure(stage: Stage) -> None:
    """`empty/DATABASE/COMMAND` and `empty/DATABASE/check` in ms, and `empty-queries/DATABASE/COMMAND`."""
    for kind in [kind for kind in KINDS if stage.has(kind)]:
        stage.say(f"empty runs on {kind}")
        site = stage.site(kind)
        site.empty()
        for command, queries in site.inside("queries", *COMMANDS).told.items():
            what = f"empty run of {command}: queries"
            stage.book.add(f"empty-queries/{kind}/{command}", queries, what=what, unit="", database=kind)
        for _ in range(stage.sizes.empty):
            took = site.manage(*CHECK).seconds
            what = "manage.py check --database default"
            stage.book.add(f"empty/{kind}/check", 1000 * took, what=what, unit="ms", database=kind)
            for command in COMMANDS:
                took = site.manage(command).seconds
                what = f"empty run of {command}"
                stage.book.add(f"empty/{kind}/{command}", 1000 * took, what=what, unit="ms", database=kind)
