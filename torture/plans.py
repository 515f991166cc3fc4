"""Which battles there are."""

from __future__ import annotations

from dataclasses import dataclass

RETRY, HOLD = "retry", "hold"
#: what can happen to a process, and how often beside the others where anything may
BLOWS = {"kill": 5, "freeze": 2, "end": 2, "": 1}


@dataclass(frozen=True, slots=True)
class Plan:
    """
    One battle: what is done to the senders, and the `policy` for what is in doubt.

    `blow` is "kill", "freeze" (SIGSTOP past the claim, and SIGCONT), "end" (SIGTERM or Ctrl-C), "any" of them, or ""
    (nothing). With `chaos` the relay misbehaves as well. `only` names the one command that runs.
    """

    name: str
    policy: str
    blow: str
    chaos: bool = False
    senders: int = 4
    only: str = ""


ALL = (
    Plan("killed", RETRY, "kill"),
    Plan("killed", HOLD, "kill"),
    Plan("killed, while the relay misbehaves", RETRY, "kill", chaos=True),
    Plan("killed, while the relay misbehaves", HOLD, "kill", chaos=True),
    Plan("frozen past their claims", RETRY, "freeze"),
    Plan("frozen past their claims", HOLD, "freeze"),
    Plan("ended with SIGTERM or Ctrl-C", RETRY, "end"),
    Plan("eight at once on one queue", RETRY, "", senders=8, only="send_mail"),
)
SHORT = (
    Plan("killed", RETRY, "kill"),
    Plan("killed, frozen or ended, while the relay misbehaves", HOLD, "any", chaos=True),
)
