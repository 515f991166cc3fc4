"""Suppress addresses, lift it again, and ask who must not get what."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from typing import Any

from django.db import IntegrityError, connections, transaction

from ..addresses import canonical, redact, storable
from ..causes import Cause
from ..models import Scope, Suppression
from .database import SEPARATOR, alias, batches

logger = logging.getLogger(__name__)

#: the source of a suppression that the recipient has asked for, with the link of a mail
UNSUBSCRIBED = "unsubscribe"


def suppress(address: str, *, scope: Scope = Scope.BULK, reason: str = "", source: str = "") -> Suppression:
    """
    From now on the address gets no bulk mail (or no mail at all, with `Scope.ALL`), queued mail included.

    An address that is suppressed already keeps its first reason, unless the new scope is wider.
    Raises InvalidAddress for what is no address.
    """
    address = canonical(address)
    wanted = {"scope": scope, "reason": storable(reason), "source": source}
    known = Suppression.objects.using(alias()).filter(address=address).first()
    if known is None:
        try:
            with transaction.atomic(using=alias()):
                known = Suppression.objects.create(address=address, **wanted)
            logger.info("%s is suppressed for %s mail", redact(address), scope.value)
            return known
        except IntegrityError:
            known = Suppression.objects.using(alias()).get(address=address)
    if scope == Scope.ALL and known.scope == Scope.BULK:
        Suppression.objects.filter(pk=known.pk).update(**wanted)
        known.refresh_from_db()
        logger.info("%s is suppressed for all mail", redact(address))
    return known


def lift(address: str) -> bool:
    """The address may get mail again. Returns whether it was suppressed."""
    deleted, _ = Suppression.objects.filter(address=canonical(address)).delete()
    return bool(deleted)


def suppressed_among(addresses: Collection[str]) -> dict[str, Suppression]:
    """Those of the addresses (in canonical spelling) that are suppressed in any scope."""
    known = _known_among(addresses) if addresses else []
    found: dict[str, Suppression] = {}
    for batch in batches(known):
        found.update((row.address, row) for row in Suppression.objects.using(alias()).filter(address__in=batch))
    return found


def _known_among(addresses: Collection[str]) -> list[str]:
    """Raw SQL: few of thousands are suppressed, and the ORM spends more on the thousands than the database does."""
    connection = connections[alias()]
    table = connection.ops.quote_name(Suppression._meta.db_table)
    params: list[Any]
    if connection.vendor == "postgresql":
        listed, params = "= ANY(string_to_array(%s::text, %s::text))", [SEPARATOR.join(addresses), SEPARATOR]
    elif connection.vendor == "sqlite":
        listed, params = "IN (SELECT value FROM json_each(%s))", [json.dumps(list(addresses))]
    else:
        listed, params = f"IN ({', '.join(['%s'] * len(addresses))})", list(addresses)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT address FROM {table} WHERE address {listed}", params)
        return [address for (address,) in cursor.fetchall()]


def blocks(suppression: Suppression | None, *, bulk: bool) -> bool:
    """Whether the suppression forbids a mail that is, or is not, bulk mail."""
    return suppression is not None and (bulk or suppression.scope == Scope.ALL)


def explain(suppression: Suppression) -> str:
    """Why a message was suppressed, in words for its row."""
    words = f"suppressed for {suppression.get_scope_display()}"
    return f"{words}: {suppression.reason}" if suppression.reason else words


def cause_of_suppression(suppression: Suppression) -> Cause:
    """Why somebody on the list does not get a mail, in the words of the editors."""
    return Cause.UNSUBSCRIBED if suppression.source == UNSUBSCRIBED else Cause.SUPPRESSED
