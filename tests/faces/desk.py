"""What the tests of the editor's desk share: users with permissions, jobs in every state, and the pages of a job."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core import serializers
from django.test import TestCase, override_settings
from django.urls import reverse
from django.utils import timezone

from courant_mail.choices import JobStatus
from courant_mail.models import Attachment, DryRun, Message, MessageJob
from courant_mail.queue.enqueue import enqueue_job

VIEW, CHANGE, SEND = "view_messagejob", "change_messagejob", "send_messagejob"
SECRET = "<script>alert(1)</script>"


def url(page: str, *args: Any) -> str:
    return reverse(f"admin:courant_mail_messagejob_{page}", args=args)


@override_settings(ALLOWED_HOSTS=["*"])
class DeskTestCase(TestCase):
    #: its answers are responses with all that their kinds have
    client: Any

    def sign_in(self, *codenames: str, email: str = "") -> User:
        """A new member of the staff with these permissions of the app is signed in."""
        user = User.objects.create(username=f"staff{User.objects.count()}", is_staff=True, email=email)
        found = Permission.objects.filter(content_type__app_label="courant_mail", codename__in=codenames)
        self.assertEqual(len(found), len(codenames))
        user.user_permissions.set(found)
        self.client.force_login(user)
        return user

    def job(self, status: JobStatus = JobStatus.DRAFT, **values: Any) -> MessageJob:
        given: dict[str, Any] = {
            "subject": "News for {{ first_name }}",
            "text": "Hello {{ first_name }}\n",
            "html": "<p>Hello <b>{{ first_name }}</b></p>",
            "recipients": [
                {"email": "ann@example.org", "first_name": "Ann", "name": "Ann A."},
                {"email": "Bo@example.org", "first_name": "Bo"},
            ],
        }
        if values.get("source"):
            given.pop("recipients")
        job = enqueue_job(**{**given, **values}, status=JobStatus.DRAFT)
        if status != JobStatus.DRAFT:
            MessageJob.objects.filter(pk=job.pk).update(status=status, **self._times(status))
            job.refresh_from_db()
        return job

    @staticmethod
    def _times(status: JobStatus) -> dict[str, Any]:
        now = timezone.now()
        expanded = status not in (JobStatus.QUEUED, JobStatus.EXPANDING)
        ended = status in (JobStatus.FINISHED, JobStatus.CANCELLED)
        return {"expanded_at": now if expanded else None, "finished_at": now if ended else None}

    def rows(self) -> str:
        """Everything that a page could have changed."""
        models: list[Any] = [MessageJob, Message, Attachment, DryRun, LogEntry]
        return "\n".join(serializers.serialize("json", model.objects.order_by("pk")) for model in models)

    def assertHistory(self, job: MessageJob, *beginnings: str) -> None:
        """The history of the job has these entries, oldest first."""
        entries = LogEntry.objects.filter(object_id=str(job.pk), content_type__model="messagejob").order_by("pk")
        told = [entry.get_change_message() for entry in entries]
        self.assertEqual(len(told), len(beginnings), told)
        for text, beginning in zip(told, beginnings, strict=True):
            self.assertTrue(text.startswith(beginning), text)

    def messages_of(self, answer: Any) -> str:
        """What the user reads on the next page."""
        return "\n".join(str(message) for message in answer.wsgi_request._messages)
