"""The dry run of a job, from the page of the job: to ask for it, to see how far it is, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.utils.translation import gettext as _

from ..exceptions import WrongState
from ..models import DryRun, DryRunState, MessageJob
from ..queue import dry_run
from ..queue.dry_run_report import Report
from . import people
from .job_preview import JobPreview
from .way_back import way_back


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table: what is counted, how many, and some of them."""

    label: str
    number: str
    examples: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """What the template of the dry run shows."""

    run: DryRun | None
    report: Report | None
    #: whether the words, the files or the audience are others by now
    outdated: bool
    may_ask: bool

    @property
    def is_made(self) -> bool:
        """Whether it has ended, well or not."""
        return self.run is not None and is_made(self.run)

    @property
    def progress(self) -> str:
        """How far it is, in words."""
        if self.run is None or self.is_made:
            return ""
        if self.run.state == DryRunState.WANTED or not self.run.done:
            return _("The dry run begins within a minute.")
        done = people.number(self.run.done)
        if self.run.expected is None:
            return _("The dry run is being made: %(done)s recipients looked at.") % {"done": done}
        return _("The dry run is being made: %(done)s of about %(expected)s recipients looked at.") % {
            "done": done,
            "expected": people.number(self.run.expected),
        }

    @property
    def rows(self) -> list[Row]:
        """Everybody of the audience, by what would become of their mail."""
        return list(_rows(self.report)) if self.report else []

    @property
    def missing(self) -> list[Row]:
        """The merge values that somebody lacks."""
        found = self.report.missing if self.report else ()
        return [Row(value.name, people.number(value.count), value.examples) for value in found]


def is_made(run: DryRun) -> bool:
    """Whether the dry run has ended, well or not."""
    return run.state in (DryRunState.DONE, DryRunState.FAILED)


def _rows(report: Report) -> Iterator[Row]:
    yield Row(_("Would get it"), people.number(report.to_send))
    yield Row(_("Named more than once"), people.number(report.duplicates), report.duplicate_examples)
    for label, count, examples in (
        (_("Not a valid address"), report.invalid, report.invalid_examples),
        (_("Get no such mail"), report.suppressed, report.suppressed_examples),
        (_("The mail could not be made for them"), report.failed, report.failed_examples),
    ):
        yield Row(label, people.number(count), [f"{example.recipient}: {example.reason}" for example in examples])
    yield Row(_("In all"), people.number(report.recipients))


class JobDryRun(JobPreview):
    """The button that asks for a dry run, and its result."""

    def get_urls(self) -> list[Any]:
        return [self.desk_path("dry-run/", self.ask_for_dry_run, "dry_run"), *super().get_urls()]

    def looking_context(self, request: HttpRequest, job: MessageJob) -> dict[str, Any]:
        return {**super().looking_context(request, job), "dry_run": self.dry_run_panel(request, job)}

    def dry_run_context(self, request: HttpRequest, job: MessageJob) -> dict[str, Any]:
        return {
            **super().dry_run_context(request, job),
            "dry_run": self.dry_run_panel(request, job),
            "preview": {"key": str(job.pk)},
            "here": self.desk_url("change", job.pk),
        }

    def dry_run_panel(self, request: HttpRequest, job: MessageJob) -> Panel:
        """The dry run of the job as it stands."""
        run = DryRun.objects.filter(job=job).first()
        return Panel(
            run=run,
            report=dry_run.report_of(run) if run else None,
            # While it is being made the page is polled, and this reads all the words and files.
            outdated=run is not None and is_made(run) and dry_run.is_outdated(run, job),
            may_ask=job.status in dry_run.POSSIBLE and self.has_stop_permission(request, job),
        )

    def ask_for_dry_run(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The button. Whoever may write or send may ask."""
        job = self.job_or_404(request, object_id)
        if not self.has_stop_permission(request, job):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            dry_run.request(job.pk, by=request.user.get_username(), fingerprint=dry_run.fingerprint(job))
        except WrongState:
            text = _("A dry run is for mail that is not being sent yet.")
            self.message_user(request, text, messages.ERROR)
        else:
            self.log_change(request, job, _("Asked for a dry run."))
            text = _("The dry run is made in the background; nothing is sent. Come back to this page in a minute.")
            self.message_user(request, text, messages.SUCCESS)
        return HttpResponseRedirect(f"{way_back(request, self.desk_url('change', job.pk))}#dry-run-{job.pk}")
