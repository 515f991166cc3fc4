"""The fields of a draft, and what they offer to choose from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from .. import sources
from ..conf import get_settings
from ..models import MessageJob
from .drafts import attached_to, draft_version, recipients_in_words
from .fields import Lines, SeveralFiles, SuggestingInput
from .senders_allowed import suggested_senders
from .source_params import describe

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[MessageJob]
else:
    _ModelForm = forms.ModelForm


class DraftFields(_ModelForm):
    """The words of a draft, its recipients, and how it leaves. `initial_version` is the draft as it is stored."""

    version = forms.CharField(required=False, widget=forms.HiddenInput)
    new_attachments = SeveralFiles(
        label=gettext_lazy("Attach files"),
        required=False,
        help_text=gettext_lazy("They go with the mail to each recipient. Several can be chosen at once."),
    )
    remove_attachments = forms.MultipleChoiceField(
        label=gettext_lazy("Remove attachments"), required=False, widget=forms.CheckboxSelectMultiple
    )
    recipients_file = forms.FileField(
        label=gettext_lazy("Recipients from a CSV file"),
        required=False,
        help_text=gettext_lazy(
            "They are added to those of the job. The first line names the columns: one is “email”, and all others are "
            "values for the mail, so that a column “First name” becomes {{ first_name }}."
        ),
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,.tsv,text/csv"}),
    )
    forget_recipients = forms.BooleanField(label=gettext_lazy("Forget these recipients"), required=False)
    source = forms.ChoiceField(label=gettext_lazy("Recipient source"), required=False)
    relay = forms.ChoiceField(label=gettext_lazy("Relay"), required=False)

    class Meta:
        model = MessageJob
        exclude = ("sanitize_html", "headers")
        widgets = {
            "subject": forms.TextInput(attrs={"class": "vLargeTextField"}),
            "reply_to": forms.TextInput(attrs={"class": "vLargeTextField"}),
            "source_params": forms.Textarea(attrs={"class": "vLargeTextField", "rows": 3}),
        }
        help_texts = {
            "subject": gettext_lazy("Values of the recipient stand in double braces: Good morning, {{ first_name }}"),
            "reply_to": gettext_lazy("Where answers go, if not to the address above."),
        }
        field_classes = {"html": Lines, "text": Lines, "recipients": Lines}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        written = "version" in self.fields
        self.initial_version = draft_version(self.instance) if written else ""
        self.attached = attached_to(self.instance) if written else []
        for name, prepare in (
            ("version", self._prepare_version),
            ("from_email", self._prepare_sender),
            ("remove_attachments", self._prepare_attachments),
            ("recipients", self._prepare_recipients),
            ("forget_recipients", self._prepare_forgetting),
            ("source", self._prepare_sources),
            ("source_params", self._prepare_params),
            ("relay", self._prepare_relays),
            ("scheduled_at", self._prepare_time),
            ("bulk", self._prepare_bulk),
        ):
            if name in self.fields:
                prepare(self.fields[name])

    def _prepare_version(self, field: Any) -> None:
        field.initial = self.initial_version

    def _prepare_sender(self, field: Any) -> None:
        offered = suggested_senders()
        field.widget = SuggestingInput(offered, {"class": "vLargeTextField"})
        field.help_text = _("One of the addresses that this site allows.")
        if offered:
            field.initial = offered[0]

    def _prepare_attachments(self, field: Any) -> None:
        field.choices = [(str(key), f"{filename} ({filesizeformat(size)})") for key, filename, size in self.attached]

    def _prepare_recipients(self, field: Any) -> None:
        field.help_text = _(
            "One per line, or separated by “;” or “,”: an address, or Name &lt;address&gt;. Long lists are better "
            "given as a file. Lines in braces come from such a file; each is one recipient with its values."
        )

    def _prepare_forgetting(self, field: Any) -> None:
        field.help_text = recipients_in_words(self.instance.recipients)

    def _prepare_sources(self, field: Any) -> None:
        names = sources.names()
        if self.instance.source and self.instance.source not in names:
            names.append(self.instance.source)  # shown, and refused with the reason
        field.choices = [("", "---------"), *((name, name) for name in names)]
        field.help_text = _("In place of recipients: the site knows them, and looks when the mail is sent.")

    def _prepare_params(self, field: Any) -> None:
        field.help_text = _params_help()
        field.show_hidden_initial = False

    def _prepare_relays(self, field: Any) -> None:
        settings = get_settings()
        default = _("the default relay (%(name)s)") % {"name": settings.default_relay}
        names = sorted({*settings.relays, *filter(None, [self.instance.relay])})
        field.choices = [("", default), *((name, name) for name in names)]

    def _prepare_time(self, field: Any) -> None:
        field.help_text = _("Time zone: %(zone)s. Empty: as soon as somebody sends it.") % {
            "zone": timezone.get_current_timezone_name()
        }
        # The admin writes “Date” and “Time” beside its two inputs, but labels neither.
        for part, label in zip(getattr(field.widget, "widgets", ()), (_("Date"), _("Time")), strict=False):
            part.attrs["aria-label"] = f"{field.label}: {label}"

    def _prepare_bulk(self, field: Any) -> None:
        field.help_text = _("Carries a link to unsubscribe, and does not go to people who have unsubscribed.")


def _params_help() -> SafeString:
    """What each source takes."""
    lines = format_html_join("", "<br>{}: {}", ((name, describe(name)) for name in sources.names()))
    return format_html("{}{}", _('Names and values in braces, such as {"issue": 12}.'), lines)
