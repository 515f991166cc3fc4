"""The form of a draft: it says before anything is stored what would fail when it is sent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

from django.conf import settings as django_settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.translation import gettext as _

from .. import sources
from ..addresses import plain_params
from ..compose.letter import AttachedFile, Words, compile_letter
from ..conf import get_settings
from ..exceptions import CourantMailError, InvalidFile, InvalidMail
from ..links import unsubscribe_pattern
from ..queue.database import room_for_text
from .draft_fields import DraftFields
from .drafts import stored_size, uploaded_file, warnings_about
from .recipient_upload import Upload, read_upload
from .senders_allowed import check_sender
from .source_params import check_params

#: part of a mail, as the errors of `compose` name it → field
_FIELD_OF = {
    "subject": "subject",
    "from": "from_email",
    "reply-to": "reply_to",
    "html": "html",
    "text": "text",
    "attachment": "new_attachments",
}


class MessageJobForm(DraftFields):
    """
    The form. After `is_valid`, `new_files` are the files to be attached, `upload` is what the file of recipients came
    to, and `warnings` are words about what will be stored although it will not do.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.new_files: list[AttachedFile] = []
        self.upload: Upload | None = None
        self.warnings: list[str] = []

    def clean_from_email(self) -> str:
        sender: str = self.cleaned_data.get("from_email") or django_settings.DEFAULT_FROM_EMAIL
        if sender == self.instance.from_email:
            return sender  # the site's own code may have chosen another
        _or_validation_error(lambda: check_sender(sender))
        return sender

    def clean_source(self) -> str:
        name: str = self.cleaned_data.get("source", "")
        if name:
            _or_validation_error(lambda: sources.get(name))
        return name

    def clean_source_params(self) -> dict[str, Any]:
        params = self.cleaned_data.get("source_params")
        if params is None:
            return {}
        if not isinstance(params, dict):
            raise ValidationError(_('Give names and values in braces, such as {"issue": 12}.'))
        _or_validation_error(lambda: plain_params(_("source parameters"), params))
        return params

    def clean_relay(self) -> str:
        name: str = self.cleaned_data.get("relay", "")
        _or_validation_error(lambda: get_settings().relay(name))
        return name

    def clean_scheduled_at(self) -> Any:
        at = self.cleaned_data.get("scheduled_at")
        if at and at != self.instance.scheduled_at and at < timezone.now():
            raise ValidationError(_("This time has passed."))
        return at

    def clean_recipients_file(self) -> UploadedFile[bytes] | None:
        file: UploadedFile[bytes] | None = self.cleaned_data.get("recipients_file")
        if file:
            try:
                self.upload = read_upload(cast(BinaryIO, file.file), file.name or "")
            except InvalidFile as error:
                raise ValidationError(str(error)) from error
        return file

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if data.get("version") and data["version"] != self.initial_version:
            raise ValidationError(
                _("Somebody else has changed this draft meanwhile. Nothing of yours was stored: open it again.")
            )
        self._check_audience(data)
        self._check_letter(data)
        if self.errors:
            self._ask_for_files_again()
        return data

    def _check_audience(self, data: dict[str, Any]) -> None:
        if {"recipients_file", "recipients", "source"} & set(self.errors):
            return
        data["recipients"] = self._recipients(data)
        source = data.get("source", "")
        if bool(data["recipients"]) == bool(source):
            raise ValidationError(_("Give either recipients or a recipient source."))
        if source and "source_params" in data:
            self._try("source_params", lambda: check_params(source, data["source_params"]))

    def _recipients(self, data: dict[str, Any]) -> str:
        """What is typed or was there before, and what the file adds."""
        if "recipients" in self.fields:
            kept: str = data.get("recipients", "")
            if "recipients" in self.changed_data:
                self.warnings += warnings_about(kept)
        else:
            kept = "" if data.get("forget_recipients") else self.instance.recipients
        if self.upload is None:
            return kept
        return f"{kept.rstrip()}\n{self.upload.recipients}" if kept.strip() else self.upload.recipients

    def _check_letter(self, data: dict[str, Any]) -> None:
        """Compile what would be sent, so that its mistakes are told here."""
        if not {"subject", "from_email"} <= set(data):
            return
        settings = get_settings()
        if data.get("bulk"):
            self._try("bulk", lambda: unsubscribe_pattern(settings))
        if sum(file.size or 0 for file in data.get("new_attachments", ())) > settings.max_message_bytes:
            self.add_error("new_attachments", _too_large(settings.max_message_bytes))
            return
        self.new_files = [uploaded_file(file) for file in data.get("new_attachments", ())]
        self._check_room(data)
        words = self._words(data)
        try:
            compile_letter(words, max_bytes=settings.max_message_bytes)
        except InvalidMail as error:
            part = re.split(r"[:, ]", str(error), maxsplit=1)[0]
            field = _FIELD_OF.get(part)
            self.add_error(field if field in self.fields else None, str(error))

    def _check_room(self, data: dict[str, Any]) -> None:
        """Some databases take no more than so much at once; better said here than met there."""
        room = room_for_text()
        if not room:
            return
        texts = [data.get("html", ""), data.get("text", ""), data.get("recipients", "")]
        rejects = self.upload.file.rejects if self.upload else ""
        if sum(map(stored_size, texts)) > room or stored_size(rejects) > room:
            self.add_error(None, _("These are more recipients than the database takes in one job. Make several jobs."))
        if any(stored_size(file.content) > room for file in self.new_files):
            self.add_error("new_attachments", _("The database takes no files of this size."))

    def _words(self, data: dict[str, Any]) -> Words:
        return Words(
            subject=data["subject"],
            text=data.get("text", ""),
            html=data.get("html", ""),
            sanitize_html=self.html_is_typed,
            from_email=data["from_email"],
            reply_to=data.get("reply_to", ""),
            headers=self.instance.headers,
            attachments=[*self._kept_files(data), *self.new_files],
            bulk=data.get("bulk", False),
        )

    @property
    def html_is_typed(self) -> bool:
        """Whether people have written the HTML, and not only the site's templates."""
        return self.instance._state.adding or self.instance.sanitize_html or "html" in self.changed_data

    def _kept_files(self, data: dict[str, Any]) -> Iterator[AttachedFile]:
        if self.attached:
            for stored in self.instance.attachments.exclude(pk__in=data.get("remove_attachments", ())).order_by("pk"):
                yield AttachedFile(stored.filename, stored.content_type, bytes(stored.content), stored.content_id)

    def _try(self, field: str, check: Any) -> None:
        try:
            check()
        except CourantMailError as error:
            self.add_error(field if field in self.fields else None, str(error))

    def _ask_for_files_again(self) -> None:
        """A page cannot keep the files that were chosen on it."""
        for name in ("new_attachments", "recipients_file"):
            if self.files.get(self.add_prefix(name)) and name not in self.errors:
                self.add_error(name, _("Nothing was stored yet: choose the file again."))


def _too_large(limit: int) -> str:
    return _("The files are too large: a mail may have %(limit)s.") % {"limit": filesizeformat(limit)}


def _or_validation_error(check: Any) -> None:
    try:
        check()
    except CourantMailError as error:
        raise ValidationError(str(error)) from error
