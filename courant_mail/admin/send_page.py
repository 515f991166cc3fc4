"""The one page before sending: what would leave, to how many, looked at and tried out; then its button sends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from .. import sources
from ..conf import get_settings
from ..engine.specimen import compiled
from ..exceptions import CourantMailError, WordsChanged, WrongState
from ..models import JobStatus, MessageJob
from ..queue import audience, control, drafts
from ..queue.dry_run import fingerprint
from . import moments, people
from .job_preview import JobPreview
from .progress import STATUSES
from .way_back import BACK, way_back
from .when import WhenForm, initially

#: drafts on one page at most
MOST = 20
JOB, DISCARD = "job", "discard"


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A draft that would be sent. `seen` says what it is that the user sees; where there is an obstacle it stays."""

    job: MessageJob
    recipients: int | None
    seen: str
    #: what the templates of its parts need
    parts: dict[str, Any]
    obstacle: str = ""

    @property
    def key(self) -> str:
        """The number of the job as the names of a page have it, in no language."""
        return str(self.job.pk)

    @property
    def audience(self) -> str:
        """Who gets it, in words."""
        return people.about(self.recipients)


class SendPage(JobPreview):
    """The page for one or several drafts; a GET may be repeated, a POST sends each of them once."""

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.send_page)
        return [path("send/", view, name="courant_mail_messagejob_send"), *super().get_urls()]

    @admin.action(description=gettext_lazy("Send the selected drafts"), permissions=["send"])
    def send(self, request: HttpRequest, queryset: QuerySet[MessageJob]) -> HttpResponseBase | None:
        """Leads to the page before sending."""
        chosen = list(queryset.filter(status=JobStatus.DRAFT).values_list("pk", flat=True)[: MOST + 1])
        if len(chosen) > MOST:
            text = _("Choose at most %(limit)d at a time.") % {"limit": MOST}
            self.message_user(request, text, messages.ERROR)
            return None
        if not chosen:
            self.message_user(request, _("None of the selected jobs is a draft."), messages.WARNING)
            return None
        return HttpResponseRedirect(send_url(self.admin_site, chosen, back=request.get_full_path()))

    def send_page(self, request: HttpRequest) -> HttpResponse:
        """Shows the drafts that the address names; sends them, or throws them away, when a button was pressed."""
        if not self.has_send_permission(request):
            raise PermissionDenied
        jobs = self._named_jobs(request)
        form = WhenForm(request.POST) if request.method == "POST" else WhenForm(initial=_time_of(jobs))
        if request.method == "POST" and DISCARD in request.POST:
            return self._discard(request, jobs)
        if request.method == "POST" and form.is_valid():
            return self._send(request, jobs, form.at)
        return self._page(request, jobs, form)

    def _named_jobs(self, request: HttpRequest) -> list[MessageJob]:
        """Those of the jobs that are there, in the order of their names. Raises Http404 where none is."""
        named = request.POST.getlist(JOB) or request.GET.getlist(JOB)
        keys = list(dict.fromkeys(int(text) for text in named if text.isascii() and text.isdigit() and len(text) < 19))
        found = MessageJob.objects.in_bulk(keys[:MOST])
        jobs = [found[key] for key in keys if key in found]
        if not jobs:
            raise Http404
        if not all(self.has_look_permission(request, job) for job in jobs):
            raise PermissionDenied
        return jobs

    def _page(self, request: HttpRequest, jobs: Sequence[MessageJob], form: WhenForm) -> TemplateResponse:
        candidates = [self._candidate(request, job) for job in jobs if self.is_draft(job)]
        ready = [candidate for candidate in candidates if not candidate.obstacle]
        context = {
            **self.admin_site.each_context(request),
            "title": ngettext("Send this mail?", "Send these mails?", len(jobs)),
            "opts": self.opts,
            "candidates": candidates,
            "ready": ready,
            "gone": [(job, STATUSES[job.status]) for job in jobs if not self.is_draft(job)],
            "total": _total(ready),
            "discardable": all(self._may_discard(request, candidate.job) for candidate in candidates),
            "form": form,
            "back": self._home(request, jobs),
            "may_list": self.has_view_or_change_permission(request),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "courant_mail/admin/job/send.html", context)

    def _candidate(self, request: HttpRequest, job: MessageJob) -> Candidate:
        recipients, obstacle = None, obstacle_to(job)
        try:
            recipients = audience.about(job)
        except CourantMailError as error:
            obstacle = obstacle or str(error)
        return Candidate(
            job=job,
            recipients=recipients,
            seen=fingerprint(job),
            parts=self.looking_context(request, job),
            obstacle=obstacle,
        )

    def _send(self, request: HttpRequest, jobs: Sequence[MessageJob], at: datetime | None) -> HttpResponse:
        staying = [job.pk for job in jobs if not self._send_one(request, job, at)]
        if staying:
            return HttpResponseRedirect(send_url(self.admin_site, staying, back=self._home(request, jobs)))
        return HttpResponseRedirect(self._home(request, jobs))

    def _send_one(self, request: HttpRequest, job: MessageJob, at: datetime | None) -> bool:
        """Queue one draft and say so. False where it is still to be decided about."""
        subject = str(job)
        obstacle = obstacle_to(job) if self.is_draft(job) else ""
        if obstacle:
            text = _("“%(subject)s” was not sent: %(reason)s") % {"subject": subject, "reason": obstacle}
            self.message_user(request, text, messages.ERROR)
            return False
        try:
            # Without a word about what was seen nobody has seen anything.
            control.submit(job.pk, at=at, seen=request.POST.get(f"seen-{job.pk}") or "nothing")
        except WordsChanged:
            text = _("“%(subject)s” was not sent: somebody has changed it meanwhile. Look at it again.")
            self.message_user(request, text % {"subject": subject}, messages.WARNING)
            return False
        except WrongState:
            text = _("“%(subject)s” was sent already, or is gone; nothing was done now.") % {"subject": subject}
            self.message_user(request, text, messages.INFO)
            return True
        self._note(request, job, at)
        return True

    def _note(self, request: HttpRequest, job: MessageJob, at: datetime | None) -> None:
        """In the history, and for the user to read, with a link to the page that shows how far it is."""
        link = format_html(' <a href="{}">{}</a>', self.desk_url("change", job.pk), _("See how far it is"))
        if at is None:
            self.log_change(request, job, _("Sent."))
            text = format_html(_("The mail “{}” is queued."), str(job))
        else:
            self.log_change(request, job, _("To be sent at %(moment)s.") % {"moment": moments.in_words(at)})
            text = format_html(_("The mail “{}” will be sent at {}."), str(job), moments.in_words(at))
        self.message_user(request, text + link, messages.SUCCESS)

    def _discard(self, request: HttpRequest, jobs: Sequence[MessageJob]) -> HttpResponse:
        for job in jobs:
            if not self._may_discard(request, job):
                continue
            subject = str(job)
            if drafts.discard(job.pk):
                self.log_deletions(request, [job])  # type: ignore[arg-type]  # it need not be a queryset
                self.message_user(request, _("“%(subject)s” was thrown away.") % {"subject": subject})
        return HttpResponseRedirect(way_back(request, self._list(request)))

    def _may_discard(self, request: HttpRequest, job: MessageJob) -> bool:
        """Drafts that an action has written for this user, who may not be allowed to delete any others."""
        return self.is_draft(job) and drafts.has_draft_key(job) and job.created_by == request.user.get_username()

    def _home(self, request: HttpRequest, jobs: Sequence[MessageJob]) -> str:
        return way_back(request, self.desk_url("change", jobs[0].pk) if len(jobs) == 1 else self._list(request))

    def _list(self, request: HttpRequest) -> str:
        where = "courant_mail_messagejob_changelist" if self.has_view_or_change_permission(request) else "index"
        return reverse(f"admin:{where}", current_app=self.admin_site.name)


def send_url(site: admin.AdminSite, keys: Sequence[int], *, back: str = "") -> str:
    """The address of the page for these drafts. Raises NoReverseMatch where the site has no pages for jobs."""
    query = QueryDict(mutable=True)
    query.setlist(JOB, [str(key) for key in keys])
    if back:
        query[BACK] = back
    return f"{reverse('admin:courant_mail_messagejob_send', current_app=site.name)}?{query.urlencode(safe='/')}"


def obstacle_to(job: MessageJob) -> str:
    """Why the job cannot be sent to anybody; empty where it can."""
    settings = get_settings()
    try:
        settings.relay(job.relay)
        compiled(job, settings)
        if job.source:
            sources.get(job.source)
    except CourantMailError as error:
        return str(error)
    return "" if job.source or job.recipients.strip() else _("Nobody would get it: it has no recipients.")


def _total(candidates: Sequence[Candidate]) -> str:
    """Who gets all of them, in words."""
    numbers = [candidate.recipients for candidate in candidates]
    return people.about(None if None in numbers else sum(number or 0 for number in numbers))


def _time_of(jobs: Sequence[MessageJob]) -> dict[str, Any]:
    """The time that was written into the drafts, where it is one and the same."""
    times = {job.scheduled_at for job in jobs if job.status == JobStatus.DRAFT}
    return initially(times.pop() if len(times) == 1 else None)
