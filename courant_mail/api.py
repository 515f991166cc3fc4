"""
What a site's code calls to send mail.

`queue_job` queues a mass mail. The other functions take the arguments of django-mailer's functions of the same
names and put single mails straight into the queue, whatever backend the site has set. All of them work in the
caller's transaction: what is rolled back is not sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.utils.functional import Promise

from .backend import EmailBackend
from .choices import Priority, Scope
from .models import MessageJob
from .queue.control import cancel as cancel_job
from .queue.control import pause as pause_job
from .queue.control import resume as resume_job
from .queue.enqueue import AttachmentLike, enqueue_job
from .queue.suppress import lift, suppress
from .sources import RecipientLike

__all__ = [
    "Priority",
    "Scope",
    "cancel_job",
    "lift",
    "mail_admins",
    "mail_managers",
    "pause_job",
    "queue_job",
    "resume_job",
    "send_html_mail",
    "send_mail",
    "send_mass_mail",
    "suppress",
]

PriorityLike: TypeAlias = Priority | int | str
#: words may be lazy translations
Text: TypeAlias = str | Promise


def queue_job(
    *,
    subject: str,
    text: str = "",
    html: str = "",
    from_email: str | None = None,
    recipients: str | Iterable[RecipientLike] | None = None,
    source: str = "",
    source_params: Mapping[str, Any] | None = None,
    priority: PriorityLike = Priority.LOW,
    scheduled_at: datetime | None = None,
    headers: Mapping[str, str] | None = None,
    attachments: Iterable[AttachmentLike] = (),
    reply_to: str | Sequence[str] | None = None,
    relay: str = "",
    bulk: bool = True,
    sanitize_html: bool = False,
    created_by: str = "",
    key: str | None = None,
) -> MessageJob:
    """
    Queue a mass mail: one INSERT, whatever the number of recipients.

    Subject, text and HTML are Django templates over the merge values of each recipient, together with `email`,
    `name` and `unsubscribe_url`. `recipients` are addresses, pairs (name, address) or mappings with "email" and
    merge values, or the text of such a list; `source` names a registered recipient source instead. HTML typed by
    people needs `sanitize_html=True`. Mail that is not `bulk` carries no unsubscribe link and goes to people who
    have unsubscribed. With a `key` that was queued before, the earlier job is returned and nothing is queued.

    Raises InvalidMail when the words cannot become a mail, UnknownSource, ImproperlyConfiguredMail for an unknown
    relay, ValueError for an unknown priority.
    """
    return enqueue_job(
        subject=subject,
        text=text,
        html=html,
        from_email=from_email,
        recipients=recipients,
        source=source,
        source_params=source_params,
        priority=Priority.parse(priority),
        scheduled_at=scheduled_at,
        headers=headers,
        attachments=attachments,
        reply_to=reply_to,
        relay=relay,
        bulk=bulk,
        sanitize_html=sanitize_html,
        created_by=created_by,
        key=key,
    )


def send_mail(
    subject: Text,
    message: Text,
    from_email: str | None,
    recipient_list: Sequence[str],
    priority: PriorityLike | None = None,
    fail_silently: bool = False,
    auth_user: str | None = None,
    auth_password: str | None = None,
    *,
    html_message: Text | None = None,
    headers: Mapping[str, str] | None = None,
) -> int:
    """
    Queue one mail for the recipients, who see each other in To. Returns 1, or 0 when nobody is to get it.

    `priority` is medium where left out. `auth_user` and `auth_password` are taken for the sake of code written for
    Django and django-mailer, and ignored: the relay knows its own. Raises ValueError for what cannot become a mail.
    """
    mail = _compose(subject, message, from_email, recipient_list, html_message, headers)
    return _backend(priority, fail_silently).send_messages([mail])


def send_html_mail(
    subject: Text,
    message: Text,
    message_html: Text,
    from_email: str | None,
    recipient_list: Sequence[str],
    priority: PriorityLike | None = None,
    fail_silently: bool = False,
    auth_user: str | None = None,
    auth_password: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> int:
    """Like `send_mail`, with a text part and an HTML part."""
    return send_mail(
        subject,
        message,
        from_email,
        recipient_list,
        priority,
        fail_silently,
        html_message=message_html,
        headers=headers,
    )


def send_mass_mail(
    datatuple: Iterable[tuple[Text, Text, str | None, Sequence[str]]],
    fail_silently: bool = False,
    auth_user: str | None = None,
    auth_password: str | None = None,
    connection: Any = None,
    priority: PriorityLike | None = None,
) -> int:
    """
    Queue a mail for each tuple (subject, message, from_email, recipient_list), all or none; return how many.

    For the same words to many people use `queue_job`: it stores them once.
    """
    mails = [_compose(subject, message, from_email, to) for subject, message, from_email, to in datatuple]
    return _backend(priority, fail_silently).send_messages(mails)


def mail_admins(
    subject: Text,
    message: Text,
    fail_silently: bool = False,
    connection: Any = None,
    priority: PriorityLike | None = None,
    *,
    html_message: Text | None = None,
) -> int:
    """Queue a mail to the people of the setting ADMINS, with EMAIL_SUBJECT_PREFIX, from SERVER_EMAIL."""
    return _mail_staff(settings.ADMINS, subject, message, fail_silently, priority, html_message)


def mail_managers(
    subject: Text,
    message: Text,
    fail_silently: bool = False,
    connection: Any = None,
    priority: PriorityLike | None = None,
    *,
    html_message: Text | None = None,
) -> int:
    """Queue a mail to the people of the setting MANAGERS, with EMAIL_SUBJECT_PREFIX, from SERVER_EMAIL."""
    return _mail_staff(settings.MANAGERS, subject, message, fail_silently, priority, html_message)


def _mail_staff(
    people: Iterable[Any],
    subject: Text,
    message: Text,
    fail_silently: bool,
    priority: PriorityLike | None,
    html_message: Text | None,
) -> int:
    # Django 5.2 wants pairs of name and address in these settings, 6.1 addresses.
    addresses = [str(person) if not isinstance(person, (list, tuple)) else person[1] for person in people]
    return send_mail(
        f"{settings.EMAIL_SUBJECT_PREFIX}{subject}",
        message,
        settings.SERVER_EMAIL,
        addresses,
        priority,
        fail_silently,
        html_message=html_message,
    )


def _compose(
    subject: Text,
    message: Text,
    from_email: str | None,
    recipients: Sequence[str],
    html_message: Text | None = None,
    headers: Mapping[str, str] | None = None,
) -> EmailMultiAlternatives:
    mail = EmailMultiAlternatives(
        subject=str(subject),
        body=str(message),
        from_email=from_email,
        to=recipients,
        headers=dict(headers or {}),
    )
    if html_message:
        mail.attach_alternative(str(html_message), "text/html")
    return mail


def _backend(priority: PriorityLike | None, fail_silently: bool) -> EmailBackend:
    return EmailBackend(fail_silently=fail_silently, priority=Priority.MEDIUM if priority is None else priority)
