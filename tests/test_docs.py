"""
The documentation agrees with the code.

Everything that a user can name (settings, commands and their options, checks, functions with their arguments, statuses,
signals, tags, filters) is in `docs/reference`, and nothing is there that the code does not know.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, load_command_class
from django.dispatch import Signal
from django.test import SimpleTestCase

from courant_mail import api, checks, choices, conf, exceptions, signals, sources, testing
from courant_mail.admin import ObjectMail, ObjectMailAdminMixin
from courant_mail.compose import decorators, filters, sandbox
from courant_mail.compose.lint import CODES
from courant_mail.queue.dry_run_report import Report
from courant_mail.testing import smtp_server

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)
TEXTS = [*PAGES, *ROOT.glob("*.md"), ROOT / "example_project" / "README.md"]

#: modules of the API page → what of them is public beside functions
MODULES: dict[str, Any] = {
    "courant_mail.api": api,
    "courant_mail.sources": sources,
    "courant_mail.compose.decorators": decorators,
    "courant_mail.testing": testing,
    "courant_mail.testing.smtp_server": smtp_server,
}


class SettingsTests(SimpleTestCase):
    def setUp(self) -> None:
        self.page = Page("settings")

    def test_every_key_is_there_with_a_section_of_its_own(self) -> None:
        self.assertEqual(set(self.page.first_column("key", under="Settings")), conf._KEYS)
        self.assertEqual(set(self.page.headings(2)), conf._KEYS)

    def test_every_key_of_a_relay_and_of_the_retries_is_there(self) -> None:
        self.assertEqual(set(self.page.first_column("key", under="RELAYS")), conf._RELAY_KEYS)
        self.assertEqual(set(self.page.first_column("key", under="RETRY")), conf._RETRY_KEYS)

    def test_defaults_are_those_of_the_code(self) -> None:
        defaults = conf.Settings(relays={}, default_relay="")
        for row in self.page.table("key", under="Settings"):
            name, default = unquoted(row[0]).lower(), row[2]
            if default.startswith("`") and name != "relays":
                with self.subTest(key=name):
                    self.assertEqual(ast.literal_eval(default.strip("`")), getattr(defaults, name))
        for row in self.page.table("key", under="RETRY"):
            with self.subTest(key=row[0]):
                self.assertEqual(float(row[1].strip("`")), getattr(conf.RetryPolicy(), unquoted(row[0]).lower()))
        connections = next(row for row in self.page.table("key", under="RELAYS") if "CONNECTIONS" in row[0])
        self.assertEqual(connections[2], f"`{conf.RelaySettings(name='').connections}`")


class CommandTests(SimpleTestCase):
    def setUp(self) -> None:
        self.page = Page("commands")
        files = (ROOT / "courant_mail" / "management" / "commands").glob("[!_]*.py")
        self.commands = {path.stem: load_command_class("courant_mail", path.stem) for path in files}

    def test_every_command_has_a_section(self) -> None:
        self.assertEqual(set(self.page.headings(2)), set(self.commands))

    def test_every_option_is_in_the_section_of_its_command(self) -> None:
        common = options_of(BaseCommand())
        for name, command in self.commands.items():
            with self.subTest(command=name):
                rows = [*self.page.table("option", under=name), *self.page.table("argument or option", under=name)]
                documented = {word.split()[0] for row in rows for word in re.findall(r"`([^`]+)`", row[0])}
                self.assertEqual(documented, options_of(command) - common)

    def test_the_keys_of_the_status_are_there(self) -> None:
        rows = {unquoted(row[0]): row[1] for row in self.page.table("key", under="mail_status")}
        self.assertEqual(set(rows), {"messages", "jobs", "oldest_due_seconds", "relays", "senders"})
        self.assertEqual(set(quoted(rows["messages"])), {status.name.lower() for status in choices.MessageStatus})
        self.assertEqual(set(quoted(rows["jobs"])), set(choices.JobStatus.values))


class ApiTests(SimpleTestCase):
    def setUp(self) -> None:
        self.page = Page("api")

    def test_everything_public_has_a_section_and_nothing_else(self) -> None:
        for name, module in MODULES.items():
            with self.subTest(module=name):
                self.assertEqual(set(self.page.headings(3, under=name)), set(public(module)))

    def test_functions_have_the_arguments_and_defaults_of_the_code(self) -> None:
        for name, module in MODULES.items():
            for function in public(module):
                if inspect.isfunction(getattr(module, function)):
                    with self.subTest(module=name, function=function):
                        documented = self.page.signature(function, under=name)
                        self.assertEqual(documented, arguments(inspect.signature(getattr(module, function))))

    def test_the_smtp_server_has_the_arguments_of_the_code(self) -> None:
        rows = self.page.first_column("argument", under="SmtpServer")
        self.assertEqual(rows, list(inspect.signature(smtp_server.SmtpServer).parameters))

    def test_the_classes_of_the_admin_have_their_attributes(self) -> None:
        for found, extra in ((ObjectMail, {"object"}), (ObjectMailAdminMixin, {"object_mail"})):
            documented = {name.removesuffix("()") for name in self.page.first_column(None, under=found.__name__)}
            with self.subTest(name=found.__name__):
                self.assertLessEqual(documented - extra, set(dir(found)))
                if found is ObjectMail:
                    self.assertEqual(documented - extra, {name for name in vars(found) if not name.startswith("_")})

    def test_every_exception_is_there_with_its_bases(self) -> None:
        rows = self.page.table("exception", under="courant_mail.exceptions")
        documented = {unquoted(row[0]): quoted(row[1]) for row in rows}
        raised = {name: value for name, value in vars(exceptions).items() if inspect.isclass(value)}
        self.assertEqual(documented, {name: [base.__name__ for base in c.__bases__] for name, c in raised.items()})


class StatusTests(SimpleTestCase):
    def setUp(self) -> None:
        self.page = Page("statuses")

    def test_messages_may_become_what_the_code_allows(self) -> None:
        rows = {unquoted(row[0]): row for row in self.page.table("status", under="Messages")}
        self.assertEqual(set(rows), {status.name.lower() for status in choices.MessageStatus})
        for status, after in choices.MESSAGE_TRANSITIONS.items():
            with self.subTest(status=status):
                row = rows[status.name.lower()]
                self.assertEqual(int(row[1]), status.value)
                self.assertEqual(set(quoted(row[3])), {other.name.lower() for other in after})

    def test_jobs_may_become_what_the_code_allows(self) -> None:
        rows = {unquoted(row[0]): row for row in self.page.table("status", under="Jobs")}
        self.assertEqual(set(rows), set(choices.JobStatus.values))
        for status, after in choices.JOB_TRANSITIONS.items():
            with self.subTest(status=status):
                self.assertEqual(set(quoted(rows[status.value][2])), {other.value for other in after})

    def test_outcomes_priorities_and_scopes_are_there(self) -> None:
        self.assertEqual(set(self.page.first_column("outcome")), set(choices.Outcome.values))
        self.assertEqual(set(self.page.first_column("scope")), set(choices.Scope.values))
        rows = {unquoted(row[0]): int(row[1]) for row in self.page.table("name")}
        self.assertEqual(rows, {priority.name.lower(): priority.value for priority in choices.Priority})


class DryRunTests(SimpleTestCase):
    def test_every_key_of_the_report_and_every_warning_is_there(self) -> None:
        page = Page("dry-run")
        self.assertEqual(page.first_column("key"), [field.name for field in dataclasses.fields(Report)])
        self.assertEqual(page.first_column("warning"), list(CODES))


class OtherReferenceTests(SimpleTestCase):
    def test_every_check_is_there(self) -> None:
        known = re.findall(r'id="(courant_mail\.[EW]\d{3})"', inspect.getsource(checks))
        self.assertTrue(known)
        self.assertEqual(sorted(Page("checks").first_column("id")), sorted(known))

    def test_every_signal_is_there(self) -> None:
        known = {name for name, value in vars(signals).items() if isinstance(value, Signal)}
        self.assertEqual(set(Page("signals").first_column("signal")), known)

    def test_every_tag_and_filter_is_there(self) -> None:
        page = Page("templates")
        self.assertEqual(set(page.first_column("tag")), set(sandbox._TAGS))
        # web_link is put into links by the sanitiser; a template cannot name it.
        self.assertEqual(set(page.first_column("filter")), set(filters.ALLOWED_FILTERS) - {"web_link"})


class TextTests(SimpleTestCase):
    def test_python_in_the_documentation_is_python(self) -> None:
        found = 0
        for path in TEXTS:
            for code in python_blocks(path.read_text()):
                found += 1
                with self.subTest(page=path.relative_to(ROOT), code=code[:60]):
                    compile(code, str(path), "exec")
        self.assertGreater(found, 30)

    def test_imports_in_the_documentation_exist(self) -> None:
        for path in TEXTS:
            for code in python_blocks(path.read_text()):
                for module, name in imports_of_ours(code):
                    with self.subTest(page=path.relative_to(ROOT), name=name):
                        self.assertTrue(hasattr(__import__(module, fromlist=[name]), name), f"{module}.{name}")

    def test_local_links_lead_somewhere(self) -> None:
        for path in TEXTS:
            for target in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", path.read_text()):
                name, _, anchor = target.partition("#")
                with self.subTest(page=path.relative_to(ROOT), target=target):
                    there = path.parent / name if name else path
                    self.assertTrue(there.exists())
                    if anchor and there.suffix == ".md":
                        self.assertIn(anchor, anchors(there))

    def test_the_tests_that_show_a_guarantee_exist(self) -> None:
        named = 0
        file = ""
        for word in re.findall(
            r"`(tests/[\w/]+\.py|[A-Z]\w+Tests)`", (DOCS / "explanation" / "guarantees.md").read_text()
        ):
            if word.startswith("tests/"):
                file = word
                self.assertTrue((ROOT / file).exists(), file)
            else:
                named += 1
                self.assertRegex((ROOT / file).read_text(), rf"(?m)^class {word}\b", f"{file} has no {word}")
        self.assertGreater(named, 13)

    def test_screenshots_are_shown_with_words_and_are_not_too_large(self) -> None:
        shown = {
            name: words
            for path in PAGES
            for words, name in re.findall(r"!\[([^\]]*)\]\(\.\./images/([\w-]+\.png)\)", path.read_text())
        }
        self.assertEqual(set(shown), {path.name for path in (DOCS / "images").glob("*")})
        for name, words in shown.items():
            with self.subTest(picture=name):
                self.assertGreater(len(words), 40)
                self.assertLess((DOCS / "images" / name).stat().st_size, 150_000)

    def test_what_editors_are_told_to_press_is_there(self) -> None:
        package = ROOT / "courant_mail"
        sources = [*package.rglob("*.py"), *package.rglob("*.html")]
        ours = " ".join(path.read_text() for path in sources if "migrations" not in path.parts)
        page = re.sub(r"!\[[^\]]*\]", "", (DOCS / "how-to" / "send-your-first-mass-mail.md").read_text())
        told = {quoted or bold for quoted, bold in re.findall(r'"([^"]+)"|\*\*([\w ]+):?\*\*', page)}
        # What Django says, and what people say.
        for words in told - {"Add", "Go", "Save", "Add message job", "CSV", "no more of it"}:
            with self.subTest(words=words):
                self.assertIn(words.rstrip("…").replace("\n", " ").casefold(), ours.casefold())
        self.assertGreater(len(told), 30)

    def test_pictures_say_in_words_what_they_show(self) -> None:
        pictures = sorted((DOCS / "_static").glob("*.svg"))
        self.assertTrue(pictures)
        for path in pictures:
            with self.subTest(picture=path.name):
                self.assertRegex(path.read_text(), r"(?s)<title id=.*<desc id=.{60}.*prefers-color-scheme: dark")


class Page:
    """A page of the reference: its headings, and the tables and code below each of them."""

    def __init__(self, name: str) -> None:
        text = (DOCS / "reference" / f"{name}.md").read_text()
        #: (level, title, what stands below it until the next heading)
        self.sections = [
            (len(found[1]), unquoted(found[2]), found[3])
            for found in re.finditer(
                r"^(#+) (.+?)\n(.*?)(?=^#+ |\Z)", without_comments_in_code(text), re.MULTILINE | re.DOTALL
            )
        ]

    def headings(self, level: int, under: str | None = None) -> list[str]:
        """The titles of this level that are names in code, perhaps only those below another heading."""
        return [title for found, title, _ in self._below(under) if found == level and is_name(title)]

    def table(self, first: str | None, under: str | None = None) -> list[list[str]]:
        """The rows of the tables whose first column has this title (None: any), below the heading."""
        sections = [s for s in self.sections if under is None or s[1] == under]
        rows: list[list[str]] = []
        for _, _, text in sections:
            for lines in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
                table = [[cell.strip() for cell in line.strip()[1:-1].split("|")] for line in lines.splitlines()]
                if first is None or table[0][0] == first:
                    rows += table[2:]
        return rows

    def first_column(self, first: str | None, under: str | None = None) -> list[str]:
        return [unquoted(row[0]) for row in self.table(first, under)]

    def signature(self, function: str, under: str) -> list[tuple[str, str, bool]]:
        """The arguments of the function whose section stands below the heading of its module."""
        text = next(text for _, title, text in self._below(under) if title == function)
        [definition] = ast.parse(next(python_blocks(text))).body
        if not isinstance(definition, ast.FunctionDef) or definition.name != function:
            raise AssertionError(f"the section of {function} does not begin with its signature")
        return arguments_of(definition.args)

    def _below(self, under: str | None) -> Iterator[tuple[int, str, str]]:
        inside = under is None
        for level, title, text in self.sections:
            if level <= 2 and under is not None:
                inside = title == under
            if inside:
                yield level, title, text


def public(module: Any) -> list[str]:
    """What `__all__` says, else what the module defines itself."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    if module is decorators:  # the hook; the rest is for the compose room
        return ["register", "unregister"]
    tree = ast.parse(inspect.getsource(module))
    named = [node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    named += [
        node.target.id for node in tree.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    ]
    return [name for name in named if not name.startswith("_")]


def arguments(signature: inspect.Signature) -> list[tuple[str, str, bool]]:
    """(name, kind, whether it has a default) of each argument."""
    return [(p.name, p.kind.name, p.default is not inspect.Parameter.empty) for p in signature.parameters.values()]


def arguments_of(args: ast.arguments) -> list[tuple[str, str, bool]]:
    """The same, of a definition that was only parsed."""
    required = len(args.args) - len(args.defaults)
    found = [(arg.arg, "POSITIONAL_OR_KEYWORD", index >= required) for index, arg in enumerate(args.args)]
    if args.vararg:
        found.append((args.vararg.arg, "VAR_POSITIONAL", False))
    pairs = zip(args.kwonlyargs, args.kw_defaults, strict=True)
    return [*found, *((arg.arg, "KEYWORD_ONLY", default is not None) for arg, default in pairs)]


def options_of(command: BaseCommand) -> set[str]:
    """The options and arguments of a command as one types them."""
    parser = command.create_parser("manage.py", "command")
    return {option for action in parser._actions for option in (action.option_strings or [action.dest])}


def python_blocks(text: str) -> Iterator[str]:
    """The Python in a page; lines of dots stand for code that is left out."""
    for found in re.finditer(
        r"^```(?:\{code-block\} )?python\n(?::\w+:.*\n)*(.*?)^```$", text, re.MULTILINE | re.DOTALL
    ):
        yield found[1]


def imports_of_ours(code: str) -> Iterable[tuple[str, str]]:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] == "courant_mail":
            yield from ((str(node.module), alias.name) for alias in node.names)


def anchors(path: Path) -> set[str]:
    """The anchors of the headings of a page, which Sphinx and the sites that show Markdown make alike."""
    titles = re.findall(r"^#+ (.+)$", without_comments_in_code(path.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def without_comments_in_code(text: str) -> str:
    """The text without the lines of code blocks that look like headings."""
    return re.sub(r"^```.*?^```$", lambda found: re.sub(r"(?m)^#+ .*$", "", found[0]), text, flags=re.M | re.S)


def unquoted(cell: str) -> str:
    """The name in a cell or heading: `NAME`, or [`NAME`](where)."""
    found = re.match(r"\[?`([^`]+)`", cell)
    return found[1] if found else cell


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def is_name(title: str) -> bool:
    return re.fullmatch(r"[\w.]+", title) is not None
