"""From a recipient, as a source yields it, to the row that an expansion makes of it."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..addresses import parse_recipient, salvage, storable
from ..causes import Cause
from ..exceptions import InvalidAddress
from ..models import MessageStatus, Suppression
from ..sources import RecipientLike
from .suppress import blocks, cause_of_suppression, explain

logger = logging.getLogger(__name__)

#: merge values are meant for names and dates, not for articles
_MERGE_CHARACTERS = 64 * 1024

# One encoder for all: json.dumps would make one for every recipient.
as_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False).encode


class Row(NamedTuple):
    """What is to be stored of one recipient of a job."""

    recipient: str
    spelled: str | None = None
    merge: Mapping[str, Any] | None = None
    status: MessageStatus = MessageStatus.QUEUED
    reply: str = ""
    cause: Cause | None = None


def row_of(entry: RecipientLike) -> Row:
    """The row of one recipient; failed, with the reason, where no mail could ever reach it. Never raises."""
    try:
        recipient = parse_recipient(entry)
    except InvalidAddress as error:
        return Row(salvage(entry, error), None, None, MessageStatus.FAILED, storable(str(error)), Cause.NO_ADDRESS)
    except Exception as error:  # an object of the site may raise anything when it is looked at; the others go on
        logger.exception("A recipient cannot be read")
        known = f"(unreadable: {type(entry).__name__})"
        reason = storable(f"{type(error).__name__}: {error}")
        return Row(known, None, None, MessageStatus.FAILED, reason, Cause.NO_ADDRESS)
    if recipient.merge and (size := _characters(recipient.merge)) > _MERGE_CHARACTERS:
        reason = f"Merge values of {size:,} characters are more than the {_MERGE_CHARACTERS:,} for one recipient."
        status = MessageStatus.FAILED
        return Row(recipient.address, recipient.spelled, None, status, reason, Cause.NOT_RENDERED)
    return Row(recipient.address, recipient.spelled, recipient.merge or None)


def unless_suppressed(row: Row, suppression: Suppression | None, *, bulk: bool) -> Row:
    """The row, or the same as suppressed where the suppression forbids this mail."""
    if suppression is None or row.status != MessageStatus.QUEUED or not blocks(suppression, bulk=bulk):
        return row
    cause = cause_of_suppression(suppression)
    return row._replace(status=MessageStatus.SUPPRESSED, reply=explain(suppression), cause=cause)


def _characters(merge: Mapping[str, Any]) -> int:
    """How long the values are as JSON; no more than a glance at those that are short whatever they hold."""
    if len(merge) < 20 and all(type(value) is str and len(value) < 100 for value in merge.values()):
        return 0
    return len(as_json(merge))
