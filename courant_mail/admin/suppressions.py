"""Addresses that must not get mail: look for them, add them, lift them with a reason, and files of them in and out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.contrib.admin.models import ADDITION, DELETION, LogEntry
from django.contrib.admin.utils import unquote
from django.contrib.admin.widgets import AdminTextareaWidget
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ..addresses import canonical
from ..exceptions import InvalidAddress, InvalidFile
from ..models import Scope, Suppression
from ..queue.database import batches
from ..queue.suppress import suppress
from ..queue.suppress_many import lift_many
from .base import ListAdmin
from .csv_export import by_key, csv_response
from .suppression_import import Imported, import_suppressions

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[Suppression]
else:
    _ModelForm = forms.ModelForm

_TEMPLATES = "courant_mail/admin/suppression"
#: lifted suppressions that are listed with their reasons
_LIFTED_SHOWN = 100


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


class LiftForm(forms.Form):
    """Why an address may get mail again. Somebody will ask."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=1000,
        widget=AdminTextareaWidget(attrs={"rows": 3}),
        help_text=gettext_lazy("Who has asked for it, and how. It is kept in the history."),
    )


class ImportForm(forms.Form):
    """A file of addresses, and what holds for those of which it says no more."""

    file = forms.FileField(
        label=gettext_lazy("CSV file"), widget=forms.FileInput(attrs={"accept": ".csv,.txt,.tsv,text/csv"})
    )
    scope = forms.ChoiceField(
        label=gettext_lazy("They get no"),
        choices=Scope.choices,
        help_text=gettext_lazy("Where the file has no column “scope”."),
    )
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        required=False,
        max_length=1000,
        widget=AdminTextareaWidget(attrs={"rows": 3}),
        help_text=gettext_lazy("Where the file has no column “reason”."),
    )


@admin.register(Suppression)
class SuppressionAdmin(ListAdmin):
    """Suppressions. They are not deleted but lifted, with a reason."""

    form = SuppressionForm
    change_list_template = f"{_TEMPLATES}/list.html"
    change_form_template = f"{_TEMPLATES}/page.html"
    list_display = ["address", "scope", "source", "reason", "created_at"]
    list_filter = ["scope"]
    search_fields = ["address__startswith"]
    search_help_text = gettext_lazy("The beginning of an address, or “@” and the end of one")
    fields = ["address", "scope", "reason", "source", "created_at"]
    readonly_fields = ["source", "created_at"]
    actions = ["delete_selected"]

    def get_urls(self) -> list[Any]:
        pages = (
            ("import/", self.import_view, "import"),
            ("export.csv", self.export_view, "export"),
            ("lifted/", self.lifted_view, "lifted"),
        )
        own = [
            path(route, self.admin_site.admin_view(view), name=f"courant_mail_suppression_{name}")
            for route, view, name in pages
        ]
        return [*own, *super().get_urls()]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ["address", *self.readonly_fields] if obj else self.readonly_fields

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        term = search_term.strip().lower()  # as addresses are stored
        if term.startswith("@"):
            return queryset.filter(address__endswith=term), False
        return super().get_search_results(request, queryset, term)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        source = f"editor {request.user.get_username()}"[:100]
        obj.pk = suppress(obj.address, scope=Scope(obj.scope), reason=obj.reason, source=source).pk

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {"has_view_permission": self.has_view_permission(request), **(extra_context or {})}
        return super().changelist_view(request, context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        # The button is called "Lift" and stands above.
        return super().change_view(request, object_id, form_url, {"show_delete": False, **(extra_context or {})})

    # --- lift ---------------------------------------------------------------------------------------------------------

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Asks for a reason, and lifts the suppression with it."""
        found = self.get_object(request, unquote(object_id))
        if not self.has_delete_permission(request, found):
            raise PermissionDenied
        if found is None:
            raise Http404
        form = LiftForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            return self._lift(request, Suppression.objects.filter(pk=found.pk), form.cleaned_data["reason"])
        return self._page(request, "lift", _("Lift the suppression"), form=form, suppression=found, count=1)

    @admin.action(description=gettext_lazy("Lift the selected suppressions"), permissions=["delete"])
    def delete_selected(self, request: HttpRequest, queryset: QuerySet[Suppression]) -> HttpResponseBase:
        """In place of Django's action of this name: asks for a reason, and lifts all of them with it."""
        form = LiftForm(request.POST if "lift" in request.POST else None)
        if form.is_valid():
            return self._lift(request, queryset, form.cleaned_data["reason"])
        return self._page(
            request,
            "lift",
            _("Lift the selected suppressions"),
            form=form,
            count=queryset.count(),
            action_name=helpers.ACTION_CHECKBOX_NAME,
            selected=request.POST.getlist(helpers.ACTION_CHECKBOX_NAME),
            select_across=request.POST.get("select_across") == "1",
        )

    def _lift(self, request: HttpRequest, suppressions: QuerySet[Suppression], reason: str) -> HttpResponse:
        lifted = 0
        for batch in batches(by_key(suppressions)):
            LogEntry.objects.log_actions(self._user_id(request), batch, DELETION, change_message=reason)
            lifted += lift_many(row.address for row in batch)
        text = ngettext("%(count)d address may get mail again.", "%(count)d addresses may get mail again.", lifted)
        self.message_user(request, text % {"count": lifted}, messages.SUCCESS)
        return HttpResponseRedirect(self._url("changelist"))

    def lifted_view(self, request: HttpRequest) -> HttpResponse:
        """What was lifted last, by whom and why."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        entries = LogEntry.objects.filter(content_type=self._content_type(), action_flag=DELETION)
        latest = entries.select_related("user").order_by("-pk")[:_LIFTED_SHOWN]
        return self._page(request, "lifted", _("Lifted suppressions"), entries=latest, shown=_LIFTED_SHOWN)

    # --- files --------------------------------------------------------------------------------------------------------

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """All suppressions as CSV, in the form that `import_view` takes."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        return csv_response("suppressions.csv", _exported())

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Shows the form, and the report after a file was taken."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        posted = request.method == "POST"
        form = ImportForm(request.POST, request.FILES) if posted else ImportForm()
        report = self._import(request, form) if posted and form.is_valid() else None
        return self._page(request, "import", _("Import suppressions"), form=form, report=report)

    def _import(self, request: HttpRequest, form: ImportForm) -> Imported | None:
        """What the file came to; None where it cannot be taken, with the reason in the form."""
        data = form.cleaned_data
        user = request.user.get_username()
        try:
            report = import_suppressions(
                cast(BinaryIO, data["file"].file),
                scope=Scope(data["scope"]),
                reason=data["reason"],
                source=f"import, {user}"[:100],
            )
        except InvalidFile as error:
            form.add_error("file", str(error))
            return None
        LogEntry.objects.create(
            user_id=self._user_id(request),
            content_type=self._content_type(),
            object_repr=str(data["file"].name)[:200],
            action_flag=ADDITION,
            change_message=_("Imported: %(added)d new addresses, %(rejected)d lines not taken.")
            % {"added": report.tally.added, "rejected": report.rejected},
        )
        return report

    # --- what these pages share ---------------------------------------------------------------------------------------

    def _page(self, request: HttpRequest, name: str, title: str, **context: Any) -> TemplateResponse:
        request.current_app = self.admin_site.name
        shared = {**self.admin_site.each_context(request), "title": title, "opts": self.opts, "media": self.media}
        return TemplateResponse(request, f"{_TEMPLATES}/{name}.html", {**shared, **context})

    def _url(self, name: str, *args: Any) -> str:
        return reverse(f"admin:courant_mail_suppression_{name}", args=args, current_app=self.admin_site.name)

    @staticmethod
    def _content_type() -> ContentType:
        return ContentType.objects.get_for_model(Suppression, for_concrete_model=False)

    @staticmethod
    def _user_id(request: HttpRequest) -> Any:
        return request.user.pk


def _exported() -> Iterator[tuple[str, ...]]:
    yield "email", "scope", "reason", "source", "since"
    for row in by_key(Suppression.objects.all()):
        yield row.address, row.scope, row.reason, row.source, row.created_at.isoformat(timespec="seconds")
