"""The example newspaper: its checks pass, and so do its own tests, under its own settings."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from django.test import SimpleTestCase

ROOT = Path(__file__).resolve().parent.parent


class ExampleProjectTests(SimpleTestCase):
    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        with tempfile.TemporaryDirectory() as folder:
            environment = {name: value for name, value in os.environ.items() if not name.startswith("COURANT_TEST_")}
            environment |= {
                "DJANGO_SETTINGS_MODULE": "newspaper.settings",
                "EXAMPLE_FOLDER": folder,
                "PYTHONPATH": str(ROOT),
                "PYTHONWARNINGS": "error::DeprecationWarning,error::PendingDeprecationWarning",
            }
            command = [sys.executable, str(ROOT / "example_project" / "manage.py"), *arguments]
            return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)

    def test_its_checks_pass(self) -> None:
        done = self.manage("check", "--fail-level", "WARNING")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_its_own_tests_pass(self) -> None:
        done = self.manage("test", str(ROOT / "example_project"), "--no-input")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stderr, r"Ran [2-9]\d tests")
