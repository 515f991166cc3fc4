"""One run of a command at a time on a host."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from django.db import connection
from django.test import SimpleTestCase, override_settings

from courant_mail.exceptions import AlreadyRunning, ImproperlyConfiguredMail
from courant_mail.locks import lock_path, single_run

_HOLDER = """
import sys
import django
django.setup()
from courant_mail.locks import single_run
with single_run("held"):
    print("held", flush=True)
    sys.stdin.read()
"""


class LockTests(SimpleTestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        settings = override_settings(COURANT_MAIL={"LOCK_DIR": self.folder})
        settings.enable()
        self.addCleanup(settings.disable)

    def test_a_second_run_is_turned_away_and_told_so(self):
        turned_away = self.assertRaisesMessage(AlreadyRunning, "send_mail is running")
        with single_run("send_mail"), turned_away, single_run("send_mail"):
            self.fail("two runs at once")

    def test_the_lock_is_free_again_after_a_run_however_it_ended(self):
        with self.assertRaises(ZeroDivisionError), single_run("send_mail"):
            raise ZeroDivisionError
        with single_run("send_mail"):
            pass

    def test_commands_do_not_lock_out_each_other(self):
        with single_run("send_mail"), single_run("process_mail_jobs"):
            pass

    def test_sites_do_not_lock_out_each_other(self):
        with single_run("send_mail"), override_settings(SECRET_KEY="of another site"), single_run("send_mail"):
            pass

    def test_a_folder_that_cannot_be_used_is_named_with_the_setting(self):
        Path(self.folder, "file").touch()
        wrong = override_settings(COURANT_MAIL={"LOCK_DIR": f"{self.folder}/file"})
        with wrong, self.assertRaisesMessage(ImproperlyConfiguredMail, "LOCK_DIR"), single_run("send_mail"):
            self.fail("no lock was taken")

    def test_a_killed_process_leaves_no_lock(self):
        with override_settings(COURANT_MAIL={"LOCK_DIR": os.environ.get("COURANT_TEST_FOLDER", tempfile.gettempdir())}):
            holder = subprocess.Popen(
                [sys.executable, "-c", _HOLDER],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=Path(__file__).parents[2],
                env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"} | self._same_database(),
            )
            with holder:
                self.assertEqual(holder.stdout.readline(), b"held\n")  # type: ignore[union-attr]
                with self.assertRaises(AlreadyRunning), single_run("held"):
                    self.fail("the other process holds the lock")
                holder.send_signal(signal.SIGKILL)
                holder.wait()
                self.assertTrue(lock_path("held").exists(), "the file stays")
                with single_run("held"):
                    pass

    @staticmethod
    def _same_database() -> dict[str, str]:
        return {"COURANT_TEST_NAME": str(connection.settings_dict["NAME"])}
