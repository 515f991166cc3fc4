"""Addresses that must not get mail: to look at, to add, and to lift."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from ..addresses import canonical
from ..exceptions import InvalidAddress
from ..models import Scope, Suppression
from ..queue.suppress import suppress
from .base import ListAdmin

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[Suppression]
else:
    _ModelForm = forms.ModelForm


class SuppressionForm(_ModelForm):
    """Takes an address in any spelling."""

    class Meta:
        model = Suppression
        fields = ["address", "scope", "reason"]

    def clean_address(self) -> str:
        try:
            return canonical(self.cleaned_data["address"])
        except InvalidAddress as error:
            raise ValidationError(str(error)) from error


@admin.register(Suppression)
class SuppressionAdmin(ListAdmin):
    """Suppressions. To delete one is to lift it."""

    form = SuppressionForm
    list_display = ["address", "scope", "source", "reason", "created_at"]
    list_filter = ["scope"]
    search_fields = ["address__startswith"]
    search_help_text = _("The beginning of an address")
    fields = ["address", "scope", "reason", "source", "created_at"]
    readonly_fields = ["source", "created_at"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ["address", *self.readonly_fields] if obj else self.readonly_fields

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        # Addresses are stored in lower case.
        return super().get_search_results(request, queryset, search_term.lower())

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        source = f"editor {request.user.get_username()}"[:100]
        obj.pk = suppress(obj.address, scope=Scope(obj.scope), reason=obj.reason, source=source).pk
