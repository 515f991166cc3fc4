"""The measured site, from outside: its settings, its commands, and the programs that run inside it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from .databases import Database
from .processes import LIMIT, ROOT, Program, Run
from .sinks import HOST

#: an app of each queue, and how its tables begin
TABLES = {"courant_mail": "courant_mail_", "mailer": "mailer_", "post_office": "post_office_"}


class Site:
    """A site with one of the queues (or none), on a database, that sends to a relay on loopback."""

    def __init__(
        self,
        app: str,
        database: Database,
        folder: Path,
        *,
        port: int = 1,
        connections: int = 4,
        options: dict[str, Any] | None = None,
        database_options: dict[str, Any] | None = None,
        environment: dict[str, str] | None = None,
        **settings: Any,
    ) -> None:
        """Further options of courant_mail's relay and of the database; `settings` are those of the site."""
        self.app = app
        self.database = database
        relay = {"CONNECTIONS": connections, "OPTIONS": {"host": HOST, "port": port} | (options or {})}
        entry = database.entry
        entry = entry | {"OPTIONS": entry["OPTIONS"] | (database_options or {})}
        own: dict[str, Any] = {
            "APPS": [app] if app else [],
            "DATABASES": {"default": entry},
            "EMAIL_HOST": HOST,
            "EMAIL_PORT": port,
            "MAILER_LOCK_PATH": str(folder / "mailer"),
            "COURANT_MAIL": {
                "SITE_URL": "https://www.courant.example",
                "LOCK_DIR": str(folder),
                "RELAYS": {"smtp": relay},
            },
        }
        self._environment = (
            os.environ
            | {
                "BENCH_SITE": json.dumps(own | settings),
                "DJANGO_SETTINGS_MODULE": "benchmarks.host.settings",
                "PYTHONPATH": str(ROOT),
            }
            | (environment or {})
        )

    def manage(self, *arguments: str, limit: float = LIMIT) -> Run:
        """Run a management command, as cron would, and time it. Raises Failed."""
        return self.begin(*arguments, limit=limit).finish()

    def begin(self, *arguments: str, limit: float = LIMIT) -> Program:
        """Start a management command; the caller ends it or waits for it."""
        return Program([sys.executable, "-m", "django", *arguments], self._environment, limit=limit)

    def inside(self, program: str, *arguments: Any, limit: float = LIMIT) -> Run:
        """Run one of the programs of `benchmarks.inside`. Raises Failed."""
        return self.begin_inside(program, *arguments, limit=limit).finish()

    def begin_inside(self, program: str, *arguments: Any, limit: float = LIMIT) -> Program:
        """Start one of the programs of `benchmarks.inside`."""
        command = [sys.executable, "-m", f"benchmarks.inside.{program}", *map(str, arguments)]
        return Program(command, self._environment, limit=limit)

    def empty(self) -> None:
        """Empty the tables of the queue."""
        self.database.empty(TABLES[self.app])


def make_tables(database: Database, folder: Path) -> None:
    """The tables of every queue, and those of the site."""
    site = Site("", database, folder, APPS=list(TABLES))
    site.manage("migrate", "--run-syncdb", "--verbosity", "0")
