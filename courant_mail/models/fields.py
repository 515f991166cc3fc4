"""Two small database tools: a text column compared byte for byte, and an index that holds only what it serves."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Q


class AddressField(models.CharField):  # type: ignore[type-arg]
    """
    An address in canonical spelling, compared exactly.

    MariaDB's and MySQL's default collations take "é" for "e", so two people could pass for one; there the column
    gets a binary collation. PostgreSQL and SQLite compare exactly anyway. PostgreSQL gets one that orders by bytes as
    well: only so can an index find the addresses that begin with some letters, whatever the locale of the database.
    """

    _COLLATIONS = {"mysql": "utf8mb4_bin", "postgresql": "C"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # RFC 5321, 4.5.3.1.3: a path has at most 256 octets, its angle brackets included.
        kwargs.setdefault("max_length", 254)
        super().__init__(*args, **kwargs)

    def db_parameters(self, connection: BaseDatabaseWrapper) -> dict[str, Any]:
        parameters = super().db_parameters(connection)
        if connection.vendor in self._COLLATIONS:
            parameters["collation"] = self._COLLATIONS[connection.vendor]
        return parameters


class PartialIndex(models.Index):
    """
    An index over the rows for which `where` holds, on the databases whose planners make use of one.

    Django's own `Index(condition=…)` warns at every `migrate` on MariaDB and MySQL (models.W037), and SQLite uses
    a partial index only for a literal condition or `IS NOT NULL`. So `vendors` names where the condition applies;
    elsewhere the index covers all rows.
    """

    def __init__(self, *args: Any, where: Q, vendors: tuple[str, ...] = ("postgresql",), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.where = where
        self.vendors = tuple(vendors)

    def deconstruct(self) -> tuple[str, Any, dict[str, Any]]:
        path, args, kwargs = super().deconstruct()
        return path, args, {**kwargs, "where": self.where, "vendors": self.vendors}

    def create_sql(self, model: Any, schema_editor: Any, using: str = "", **kwargs: Any) -> Any:
        if schema_editor.connection.vendor not in self.vendors:
            return super().create_sql(model, schema_editor, using=using, **kwargs)
        self.condition = self.where
        try:
            return super().create_sql(model, schema_editor, using=using, **kwargs)
        finally:
            self.condition = None
