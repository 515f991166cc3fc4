"""What a dry run has found out, as it is stored and as it is read."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils.formats import number_format
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..addresses import plain_value
from ..compose.lint import Finding

#: any moment will do: only the distance to another one is told in words
_ORIGIN = datetime(2000, 1, 1)


@dataclass(frozen=True, slots=True)
class Example:
    """Somebody who would not get the mail, and why."""

    recipient: str
    reason: str


@dataclass(frozen=True, slots=True)
class Missing:
    """A merge value that the words ask for: how many recipients lack it, and some of them."""

    name: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """
    The result of a dry run.

    Every entry of the audience is counted once: `recipients` is the sum of `duplicates`, `invalid`, `suppressed`,
    `failed` (the mail cannot be made for them) and `to_send`. Texts in it come from the audience and the words:
    escape them.
    """

    recipients: int = 0
    duplicates: int = 0
    invalid: int = 0
    suppressed: int = 0
    failed: int = 0
    to_send: int = 0
    duplicate_examples: tuple[str, ...] = ()
    invalid_examples: tuple[Example, ...] = ()
    suppressed_examples: tuple[Example, ...] = ()
    failed_examples: tuple[Example, ...] = ()
    #: the most frequent first
    missing: tuple[Missing, ...] = ()
    #: of all mails to send together, and of the largest one
    total_bytes: int = 0
    largest_bytes: int = 0
    largest_recipient: str = ""
    #: of the mail to `sample_recipient`, and of the largest one
    findings: tuple[Finding, ...] = ()
    sample_recipient: str = ""
    relay: str = ""
    #: messages per second; None where nothing is known about the relay
    pace: float | None = None
    #: whether that is the relay's RATE, and not what it did lately
    pace_is_limit: bool = False

    @property
    def seconds(self) -> float | None:
        """About how long the sending takes."""
        return self.to_send / self.pace if self.pace else None

    @property
    def duration(self) -> str:
        """The same as a sentence for editors."""
        if self.seconds is None or self.pace is None:
            return _("How long it takes is not known yet: nothing was sent through this relay lately.")
        values = {"time": _in_words(self.seconds), "pace": _pace_in_words(self.pace)}
        if self.pace_is_limit:
            return _("About %(time)s at %(pace)s, which is what the relay is allowed.") % values
        return _("About %(time)s at %(pace)s, which is what the relay reached lately.") % values

    def as_json(self) -> dict[str, Any]:
        """What is stored of it: its fields."""
        # Every database takes it, whatever somebody has written into an address or a link.
        stored: dict[str, Any] = plain_value("report", dataclasses.asdict(self))
        return stored

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Report:
        """The report that was stored, perhaps by another version: what it did not know has its default here."""
        values = {f.name: stored[f.name] for f in dataclasses.fields(cls) if f.name in stored}
        for name in ("invalid_examples", "suppressed_examples", "failed_examples"):
            values[name] = tuple(Example(e["recipient"], e["reason"]) for e in values.get(name, ()))
        values["duplicate_examples"] = tuple(values.get("duplicate_examples", ()))
        values["missing"] = tuple(
            Missing(m["name"], m["count"], tuple(m["examples"])) for m in values.get("missing", ())
        )
        values["findings"] = tuple(map(Finding.from_json, values.get("findings", ())))
        return cls(**values)


def _in_words(seconds: float) -> str:
    if seconds < 60:
        whole = max(1, round(seconds))
        return ngettext("%(count)s second", "%(count)s seconds", whole) % {"count": whole}
    return timesince(_ORIGIN, _ORIGIN + timedelta(seconds=seconds))


def _pace_in_words(pace: float) -> str:
    if pace < 1:
        return _("%(count)s mails per hour") % {"count": number_format(max(1, round(pace * 3600)))}
    return _("%(count)s mails per second") % {"count": number_format(round(pace) if pace >= 10 else round(pace, 1))}
