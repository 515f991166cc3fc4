"""The preview of a job, for any of its recipients: what is shown is what would be sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from ..addresses import parse_recipient
from ..compose.preview import Preview, preview
from ..conf import get_settings
from ..engine.specimen import NOBODY, specimen
from ..exceptions import CourantMailError, InvalidAddress
from ..models import JobStatus, MessageJob
from ..queue import audience
from ..queue.audience import Person
from . import people
from .desk import DeskAdmin
from .preview import file_response, preview_response, problem_response

#: what the address of a page says: whose mail is shown, and whether with the pictures from the web
FOR, PICTURES = "for", "pictures"

_SUGGESTED = 10


@dataclass(frozen=True, slots=True)
class Chosen:
    """Whose mail is shown: what was typed, who that is, and what there is to say about it."""

    typed: str
    person: Person
    remark: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """What the template of the preview shows. Without `mail` there is only the `problem`."""

    job: MessageJob
    chosen: Chosen
    pictures: bool
    suggestions: list[str]
    #: what else the address of the page holds, for the form that changes this part of it
    kept: list[tuple[str, str]]
    query: str
    mail: Preview | None = None
    problem: str = ""

    @property
    def is_draft(self) -> bool:
        """Whether somebody may be writing it at this moment."""
        return self.job.status == JobStatus.DRAFT

    @property
    def key(self) -> str:
        """The number of the job as the addresses and names of a page have it, in no language."""
        return str(self.job.pk)


class JobPreview(DeskAdmin):
    """The pages that show the mail of a job before it leaves, and after."""

    def get_urls(self) -> list[Any]:
        return [
            self.desk_path("preview/", self.preview_page, "preview"),
            self.desk_path("preview/html/", self.preview_html, "preview_html"),
            self.desk_path("preview/mail.eml", self.preview_file, "preview_file"),
            *super().get_urls(),
        ]

    def desk_context(self, request: HttpRequest, job: MessageJob) -> dict[str, Any]:
        return {**super().desk_context(request, job), **self.looking_context(request, job)}

    def looking_context(self, request: HttpRequest, job: MessageJob) -> dict[str, Any]:
        """What there is to see of a mail before it is sent; also for the pages that are not the job's own."""
        return {"preview": preview_panel(request, job), "here": request.get_full_path()}

    def preview_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The mail of a job on a page of its own."""
        job = self.job_or_404(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            **self.looking_context(request, job),
            "job": job,
            "may_list": self.has_view_or_change_permission(request),
            "title": _("What the mail looks like"),
            "subtitle": str(job),
            "opts": self.opts,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "courant_mail/admin/job/preview.html", context)

    def preview_html(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The HTML part, for a sandboxed frame."""
        job = self.job_or_404(request, object_id)
        try:
            shown = preview(finished_mail(job, chosen_person(request, job).person))
        except CourantMailError as error:
            return problem_response(str(error))
        return preview_response(shown.html, pictures=PICTURES in request.GET)

    def preview_file(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The whole mail as a file, which mail programs open."""
        job = self.job_or_404(request, object_id)
        try:
            data = finished_mail(job, chosen_person(request, job).person)
        except CourantMailError as error:
            return problem_response(str(error))
        return file_response(data, f"mail-{job.pk}.eml")


def preview_panel(request: HttpRequest, job: MessageJob) -> Panel:
    """The mail for the person that the address of the page names; where it names nobody, for the first one."""
    suggested, problem = _suggested(job)
    chosen = chosen_person(request, job, suggested)
    pictures = PICTURES in request.GET
    mail = None
    try:
        mail = preview(finished_mail(job, chosen.person))
    except CourantMailError as error:
        problem = str(error)
    return Panel(
        job=job,
        chosen=chosen,
        pictures=pictures,
        suggestions=[person.address for person in suggested],
        kept=[(name, value) for name, value in _pairs(request.GET) if name not in (FOR, PICTURES)],
        query=_query(chosen.person.address, pictures),
        mail=mail,
        problem=problem,
    )


def chosen_person(request: HttpRequest, job: MessageJob, suggested: list[Person] | None = None) -> Chosen:
    """Whom the request names in `for`, with the values that the job has for them; otherwise the first recipient."""
    typed = (request.POST if request.method == "POST" else request.GET).get(FOR, "").strip()
    if not typed:
        first = (_suggested(job)[0] if suggested is None else suggested)[:1]
        return Chosen("", first[0]) if first else Chosen("", NOBODY, _("Nobody is known yet who gets this mail."))
    try:
        address = parse_recipient(typed).address
    except InvalidAddress:
        return Chosen(typed, NOBODY, _("“%(text)s” is not an address.") % {"text": typed})
    try:
        person = audience.find(job, address)
    except CourantMailError as error:
        return Chosen(typed, NOBODY, str(error))
    return Chosen(typed, person) if person else Chosen(typed, Person(address), _not_found(job))


def _not_found(job: MessageJob) -> str:
    if job.source and job.expanded_at is None:
        where = _("This person is not among the first %(count)s recipients.")
    else:
        where = _("This person is not among the recipients of this mail.")
    told = where % {"count": people.number(audience.SEARCHED)}
    shown = _("The mail is shown without anybody’s values.")
    return f"{told} {shown}"


def finished_mail(job: MessageJob, person: Person) -> bytes:
    """The mail for this person, byte for byte. Raises CourantMailError with the reason when it cannot be made."""
    return specimen(job, person, settings=get_settings(), now=local_now())


def local_now() -> datetime:
    """The Date of a mail, in the zone of the site as the senders write it."""
    now = timezone.now()
    return now.astimezone(timezone.get_default_timezone() if timezone.is_aware(now) else None)


def _suggested(job: MessageJob) -> tuple[list[Person], str]:
    """Some who get the mail, and what is wrong where they cannot be read."""
    try:
        return audience.some(job, _SUGGESTED), ""
    except CourantMailError as error:
        return [], str(error)


def _pairs(query: QueryDict) -> Iterable[tuple[str, str]]:
    return ((name, str(value)) for name, values in query.lists() for value in values)


def _query(address: str, pictures: bool) -> str:
    query = QueryDict(mutable=True)
    query[FOR] = address
    if pictures:
        query[PICTURES] = "1"
    return query.urlencode()
