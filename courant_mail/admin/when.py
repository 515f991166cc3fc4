"""The form that asks when a mail is to be sent: now, or at a date and time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.utils import from_current_timezone
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

NOW, LATER = "now", "later"


class WhenForm(forms.Form):
    """Valid, its `at` is the moment that was chosen; None means now."""

    at: datetime | None = None

    when = forms.ChoiceField(
        label=gettext_lazy("When"),
        choices=[(NOW, gettext_lazy("now")), (LATER, gettext_lazy("later, at the date and time given here"))],
        widget=forms.RadioSelect,
    )
    date = forms.DateField(
        label=gettext_lazy("Date"),
        required=False,
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )
    time = forms.TimeField(
        label=gettext_lazy("Time"),
        required=False,
        input_formats=["%H:%M", "%H:%M:%S"],
        widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"}),
    )

    @property
    def zone(self) -> str:
        """The zone that date and time are in."""
        return timezone.get_current_timezone_name()

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if {"date", "time"} & set(self.errors):
            return data
        given = data.get("date"), data.get("time")
        if data.get("when") == NOW and any(value is not None for value in given):
            # Whoever has typed a time does not want it to leave this minute.
            self.add_error(
                "when", _("You have given a date or a time, but chosen “now”. Choose “later”, or empty them.")
            )
        if data.get("when") == LATER:
            self._check_moment(*given)
        return data

    def _check_moment(self, date: Any, time: Any) -> None:
        for name, value in (("date", date), ("time", time)):
            if value is None:
                self.add_error(name, _("Say when."))
        if date is None or time is None:
            return
        try:
            self.at = from_current_timezone(datetime.combine(date, time))
        except ValidationError as error:
            self.add_error("time", error)
            return
        if self.at <= timezone.now():
            self.add_error("time", _("This time has passed."))


def initially(at: datetime | None) -> dict[str, Any]:
    """What the form shows at first for a mail with this time."""
    if at is None or at <= timezone.now():
        return {"when": NOW}
    local = timezone.localtime(at) if timezone.is_aware(at) else at
    return {"when": LATER, "date": local.date(), "time": local.time()}
