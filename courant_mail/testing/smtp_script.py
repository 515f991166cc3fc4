"""What a test may tell the SMTP server to do wrong: the actions, and the rules that say when."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

#: where a rule can strike; "body" is the moment when the first bytes of a mail arrive, "dot" that of the final dot
Step = Literal[
    "connect", "ehlo", "helo", "starttls", "auth", "mail", "rcpt", "data", "body", "dot", "rset", "noop", "quit"
]


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
    met: int = field(default=0, init=False)
    taken: int = field(default=0, init=False)
    _by_address: Counter[str] = field(default_factory=Counter, init=False)

    def strikes(self, step: Step, addresses: list[str]) -> bool:
        """Whether the rule is for this moment; counts."""
        if step != self.step:
            return False
        fitting = [a for a in addresses if self.to is None or fnmatchcase(a, self.to)]
        if self.to is not None and not fitting:
            return False
        if self.each is not None and all(self._by_address[address] >= self.each for address in fitting):
            return False
        self.met += 1
        due = (self.nth is None or self.met == self.nth) and (self.every is None or self.met % self.every == 0)
        if not due or (self.times is not None and self.taken >= self.times):
            return False
        self.taken += 1
        self._by_address.update(fitting)
        return True
