"""What it was measured on, so that a table can be judged."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from . import tools
from .databases import Database

_PACKAGES = ("Django", "courant-mail", "django-mailer", "django-post_office", "psycopg", "mysqlclient", "PyMySQL")


def describe(databases: dict[str, Database]) -> dict[str, str]:
    """The machine, the versions, the settings of the databases, and how busy it was before we began."""
    told = {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "machine": f"{os.cpu_count()} cores ({_processor()}), {_memory()}, {platform.system()} {platform.release()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": ", ".join(_versions()),
        "Postfix": tools.package_version("postfix") or "not known",
    }
    for database in databases.values():
        facts = database.describe()
        version_of_it = facts.pop("version")
        told[version_of_it] = ", ".join(f"{name} = {value}" for name, value in facts.items())
    return told


def load() -> str:
    """How busy the machine is, from all that runs on it."""
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


def _versions() -> list[str]:
    found = []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.machine()


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
