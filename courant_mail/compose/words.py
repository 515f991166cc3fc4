"""What goes into a letter: the words that all recipients share, and the recipient."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias


@dataclass(frozen=True)
class AttachedFile:
    """A file that goes with a mail; with a `content_id` it is an image that the HTML shows as ``cid:…`` (RFC 2392)."""

    filename: str
    content_type: str
    content: bytes
    content_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Words:
    """
    The words of a mail. `subject`, `text` and `html` are Django templates over the recipient's merge values.

    `html` from the site's own templates is trusted; with `sanitize_html` it is treated as typed by people. An empty
    `text` is made from the HTML. `from_email` is one mailbox, `reply_to` one or more separated by commas. Mail that is
    `bulk` carries List-Unsubscribe and asks auto-responders for silence.
    """

    subject: str
    text: str
    html: str
    sanitize_html: bool = False
    from_email: str
    reply_to: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    attachments: Sequence[AttachedFile] = ()
    bulk: bool = True


@dataclass(frozen=True)
class To:
    """
    One recipient: `address` as spelled, `message_id` with its angle brackets, `date` with its time zone.

    The templates see `merge` and, above it, `email`, `name` and `unsubscribe_url`. With `sent_to` the mail is addressed
    to somebody else, who reads what the recipient would read.
    """

    address: str
    name: str = ""
    merge: Mapping[str, Any] | None = None
    message_id: str = field(kw_only=True)
    unsubscribe_url: str = field(kw_only=True, default="")
    date: datetime.datetime = field(kw_only=True)
    sent_to: str = field(kw_only=True, default="")


#: Rewrites the words of a job before they are compiled (tracking, a footer …). Must return new words, not change them.
Decorator: TypeAlias = Callable[[Words], Words]
