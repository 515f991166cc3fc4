"""What a test may tell the SMTP server to do wrong: the actions, and the rules that say when."""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

#: where a rule can strike; "body" is the moment when the first bytes of a mail arrive, "dot" that of the final dot
Step = Literal[
    "connect", "ehlo", "helo", "starttls", "auth", "mail", "rcpt", "data", "body", "dot", "rset", "noop", "quit"
]

_ACCEPTED = re.compile(rb"(?:2\d\d-[^\r\n]*\r\n)*2\d\d [^\r\n]*\r\n")


@dataclass(frozen=True, kw_only=True)
class Action:
    """
    What the server does at a step. Use the functions below rather than this class.

    `say` are the bytes it answers: None for its ordinary answer, empty for nothing. `cut` of them are held back.
    `drip` is the pause in seconds between single bytes, `delay` the pause before the answer. `then` is what follows:
    the conversation goes on, the connection is closed (FIN) or reset (RST), or the server never speaks again ("hang").
    `accept` says whether a mail counts as accepted at the final dot; None: as its answer says.
    """

    say: bytes | None = None
    cut: int = 0
    drip: float = 0.0
    delay: float = 0.0
    then: Literal["go on", "close", "reset", "hang"] = "go on"
    accept: bool | None = None

    def answers(self, ordinary: bytes) -> bool:
        """Whether the client gets a whole reply of the class 2xx, and gets it at once."""
        answer = ordinary if self.say is None else self.say
        held_back = self.cut or self.drip or self.delay or self.then == "reset"
        return not held_back and _ACCEPTED.fullmatch(answer) is not None


def reply(code: int, *lines: str, close: bool = False) -> Action:
    """Answer with this code and these lines, more than one as a multi-line reply; then perhaps close, as after 421."""
    texts = lines or ("so be it",)
    wire = [f"{code}{' ' if i == len(texts) else '-'}{text}\r\n" for i, text in enumerate(texts, 1)]
    return Action(say="".join(wire).encode(), then="close" if close else "go on")


def close(*, accept: bool = False) -> Action:
    """Close without a word. At the final dot, `accept` says whether the mail was taken all the same."""
    return Action(say=b"", then="close", accept=accept)


def reset(*, accept: bool = False) -> Action:
    """Reset the connection without a word (RST), as a machine that has lost its power and came back."""
    return Action(say=b"", then="reset", accept=accept)


def silence(*, accept: bool = False) -> Action:
    """Never say anything again on this connection, and keep it open."""
    return Action(say=b"", then="hang", accept=accept)


def garbage(noise: bytes = b"\xff\x00 what is this?\r\n") -> Action:
    """Answer with something that is no SMTP."""
    return Action(say=noise, accept=False)


def half(*, close: bool = True) -> Action:
    """The ordinary answer without its last three bytes; then close, or say nothing more."""
    return Action(cut=3, then="close" if close else "hang")


def drip(pause: float = 0.0) -> Action:
    """The ordinary answer, one byte at a time with a pause in seconds between them."""
    return Action(drip=pause or 1e-9)


def late(seconds: float) -> Action:
    """The ordinary answer, but only after so many seconds."""
    return Action(delay=seconds)


@dataclass
class Rule:
    """
    An action and when to take it; see `SmtpServer.on`. `met` counts how often its step and address came by, `taken`
    how often it struck.
    """

    step: Step
    action: Action
    to: str | None = None
    nth: int | None = None
    every: int | None = None
    times: int | None = None
    each: int | None = None
    beyond: int | None = None
    chance: float | None = None
    seed: int | str = 0
    met: int = field(default=0, init=False)
    taken: int = field(default=0, init=False)
    _taken_by: Counter[str] = field(default_factory=Counter, init=False)
    _drawn_by: Counter[tuple[str, ...]] = field(default_factory=Counter, init=False)

    def strikes(self, step: Step, addresses: list[str], carried: int = 0) -> bool:
        """Whether the rule is for this moment; counts. `carried` mails were accepted over this connection."""
        if step != self.step or carried < (self.beyond or 0):
            return False
        fitting = [a for a in addresses if self.to is None or fnmatchcase(a, self.to)]
        if self.to is not None and not fitting:
            return False
        if self.each is not None and all(self._taken_by[address] >= self.each for address in fitting):
            return False
        self.met += 1
        if not self._is_due(tuple(fitting)):
            return False
        self.taken += 1
        if self.each is not None:
            self._taken_by.update(fitting)
        return True

    def _is_due(self, addresses: tuple[str, ...]) -> bool:
        due = (self.nth is None or self.met == self.nth) and (self.every is None or self.met % self.every == 0)
        if not due or (self.times is not None and self.taken >= self.times):
            return False
        return self.chance is None or self._draw(addresses) < self.chance

    def _draw(self, addresses: tuple[str, ...]) -> float:
        """Depends on the seed, the addresses and how often they came by, and not on what other connections do."""
        self._drawn_by[addresses] += 1
        lot = (self.seed, self.step, *addresses, self._drawn_by[addresses])
        return random.Random("/".join(map(str, lot))).random()
