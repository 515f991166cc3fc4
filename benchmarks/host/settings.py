"""
The settings of the measured site: those of a new project, and what the environment says in `BENCH_SITE`.

That is a JSON object of settings, made by `benchmarks.sites`: the database, the relay, and whose queue it is.
"""

from __future__ import annotations

import json
import os

SECRET_KEY = "only for benchmarks"
DEBUG = False
ALLOWED_HOSTS = ["www.courant.example"]
ROOT_URLCONF = "benchmarks.host.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DEFAULT_FROM_EMAIL = "The Courant <editors@courant.example>"
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "static/"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "benchmarks.host",
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

_given = json.loads(os.environ.get("BENCH_SITE", "{}"))
INSTALLED_APPS += _given.pop("APPS", [])
globals().update(_given)
