"""When somebody last let a job go, so that nobody takes the time before for a standstill."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("courant_mail", "0004_lists_of_messages")]

    operations = [
        migrations.AddField(
            model_name="messagejob",
            name="released_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
    ]
