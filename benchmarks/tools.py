"""
Programs from Debian's packages that we measure with: `smtp-sink` and `smtp-source` of Postfix, and Exim.

They are taken from where they are installed; else, where apt-get and dpkg exist, their packages are downloaded and
unpacked into `.cache/benchmarks/`. Nothing is installed on the machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .processes import ROOT

CACHE = ROOT / ".cache" / "benchmarks"
#: beside PATH, which on Debian has no sbin for ordinary users
_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/lib/postfix", "/usr/libexec/postfix")


class Unavailable(Exception):
    """A program that we need cannot be had; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A program, and what has to be added to the environment for it to run."""

    path: str
    environment: dict[str, str] = field(default_factory=dict)

    def surroundings(self) -> dict[str, str]:
        """The environment in which it runs."""
        return os.environ | self.environment


def find(name: str, packages: Sequence[str]) -> Tool:
    """
    The program of this name; the first of the Debian packages has it, the others have what it needs.

    Raises Unavailable, saying what to install.
    """
    path = os.pathsep.join([os.environ.get("PATH", ""), *_FOLDERS])
    if installed := shutil.which(name, path=path):
        return Tool(installed)
    folder = CACHE / packages[0]
    if not (folder / ".complete").exists():
        _unpack(name, packages, folder)
    unpacked = shutil.which(name, path=os.pathsep.join(str(folder / place) for place in ("usr/sbin", "usr/bin")))
    if unpacked is None:
        raise Unavailable(f"The package {packages[0]} has no program {name}. Install it by hand.")
    libraries = {str(found.parent) for found in folder.rglob("*.so*")}
    return Tool(unpacked, {"LD_LIBRARY_PATH": os.pathsep.join(sorted(libraries))})


def package_version(package: str) -> str:
    """The version of an installed or unpacked Debian package; empty where nobody knows."""
    for archive in (CACHE / package).glob(f"{package}_*.deb"):
        return archive.name.split("_")[1].replace("%3a", ":")
    if shutil.which("dpkg-query") is None:
        return ""
    done = _run(["dpkg-query", "-W", "-f", "${Version}", package])
    return done.stdout.strip() if done.returncode == 0 else ""


def _unpack(name: str, packages: Sequence[str], folder: Path) -> None:
    wanted = f"{name} is not installed; it is in Debian's package {packages[0]}"
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise Unavailable(f"{wanted}. Install it (without starting its service), or run this where apt-get exists.")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    download = _run(["apt-get", "download", *packages], cwd=folder)
    if download.returncode:
        raise Unavailable(f"{wanted}, which cannot be downloaded. Is `apt-get update` due? {download.stderr.strip()}")
    for archive in folder.glob("*.deb"):
        subprocess.run(["dpkg", "-x", str(archive), str(folder)], check=True)
    (folder / ".complete").touch()


def _run(command: list[str], **where: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **where)
