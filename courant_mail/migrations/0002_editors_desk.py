"""The editor's desk: dry runs, the pace by the minute, files of recipients, and why somebody did not get a mail."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import courant_mail.models.fields


class Migration(migrations.Migration):
    dependencies = [
        ("courant_mail", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="DryRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "job",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="dry_run",
                        to="courant_mail.messagejob",
                        verbose_name="job",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("wanted", "waiting to be made"),
                            ("running", "being made"),
                            ("done", "done"),
                            ("failed", "failed"),
                        ],
                        default="wanted",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                (
                    "fingerprint",
                    models.CharField(help_text="Of the words and the audience that it was made for.", max_length=64),
                ),
                ("requested_by", models.CharField(blank=True, max_length=254, verbose_name="requested by")),
                ("requested_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="requested at")),
                ("started_at", models.DateTimeField(null=True, verbose_name="started at")),
                ("finished_at", models.DateTimeField(null=True, verbose_name="finished at")),
                ("claimed_by", models.BigIntegerField(null=True)),
                ("expected", models.BigIntegerField(help_text="About how many recipients there are.", null=True)),
                ("done", models.BigIntegerField(default=0, help_text="How many recipients were looked at.")),
                ("report", models.JSONField(null=True)),
                ("error", models.TextField(blank=True, verbose_name="reason")),
            ],
            options={
                "verbose_name": "dry run",
                "verbose_name_plural": "dry runs",
            },
        ),
        migrations.CreateModel(
            name="JobMinute",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "job",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="minutes",
                        to="courant_mail.messagejob",
                    ),
                ),
                ("minute", models.DateTimeField(help_text="Its beginning.")),
                ("sent", models.IntegerField(default=0)),
                ("deferred", models.IntegerField(default=0)),
                ("failed", models.IntegerField(default=0)),
                ("in_doubt", models.IntegerField(default=0)),
            ],
            options={
                "verbose_name": "minute of a job",
                "verbose_name_plural": "minutes of jobs",
            },
        ),
        migrations.CreateModel(
            name="RecipientFile",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="files",
                        to="courant_mail.messagejob",
                        verbose_name="job",
                    ),
                ),
                ("filename", models.CharField(max_length=255, verbose_name="file name")),
                ("uploaded_by", models.CharField(blank=True, max_length=254, verbose_name="uploaded by")),
                ("uploaded_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="uploaded at")),
                ("columns", models.JSONField(default=list, verbose_name="columns")),
                ("accepted", models.BigIntegerField(default=0, verbose_name="recipients taken")),
                ("rejected", models.BigIntegerField(default=0, verbose_name="lines not taken")),
                (
                    "rejects",
                    models.TextField(blank=True, help_text="CSV: line number, reason, and what stood in the line."),
                ),
            ],
            options={
                "verbose_name": "file of recipients",
                "verbose_name_plural": "files of recipients",
            },
        ),
        migrations.AddField(
            model_name="message",
            name="cause",
            field=models.SmallIntegerField(
                choices=[
                    (1, "not a valid address"),
                    (2, "the address does not exist"),
                    (3, "the domain does not exist or takes no mail"),
                    (4, "the mailbox is full"),
                    (5, "the mail is too large for the mailbox"),
                    (6, "blocked as unwanted by the receiving server"),
                    (7, "refused by the receiving server"),
                    (8, "put off by the receiving server"),
                    (9, "put off for too long, given up"),
                    (10, "the sender’s address was refused"),
                    (11, "the mail could not be made with this person’s values"),
                    (12, "sent, but the server never confirmed it"),
                    (13, "has unsubscribed"),
                    (14, "on the list of addresses that get no mail"),
                    (15, "the sending was cancelled before"),
                    (16, "another reason"),
                ],
                null=True,
                verbose_name="why not",
            ),
        ),
        migrations.AddField(
            model_name="messagejob",
            name="reopening",
            field=models.JSONField(editable=False, null=True),
        ),
        migrations.AddIndex(
            model_name="message",
            index=courant_mail.models.fields.PartialIndex(
                fields=["job", "cause", "id"],
                name="courant_mail_missed",
                vendors=("postgresql", "sqlite"),
                where=models.Q(("cause__isnull", False)),
            ),
        ),
        migrations.AddIndex(
            model_name="dryrun",
            index=models.Index(fields=["state"], name="courant_mail_dry_run_state"),
        ),
        migrations.AddConstraint(
            model_name="jobminute",
            constraint=models.UniqueConstraint(fields=("job", "minute"), name="courant_mail_once_per_minute"),
        ),
    ]
