"""What is done to a job from the admin: pause, resume, cancel, another time, send to the rest, try again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ..causes import Cause
from ..exceptions import WrongState
from ..models import JobStatus, MessageJob
from ..queue.missed import RETRYABLE, anybody_missed
from ..queue.reopen import REST
from . import moments, people
from .acts import ACTS, CANCEL, PAUSE, RESUME, SEND_TO_REST, Act, Effect, Wish, retry, why_not
from .confirm import CONFIRMED, confirmation_page
from .desk import DeskAdmin
from .way_back import way_back
from .when import WhenForm, initially

#: jobs that one action of the list is about at most
MOST_JOBS = 100


@dataclass(frozen=True, slots=True)
class Link:
    """A way to the page of an act."""

    label: str
    url: str
    main: bool = False


class JobActs(DeskAdmin):
    """The actions and buttons that change the state of jobs: GET shows what it means, POST does it."""

    def get_urls(self) -> list[Any]:
        pages = [self.desk_path(f"{act.name}/", partial(self.act_page, act=act), act.name) for act in ACTS]
        return [*pages, self.desk_path("retry/<int:cause>/", self.retry_page, "retry"), *super().get_urls()]

    def desk_context(self, request: HttpRequest, job: MessageJob) -> dict[str, Any]:
        return {**super().desk_context(request, job), **self.acts_context(request, job)}

    def acts_context(self, request: HttpRequest, job: MessageJob) -> dict[str, Any]:
        return {**super().acts_context(request, job), "acts": self._links(request, job)}

    def act_page(self, request: HttpRequest, object_id: str, act: Act) -> HttpResponse:
        """Shows what the act would mean for how many people, and does it when the button of that page is pressed."""
        job = self.job_or_404(request, object_id)
        self._check_permission(request, job, act)
        form = None
        if act.asks_when:
            form = WhenForm(request.POST) if request.method == "POST" else WhenForm(initial=initially(job.scheduled_at))
        if request.method == "POST" and (form is None or form.is_valid()):
            self._act(request, job, act, Wish(request.user.get_username(), form.at if form else None))
            return HttpResponseRedirect(self._back(request, job))
        effect = act.effect(job)
        if not act.possible(job):
            effect = replace(effect, obstacle=why_not(job))
        return confirmation_page(
            request, self, act, effect, subjects=[str(job)], back=self._back(request, job), form=form
        )

    def retry_page(self, request: HttpRequest, object_id: str, cause: int) -> HttpResponse:
        """The same for those who did not get it for one reason."""
        if cause not in RETRYABLE:
            raise Http404
        return self.act_page(request, object_id, retry(Cause(cause)))

    @admin.action(description=gettext_lazy("Pause the selected jobs"), permissions=["stop"])
    def pause(self, request: HttpRequest, queryset: QuerySet[MessageJob]) -> HttpResponseBase | None:
        """Stops expanding and sending."""
        return self._act_on_several(request, queryset, PAUSE)

    @admin.action(description=gettext_lazy("Resume the selected jobs"), permissions=["send"])
    def resume(self, request: HttpRequest, queryset: QuerySet[MessageJob]) -> HttpResponseBase | None:
        """Goes on with paused jobs."""
        return self._act_on_several(request, queryset, RESUME)

    @admin.action(description=gettext_lazy("Cancel the selected jobs"), permissions=["stop"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[MessageJob]) -> HttpResponseBase | None:
        """Ends jobs."""
        return self._act_on_several(request, queryset, CANCEL)

    def _check_permission(self, request: HttpRequest, job: MessageJob, act: Act) -> None:
        if not self._may(request, job, act):
            raise PermissionDenied

    def _may(self, request: HttpRequest, job: MessageJob, act: Act) -> bool:
        return self.has_send_permission(request) if act.sends else self.has_stop_permission(request, job)

    def _back(self, request: HttpRequest, job: MessageJob) -> str:
        return way_back(request, self.desk_url("change", job.pk))

    def _act(self, request: HttpRequest, job: MessageJob, act: Act, wish: Wish) -> None:
        """Do it, and say what became of it."""
        effect = act.effect(job)
        try:
            if not act.possible(job):
                raise WrongState
            if effect.obstacle:
                self.message_user(request, f"{job}: {effect.obstacle}", messages.WARNING)
                return
            act.run(job, wish)
        except WrongState:
            now = MessageJob.objects.without_words().filter(pk=job.pk).first()
            self.message_user(request, f"{job}: {why_not(now)}", messages.ERROR)
            return
        told = effect.who
        if act.asks_when:
            told = moments.in_words(wish.at) if wish.at else _("at once")
        done = f"{act.done}: {told}"
        self.log_change(request, job, done)
        self.message_user(request, f"{job}: {done}", messages.SUCCESS)

    # --- the links on the page of a job -------------------------------------------------------------------------------

    def _links(self, request: HttpRequest, job: MessageJob) -> list[Link]:
        found = []
        if job.status == JobStatus.DRAFT and self.has_send_permission(request):
            found.append(Link(_("Send…"), f"{self.desk_url('send')}?job={job.pk}", main=True))
        offered = [act for act in ACTS if act.possible(job) and self._may(request, job, act)]
        if SEND_TO_REST in offered and not _anybody_left(job):
            offered.remove(SEND_TO_REST)
        found += [Link(f"{act.label}…", self.desk_url(act.name, job.pk)) for act in offered]
        return found

    # --- several jobs at once -----------------------------------------------------------------------------------------

    def _act_on_several(
        self, request: HttpRequest, queryset: QuerySet[MessageJob], act: Act
    ) -> HttpResponseBase | None:
        jobs = list(queryset[: MOST_JOBS + 1])
        if len(jobs) > MOST_JOBS:
            text = _("Choose at most %(limit)d at a time.") % {"limit": MOST_JOBS}
            self.message_user(request, text, messages.ERROR)
            return None
        if CONFIRMED in request.POST:
            for job in jobs:
                self._act(request, job, act, Wish(request.user.get_username()))
            return None
        possible = [job for job in jobs if act.possible(job)]
        return confirmation_page(
            request,
            self,
            act,
            _effect_on_several(act, possible, len(jobs)),
            subjects=[str(job) for job in possible],
            back=request.get_full_path(),
            action=act.name,
            selected=[job.pk for job in possible],
        )


def _anybody_left(job: MessageJob) -> bool:
    """Whether there may be somebody to send the rest to."""
    unread = job.expanded_at is None and job.status == JobStatus.CANCELLED
    return unread or (job.failed + job.cancelled > 0 and anybody_missed(job.pk, REST))


def _effect_on_several(act: Act, jobs: Sequence[MessageJob], chosen: int) -> Effect:
    if not jobs:
        return Effect(who=people.people(0), sentences=[], obstacle=_("Nothing that was chosen is in a state for this."))
    known = [job for job in jobs if job.expanded_at is not None]
    who = people.people(sum(max(0, job.waiting + job.deferred) for job in known))
    mails = ngettext("It is done to %(count)d mail", "It is done to %(count)d mails", len(jobs)) % {"count": len(jobs)}
    sentences = [_("%(mails)s, for which %(people)s are waiting.") % {"mails": mails, "people": who}]
    if len(known) < len(jobs):
        text = ngettext(
            "Of %(count)d mail among them nobody has counted the recipients yet.",
            "Of %(count)d mails among them nobody has counted the recipients yet.",
            len(jobs) - len(known),
        )
        sentences.append(text % {"count": len(jobs) - len(known)})
    if len(jobs) < chosen:
        text = ngettext(
            "%(count)d other mail is not in a state for this and stays as it is.",
            "%(count)d other mails are not in a state for this and stay as they are.",
            chosen - len(jobs),
        )
        sentences.append(text % {"count": chosen - len(jobs)})
    return Effect(who=who, sentences=sentences)
