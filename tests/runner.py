"""Django's test runner, which also counts, notes reasons, and fails tests for what would only be printed otherwise."""

from __future__ import annotations

import faulthandler
import gc
import platform
import signal
import sys
import threading
import unittest
from typing import TYPE_CHECKING, Any

import django
from django.db import connection
from django.test.runner import DiscoverRunner

#: a test that takes longer hangs, and fails
SECONDS_PER_TEST = 180
#: where even that is of no use, the run ends; both print the stack of every thread
SECONDS_TO_GIVE_UP = SECONDS_PER_TEST + 30

if TYPE_CHECKING:
    _Base = unittest.TextTestResult
else:
    _Base = object


class _Unnoticed:
    """
    Exceptions that nobody could catch: in a thread, or in a destructor, where Python turns them into a print.

    A socket left open is one of them (ResourceWarning). They fail the test during which they came to light, which
    may be a later one than the guilty test.
    """

    def __init__(self) -> None:
        self.found: list[tuple[str, BaseException]] = []

    def install(self) -> None:
        sys.unraisablehook = self._in_destructor
        threading.excepthook = self._in_thread

    def take(self) -> list[tuple[str, BaseException]]:
        found, self.found = self.found, []
        return found

    def _in_destructor(self, args: Any) -> None:
        if args.exc_value is not None:
            # Only the text of the object: keeping the object would raise it from the dead.
            self.found.append((f"{args.err_msg or 'Exception in'} {args.object!r}", args.exc_value))

    def _in_thread(self, args: Any) -> None:
        if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
            self.found.append((f"In thread {args.thread.name if args.thread else '?'}", args.exc_value))


unnoticed = _Unnoticed()


class _Tally(_Base):
    """Notes by name which tests passed, failed and were skipped; a test with failing subtests fails once."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.passed_ids: set[str] = set()
        self.failed_ids: set[str] = set()
        self.reasons: list[tuple[str, str]] = []

    def startTest(self, test: Any) -> None:
        faulthandler.dump_traceback_later(SECONDS_TO_GIVE_UP, exit=True, file=sys.__stderr__ or sys.stderr)
        signal.alarm(SECONDS_PER_TEST)
        super().startTest(test)

    def stopTest(self, test: Any) -> None:
        signal.alarm(0)
        faulthandler.cancel_dump_traceback_later()
        self.note_unnoticed(test)
        super().stopTest(test)

    def note_unnoticed(self, test: Any) -> None:
        for where, error in unnoticed.take():
            wrapped = RuntimeError(f"{where}: {error!r} came to light during this test")
            wrapped.__cause__ = error
            self.addError(test, (RuntimeError, wrapped, None))

    def addSuccess(self, test: Any) -> None:
        self.passed_ids.add(test.id())
        super().addSuccess(test)

    def addError(self, test: Any, err: Any) -> None:
        self.failed_ids.add(test.id())
        super().addError(test, err)

    def addFailure(self, test: Any, err: Any) -> None:
        self.failed_ids.add(test.id())
        super().addFailure(test, err)

    def addUnexpectedSuccess(self, test: Any) -> None:
        self.failed_ids.add(test.id())
        super().addUnexpectedSuccess(test)

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        if err is not None:
            self.failed_ids.add(test.id())
        super().addSubTest(test, subtest, err)

    def addSkip(self, test: Any, reason: str) -> None:
        self.reasons.append((test.id(), reason))
        super().addSkip(test, reason)

    def addExpectedFailure(self, test: Any, err: Any) -> None:
        self.reasons.append((test.id(), "it is expected to fail"))
        super().addExpectedFailure(test, err)


class _AfterTheLast(unittest.TestCase):
    """Stands for what came to light when all tests were over."""

    def runTest(self) -> None:
        """Never run."""


class _Hangs(BaseException):
    """Not an Exception, so that no code under test takes it for one of its own."""


def _hangs(number: int, frame: Any) -> None:
    faulthandler.dump_traceback(file=sys.__stderr__ or sys.stderr)
    raise _Hangs(f"The test takes longer than {SECONDS_PER_TEST} s.")


def _terminated(number: int, frame: Any) -> None:
    # The one exception that unittest lets through, so that the test database is removed.
    raise KeyboardInterrupt


class Runner(DiscoverRunner):
    """Afterwards `passed`, `failed` and `skipped` tell the outcome, and `on` what was tested."""

    passed = 0
    failed = 0
    on = ""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.skipped: list[tuple[str, str]] = []

    def get_resultclass(self) -> Any:
        base = super().get_resultclass() or unittest.TextTestResult
        return type("Result", (_Tally, base), {})

    def run_suite(self, suite: Any, **kwargs: Any) -> Any:
        self.on = f"{_versions()}, Django {django.__version__}, Python {platform.python_version()}"
        unnoticed.install()
        signal.signal(signal.SIGALRM, _hangs)
        signal.signal(signal.SIGTERM, _terminated)
        result: Any = super().run_suite(suite, **kwargs)
        gc.collect()
        before = len(result.errors)
        result.note_unnoticed(_AfterTheLast())
        for _, text in result.errors[before:]:
            print(text, file=sys.stderr)
        self.passed = len(result.passed_ids - result.failed_ids)
        self.failed = len(result.failed_ids)
        self.skipped = result.reasons
        return result


def _versions() -> str:
    name = "MariaDB" if getattr(connection, "mysql_is_mariadb", False) else connection.display_name
    with connection.cursor() as cursor:
        database: Any = connection
        version = ".".join(str(part) for part in database.get_database_version())
        driver = type(cursor.connection if connection.vendor == "sqlite" else connection.connection).__module__
    return f"{name} {version} through {driver.partition('.')[0]}"
