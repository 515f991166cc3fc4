"""Finished mails that need no second look before they go on the wire."""

from __future__ import annotations

import re

_DIRTY = re.compile(rb"\r(?!\n)|\n(?<!\r\n)|\r\n\.").search


class WireBytes(bytes):
    """
    ASCII bytes that end in CRLF, have CRLF line ends only, and no line that begins with a dot.

    Such a mail can be sent as it is (RFC 5321, 2.3.8 and 4.5.2). Who makes one has checked its parts with `is_clean`:
    checking the whole mail anew for every recipient costs as much as sending it.
    """

    __slots__ = ()


def is_clean(part: bytes) -> bool:
    """Whether the part may be one of several that are joined to `WireBytes`. The empty part may."""
    return not part or (part.endswith(b"\r\n") and part.isascii() and not part.startswith(b".") and not _DIRTY(part))
