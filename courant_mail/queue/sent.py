"""
The commit that every final dot waits for: what was sent, and what is about to be finished.

Raw SQL: building the same through the ORM costs more than sending the mail.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connections

from ..choices import MessageStatus
from ..exceptions import ClaimLost
from ..models import InFlight, Message
from .database import alias
from .endings import Ending, in_words
from .senders import LOST

logger = logging.getLogger(__name__)


def fly_and_mark_sent(
    sender_id: int, sent: Sequence[Ending], in_flight: Mapping[int, int | None], now: datetime
) -> Sequence[Ending]:
    """
    Note what is about to be finished and what was sent; returns those of `sent` that were ours.

    Raises ClaimLost when this sender was declared dead.
    """
    if connections[alias()].vendor == "postgresql":
        return _in_one_statement(sender_id, sent, in_flight, now)
    if in_flight:
        _fly(sender_id, in_flight)
    return _mark_sent(sender_id, sent, now)


def _in_one_statement(
    sender_id: int, sent: Sequence[Ending], in_flight: Mapping[int, int | None], now: datetime
) -> Sequence[Ending]:
    parts: list[str] = []
    params: list[Any] = []
    if in_flight:
        marks = ", ".join(["(%s, %s::bigint)"] * len(in_flight))
        parts.append(
            f"flight AS (UPDATE courant_mail_inflight f SET message_id = next.message FROM (VALUES {marks}) "
            "AS next(connection, message) WHERE f.sender_id = %s AND f.connection = next.connection RETURNING 1)"
        )
        params += [value for pair in in_flight.items() for value in pair] + [sender_id]
    else:
        parts.append("flight AS (SELECT 1 WHERE false)")
    if sent:
        # "+ 0" keeps the planner from the claim index: while its statistics are old it would read all that is claimed
        # (0.65 ms for four of 400) instead of these few by their keys (0.1 ms).
        marks = ", ".join(["(%s, %s, %s)"] * len(sent))
        parts.append(
            "sent AS (UPDATE courant_mail_message m SET status = %s, sent_at = %s, relay = ended.relay, "
            f"claimed_by = NULL, attempts = attempts + 1, reply = ended.reply FROM (VALUES {marks}) "
            "AS ended(id, relay, reply) WHERE m.id = ended.id AND m.claimed_by = %s AND m.status + 0 = %s "
            "RETURNING m.id)"
        )
        params += [int(MessageStatus.SENT), now]
        params += [value for e in sent for value in (e.message.id, e.relay, in_words(e.result))]
        params += [sender_id, int(MessageStatus.SENDING)]
    else:
        parts.append("sent AS (SELECT 0 AS id WHERE false)")
    with connections[alias()].cursor() as cursor:
        cursor.execute(
            f"WITH {', '.join(parts)} SELECT (SELECT count(*) FROM flight), ARRAY(SELECT id FROM sent)", params
        )
        flying, ids = cursor.fetchone()
    if flying != len(in_flight):
        # Who took the in-flight rows away has taken the claims away as well, so nothing was changed.
        raise ClaimLost(LOST)
    if len(ids) == len(sent):
        return sent
    return _ours(sent, set(ids))


def _fly(sender_id: int, in_flight: Mapping[int, int | None]) -> None:
    connection = connections[alias()]
    table = connection.ops.quote_name(InFlight._meta.db_table)
    whens = " ".join(["WHEN %s THEN %s"] * len(in_flight))
    marks = ", ".join(["%s"] * len(in_flight))
    pairs = [value for pair in in_flight.items() for value in pair]
    # MySQL counts changed rows only, unless asked otherwise; Django asks for the found ones.
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET message_id = CASE connection {whens} ELSE message_id END "
            f"WHERE sender_id = %s AND connection IN ({marks})",
            [*pairs, sender_id, *in_flight],
        )
        if cursor.rowcount != len(in_flight):
            raise ClaimLost(LOST)


def _mark_sent(sender_id: int, endings: Sequence[Ending], now: datetime) -> Sequence[Ending]:
    by_relay: dict[str, list[Ending]] = defaultdict(list)
    for ending in endings:
        by_relay[ending.relay].append(ending)
    ours: list[Ending] = []
    for relay, group in by_relay.items():
        changed = _update_sent(sender_id, relay, group, now)
        ours += group if changed == len(group) else _really_ours(group, now)
    return ours


def _really_ours(group: Sequence[Ending], now: datetime) -> list[Ending]:
    """Somebody has taken claims away from us: those that bear our time are the ones that we have just recorded."""
    ids = [ending.message.id for ending in group]
    rows = Message.objects.using(alias()).filter(pk__in=ids, status=MessageStatus.SENT, sent_at=now)
    return _ours(group, set(rows.values_list("pk", flat=True)))


def _ours(group: Sequence[Ending], ids: set[int]) -> list[Ending]:
    logger.warning("%s of %s sent messages were not ours any more", len(group) - len(ids), len(group))
    return [ending for ending in group if ending.message.id in ids]


def _update_sent(sender_id: int, relay: str, endings: Sequence[Ending], now: datetime) -> int:
    connection = connections[alias()]
    table = connection.ops.quote_name(Message._meta.db_table)
    whens = " ".join(["WHEN %s THEN %s"] * len(endings))
    marks = ", ".join(["%s"] * len(endings))
    replies = [value for ending in endings for value in (ending.message.id, in_words(ending.result))]
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET status = %s, sent_at = %s, relay = %s, claimed_by = NULL, "
            f"attempts = attempts + 1, reply = CASE id {whens} ELSE reply END "
            # "+ 0" as above; on MariaDB and MySQL it also keeps us from waiting for rows that are not ours.
            f"WHERE id IN ({marks}) AND claimed_by = %s AND status + 0 = %s",
            [
                int(MessageStatus.SENT),
                connection.ops.adapt_datetimefield_value(now),
                relay,
                *replies,
                *(ending.message.id for ending in endings),
                sender_id,
                int(MessageStatus.SENDING),
            ],
        )
        return int(cursor.rowcount)
