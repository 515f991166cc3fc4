"""How a try to send ended, as the queue wants to be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ..choices import Outcome
from .claim import Claimed


class Result(Protocol):
    """How a try ended; what the deliver room returns."""

    @property
    def outcome(self) -> Outcome: ...
    @property
    def code(self) -> int | None: ...
    @property
    def enhanced(self) -> str: ...
    @property
    def reply(self) -> str: ...
    @property
    def seconds(self) -> float: ...


def in_words(result: Result) -> str:
    """The reply as people know it, its code in front."""
    return f"{result.code} {result.reply}" if result.code else result.reply


@dataclass(frozen=True, slots=True)
class Ending:
    """A claimed message, the relay that was tried, how it ended there, and whether its address exists no more."""

    message: Claimed
    relay: str
    result: Result
    address_is_dead: bool = False
