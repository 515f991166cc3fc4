"""
The template language of mails: Django's, cut down to what can load nothing, call nothing and stay small.

A merge value is looked up through the keys of dicts and the indexes of lists only, so that no template reaches an
attribute or a method of anything, whatever it is given.
"""

from __future__ import annotations

from collections.abc import Mapping
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

_TAGS = ("comment", "cycle", "firstof", "for", "if", "templatetag", "with")

_library = Library()
_library.tags.update({name: defaulttags.register.tags[name] for name in _TAGS})
_library.filters.update(ALLOWED_FILTERS)

# Nodes ask their context for the engine; this one has no folders, no loaders and no libraries.
_EMPTY = Template("", engine=Engine(dirs=[], loaders=[], libraries={}))


def parse(source: str, *, trusted: bool = True) -> NodeList:
    """
    The nodes of a template.

    A literal in a trusted template (``|default:"&mdash;"``) is HTML, as in Django; in one that is not trusted it is
    text and will be escaped. Raises TemplateSyntaxError, whose `token` says the line where it is known.
    """
    return _Parser(Lexer(source).tokenize(), trusted).parse()


def new_context(values: dict[str, Any]) -> Context:
    """The context in which nodes of this sandbox can be rendered."""
    context = Context(values)
    context.template = _EMPTY
    return context


class _Parser(Parser):
    """Django's parser with this module's tags, filters and lookups."""

    def __init__(self, tokens: list[Token], trusted: bool) -> None:
        super().__init__(tokens, libraries={}, builtins=[_library], origin=Origin(UNKNOWN_SOURCE))
        self.trusted = trusted

    def compile_filter(self, token: str) -> FilterExpression:
        return _Expression(token, self)

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


class _Expression(FilterExpression):
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
    if isinstance(result, str) and len(result) > MAX_VALUE:
        raise TemplateSyntaxError(f"A value is longer than {MAX_VALUE:,} characters.")
    if isinstance(value, SafeData) and getattr(function, "is_safe", False):
        return mark_safe(result)
    return result
