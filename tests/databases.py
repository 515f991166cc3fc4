"""Which database servers the tests may use, written as URLs, and how Django is told about them."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

ENGINES = {"sqlite": "sqlite3", "postgresql": "postgresql", "postgres": "postgresql", "mysql": "mysql"}
#: the environment variables that name a server, where it is not at the usual local address
VARIABLES = {"postgresql": "COURANT_TEST_POSTGRES", "mysql": "COURANT_TEST_MYSQL"}
PROBE_SECONDS = 3


class Unusable(Exception):
    """This server cannot be tested on; the text says why."""


def from_url(url: str) -> dict[str, Any]:
    """
    The entry of `DATABASES` for a URL such as ``mysql://root@127.0.0.1:3306/`` or ``postgresql://ann@/postgres``.

    Without a host the server is reached through its usual Unix socket; ``?host=/folder`` (PostgreSQL) and
    ``?unix_socket=/path`` (MySQL) name another, and other parameters become `OPTIONS`. The path of a ``sqlite:``
    URL is the file. Raises ValueError for another scheme.
    """
    parts = urlsplit(url)
    if parts.scheme not in ENGINES:
        raise ValueError(f"{url!r} must begin with postgresql://, mysql:// or sqlite://.")
    engine = ENGINES[parts.scheme]
    entry: dict[str, Any] = {"ENGINE": f"django.db.backends.{engine}", "NAME": unquote(parts.path)}
    if engine == "sqlite3":
        return entry
    options = dict(parse_qsl(parts.query))
    return entry | {
        "NAME": unquote(parts.path).removeprefix("/") or ("postgres" if engine == "postgresql" else ""),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", None) or options.pop("unix_socket", None) or parts.hostname or "",
        "PORT": str(parts.port or ""),
        "OPTIONS": options,
    }


def find(kind: str) -> str:
    """
    The URL of a server of this kind ("postgresql" or "mysql") on which databases can be made.

    That is the one in its environment variable, or the first that answers at a usual local address. Raises
    Unusable with the reasons of all that were tried.
    """
    given = os.environ.get(VARIABLES[kind])
    urls = [given] if given else _usual(kind)
    reasons: dict[str, list[str]] = {}
    for url in urls:
        try:
            _PROBES[kind](from_url(url))
        except Unusable as reason:
            reasons.setdefault(str(reason), []).append(_without_password(url))
        else:
            return url
    raise Unusable("; ".join(f"{reason} (tried {', '.join(tried)})" for reason, tried in reasons.items()))


def use_pymysql_without_mysqlclient() -> None:
    """Let PyMySQL stand in where mysqlclient, the driver that Django supports, could not be built."""
    try:
        import MySQLdb  # noqa: F401
    except ImportError:
        try:
            import pymysql
        except ImportError:
            raise Unusable("neither mysqlclient nor PyMySQL is installed") from None
        # Django asks for this version of mysqlclient; PyMySQL names an older one.
        pymysql.version_info = (2, 2, 7, "final", 0)
        pymysql.install_as_MySQLdb()


def _usual(kind: str) -> list[str]:
    user = quote(getpass.getuser())
    if kind == "postgresql":
        users = dict.fromkeys(["postgres", user])
        hosts = ["127.0.0.1:5432", ""]
        return [f"postgresql://{name}@{host}/postgres" for host in hosts for name in users]
    sockets = [
        f"mysql://{name}@/?unix_socket={path}"
        for path in ("/run/mysqld/mysqld.sock", "/tmp/mysql.sock")
        if Path(path).exists()
        for name in dict.fromkeys(["root", user])
    ]
    return ["mysql://root@127.0.0.1:3306/", *sockets]


def _without_password(url: str) -> str:
    password = urlsplit(url).password
    return url.replace(f":{password}@", ":…@") if password else url


def _probe_postgresql(entry: dict[str, Any]) -> None:
    try:
        import psycopg
    except ImportError:
        raise Unusable("psycopg is not installed") from None
    wanted = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "NAME"}
    params = {name: entry[key] for name, key in wanted.items() if entry[key]}
    try:
        with psycopg.connect(**params, **entry["OPTIONS"], connect_timeout=PROBE_SECONDS) as connection:
            row = connection.execute(
                "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
    except psycopg.Error as error:
        raise Unusable(_one_line(error)) from error
    if not row or not row[0]:
        raise Unusable("this user may not create databases (ALTER USER … CREATEDB)")


def _probe_mysql(entry: dict[str, Any]) -> None:
    use_pymysql_without_mysqlclient()
    import MySQLdb

    params: dict[str, Any] = {"user": entry["USER"], "password": entry["PASSWORD"], "connect_timeout": PROBE_SECONDS}
    if entry["HOST"].startswith("/"):
        params["unix_socket"] = entry["HOST"]
    else:
        params |= {"host": entry["HOST"] or "127.0.0.1", "port": int(entry["PORT"] or 3306)}
    name = f"test_courant_mail_probe_{os.getpid()}"
    try:
        connection = MySQLdb.connect(**params, **entry["OPTIONS"])
        try:
            cursor = connection.cursor()
            cursor.execute(f"CREATE DATABASE {name}")
            cursor.execute(f"DROP DATABASE {name}")
        finally:
            connection.close()
    except MySQLdb.Error as error:
        raise Unusable(_one_line(error)) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


_PROBES: dict[str, Callable[[dict[str, Any]], None]] = {"postgresql": _probe_postgresql, "mysql": _probe_mysql}
