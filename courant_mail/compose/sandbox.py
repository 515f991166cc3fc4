"""
The template language of mails: Django's, cut down to what can load nothing, call nothing and stay small.

A merge value is looked up through the keys of dicts and the indexes of lists only, so that no template reaches an
attribute or a method of anything, whatever it is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import thread_time
from typing import Any, NoReturn

from django.template import Context, Engine, Library, Origin, Template, TemplateSyntaxError, defaulttags
from django.template.base import (
    UNKNOWN_SOURCE,
    FilterExpression,
    Lexer,
    NodeList,
    Parser,
    Token,
    Variable,
    VariableDoesNotExist,
)
from django.template.context import BaseContext
from django.utils.safestring import SafeData, SafeString, mark_safe

from .filters import ALLOWED_FILTERS, MAX_VALUE
from .limits import MAX_NESTED_TAGS, MAX_SECONDS, MAX_TAG_LENGTH, MAX_TAGS
from .tags import split_tags

_TAGS = ("comment", "cycle", "firstof", "for", "if", "templatetag", "with")

_library = Library()
_library.tags.update({name: defaulttags.register.tags[name] for name in _TAGS})
_library.filters.update(ALLOWED_FILTERS)

#: filters that know what to say where there is no value
_STAND_INS = [ALLOWED_FILTERS[name] for name in ("default", "length", "pluralize", "wordcount", "yesno")]
#: characters of a value of which a filter may keep a process busy
_LONG = 1000
_DEFAULT_IF_NONE = ALLOWED_FILTERS["default_if_none"]

# Nodes ask their context for the engine; this one has no folders, no loaders and no libraries.
_EMPTY = Template("", engine=Engine(dirs=[], loaders=[], libraries={}))


def parse(source: str, *, trusted: bool = True) -> NodeList:
    """
    The nodes of a template.

    A literal in a trusted template (``|default:"&mdash;"``) is HTML, as in Django; in one that is not trusted it is
    text and will be escaped. Raises TemplateSyntaxError, whose `token` says the line where it is known.
    """
    return _Parser(_Lexer(source).tokenize(), trusted).parse()


def new_context(values: dict[str, Any]) -> Values:
    """The context in which nodes of this sandbox can be rendered."""
    return Values(values)


class Values(Context):
    """The merge values of one rendering, which must come to an end."""

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__(values)
        self.template = _EMPTY
        self._began = thread_time()

    def check_time(self) -> None:
        """Raises TemplateSyntaxError when the rendering keeps the processor busy for too long."""
        if thread_time() - self._began > MAX_SECONDS:
            raise TemplateSyntaxError(f"It takes more than {MAX_SECONDS:g} s of computing.")


class _Lexer(Lexer):
    """Django's lexer in linear time, with limits."""

    def tokenize(self) -> list[Token]:
        pieces = split_tags(self.template_string)
        if len(pieces) > 2 * MAX_TAGS:
            raise TemplateSyntaxError(f"There are more than {MAX_TAGS:,} template tags.")
        tokens: list[Token] = []
        line = 1
        for index, piece in enumerate(pieces):
            is_tag = index % 2 == 1
            if piece:
                tokens.append(self.create_token(piece, None, line, is_tag))
                line += piece.count("\n")
            if is_tag and len(piece) > MAX_TAG_LENGTH:
                raise TemplateSyntaxError(f"The tag in line {line} has more than {MAX_TAG_LENGTH:,} characters.")
        return tokens


class _Parser(Parser):
    """Django's parser with this module's tags, filters and lookups."""

    def __init__(self, tokens: list[Token], trusted: bool) -> None:
        super().__init__(tokens, libraries={}, builtins=[_library], origin=Origin(UNKNOWN_SOURCE))
        self.trusted = trusted
        self._depth = 0

    def parse(self, parse_until: Any = None) -> NodeList:
        self._depth += 1
        if self._depth > MAX_NESTED_TAGS:
            raise TemplateSyntaxError(f"the template's tags are nested too deeply (more than {MAX_NESTED_TAGS}).")
        nodes = super().parse(parse_until)
        self._depth -= 1
        return nodes

    def compile_filter(self, token: str) -> FilterExpression:
        return Expression(token, self)

    def find_filter(self, filter_name: str) -> Any:
        if filter_name not in self.filters:
            known = ", ".join(sorted(set(self.filters) - {"web_link"}))
            raise TemplateSyntaxError(f"mails have no filter “{filter_name}”; there are {known}.")
        return self.filters[filter_name]

    def invalid_block_tag(self, token: Token, command: str, parse_until: Any = None) -> NoReturn:
        expected = f", expected {' or '.join(parse_until)}" if parse_until else ""
        raise self.error(
            token,
            f"{{% {command} %}} is not possible here{expected}; the tags of mails are {', '.join(_TAGS)}.",
        )


class _Lookup(Variable):
    """A variable found through keys of dicts and indexes of lists, and through nothing else."""

    def _resolve_lookup(self, context: Any) -> Any:
        found = context
        for bit in self.lookups or ():
            try:
                if isinstance(found, (Mapping, BaseContext)):
                    found = found[bit]
                elif isinstance(found, (list, tuple)):
                    found = found[int(bit)]
                else:
                    raise VariableDoesNotExist("No value named %r", (bit,))
            except (KeyError, IndexError, ValueError):
                raise VariableDoesNotExist("No value named %r", (bit,)) from None
        return found


class Expression(FilterExpression):
    """A variable and its filters, with this module's lookup and a limit to the size of what a filter makes."""

    def __init__(self, token: str, parser: _Parser) -> None:
        super().__init__(token, parser)
        self.var = self._own(self.var, parser.trusted)
        self.filters = [
            (function, [(lookup, self._own(argument, parser.trusted)) for lookup, argument in arguments])
            for function, arguments in self.filters
        ]

    @staticmethod
    def _own(value: Any, trusted: bool) -> Any:
        if isinstance(value, Variable):
            return _Lookup(str(value.var))
        # Adding text takes the mark "safe HTML" off a literal.
        return value + "" if isinstance(value, SafeString) and not trusted else value

    @property
    def asked_for(self) -> str:
        """The name of the value that a recipient should have for this; empty where it does without one."""
        functions = [function for function, _ in self.filters]
        return str(self.var.var) if self.is_var and not any(f in _STAND_INS for f in functions) else ""

    def is_blank(self, context: Any, shown: Any) -> bool:
        """Whether the value itself, before the filters that made `shown` of it, is missing or says nothing."""
        value = shown
        if self.filters:
            try:
                value = self.var.resolve(context)
            except VariableDoesNotExist:
                return True
        if value is None:
            return not any(function is _DEFAULT_IF_NONE for function, _ in self.filters)
        return isinstance(value, str) and not value.strip()

    def resolve(self, context: Any, ignore_failures: bool = False) -> Any:
        value = self.var
        if self.is_var:
            try:
                value = value.resolve(context)
            except VariableDoesNotExist:
                value = None if ignore_failures else ""
        for function, arguments in self.filters:
            value = _filtered(function, value, arguments, context)
        return value


def _filtered(function: Any, value: Any, arguments: list[Any], context: Any) -> Any:
    given = [argument.resolve(context) if lookup else argument for lookup, argument in arguments]
    if getattr(function, "needs_autoescape", False):
        result = function(value, *given, autoescape=context.autoescape)
    else:
        result = function(value, *given)
    if isinstance(result, str) and len(result) > _LONG:
        if len(result) > MAX_VALUE:
            raise TemplateSyntaxError(f"A value is longer than {MAX_VALUE:,} characters.")
        context.check_time()
    if isinstance(value, SafeData) and getattr(function, "is_safe", False):
        return mark_safe(result)
    return result
