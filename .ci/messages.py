"""
The catalogues of translations: bring them up to date with the texts of the source, or check that they are.

    python .ci/messages.py            new texts into each .po file, and the .mo file beside it compiled
    python .ci/messages.py --check    changes nothing; says what is missing, and ends with 1 where anything is

Needs GNU gettext, and a Python in whose environment Django is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "courant_mail"
TOOLS = ("xgettext", "msguniq", "msgmerge", "msgattrib", "msgcat", "msgfmt", "msgunfmt")
#: it changes with each run, and tells nothing
CHURN = '"POT-Creation-Date:'


def main(arguments: list[str]) -> int:
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        print(f"GNU gettext is needed (no {', '.join(missing)} on PATH).", file=sys.stderr)
        print("Install it: apt install gettext, dnf install gettext, or brew install gettext.", file=sys.stderr)
        return 1
    if arguments == ["--check"]:
        complaints = list(check())
        print("\n".join(complaints) or f"{', '.join(languages())}: every text is translated and compiled")
        return 1 if complaints else 0
    update(PACKAGE)
    for language in languages():
        compile_catalogue(catalogue(PACKAGE, language), catalogue(PACKAGE, language).with_suffix(".mo"))
        for complaint in unfinished(language):
            print(complaint)
    return 0


def languages() -> list[str]:
    """Those that have a folder."""
    return sorted(path.name for path in (PACKAGE / "locale").iterdir() if path.is_dir())


def catalogue(package: Path, language: str) -> Path:
    return package / "locale" / language / "LC_MESSAGES" / "django.po"


def update(package: Path) -> None:
    """The texts of this package into its catalogues, in a form that depends on the texts alone."""
    chosen = [word for language in languages() for word in ("--locale", language)]
    # -P: otherwise courant_mail/queue stands before the queue of the standard library.
    command = [sys.executable, "-P", "-m", "django", "makemessages", "--verbosity", "0", *chosen]
    run([*command, "--no-obsolete", "--no-wrap", "--add-location", "file"], cwd=package)
    for language in languages():
        path = catalogue(package, language)
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        path.write_text("".join(line for line in lines if not line.startswith(CHURN)), encoding="utf-8")


def compile_catalogue(source: Path, target: Path) -> None:
    """Fails where a translation has other placeholders than its text, or the header lacks something."""
    run(["msgfmt", "--check", "--output-file", str(target), str(source)])


def check() -> Iterator[str]:
    """What is wrong, in one line each."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / PACKAGE.name
        shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        update(copy)
        for language in languages():
            yield from unfinished(language)
            yield from outdated(language, catalogue(copy, language))
            yield from compiled_otherwise(language, Path(folder) / f"{language}.mo")


def unfinished(language: str) -> Iterator[str]:
    """Texts without a translation, and those whose translation was only guessed."""
    path = str(catalogue(PACKAGE, language))
    for what, option in (("not translated", "--untranslated"), ("fuzzy", "--only-fuzzy")):
        for text in entries(run(["msgattrib", option, "--no-obsolete", "--no-wrap", path])):
            yield f"{language}: {what}: {title(text)}"


def outdated(language: str, fresh: Path) -> Iterator[str]:
    """Texts that the source has and the catalogue has not, and the other way round."""
    # Both through the same tool: releases of gettext differ in how they write a file.
    old, new = (set(entries(run(["msgcat", "--no-wrap", str(path)]))) for path in (catalogue(PACKAGE, language), fresh))
    for text in sorted(new - old):
        yield f"{language}: not in the catalogue (make messages): {title(text)}"
    for text in sorted(old - new):
        yield f"{language}: not in the source any more, or changed (make messages): {title(text)}"


def compiled_otherwise(language: str, fresh: Path) -> Iterator[str]:
    """Whether the .mo file holds what the .po file says."""
    source = catalogue(PACKAGE, language)
    compiled = source.with_suffix(".mo")
    compile_catalogue(source, fresh)
    if not compiled.exists() or run(["msgunfmt", str(compiled)]) != run(["msgunfmt", str(fresh)]):
        yield f"{language}: {compiled.name} is not what the catalogue says (make messages)"


def entries(text: str) -> Iterator[str]:
    """The entries of a catalogue without their comments, and without its header."""
    for block in text.split("\n\n"):
        entry = "\n".join(line for line in block.splitlines() if not line.startswith("#"))
        if entry and not entry.startswith('msgid ""\nmsgstr'):
            yield entry


def title(entry: str) -> str:
    """The line of an entry that people look for."""
    return next(line for line in entry.splitlines() if line.startswith("msgid "))


def run(command: list[str], cwd: Path | None = None) -> str:
    """What the command writes. Ends all of this where it fails; what it has to say stands above."""
    # The tools of gettext translate their own words.
    environment = os.environ | {"LC_ALL": "C.UTF-8", "LANGUAGE": ""}
    try:
        done = subprocess.run(command, cwd=cwd, env=environment, stdout=subprocess.PIPE, encoding="utf-8", check=True)
    except subprocess.CalledProcessError as error:
        sys.exit(f"{' '.join(command[:5])}… has failed with {error.returncode}.")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
