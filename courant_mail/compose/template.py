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
from .limits import MAX_TURNS
from .sandbox import Expression, Values, parse

Piece = TypeVar("Piece", str, bytes)


class Run:
    """
    One rendering: the values, and how many turns of loops and how much output is left.

    Where `blanks` is a set, the names of the values that were asked for and say nothing are put into it.
    """

    __slots__ = ("blanks", "context", "room", "turns")

    def __init__(self, context: Values, room: int, blanks: set[str] | None = None) -> None:
        self.blanks = blanks
        self.context = context
        self.room = room
        self.turns = MAX_TURNS

    def spend(self, size: int) -> None:
        """So much more was made. Raises TemplateSyntaxError when that is too much."""
        self.room -= size
        if self.room < 0:
            raise TemplateSyntaxError("The merge values make the mail too large.")

    def turn(self) -> None:
        """One more turn of a loop. Raises TemplateSyntaxError when that was one too many."""
        self.turns -= 1
        if self.turns < 0:
            raise TemplateSyntaxError(f"The loops take more than {MAX_TURNS:,} turns.")
        self.context.check_time()


Step: TypeAlias = Callable[[Run], Piece]
Encode: TypeAlias = Callable[[str], Piece]


class Program(Generic[Piece]):
    """
    A compiled template. `pieces` holds what never changes and an empty piece for each step; `steps` says where the
    pieces go that have to be rendered.
    """

    __slots__ = ("empty", "pieces", "size", "steps")

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
        #: of what never changes
        self.size = sum(map(len, self.pieces))

    def _flush(self, words: list[str], encode: Encode[Piece]) -> None:
        if words:
            self.pieces.append(encode("".join(words)))
            words.clear()

    def render(self, run: Run) -> Piece:
        """What the template says in the given context, with the context's own autoescape."""
        run.spend(self.size)
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
    return _spending(lambda run: encode(str(node.render(run.context))))


def _spending(make: Step[Piece]) -> Step[Piece]:
    """The step, held to the room that is left."""

    def step(run: Run) -> Piece:
        piece = make(run)
        run.spend(len(piece))
        return piece

    return step


def _variable(expression: FilterExpression, encode: Encode[Piece]) -> Step[Piece]:
    resolve = expression.resolve
    escape = html.escape
    asking = expression if isinstance(expression, Expression) and expression.asked_for else None

    def make(run: Run) -> Piece:
        context = run.context
        value = resolve(context)
        if run.blanks is not None and asking is not None and asking.is_blank(context, value):
            run.blanks.add(asking.asked_for)
        if not isinstance(value, str):
            return encode(render_value_in_context(value, context))
        if context.autoescape and not isinstance(value, SafeData):
            value = escape(value)
        return encode(value)

    return _spending(make)


def _choice(node: IfNode, encode: Encode[Piece]) -> Step[Piece]:
    branches = [(condition, Program(list(nodes), encode)) for condition, nodes in node.conditions_nodelists]
    empty = encode("")

    def step(run: Run) -> Piece:
        run.context.check_time()
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
        run.spend(sum(len(value) for value in values.values() if isinstance(value, str)))
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
                run.turn()
                turns.append(body.render(run))
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
