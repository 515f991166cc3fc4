"""The lists of a job's messages: who got it comes from an index, and addresses are found by how they begin."""

from typing import Any

from django.db import migrations

_ADDRESSES = (("Message", "recipient"), ("Suppression", "address"))


def order_by_bytes(apps: Any, schema_editor: Any) -> None:
    """PostgreSQL only; a column that is so already, as in a new database, is left as it is."""
    _collate(apps, schema_editor, '"C"')


def order_by_locale(apps: Any, schema_editor: Any) -> None:
    """The way back."""
    _collate(apps, schema_editor, '"default"')


def _collate(apps: Any, schema_editor: Any, collation: str) -> None:
    if schema_editor.connection.vendor != "postgresql":
        return
    for model, name in _ADDRESSES:
        table = schema_editor.quote_name(apps.get_model("courant_mail", model)._meta.db_table)
        column = schema_editor.quote_name(name)
        schema_editor.execute(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE varchar(254) COLLATE {collation}")


def index_who_got_it(apps: Any, schema_editor: Any) -> None:
    """
    PostgreSQL only, where jobs are large: a partial index, which costs nothing until a mail is sent.

    MariaDB and MySQL know no partial indexes and find them through courant_mail_missed, where their cause is NULL.
    """
    if schema_editor.connection.vendor == "postgresql":
        table = schema_editor.quote_name(apps.get_model("courant_mail", "Message")._meta.db_table)
        schema_editor.execute(f"CREATE INDEX IF NOT EXISTS courant_mail_got ON {table} (job_id, id) WHERE status = 4")


def forget_who_got_it(apps: Any, schema_editor: Any) -> None:
    """The way back."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX IF EXISTS courant_mail_got")


class Migration(migrations.Migration):
    dependencies = [("courant_mail", "0003_causes")]

    operations = [
        # Not elidable: no model knows of this index.
        migrations.RunPython(index_who_got_it, forget_who_got_it),
        migrations.RunPython(order_by_bytes, order_by_locale, elidable=True),
    ]
