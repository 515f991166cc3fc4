"""
What the demo must end with, worked out without courant_mail: from the list of sample people and from what the SMTP
server has written down and stored.
"""

from __future__ import annotations

import email
import email.policy
import html
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import parseaddr
from pathlib import Path
from typing import Any

from news.sample.people import BUSY_PROVIDER, GONE_PROVIDER, INVALID, UNSUBSCRIBED, people

SAMPLE_EVERY = 40


def same_address(address: str) -> str:
    """One spelling for all spellings of an address: lower case, and the domain as people read it."""
    local, _, domain = address.lower().rpartition("@")
    return f"{local}@{domain.encode().decode('idna') if domain.isascii() else domain}"


@dataclass
class Expected:
    """How the mails to the sample people must end. All addresses are in the spelling of `same_address`."""

    subscribers: int
    duplicates: int
    invalid: int
    suppressed: int
    #: address → the name that the greeting must show
    delivered: dict[str, str]
    refused_for_good: set[str]
    refused_for_now: set[str]


def expect(count: int) -> Expected:
    """What must come of a newsletter to `count` active subscribers."""
    active = [person for person in people(count) if person.active]
    invalid, unsubscribed = {email for _, email in INVALID}, {email for _, email in UNSUBSCRIBED}
    valid = [person for person in active if person.email not in invalid]
    names = {same_address(person.email): person.first_name or "reader" for person in valid}
    wanted = {address: name for address, name in names.items() if address not in unsubscribed}
    return Expected(
        subscribers=len(active),
        duplicates=len(valid) - len(names),
        invalid=len(invalid),
        suppressed=len(unsubscribed),
        delivered={address: name for address, name in wanted.items() if not address.endswith("@" + GONE_PROVIDER)},
        refused_for_good={address for address in wanted if address.endswith("@" + GONE_PROVIDER)},
        refused_for_now={address for address in wanted if address.endswith("@" + BUSY_PROVIDER)},
    )


@dataclass
class Received:
    """What really arrived at the server; `differences` says in words what should have been otherwise."""

    newsletters: list[dict[str, Any]]
    differences: list[str] = field(default_factory=list)
    looked_into: int = 0


def compare(expected: Expected, journal: list[dict[str, Any]], maildir: Path, *, apart_from: str) -> Received:
    """Holds the journal and the stored mails against what was expected; mail to `apart_from` is not looked at."""
    found = Received([line for line in _of(journal, "accepted") if line["recipient"] != apart_from])
    times = Counter(same_address(line["recipient"]) for line in found.newsletters)
    found.differences += _sets("delivered", set(expected.delivered), set(times))
    found.differences += [f"{address} got {n} mails" for address, n in times.items() if n > 1]
    for event, wanted in [
        ("refused for good", expected.refused_for_good),
        ("refused for now", expected.refused_for_now),
    ]:
        found.differences += _sets(event, wanted, {same_address(line["recipient"]) for line in _of(journal, event)})
    _compare_letters(expected, found, maildir / "new")
    return found


def compare_counts(expected: Expected, counts: dict[str, int]) -> list[str]:
    """Holds what `mail_status` counts against what was expected (the password reset is one more sent mail)."""
    wanted = dict.fromkeys(counts, 0) | {
        "sent": len(expected.delivered) + 1,
        "failed": len(expected.refused_for_good) + expected.invalid,
        "suppressed": expected.suppressed,
    }
    return [f"{status}: {wanted[status]} expected, {n} counted" for status, n in counts.items() if n != wanted[status]]


def _compare_letters(expected: Expected, found: Received, folder: Path) -> None:
    """Every mail: a Message-ID of its own. A sample, and all with unusual names: the right words for the right one."""
    identities: Counter[bytes] = Counter()
    for number, line in enumerate(found.newsletters):
        raw = (folder / line["file"]).read_bytes()
        identity = re.search(rb"^Message-ID:\s*(<\S+>)\r?$", raw, re.MULTILINE | re.IGNORECASE)
        identities[identity[1] if identity else b"none"] += 1
        address = same_address(line["recipient"])
        name = expected.delivered.get(address, "reader")
        if number % SAMPLE_EVERY == 0 or not name.isalpha() or not address.isascii():
            found.looked_into += 1
            found.differences += [f"{address}: {problem}" for problem in letter_problems(raw, address, name)]
    found.differences += [f"{n} mails have the Message-ID {i.decode()}" for i, n in identities.items() if n > 1]


def letter_problems(raw: bytes, address: str, name: str) -> Iterable[str]:
    """What is wrong with one mail of the newsletter, if anything."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    if not isinstance(message, EmailMessage):
        raise TypeError("The default policy makes EmailMessage objects.")
    text, page = message.get_body(("plain",)), message.get_body(("html",))
    if text is None or f"Hello {name}" not in text.get_content():
        yield f"the text does not greet {name!r}"
    if page is None or f"Hello {html.escape(name)}" not in page.get_content().replace("&#39;", "&#x27;"):
        yield f"the HTML does not greet {name!r}"
    # parseaddr: `addresses` of the header leaves raw UTF-8 (RFC 6532) undecoded.
    if same_address(parseaddr(str(message["To"]))[1]) != address:
        yield f"it is addressed to {message['To']}"
    if not message["List-Unsubscribe"] or message["List-Unsubscribe-Post"] != "List-Unsubscribe=One-Click":
        yield "it cannot be unsubscribed from with one click"


def _of(journal: list[dict[str, Any]], event: str) -> list[dict[str, Any]]:
    return [line for line in journal if line["event"] == event]


def _sets(what: str, wanted: set[str], got: set[str]) -> list[str]:
    missing = [f"{what}: {address} is missing" for address in sorted(wanted - got)]
    return missing + [f"{what}: {address} was not expected" for address in sorted(got - wanted)]
