"""What a reply means: the table from (stage of the conversation, code, text) to the outcome of a try."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ..choices import Outcome

#: Where in the conversation a reply came, or where the connection was lost.
Stage = Literal["connect", "greeting", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "dot"]

#: Longer replies are cut: they go into a column that people read.
MAX_REPLY = 2000

_ENHANCED = re.compile(r"(?:^|\(#)([245]\.\d{1,3}\.\d{1,3})(?=\s|\)|$)")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]+")
_TOO_MUCH = re.compile(r"throttl|rate.?limit|too many|(sending|message) rate", re.IGNORECASE)

# RFC 3463: x.1.7 and x.1.8 speak about the sender's address although they stand in the answer to RCPT
# (Postfix holds back what it thinks of the sender until then).
_ABOUT_THE_SENDER = {"5.1.7", "5.1.8"}
_DEAD_ADDRESS = {"5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"}


@dataclass(frozen=True, slots=True)
class Result:
    """
    How one try ended.

    `code` is the SMTP code, None where no reply came. `enhanced` is the code of RFC 3463 ("5.1.1") or empty. `reply`
    is printable text of at most `MAX_REPLY` characters; lines of a multi-line reply are separated by a newline.
    `seconds` is the time on the network. `stage` says where in the conversation it ended.
    """

    outcome: Outcome
    code: int | None = None
    enhanced: str = ""
    reply: str = ""
    seconds: float = 0.0
    stage: str = ""


class TryEnded(Exception):
    """Carries the result of a try out of the steps inside one channel; it never leaves this room."""

    def __init__(self, result: Result) -> None:
        super().__init__(result.reply)
        self.result = result


def classify(stage: Stage, code: int | None, reply_text: str | bytes = "", *, seconds: float = 0.0) -> Result:
    """
    The result of a try that ended at `stage` with this reply; total, it never raises.

    `code` None means that no understandable reply came: lost, timed out, garbage. After the final dot that is
    IN_DOUBT, before it RELAY_TROUBLE. A code that is a success at a stage before the dot, where a success does not end
    a try, counts as not understandable. (RFC 5321 section 4.2, RFC 3463.)
    """
    text = clean_reply(reply_text)
    enhanced = _enhanced(code, text)
    return Result(_outcome(stage, code, enhanced, text), code, enhanced, text, seconds, stage)


def clean_reply(text: str | bytes) -> str:
    """The text of a reply as it may be stored and shown: no control characters, no surrogates, not too long."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    return _CONTROL.sub(" ", text).strip()[:MAX_REPLY]


def address_is_dead(result: Result) -> bool:
    """Whether this refusal says that there is no such mailbox or domain, so that the address should be suppressed."""
    return result.outcome is Outcome.REFUSED and result.enhanced in _DEAD_ADDRESS


def _enhanced(code: int | None, text: str) -> str:
    match = _ENHANCED.search(text)
    # An enhanced code of another class than the reply is a mistake of the server; the reply counts (RFC 2034, 4).
    return match[1] if match and code is not None and match[1][0] == str(code)[0] else ""


def _outcome(stage: Stage, code: int | None, enhanced: str, text: str) -> Outcome:
    if code is not None and 400 <= code <= 599:
        if code < 500 and _is_throttled(stage, code, enhanced, text):
            return Outcome.THROTTLED
        return _REFUSALS[stage](code, enhanced)
    if stage != "dot":
        return Outcome.RELAY_TROUBLE
    return Outcome.SENT if code is not None and 200 <= code <= 299 else Outcome.IN_DOUBT


def _is_throttled(stage: Stage, code: int, enhanced: str, text: str) -> bool:
    """421 and 454 with 4.7.x; 4.7.28 (Google), 4.7.5xx, 4.7.6xx (Microsoft); 454 and 421 without (Amazon)."""
    if re.fullmatch(r"4\.7\.(28|[56]\d\d)", enhanced):
        return True
    if code == 421:
        return enhanced.startswith("4.7.") or bool(_TOO_MUCH.search(text))
    if code == 454:
        # Without a policy code, STARTTLS and AUTH use it for "not available for now".
        return (enhanced.startswith("4.7.") and stage != "starttls") or stage in ("mail", "rcpt", "data", "dot")
    return False


def _before_mail(code: int, enhanced: str) -> Outcome:
    """Greeting, EHLO, STARTTLS, AUTH: no message is concerned yet; 5xx does not pass by waiting."""
    return Outcome.MISCONFIGURED if code >= 500 else Outcome.RELAY_TROUBLE


def _at_mail(code: int, enhanced: str) -> Outcome:
    if code in (503, 530):  # "authenticate first", "issue STARTTLS first"
        return Outcome.MISCONFIGURED
    if code == 552 or enhanced in ("5.2.3", "5.3.4", "5.6.7"):  # the size or the need of SMTPUTF8, not the sender
        return Outcome.REFUSED
    if code >= 500:
        return Outcome.SENDER_REFUSED
    # x.3.x is the state of the mail system itself: full disk, not accepting messages.
    return Outcome.RELAY_TROUBLE if code == 421 or enhanced.startswith("4.3.") else Outcome.REFUSED_FOR_NOW


def _at_rcpt_or_data(code: int, enhanced: str) -> Outcome:
    if code == 530:
        return Outcome.MISCONFIGURED
    if code == 421:  # the server closes the connection, whatever was asked
        return Outcome.RELAY_TROUBLE
    return _at_dot(code, enhanced)


def _at_dot(code: int, enhanced: str) -> Outcome:
    if enhanced in _ABOUT_THE_SENDER:
        return Outcome.SENDER_REFUSED
    return Outcome.REFUSED if code >= 500 else Outcome.REFUSED_FOR_NOW


_REFUSALS: dict[Stage, Callable[[int, str], Outcome]] = {
    "connect": _before_mail,
    "greeting": _before_mail,
    "ehlo": _before_mail,
    "starttls": _before_mail,
    "auth": _before_mail,
    "mail": _at_mail,
    "rcpt": _at_rcpt_or_data,
    "data": _at_rcpt_or_data,
    "dot": _at_dot,
}
