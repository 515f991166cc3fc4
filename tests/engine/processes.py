"""Commands in processes of their own, on the database of the running test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from django.db import connection

ROOT = Path(__file__).resolve().parents[2]


def surroundings(courant_mail: dict[str, Any]) -> dict[str, str]:
    """The environment in which a command finds the database of this test, and these settings."""
    return os.environ | {
        "COURANT_TEST_NAME": str(connection.settings_dict["NAME"]),
        "COURANT_TEST_SETTINGS": json.dumps(courant_mail),
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "PYTHONPATH": str(ROOT),
    }


def start(command: str, *arguments: str, courant_mail: dict[str, Any]) -> subprocess.Popen[str]:
    """Start a management command with these settings; the caller ends it."""
    return subprocess.Popen(
        [sys.executable, "-m", "django", command, *arguments],
        env=surroundings(courant_mail),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
