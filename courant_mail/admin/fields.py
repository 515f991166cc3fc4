"""Fields and widgets of the forms that Django does not bring along."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib.admin.widgets import AdminTextInputWidget
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString


class Lines(forms.CharField):
    """Text of several lines, broken by "\\n" whatever the browser sends; so what nobody changed counts as unchanged."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        return text.replace("\r\n", "\n") if isinstance(text, str) else text


class SuggestingInput(AdminTextInputWidget):
    """An input of one line that offers some values and takes any."""

    def __init__(self, suggestions: Iterable[str] = (), attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs)
        self.suggestions = list(suggestions)

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        suggestions = f"{(attrs or {}).get('id', f'id_{name}')}_suggestions"
        field = super().render(name, value, {**(attrs or {}), "list": suggestions, "autocomplete": "off"}, renderer)
        options = format_html_join("", '<option value="{}"></option>', ((text,) for text in self.suggestions))
        return format_html('{}<datalist id="{}">{}</datalist>', field, suggestions, options)


class SeveralFilesInput(forms.FileInput):
    """An input that takes several files at once."""

    allow_multiple_selected = True


class SeveralFiles(forms.FileField):
    """A list of uploaded files, perhaps empty."""

    widget = SeveralFilesInput

    def clean(self, data: Any, initial: Any = None) -> Any:
        given = data if isinstance(data, (list, tuple)) else [data]
        cleaned = [super(SeveralFiles, self).clean(one, initial) for one in given]
        return [one for one in cleaned if one]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(data)
