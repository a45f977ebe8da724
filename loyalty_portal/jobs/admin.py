"""The list of jobs and a job's page: how far it is, stop, undo, and the file that it has made."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import content_disposition_header
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from loyalty_portal.admin_site.base import ActingAdmin, badge
from loyalty_portal.admin_site.verbs import Verb, actor_of
from loyalty_portal.celery import nudge
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.leases import LeasedQuerySet
from loyalty_portal.data.texts.numbers import grouped
from loyalty_portal.jobs.files import pieces_of
from loyalty_portal.jobs.kinds import JobRefusedError, kind_of, kinds, title_of
from loyalty_portal.jobs.models import FileRole, Job, JobFile
from loyalty_portal.jobs.permissions import may_act_on, may_fetch, may_open_list, visible
from loyalty_portal.jobs.services import ask_to_stop, files_are_gone, undo_job
from loyalty_portal.jobs.states import JobStatus
from loyalty_portal.jobs.tasks import work_on

_TONES = {
    JobStatus.QUEUED: ("quiet", "schedule"),
    JobStatus.RUNNING: ("live", ""),
    JobStatus.DONE: ("ok", ""),
    JobStatus.STOPPED: ("warn", "stop_circle"),
    JobStatus.FAILED: ("bad", ""),
}
# How long an open page waits until it asks again, by the age of the job, in seconds.
_WAITS = ((15, 1), (60, 3), (600, 10))
_LONGEST_WAIT = 30


def job_page(job: Job) -> str:
    """The address of a job's page."""
    return reverse("admin:jobs_job_change", args=[job.pk])


def begun(job: Job) -> HttpResponse:
    """Have the job worked soon, and redirect to its page: the answer to a form that started it."""
    nudge(work_on, job.pk)
    return HttpResponseRedirect(job_page(job), status=303)


@dataclass(frozen=True, slots=True)
class _JobVerb(Verb[Job]):
    """An action on a job. Each kind has its own permission, so the services check it."""

    def may(self, actor: Actor) -> bool:
        return True


def _stop(job: Job, _data: dict[str, Any], by: Actor) -> str:
    ask_to_stop(job=job, by=by)
    nudge(work_on, job.pk)
    return _("It stops in a moment. What was done so far stays.")


def _undo(job: Job, _data: dict[str, Any], by: Actor) -> str:
    nudge(work_on, undo_job(job=job, by=by).pk)
    return _("It is being undone.")


class MineFilter(admin.SimpleListFilter):
    """Shows the jobs of whoever looks."""

    title = gettext_lazy("whose")
    parameter_name = "whose"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("mine", _("My own"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        return queryset.filter(by=request.user.pk) if self.value() == "mine" else None


class KindFilter(admin.SimpleListFilter):
    """Shows the jobs of one kind."""

    title = gettext_lazy("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, str(kind.title)) for name, kind in kinds().items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        return queryset.filter(kind=self.value()) if self.value() else None


@admin.register(Job)
class JobAdmin(ActingAdmin[Job]):
    """The jobs that a member of staff may see."""

    list_display = ["title", "state", "progress", "who", "created_at", "ended_at"]
    list_display_links = ["title"]
    list_select_related = ["by"]
    list_filter = [MineFilter, KindFilter, "status"]
    page_template = "admin/jobs/job.html"
    refusals = (JobRefusedError,)
    verbs = {
        "stop": _JobVerb(gettext_lazy("Stop"), "", _stop),
        "undo": _JobVerb(gettext_lazy("Undo"), "", _undo),
    }

    def has_view_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        """Whether there is a list for the person; of a job, whether they may see that one."""
        if obj is None:
            return may_open_list(request) or Job.objects.filter(by=request.user.pk).exists()
        return visible(actor_of(request)).filter(pk=obj.pk).exists()

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may_open_list(request)

    def get_queryset(self, request: HttpRequest) -> LeasedQuerySet[Job]:
        return visible(actor_of(request)).select_related("by", "stopped_by", "undo_of")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.file_view)
        return [path("<uuid:object_id>/file/", view, name="jobs_job_file"), *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The page, or only what moves on it when the open page asks again."""
        answer = super().change_view(request, object_id, form_url, extra_context)
        if request.headers.get("HX-Request") and answer.status_code == 200:
            context: dict[str, Any] = getattr(answer, "context_data", {})
            return HttpResponse(render_to_string("admin/jobs/_job.html", context, request))
        return answer

    def facts(self, request: HttpRequest, row: Job) -> dict[str, object]:
        kind, actor = kind_of(row), actor_of(request)
        undone = row.undone_by.order_by("-created_at").first()
        may = may_act_on(actor, row)
        made = row.files.filter(role=FileRole.MADE, pieces__gt=0).first()
        can_undo = bool(kind and kind.undo and row.is_over and row.done)
        spent = undone is not None and undone.status not in {JobStatus.FAILED, JobStatus.STOPPED}
        return {
            "title": title_of(row),
            "original": title_of(row),  # the last part of the path above the page
            "job": row,
            "state": self.state(row),
            "told": kind.tell(row) if kind else (),
            "kind_template": kind.template if kind else "",
            **(kind.facts(row) if kind else {}),
            "wait": _wait(row),
            "undone": undone,
            "file": made if row.is_over and may_fetch(actor, row) else None,
            "may_stop": may and not row.is_over and row.stop_asked_at is None,
            "may_undo": may and can_undo and not spent and not files_are_gone(row),
        }

    def file_view(self, request: HttpRequest, object_id: uuid.UUID) -> StreamingHttpResponse:
        """The file that a job has made, for whoever may have it; 404 for all others."""
        job = self.found(request, str(object_id))
        file = job.files.filter(role=FileRole.MADE, pieces__gt=0).first()
        if file is None or not job.is_over or not may_fetch(actor_of(request), job):
            raise Http404
        return _download(file)

    @admin.display(description=gettext_lazy("what"), ordering="kind")
    def title(self, job: Job) -> str:
        return title_of(job)

    @admin.display(description=gettext_lazy("state"), ordering="status")
    def state(self, job: Job) -> SafeString:
        return status_badge(job)

    @admin.display(description=gettext_lazy("done"), ordering="done")
    def progress(self, job: Job) -> SafeString:
        of = "" if job.total is None else f" / {grouped(job.total)}"
        return format_html('<span class="figure">{}{}</span>', grouped(job.done), of)

    @admin.display(description=gettext_lazy("who"), ordering="by")
    def who(self, job: Job) -> str:
        return str(job.by) if job.by else _("the portal")


def status_badge(job: Job) -> SafeString:
    status = JobStatus(job.status)
    tone, icon = _TONES[status]
    return badge(tone, status.label, icon=icon)


def _wait(job: Job) -> int | None:
    """Seconds until the open page asks again; None when the job is over."""
    if job.is_over:
        return None
    age = (timezone.now() - job.created_at).total_seconds()
    return next((wait for until, wait in _WAITS if age < until), _LONGEST_WAIT)


def _download(file: JobFile) -> StreamingHttpResponse:
    pieces: Iterator[bytes] = pieces_of(file)
    answer = StreamingHttpResponse(pieces, content_type=file.content_type)
    disposition = content_disposition_header(as_attachment=True, filename=file.name)
    answer["Content-Disposition"] = disposition or "attachment"
    answer["Content-Length"] = str(file.size)
    return answer
