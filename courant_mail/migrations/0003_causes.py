"""Messages that were not delivered before there were causes get the one that their status tells."""

from typing import Any

from django.db import migrations

#: message status → cause, as they were when this was written: deferred, failed, suppressed, cancelled, in doubt
_CAUSES = {3: 8, 5: 16, 6: 14, 7: 15, 8: 12}


def give_causes(apps: Any, schema_editor: Any) -> None:
    """One UPDATE for each status; sent and waiting messages are not touched."""
    messages = apps.get_model("courant_mail", "Message").objects.using(schema_editor.connection.alias)
    for status, cause in _CAUSES.items():
        messages.filter(status=status, cause=None).update(cause=cause)


class Migration(migrations.Migration):
    dependencies = [("courant_mail", "0002_editors_desk")]

    operations = [migrations.RunPython(give_causes, migrations.RunPython.noop, elidable=True)]
