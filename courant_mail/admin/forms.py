"""The form for a job that is typed in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings as django_settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from .. import sources
from ..compose.letter import Words, compile_letter
from ..conf import get_settings
from ..exceptions import ImproperlyConfiguredMail, InvalidMail, UnknownSource
from ..models import MessageJob

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[MessageJob]
else:
    _ModelForm = forms.ModelForm


class MessageJobForm(_ModelForm):
    """Says before anything is stored what would fail when it is sent."""

    class Meta:
        model = MessageJob
        exclude = ("sanitize_html", "headers")
        widgets = {"subject": forms.TextInput(attrs={"class": "vLargeTextField"})}

    def clean_from_email(self) -> str:
        return self.cleaned_data.get("from_email") or django_settings.DEFAULT_FROM_EMAIL

    def clean_source(self) -> str:
        name: str = self.cleaned_data.get("source", "")
        if name:
            _or_validation_error(UnknownSource, lambda: sources.get(name))
        return name

    def clean_relay(self) -> str:
        name: str = self.cleaned_data.get("relay", "")
        _or_validation_error(ImproperlyConfiguredMail, lambda: get_settings().relay(name))
        return name

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if "subject" not in data:
            # Not all fields are there to be written: the job is no draft any more.
            return data
        if bool(data.get("recipients")) == bool(data.get("source")):
            raise ValidationError(_("Give either recipients or a recipient source."))
        words = Words(
            subject=data["subject"],
            text=data.get("text", ""),
            html=data.get("html", ""),
            sanitize_html=True,
            from_email=data.get("from_email", ""),
            reply_to=data.get("reply_to", ""),
            headers={},
            attachments=[],
            bulk=data.get("bulk", True),
        )
        _or_validation_error(InvalidMail, lambda: compile_letter(words, max_bytes=get_settings().max_message_bytes))
        return data


def _or_validation_error(error_class: type[Exception], check: Any) -> None:
    try:
        check()
    except error_class as error:
        raise ValidationError(str(error)) from error
