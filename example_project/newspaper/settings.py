"""
Settings of the example newspaper, for Django 5.2 and 6.1.

The part that is about mail comes first. The environment may set `EXAMPLE_FOLDER` (where everything lives that the
site writes), `EXAMPLE_DATABASE`, `EXAMPLE_SMTP_PORT` and `EXAMPLE_SITE_URL`. A real site would read its
`SECRET_KEY` from there too, and would not set `DEBUG`.
"""

from __future__ import annotations

import os
from pathlib import Path

import django

BASE_DIR = Path(__file__).resolve().parent.parent
FOLDER = Path(os.environ.get("EXAMPLE_FOLDER", BASE_DIR.parent / "var")).resolve()
FOLDER.mkdir(parents=True, exist_ok=True)

# --- Mail ---------------------------------------------------------------------------------------------------------

SMTP_PORT = int(os.environ.get("EXAMPLE_SMTP_PORT", "2525"))
DEFAULT_FROM_EMAIL = "The Courant <editors@courant.example>"

if django.VERSION >= (6, 1):
    MAILERS = {
        "default": {"BACKEND": "courant_mail.backend.EmailBackend", "OPTIONS": {"relay": "smtp"}},
        "smtp": {
            "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
            "OPTIONS": {"host": "127.0.0.1", "port": SMTP_PORT},
        },
    }
else:
    EMAIL_BACKEND = "courant_mail.backend.EmailBackend"
    EMAIL_HOST = "127.0.0.1"
    EMAIL_PORT = SMTP_PORT

COURANT_MAIL = {
    "SITE_URL": os.environ.get("EXAMPLE_SITE_URL", "http://127.0.0.1:8000"),
    "MESSAGE_ID_DOMAIN": "courant.example",
    # The local server refuses some addresses for now, so that deferring can be watched; nobody wants to watch it
    # for the default five minutes.
    "RETRY": {"FIRST": 30},
    "LOCK_DIR": FOLDER,
}

# Where the local SMTP server of `make run` and `make demo` puts what it gets, and where the inbox page looks.
LOCAL_MAILDIR = FOLDER / "maildir"

# --- The site -----------------------------------------------------------------------------------------------------

SECRET_KEY = "an example that only ever runs on your own machine"
DEBUG = True
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
INTERNAL_IPS = ["127.0.0.1"]
ROOT_URLCONF = "newspaper.urls"
WSGI_APPLICATION = "newspaper.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

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
    "newspaper.middleware.content_security_policy",
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
                "django.template.context_processors.debug",
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("EXAMPLE_DATABASE", str(FOLDER / "courant.sqlite3")),
        "OPTIONS": {
            # The site reads while the mail commands write, and a writer waits for another instead of failing.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
        },
    }
}

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "Europe/Berlin"
USE_TZ = True
STATIC_URL = "static/"
LOGIN_REDIRECT_URL = "front"
LOGOUT_REDIRECT_URL = "front"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {
        "courant_mail": {"handlers": ["stderr"], "level": os.environ.get("EXAMPLE_LOG_LEVEL", "WARNING")},
    },
}
