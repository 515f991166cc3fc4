"""Mail about an object of the site: from its templates to words that can be queued."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings as django_settings
from django.db import models
from django.template import Context, Template, TemplateDoesNotExist, TemplateSyntaxError
from django.template.loader import get_template
from django.utils import timezone, translation

from .. import sources
from ..choices import JobStatus, Priority
from ..compose.letter import AttachedFile, Words
from ..compose.preview import Preview
from ..conf import get_settings
from ..exceptions import InvalidMail
from ..models import MessageJob
from ..queue.enqueue import enqueue_job
from ..sources import RecipientLike
from .placeholders import Placeholders
from .preview import preview_for


class ObjectMail:
    """
    The mail about one object. Subclass it, set the attributes, override the `get_…` methods where they do not do.

    The templates are the site's own, with all its tags and filters. They get `object`, `site_url` (the setting
    SITE_URL), what `get_context` adds, and `recipient`, whose values each mail fills in for its recipient:
    ``{{ recipient.first_name }}``, ``{{ recipient.email }}``, ``{{ recipient.unsubscribe_url }}``. Those may be
    written but not tested or filtered. HTML is escaped in the HTML template and nowhere else. The language is that
    of the site, or `language`, and not that of the editor's admin.
    """

    #: a template, of one line
    subject: str = "{{ object }}"
    #: the name of a template in place of `subject`
    subject_template: str = ""
    #: the name of a template; where there is none, the text is made from the HTML
    text_template: str = ""
    #: the name of a template; where there is none, the mail has a text part alone
    html_template: str = ""
    #: the name of a recipient source
    source: str = ""
    #: where there is none, the setting DEFAULT_FROM_EMAIL
    from_email: str | None = None
    reply_to: str = ""
    headers: Mapping[str, str] = {}
    priority: Priority = Priority.LOW
    #: the name of a relay; the default relay where it is empty
    relay: str = ""
    #: bulk mail carries an unsubscribe link and goes to no one who has used it
    bulk: bool = True
    #: merge value → what stands in its place for recipients who have none
    merge_defaults: Mapping[str, str] = {}
    #: who gets the mail that `preview` shows
    example: RecipientLike = {"email": "reader@example.org"}
    #: a language code; that of the site where it is None
    language: str | None = None

    def __init__(self, obj: models.Model) -> None:
        self.object: Any = obj

    def get_source_params(self) -> dict[str, Any]:
        """The parameters of the recipient source, as JSON can hold them."""
        return {}

    def get_context(self) -> dict[str, Any]:
        """What the templates get in addition."""
        return {}

    def get_attachments(self) -> Sequence[AttachedFile]:
        """Files that go with every mail; one with a `content_id` is an image inside the HTML."""
        return ()

    def words(self) -> Words:
        """
        The mail as a template over the merge values of its recipients.

        Raises InvalidMail, with the reason, when the site's templates cannot be rendered.
        """
        blanks = Placeholders(self.merge_defaults)
        context = {
            "object": self.object,
            "site_url": get_settings().site_url,
            **self.get_context(),
            "recipient": blanks.recipient,
        }
        try:
            with translation.override(self.language or django_settings.LANGUAGE_CODE), timezone.override(None):
                subject = blanks.template_of(self._subject(context), html=False)
                text = blanks.template_of(_render(self.text_template, context, plain=True), html=False)
                html = blanks.template_of(_render(self.html_template, context), html=True)
        except (TemplateDoesNotExist, TemplateSyntaxError) as error:
            raise InvalidMail(f"{type(error).__name__}: {error}") from error
        return Words(
            subject=subject,
            text=text,
            html=html,
            from_email=self.from_email or django_settings.DEFAULT_FROM_EMAIL,
            reply_to=self.reply_to,
            headers=self.headers,
            attachments=list(self.get_attachments()),
            bulk=self.bulk,
        )

    def preview(self) -> Preview:
        """The mail as the example recipient would get it. Raises InvalidMail as `words` does."""
        return preview_for(self.words(), self.example)

    def estimate(self) -> int | None:
        """About how many people would get it; None where only reading them all could tell. Raises UnknownSource."""
        return sources.estimate(self.source, self.get_source_params())

    def draft(self, *, created_by: str, key: str) -> MessageJob:
        """
        Store the mail as a draft, in the place of an earlier draft with this key. It is sent from the admin.

        Raises what `queue` raises.
        """
        return enqueue_job(**self._job(created_by=created_by, key=key), status=JobStatus.DRAFT)

    def queue(
        self, *, created_by: str = "", key: str | None = None, scheduled_at: datetime | None = None
    ) -> MessageJob:
        """
        Queue the mail. With a `key` that was queued before, that job is returned and nothing is queued.

        Raises what `courant_mail.api.queue_job` raises.
        """
        return enqueue_job(**self._job(created_by=created_by, key=key), scheduled_at=scheduled_at)

    def _job(self, *, created_by: str, key: str | None) -> dict[str, Any]:
        words = self.words()
        return {
            "subject": words.subject,
            "text": words.text,
            "html": words.html,
            "from_email": words.from_email,
            "reply_to": words.reply_to,
            "headers": words.headers,
            "attachments": words.attachments,
            "source": self.source,
            "source_params": self.get_source_params(),
            "priority": Priority.parse(self.priority),
            "relay": self.relay,
            "bulk": self.bulk,
            "created_by": created_by,
            "key": key,
        }

    def _subject(self, context: dict[str, Any]) -> str:
        if self.subject_template:
            rendered = _render(self.subject_template, context, plain=True)
        else:
            rendered = Template(self.subject).render(Context(context, autoescape=False))
        return " ".join(rendered.split())


def _render(name: str, context: dict[str, Any], *, plain: bool = False) -> str:
    """The rendered template of the site, or nothing where there is no name; `plain` means without HTML escaping."""
    if not name:
        return ""
    template = get_template(name)
    inner = getattr(template, "template", None)
    if plain and isinstance(inner, Template):
        return str(inner.render(Context(context, autoescape=False)))
    return template.render(context)
