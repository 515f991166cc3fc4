"""The repository keeps its promises: imports only go downwards, files are shipped, tests are found."""

from __future__ import annotations

import ast
import configparser
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from django.test import SimpleTestCase

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "courant_mail"


class RoomTests(SimpleTestCase):
    """What import-linter cannot see: it takes `django` for one thing."""

    def test_compose_and_deliver_never_touch_the_database(self) -> None:
        for module, imported in _imports("compose", "deliver"):
            with self.subTest(module=module):
                self.assertFalse(imported == "django.db" or imported.startswith("django.db."), imported)

    def test_the_faces_write_no_sql(self) -> None:
        faces = ("admin", "management", "api.py", "backend.py", "views.py", "urls.py")
        for module, imported in _imports(*faces):
            with self.subTest(module=module):
                self.assertNotIn(imported, {"django.db.connection", "django.db.connections"})

    def test_commands_stay_short(self) -> None:
        for path in _modules("management/commands"):
            with self.subTest(command=path.stem):
                self.assertLess(len(path.read_text().splitlines()), 60)

    def test_the_contracts_hold(self) -> None:
        command = Path(sys.executable).with_name("lint-imports")
        if not command.exists():
            self.skipTest("import-linter is not installed (make contracts installs it)")
        run = subprocess.run([command, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)


class PackageTests(SimpleTestCase):
    def test_every_file_beside_the_modules_is_shipped(self) -> None:
        config = configparser.ConfigParser()
        config.read(ROOT / "setup.cfg")
        globs = config["options.package_data"]["courant_mail"].split()
        shipped = {path for glob in globs for path in PACKAGE.glob(glob) if path.is_file()}
        others = {p for p in PACKAGE.rglob("*") if p.is_file() and p.suffix not in {".py", ".pyc"}}
        self.assertEqual(others - shipped, set())
        self.assertIn(PACKAGE / "py.typed", shipped)

    def test_every_folder_of_modules_is_a_package(self) -> None:
        """Otherwise the wheel leaves it out, or the runner does not find its tests."""
        for path in [*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py")]:
            with self.subTest(folder=path.parent):
                self.assertTrue((path.parent / "__init__.py").exists())


def _modules(*places: str) -> Iterator[Path]:
    for place in places:
        path = PACKAGE / place
        found = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        if not found:
            raise AssertionError(f"{place} holds no module")
        yield from found


def _imports(*places: str) -> Iterator[tuple[str, str]]:
    """(module, what it imports), for `from a import b` as "a.b"."""
    for path in _modules(*places):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            for name in names:
                yield str(path.relative_to(ROOT)), name
