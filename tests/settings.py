"""
The site of the tests, on Django 5.2 and 6.1: the apps and pages of the example newspaper, with settings for tests.

`runtests.py` names the database in `COURANT_TEST_DATABASE` (a URL, see `tests.databases`) and a folder of this run
in `COURANT_TEST_FOLDER`. A test that starts a command in a process of its own hands on its environment and sets
`COURANT_TEST_NAME` to the name of the test database (`connection.settings_dict["NAME"]`), and what it wants of
`COURANT_MAIL` in `COURANT_TEST_SETTINGS` (see `tests.engine.processes`).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import django

from .databases import from_url, use_pymysql_without_mysqlclient

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "example_project"))
FOLDER = Path(os.environ.get("COURANT_TEST_FOLDER", tempfile.gettempdir()))
# Several runs may share a server.
_TEST_NAME = f"test_courant_mail_{os.environ.get('COURANT_TEST_RUN', os.getpid())}"


def _database() -> dict[str, Any]:
    entry = from_url(os.environ.get("COURANT_TEST_DATABASE", "sqlite:"))
    match entry["ENGINE"].rpartition(".")[2]:
        case "sqlite3":
            # A file, not memory: the tests start commands in processes of their own.
            file = str(FOLDER / f"{_TEST_NAME}.sqlite3")
            entry |= {"NAME": entry["NAME"] or file, "TEST": {"NAME": file}}
            entry["OPTIONS"] = {
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
            }
        case "mysql":
            use_pymysql_without_mysqlclient()
            entry["TEST"] = {"NAME": _TEST_NAME, "CHARSET": "utf8mb4"}
            # A test that freezes a process in a transaction must not wait for its locks for the usual 50 seconds.
            patience = {"init_command": "SET SESSION innodb_lock_wait_timeout = 10"}
            entry["OPTIONS"] = {"charset": "utf8mb4"} | patience | entry["OPTIONS"]
        case "postgresql":
            entry["TEST"] = {"NAME": _TEST_NAME}
    if "COURANT_TEST_NAME" in os.environ:
        entry["NAME"] = os.environ["COURANT_TEST_NAME"]
    return entry


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Mail -----------------------------------------------------------------------------------------------------------

# No server listens on this port: a test that forgets to name its relay reaches nobody.
_NOWHERE = {"host": "127.0.0.1", "port": 1}
DEFAULT_FROM_EMAIL = "The Courant <editors@courant.example>"
SERVER_EMAIL = "server@courant.example"

if django.VERSION >= (6, 1):
    MAILERS = {
        "default": {"BACKEND": "courant_mail.backend.EmailBackend", "OPTIONS": {"relay": "smtp"}},
        "smtp": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend", "OPTIONS": _NOWHERE},
    }
else:
    EMAIL_BACKEND = "courant_mail.backend.EmailBackend"
    EMAIL_HOST = _NOWHERE["host"]
    EMAIL_PORT = _NOWHERE["port"]

COURANT_MAIL = {
    "SITE_URL": "https://www.courant.example",
    "LOCK_DIR": str(FOLDER),
} | json.loads(os.environ.get("COURANT_TEST_SETTINGS", "{}"))

# --- The site -------------------------------------------------------------------------------------------------------

# Where the example's inbox page looks.
LOCAL_MAILDIR = FOLDER / "maildir"

SECRET_KEY = "only for tests"
DEBUG = False
ALLOWED_HOSTS = ["www.courant.example"]
ROOT_URLCONF = "tests.urls"

INSTALLED_APPS = [
    "news",
    "inbox",
    "courant_mail",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STATIC_URL = "static/"
# A zone with summer time that is not UTC, so that a forgotten conversion shows.
TIME_ZONE = "Europe/Berlin"
USE_TZ = True

# Tests read log lines with assertLogs; between the dots of the runner nobody needs them.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"null": {"class": "logging.NullHandler"}},
    "root": {"handlers": ["null"]},
}
