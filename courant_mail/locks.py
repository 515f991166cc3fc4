"""
Locks that keep a command from running twice at once on a host.

They are a courtesy to the machine, not a guarantee: that two runs never send the same message is the business of
the claims in the database, which also hold between hosts and between users.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connections
from django.utils.crypto import salted_hmac
from filelock import FileLock, Timeout

from .conf import get_settings
from .exceptions import AlreadyRunning, ImproperlyConfiguredMail


@contextmanager
def single_run(name: str) -> Iterator[None]:
    """
    Hold the lock of the command `name` of this site, for this user on this host.

    The lock belongs to the open file, so the kernel drops it when the process ends, however it ends; the file that
    stays behind locks nothing. Raises AlreadyRunning at once where another run holds the lock, and
    ImproperlyConfiguredMail where the folder `LOCK_DIR` cannot be used.
    """
    lock = FileLock(lock_path(name), timeout=0, mode=0o600)
    try:
        lock.acquire()
    except Timeout:
        raise AlreadyRunning(f"{name} is running on this host already; this run leaves it the work.") from None
    except OSError as error:
        raise ImproperlyConfiguredMail(
            f"The lock {lock.lock_file} cannot be opened ({error.strerror}). Set COURANT_MAIL['LOCK_DIR'] to a folder "
            "that the commands may write to."
        ) from error
    try:
        yield
    finally:
        lock.release()


def lock_path(name: str) -> Path:
    """
    Where the lock of this command lies: one file for each site and user in `LOCK_DIR`.

    The user is part of the name because a file that one user left in the temp folder would shut out all the others.
    """
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
    return get_settings().lock_dir / f"courant_mail-{_site()}-{user}-{name}.lock"


def _site() -> str:
    """What tells this site from the others of the host: its secret key and its databases."""
    databases = [str(connections[alias].settings_dict["NAME"]) for alias in sorted(connections)]
    return salted_hmac("courant_mail.locks", "\n".join(databases), algorithm="sha256").hexdigest()[:16]
