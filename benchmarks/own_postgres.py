"""A PostgreSQL server of our own, for what depends on its settings: in its own folder, on loopback, ended after use."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .processes import Program, run
from .sinks import HOST, free_port, wait_until_it_listens
from .tools import Unavailable

#: who may run it when we are root, which PostgreSQL refuses
_USERS = ("postgres", "nobody")


@contextlib.contextmanager
def started(**settings: str) -> Iterator[dict[str, Any]]:
    """
    The entry of `DATABASES` for its database "postgres". Everything is set as PostgreSQL comes, but for `settings`.

    Raises Unavailable where its programs are not installed.
    """
    initdb, postgres = _program("initdb"), _program("postgres")
    user = next(name for name in _USERS if _exists(name)) if os.getuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="courant-bench-postgres-") as folder:
        if user:
            shutil.chown(folder, user)
        data = f"{folder}/data"
        run([initdb, "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale", "C"], user=user)
        port = free_port()
        wanted = {"listen_addresses": HOST, "port": str(port), "unix_socket_directories": folder} | settings
        options = [part for name, value in wanted.items() for part in ("-c", f"{name}={value}")]
        with Program([postgres, "-D", data, *options], os.environ, user=user) as server:
            wait_until_it_listens(server, port)
            yield {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": "postgres",
                "USER": "postgres",
                "PASSWORD": "",
                "HOST": HOST,
                "PORT": str(port),
                "OPTIONS": {},
            }


def _program(name: str) -> str:
    """Debian keeps them apart by version, and off PATH."""
    folders = [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    found = shutil.which(name, path=os.pathsep.join([*folders, os.environ.get("PATH", "")]))
    if found is None:
        raise Unavailable(f"PostgreSQL's program {name} is not installed here, so no server of our own can be started.")
    return found


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
