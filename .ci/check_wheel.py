"""Check that a wheel holds the package as it stands in the source tree: every file of it, and nothing else."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

PACKAGE = "courant_mail"
NOT_SHIPPED = {".pyc"}
#: the globs of setup.cfg lose a kind of file in silence, so at least one of each is asked for
MUST_MATCH = (
    "py.typed",
    "migrations/0001_*.py",
    "templates/**/*.html",
    "locale/*/LC_MESSAGES/*.mo",
    "management/commands/send_mail.py",
)


def main(wheel: Path, root: Path) -> int:
    """Print what is missing or too much; 0 when nothing is."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    metadata = {name for name in names if name.partition("/")[0].endswith(".dist-info")}
    source = {
        path.relative_to(root).as_posix()
        for path in (root / PACKAGE).rglob("*")
        if path.is_file() and path.suffix not in NOT_SHIPPED
    }
    found = names - metadata
    complaints = [f"missing: {name}" for name in sorted(source - found)]
    complaints += [f"too much: {name}" for name in sorted(found - source)]
    complaints += [
        f"nothing matches {pattern}"
        for pattern in MUST_MATCH
        if not any(path.relative_to(root).as_posix() in found for path in (root / PACKAGE).glob(pattern))
    ]
    if not any(name.endswith("/licenses/LICENSE") for name in metadata):
        complaints.append("missing: LICENSE")
    for complaint in complaints:
        print(complaint)
    print(f"{wheel.name}: {len(found)} files, {wheel.stat().st_size / 1000:.0f} kB, {len(complaints)} complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(__file__).resolve().parent.parent))
