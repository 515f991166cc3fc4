"""
Let the site's templates be rendered once, with blanks that every recipient's mail fills for itself.

The site writes ``{{ recipient.first_name }}`` in a template of its own. Rendered once per mail, that becomes a word
that nobody can guess; then the site's text is made safe as a template of the mail, and the word becomes
``{{ first_name }}``, which the mail renders once per recipient.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from ..exceptions import InvalidMail

#: a brace that would open a tag, a variable or a comment of the mail's template, alone or with what follows it
_OPENING = re.compile(r"\{(?=[{%#]|\Z)")
_STYLE = re.compile(r"<style\b.*?</style\s*>", re.IGNORECASE | re.DOTALL)


class Placeholders:
    """What templates get as `recipient`, and the way back from a rendered text to a template of the mail."""

    def __init__(self, defaults: Mapping[str, str]) -> None:
        """`defaults`: merge value → what stands in its place where a recipient has none."""
        self._defaults = defaults
        # Letters and digits alone pass unchanged through escaping, URLs, wrapping and CSS.
        self._secret = f"blank{secrets.token_hex(12)}"
        self._paths: list[str] = []
        self._misuse = ""
        self.recipient = Blank(self, "")

    def word_for(self, path: str) -> str:
        """The word that stands for this merge value."""
        if path not in self._paths:
            self._paths.append(path)
        return f"{self._secret}x{self._paths.index(path)}x"

    def template_of(self, rendered: str, *, html: bool) -> str:
        """
        The rendered text as a template of the mail.

        Everything of the site's own text comes out as it was, whatever braces it holds. Raises InvalidMail when a
        template asked for more than the words, since the merge values are not known yet.
        """
        if self._misuse:
            raise InvalidMail(self._misuse)
        protect = _protect_html if html else _protect
        literal_or_number = re.split(rf"{self._secret}x(\d+)x", rendered)
        if any(self._secret[:16] in part.casefold() for part in literal_or_number[::2]):
            raise InvalidMail(
                "A filter was applied to a value of `recipient`, which is filled in for each recipient later. "
                "Write {{ recipient.… }} without filters; a default goes into merge_defaults."
            )
        return "".join(
            self._variable(self._paths[int(part)], html) if index % 2 else protect(part)
            for index, part in enumerate(literal_or_number)
        )

    def refuse(self, path: str) -> InvalidMail:
        """
        The error for a template that wants to know this merge value.

        It is remembered, because some of Django's tags and filters take any error for "no".
        """
        self._misuse = (
            f"`recipient.{path}` is filled in for each recipient later, so the template cannot ask whether it is there "
            "or go through it. A default goes into merge_defaults."
        )
        return InvalidMail(self._misuse)

    def _variable(self, path: str, html: bool) -> str:
        default = self._defaults.get(path)
        if default is None:
            return "{{ " + path + " }}"
        # A literal in a template is HTML there.
        quoted = (escape(str(default)) if html else str(default)).replace("\\", "\\\\").replace('"', '\\"')
        if re.search(r"[{}%#]{2}|[\r\n]", quoted):
            raise InvalidMail(f"merge_defaults[{path!r}] must be one line without braces, not {default!r}.")
        return "{{ " + path + '|default:"' + quoted + '" }}'


class Blank:
    """A merge value in a template of the site. It can be written, and nothing else: it is not known yet."""

    def __init__(self, owner: Placeholders, path: str) -> None:
        self._owner = owner
        self._path = path

    def __getitem__(self, name: str) -> Blank:
        return Blank(self._owner, f"{self._path}.{name}" if self._path else name)

    def __str__(self) -> str:
        if not self._path:
            raise InvalidMail(
                "`recipient` is not a value by itself; write {{ recipient.email }} or another of its values."
            )
        return self._owner.word_for(self._path)

    def __bool__(self) -> bool:
        raise self._owner.refuse(self._path)

    def __len__(self) -> int:
        raise self._owner.refuse(self._path)

    def __iter__(self) -> Iterator[Any]:
        raise self._owner.refuse(self._path)


def _protect(text: str) -> str:
    return _OPENING.sub("{% templatetag openbrace %}", text)


def _protect_html(html: str) -> str:
    """As `_protect`, but in style sheets a space does it: it means nothing there, and CSS tools can read on."""
    parts: list[str] = []
    end = 0
    for style in _STYLE.finditer(html):
        parts += [_protect(html[end : style.start()]), _OPENING.sub("{ ", style[0])]
        end = style.end()
    return "".join([*parts, _protect(html[end:])])
