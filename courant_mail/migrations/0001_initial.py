"""All tables of the queue, for a new site."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import courant_mail.models.fields


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="MessageJob",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "subject",
                    models.TextField(
                        help_text="A Django template over the recipient's merge values.", verbose_name="subject"
                    ),
                ),
                ("from_email", models.CharField(blank=True, max_length=998, verbose_name="from")),
                ("reply_to", models.CharField(blank=True, max_length=998, verbose_name="reply to")),
                (
                    "text",
                    models.TextField(blank=True, help_text="Made from the HTML where left empty.", verbose_name="text"),
                ),
                ("html", models.TextField(blank=True, verbose_name="HTML")),
                (
                    "sanitize_html",
                    models.BooleanField(
                        default=False,
                        help_text="For HTML typed by people, not by the site's templates.",
                        verbose_name="sanitise the HTML",
                    ),
                ),
                ("headers", models.JSONField(blank=True, default=dict, verbose_name="headers")),
                (
                    "bulk",
                    models.BooleanField(
                        default=True,
                        help_text="Carries List-Unsubscribe and respects unsubscriptions.",
                        verbose_name="bulk mail",
                    ),
                ),
                (
                    "recipients",
                    models.TextField(
                        blank=True,
                        help_text="One per line, or separated by “;” or “,”: address, or Name &lt;address&gt;.",
                        verbose_name="recipients",
                    ),
                ),
                ("source", models.CharField(blank=True, max_length=200, verbose_name="recipient source")),
                ("source_params", models.JSONField(blank=True, default=dict, verbose_name="source parameters")),
                (
                    "priority",
                    models.SmallIntegerField(
                        choices=[(1, "high"), (2, "medium"), (3, "low")], default=3, verbose_name="priority"
                    ),
                ),
                (
                    "relay",
                    models.CharField(
                        blank=True, help_text="Empty: the default relay.", max_length=100, verbose_name="relay"
                    ),
                ),
                ("scheduled_at", models.DateTimeField(blank=True, null=True, verbose_name="scheduled at")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("draft", "draft"),
                            ("queued", "queued"),
                            ("expanding", "expanding"),
                            ("sending", "sending"),
                            ("paused", "paused"),
                            ("finished", "finished"),
                            ("cancelled", "cancelled"),
                        ],
                        default="queued",
                        max_length=10,
                        verbose_name="status",
                    ),
                ),
                ("status_reason", models.TextField(blank=True, editable=False, verbose_name="reason")),
                (
                    "key",
                    models.CharField(
                        editable=False,
                        help_text="Queueing a key twice is one job.",
                        max_length=200,
                        null=True,
                        unique=True,
                        verbose_name="key",
                    ),
                ),
                ("message_id_domain", models.CharField(editable=False, max_length=255)),
                ("created_by", models.CharField(blank=True, editable=False, max_length=254, verbose_name="created by")),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name="created at"),
                ),
                ("expanded_at", models.DateTimeField(editable=False, null=True, verbose_name="expanded at")),
                ("finished_at", models.DateTimeField(editable=False, null=True, verbose_name="finished at")),
                ("claimed_by", models.BigIntegerField(editable=False, null=True)),
                ("cursor", models.JSONField(editable=False, null=True)),
                ("consumed", models.BigIntegerField(default=0, editable=False)),
                ("total", models.BigIntegerField(default=0, editable=False, verbose_name="recipients")),
                ("sent", models.BigIntegerField(default=0, editable=False, verbose_name="sent")),
                ("deferred", models.BigIntegerField(default=0, editable=False, verbose_name="deferred")),
                ("failed", models.BigIntegerField(default=0, editable=False, verbose_name="failed")),
                ("suppressed", models.BigIntegerField(default=0, editable=False, verbose_name="suppressed")),
                ("cancelled", models.BigIntegerField(default=0, editable=False, verbose_name="cancelled")),
                ("in_doubt", models.BigIntegerField(default=0, editable=False, verbose_name="in doubt")),
                ("purged", models.JSONField(default=dict, editable=False)),
            ],
            options={
                "verbose_name": "message job",
                "verbose_name_plural": "message jobs",
                "permissions": [("send_messagejob", "May send mass mail")],
                "indexes": [models.Index(fields=["status"], name="courant_mail_job_status")],
            },
        ),
        migrations.CreateModel(
            name="Attachment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="attachments",
                        to="courant_mail.messagejob",
                        verbose_name="job",
                    ),
                ),
                ("filename", models.CharField(max_length=255, verbose_name="file name")),
                ("content_type", models.CharField(blank=True, max_length=255, verbose_name="content type")),
                ("content_id", models.CharField(blank=True, max_length=255, verbose_name="content id")),
                ("content", models.BinaryField()),
            ],
            options={
                "verbose_name": "attachment",
                "verbose_name_plural": "attachments",
            },
        ),
        migrations.CreateModel(
            name="Content",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "mail_from",
                    models.CharField(
                        help_text="The envelope's sender (RFC 5321).", max_length=320, verbose_name="from"
                    ),
                ),
                ("subject", models.TextField(blank=True, verbose_name="subject")),
                ("message_id", models.CharField(blank=True, max_length=998, verbose_name="Message-ID")),
                ("body", models.BinaryField()),
                ("size", models.BigIntegerField(help_text="In bytes.", verbose_name="size")),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="created at")),
            ],
            options={
                "verbose_name": "content",
                "verbose_name_plural": "contents",
                "indexes": [models.Index(fields=["created_at"], name="courant_mail_content_age")],
            },
        ),
        migrations.CreateModel(
            name="Message",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "job",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="messages",
                        to="courant_mail.messagejob",
                        verbose_name="job",
                    ),
                ),
                (
                    "content",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="messages",
                        to="courant_mail.content",
                        verbose_name="content",
                    ),
                ),
                ("claimed_by", models.BigIntegerField(null=True, verbose_name="claimed by")),
                ("not_before", models.DateTimeField(null=True, verbose_name="not before")),
                ("sent_at", models.DateTimeField(null=True, verbose_name="sent at")),
                (
                    "priority",
                    models.SmallIntegerField(choices=[(1, "high"), (2, "medium"), (3, "low")], verbose_name="priority"),
                ),
                (
                    "status",
                    models.SmallIntegerField(
                        choices=[
                            (1, "queued"),
                            (2, "sending"),
                            (3, "deferred"),
                            (4, "sent"),
                            (5, "failed"),
                            (6, "suppressed"),
                            (7, "cancelled"),
                            (8, "in doubt"),
                        ],
                        default=1,
                        verbose_name="status",
                    ),
                ),
                ("attempts", models.SmallIntegerField(default=0, verbose_name="attempts")),
                (
                    "recipient",
                    courant_mail.models.fields.AddressField(
                        help_text="In canonical spelling: lower case, NFC.", max_length=254, verbose_name="recipient"
                    ),
                ),
                (
                    "spelled",
                    models.CharField(
                        help_text="What goes on the wire, where it differs.",
                        max_length=254,
                        null=True,
                        verbose_name="as spelled",
                    ),
                ),
                ("merge", models.JSONField(null=True, verbose_name="merge values")),
                ("relay", models.CharField(blank=True, max_length=100, verbose_name="relay")),
                ("reply", models.TextField(blank=True, verbose_name="last reply")),
            ],
            options={
                "verbose_name": "message",
                "verbose_name_plural": "messages",
                "indexes": [
                    courant_mail.models.fields.PartialIndex(
                        fields=["status", "job", "priority", "id"],
                        name="courant_mail_claim",
                        vendors=("postgresql",),
                        where=models.Q(("status__lte", 3)),
                    ),
                    courant_mail.models.fields.PartialIndex(
                        fields=["not_before"],
                        name="courant_mail_due",
                        vendors=("postgresql", "sqlite"),
                        where=models.Q(("not_before__isnull", False)),
                    ),
                    courant_mail.models.fields.PartialIndex(
                        fields=["content"],
                        name="courant_mail_by_content",
                        vendors=("postgresql", "sqlite"),
                        where=models.Q(("content__isnull", False)),
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("job", "recipient"), name="courant_mail_once_per_job"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("content__isnull", False), ("job__isnull", True)),
                            models.Q(("content__isnull", True), ("job__isnull", False)),
                            _connector="OR",
                        ),
                        name="courant_mail_job_or_content",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Attempt",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "message",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tries",
                        to="courant_mail.message",
                        verbose_name="message",
                    ),
                ),
                ("at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="at")),
                ("seconds", models.FloatField(default=0.0, verbose_name="seconds")),
                ("relay", models.CharField(blank=True, max_length=100, verbose_name="relay")),
                (
                    "host",
                    models.CharField(
                        blank=True, help_text="The machine that tried.", max_length=255, verbose_name="host"
                    ),
                ),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("sent", "sent"),
                            ("refused_for_now", "refused for now"),
                            ("refused", "refused for good"),
                            ("throttled", "throttled by the relay"),
                            ("relay_trouble", "relay trouble"),
                            ("misconfigured", "relay misconfigured"),
                            ("sender_refused", "sender refused"),
                            ("in_doubt", "in doubt"),
                            ("our_fault", "could not be rendered"),
                        ],
                        max_length=20,
                        verbose_name="outcome",
                    ),
                ),
                ("code", models.SmallIntegerField(null=True, verbose_name="SMTP code")),
                (
                    "enhanced",
                    models.CharField(blank=True, help_text="RFC 3463", max_length=12, verbose_name="enhanced code"),
                ),
                ("reply", models.TextField(blank=True, verbose_name="reply")),
            ],
            options={
                "verbose_name": "attempt",
                "verbose_name_plural": "attempts",
            },
        ),
        migrations.CreateModel(
            name="Suppression",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "address",
                    courant_mail.models.fields.AddressField(
                        help_text="In canonical spelling: lower case, NFC.",
                        max_length=254,
                        unique=True,
                        verbose_name="address",
                    ),
                ),
                (
                    "scope",
                    models.CharField(
                        choices=[("bulk", "bulk mail"), ("all", "all mail")],
                        default="bulk",
                        max_length=4,
                        verbose_name="scope",
                    ),
                ),
                ("reason", models.TextField(blank=True, verbose_name="reason")),
                (
                    "source",
                    models.CharField(
                        blank=True,
                        help_text="Who said so: unsubscribe, refusal, an editor.",
                        max_length=100,
                        verbose_name="source",
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name="created at"),
                ),
            ],
            options={
                "verbose_name": "suppression",
                "verbose_name_plural": "suppressions",
            },
        ),
        migrations.CreateModel(
            name="Sender",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("host", models.CharField(max_length=255, verbose_name="host")),
                ("pid", models.BigIntegerField(verbose_name="process id")),
                ("command", models.CharField(max_length=100, verbose_name="command")),
                ("started_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="started at")),
                ("alive_until", models.DateTimeField(verbose_name="alive until")),
            ],
            options={
                "verbose_name": "sender",
                "verbose_name_plural": "senders",
            },
        ),
        migrations.CreateModel(
            name="InFlight",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "sender",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="in_flight", to="courant_mail.sender"
                    ),
                ),
                ("connection", models.SmallIntegerField()),
                ("message_id", models.BigIntegerField(null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("sender", "connection"), name="courant_mail_one_in_flight")
                ],
            },
        ),
        migrations.CreateModel(
            name="RelayState",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("relay", models.CharField(max_length=100, verbose_name="relay")),
                ("domain", models.CharField(blank=True, max_length=255, verbose_name="recipient domain")),
                ("paused_until", models.DateTimeField(null=True, verbose_name="paused until")),
                ("reason", models.TextField(blank=True, verbose_name="reason")),
                ("failures", models.IntegerField(default=0, verbose_name="troubles in a row")),
                ("tokens", models.FloatField(default=0.0)),
                ("refilled_at", models.DateTimeField(null=True)),
            ],
            options={
                "verbose_name": "relay state",
                "verbose_name_plural": "relay states",
                "constraints": [
                    models.UniqueConstraint(fields=("relay", "domain"), name="courant_mail_one_relay_state")
                ],
            },
        ),
    ]
