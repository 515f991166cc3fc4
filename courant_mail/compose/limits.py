"""What a mail must not exceed, so that no words and no values keep a process busy or eat its memory."""

from __future__ import annotations

from ..exceptions import InvalidMail

#: template tags in one part of a mail, and characters of one tag
MAX_TAGS = 10_000
MAX_TAG_LENGTH = 10_000
#: blocks (if, for, with) inside each other
MAX_NESTED_TAGS = 100
#: turns of all loops of one mail together
MAX_TURNS = 10_000
#: seconds of computing for one mail; nearly all of them need less than a thousandth
MAX_SECONDS = 1.0
#: elements of an HTML document, and elements inside each other; newsletters made of tables nest some twenty
MAX_ELEMENTS = 10_000
MAX_NESTED_ELEMENTS = 300


def refuse_too_large(size: int, limit: int) -> None:
    """Raises InvalidMail when a mail of so many bytes is more than the limit."""
    if size > limit:
        raise InvalidMail(
            f"The mail is too large: {size:,} bytes of {limit:,}. Take smaller attachments, or raise "
            "COURANT_MAIL['MAX_MESSAGE_BYTES'] if your relay takes larger ones."
        )
