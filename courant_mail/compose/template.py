"""
A template as a list of pieces: what never changes is encoded once, only the rest is rendered for each recipient.

A step is a piece that has to be rendered. `if`, `for` and `with` hold programs of their own, so the words inside
them are encoded only once as well.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any, Generic, TypeAlias, TypeVar

from django.template import Context, TemplateSyntaxError, VariableDoesNotExist
from django.template.base import FilterExpression, Node, NodeList, TextNode, VariableNode, render_value_in_context
from django.template.defaulttags import CommentNode, ForNode, IfNode, WithNode
from django.utils.safestring import SafeData

from ..exceptions import InvalidMail
from .sandbox import parse

#: turns of all loops of one mail together
MAX_TURNS = 10_000

Piece = TypeVar("Piece", str, bytes)


class Run:
    """One rendering: the values, and how many turns of loops and how much output is left."""

    __slots__ = ("context", "room", "turns")

    def __init__(self, context: Context, room: int) -> None:
        self.context = context
        self.room = room
        self.turns = MAX_TURNS

    def spend(self, size: int) -> None:
        """One more turn of a loop has made so much. Raises TemplateSyntaxError when that was too much."""
        self.turns -= 1
        self.room -= size
        if self.turns < 0:
            raise TemplateSyntaxError(f"The loops take more than {MAX_TURNS:,} turns.")
        if self.room < 0:
            raise TemplateSyntaxError("The loops make the mail too large.")


Step: TypeAlias = Callable[[Run], Piece]
Encode: TypeAlias = Callable[[str], Piece]


class Program(Generic[Piece]):
    """
    A compiled template. `pieces` holds what never changes and an empty piece for each step; `steps` says where the
    pieces go that have to be rendered.
    """

    __slots__ = ("empty", "pieces", "steps")

    def __init__(self, nodes: list[Node], encode: Encode[Piece]) -> None:
        self.empty: Piece = encode("")
        self.pieces: list[Piece] = []
        self.steps: list[tuple[int, Step[Piece]]] = []
        words: list[str] = []
        for node in nodes:
            if isinstance(node, TextNode):
                words.append(node.s)
            elif not isinstance(node, CommentNode):
                self._flush(words, encode)
                self.steps.append((len(self.pieces), _step(node, encode)))
                self.pieces.append(self.empty)
        self._flush(words, encode)

    def _flush(self, words: list[str], encode: Encode[Piece]) -> None:
        if words:
            self.pieces.append(encode("".join(words)))
            words.clear()

    def render(self, run: Run) -> Piece:
        """What the template says in the given context, with the context's own autoescape."""
        if not self.steps:
            return self.empty.join(self.pieces)
        pieces = self.pieces.copy()
        for index, step in self.steps:
            pieces[index] = step(run)
        return self.empty.join(pieces)


def compile_template(part: str, source: str, encode: Encode[Piece], *, trusted: bool = True) -> Program[Piece]:
    """
    The program of a template whose pieces are encoded by `encode`.

    Raises InvalidMail, which names the part and the line.
    """
    return Program(list(checked_nodes(part, source, trusted=trusted)), encode)


def checked_nodes(part: str, source: str, *, trusted: bool = True) -> NodeList:
    """The nodes of a template. Raises InvalidMail, which names the part (subject, text, html) and the line."""
    try:
        return parse(source, trusted=trusted)
    except RecursionError:
        raise InvalidMail(f"{part}: the template's tags are nested too deeply.") from None
    except Exception as error:
        line = getattr(getattr(error, "token", None), "lineno", None)
        where = f"{part}, line {line}" if line else part
        raise InvalidMail(f"{where}: {error}") from error


def _step(node: Node, encode: Encode[Piece]) -> Step[Piece]:
    if isinstance(node, VariableNode):
        return _variable(node.filter_expression, encode)
    if isinstance(node, IfNode):
        return _choice(node, encode)
    if isinstance(node, ForNode):
        return _loop(node, encode)
    if isinstance(node, WithNode):
        return _scope(node, encode)
    return lambda run: encode(str(node.render(run.context)))


def _variable(expression: FilterExpression, encode: Encode[Piece]) -> Step[Piece]:
    resolve = expression.resolve
    escape = html.escape

    def step(run: Run) -> Piece:
        context = run.context
        value = resolve(context)
        if not isinstance(value, str):
            return encode(render_value_in_context(value, context))
        if context.autoescape and not isinstance(value, SafeData):
            value = escape(value)
        return encode(value)

    return step


def _choice(node: IfNode, encode: Encode[Piece]) -> Step[Piece]:
    branches = [(condition, Program(list(nodes), encode)) for condition, nodes in node.conditions_nodelists]
    empty = encode("")

    def step(run: Run) -> Piece:
        for condition, program in branches:
            if condition is None or _holds(condition, run.context):
                return program.render(run)
        return empty

    return step


def _holds(condition: Any, context: Context) -> bool:
    try:
        return bool(condition.eval(context))
    except VariableDoesNotExist:
        return False


def _scope(node: WithNode, encode: Encode[Piece]) -> Step[Piece]:
    program = Program(list(node.nodelist), encode)
    names: dict[str, Any] = dict(node.extra_context)

    def step(run: Run) -> Piece:
        values = {name: expression.resolve(run.context) for name, expression in names.items()}
        with run.context.push(**values):
            return program.render(run)

    return step


def _loop(node: ForNode, encode: Encode[Piece]) -> Step[Piece]:
    body = Program(_nodes(node.nodelist_loop), encode)
    otherwise = Program(_nodes(node.nodelist_empty), encode)
    names = list(node.loopvars)
    sequence: Any = node.sequence
    empty = encode("")

    def step(run: Run) -> Piece:
        items = sequence.resolve(run.context, ignore_failures=True)
        items = list(items) if isinstance(items, (list, tuple, str, dict)) else []
        if not items:
            return otherwise.render(run)
        if node.is_reversed:
            items.reverse()
        outer = run.context.get("forloop", {})
        turns = []
        with run.context.push():
            for index, item in enumerate(items):
                run.context["forloop"] = _counters(index, len(items), outer)
                _assign(run.context, names, item)
                turns.append(body.render(run))
                run.spend(len(turns[-1]))
        return empty.join(turns)

    return step


def _nodes(nodes: Any) -> list[Node]:
    return list(nodes)


def _assign(context: Context, names: list[str], item: Any) -> None:
    if len(names) == 1:
        context[names[0]] = item
        return
    if not isinstance(item, (list, tuple)) or len(item) != len(names):
        raise TemplateSyntaxError(f"The loop over {', '.join(names)} needs lists of {len(names)} values each.")
    for name, value in zip(names, item, strict=True):
        context[name] = value


def _counters(index: int, count: int, outer: Any) -> dict[str, Any]:
    return {
        "counter": index + 1,
        "counter0": index,
        "revcounter": count - index,
        "revcounter0": count - index - 1,
        "first": index == 0,
        "last": index == count - 1,
        "parentloop": outer,
    }
