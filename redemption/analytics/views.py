"""The pages of reports in the back office."""

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from accounts.models import programme_zone
from loyalty_portal.admin_site.refusals import RefusedError
from loyalty_portal.admin_site.verbs import actor_of
from loyalty_portal.data.replica import reported
from loyalty_portal.data.tables.drawing import shown_table
from loyalty_portal.data.tables.exports import FORMATS
from loyalty_portal.http.responses import attachment
from loyalty_portal.jobs.admin import begun
from loyalty_portal.jobs.services import start_job
from redemption.analytics.exporting import (
    JOB_KIND,
    MOST_AT_ONCE,
    file_name,
    find_table,
    fixed,
    note_export,
)
from redemption.analytics.forms import ReportForm
from redemption.analytics.questions import Question
from redemption.analytics.reports.registry import REPORTS, ReportKind
from redemption.analytics.schedules import (
    ScheduleRefusedError,
    report_address,
    resume,
    schedule_report,
    schedules_of,
    unschedule,
)
from redemption.analytics.selectors import counted_until
from redemption.models import Cadence, ReportSchedule
from redemption.permissions import may_see_reports

View = Callable[..., HttpResponse]


class ScheduleForm(forms.Form):
    """When a report is to be sent."""

    cadence = forms.ChoiceField(label=gettext_lazy("How often"), choices=Cadence.choices)
    hour = forms.TypedChoiceField(
        label=gettext_lazy("Hour"),
        choices=[(hour, f"{hour:02}:00 {programme_zone()}") for hour in range(24)],
        initial=8,
        coerce=int,
    )


def _for_readers(view: View) -> View:
    """Refuse whoever may not see reports."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not may_see_reports(actor_of(request)):
            raise RefusedError("redemption.view_reports")
        return view(request, *args, **kwargs)

    return guarded


@_for_readers
@require_safe
def list_reports(request: HttpRequest) -> HttpResponse:
    """All reports, and those that the person gets by e-mail."""
    mine = schedules_of(actor_of(request))
    context = {
        "title": _("Reports"),
        "reports": REPORTS.values(),
        "schedules": [
            (each, REPORTS[each.report].title, report_address(each))
            for each in mine
            if each.report in REPORTS
        ],
        "zone": programme_zone(),
    }
    return _page(request, "admin/reports/list.html", context)


@_for_readers
@require_safe
def show_report(request: HttpRequest, name: str) -> HttpResponse:
    """Show a report for the question in the address; sentences beside fields that are wrong."""
    report = _report(name)
    form = ReportForm(report, request.GET.dict(), now=timezone.now())
    if not form.is_valid():
        return _page(request, "admin/reports/report.html", _frame(report, form), status=422)
    question = form.question()
    read = reported(lambda: (report.answer(question), counted_until()))
    answer, until = read.found
    query = urlencode(question.asked)
    context = {
        **_frame(report, form),
        "question": question,
        "before": question.span.before(),
        "tiles": answer.tiles,
        "tables": [shown_table(table, question.asked) for table in answer.tables],
        "formats": list(FORMATS),
        "query": query,
        "without_seat": urlencode({k: v for k, v in question.asked.items() if k != "seat"}),
        "schedule_form": ScheduleForm(auto_id="schedule-%s"),
        "own_period": question.asked.get("period") == "own",
        "counted_until": until,
        "as_of": read.as_of,
    }
    return _page(request, "admin/reports/report.html", context)


@_for_readers
@require_POST
def export_report(request: HttpRequest, name: str, table: str, form: str) -> HttpResponse:
    """Send a table as a file. A large one is written by a job, whose page follows (303)."""
    report, question = _asked(request, name)
    if form not in FORMATS:
        raise Http404
    found = find_table(report, replace(question, most=MOST_AT_ONCE), table)
    if found is None:
        raise Http404
    actor = actor_of(request)
    asked = fixed(question)
    note_export(report=name, table=table, form=form, asked=asked, by=actor)
    if found.left_out:
        parameters = {"report": name, "table": table, "format": form, "asked": asked}
        return begun(start_job(kind=JOB_KIND, parameters=parameters, by=actor))
    content_type, write = FORMATS[form]
    return attachment(write(found), content_type, file_name(name, question, form))


@_for_readers
@require_POST
def schedule(request: HttpRequest, name: str) -> HttpResponse:
    """Have the report of the address sent by e-mail."""
    report, question = _asked(request, name)
    form = ScheduleForm(request.POST)
    there = HttpResponseRedirect(_address(report, question), status=303)
    if not form.is_valid() or question.asked.get("period") == "own":
        messages.error(request, _("Choose how often, and a time such as “last 30 days”."))
        return there
    try:
        row = schedule_report(
            report=name, asked=question.asked, by=actor_of(request), **form.cleaned_data
        )
    except ScheduleRefusedError as error:
        messages.error(request, str(error))
        return there
    told = _("You get a link to it %(when)s at %(clock)s (%(zone)s).")
    facts = {"when": row.get_cadence_display(), "clock": row.clock, "zone": programme_zone()}
    messages.success(request, told % facts)
    return there


@_for_readers
@require_POST
def change_schedule(request: HttpRequest, key: UUID, verb: str) -> HttpResponse:
    """Take one's own schedule out, or start it again."""
    acts = {"remove": unschedule, "resume": resume}
    if verb not in acts:
        raise Http404
    actor = actor_of(request)
    row = get_object_or_404(schedules_of(actor), pk=key)
    acts[verb](schedule=row, by=actor)
    told = {"remove": _("It is not sent any more."), "resume": _("It is sent again.")}
    messages.success(request, told[verb])
    return HttpResponseRedirect(reverse("admin:redemption_reports"), status=303)


def _report(name: str) -> ReportKind:
    if name not in REPORTS:
        raise Http404
    return REPORTS[name]


def _asked(request: HttpRequest, name: str) -> tuple[ReportKind, Question]:
    """The report and the question of the address. Raises 404 when the address is not valid."""
    report = _report(name)
    form = ReportForm(report, request.GET.dict(), now=timezone.now())
    if not form.is_valid():
        raise Http404
    return report, form.question()


def _frame(report: ReportKind, form: ReportForm) -> dict[str, Any]:
    return {"title": report.title, "report": report, "form": form, "zone": programme_zone()}


def _address(report: ReportKind, question: Question) -> str:
    there = reverse("admin:redemption_report", args=[report.name])
    return f"{there}?{urlencode(question.asked)}"


def _page(
    request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200
) -> TemplateResponse:
    request.current_app = admin.site.name
    stopped = ReportSchedule.objects.filter(
        owner=actor_of(request).user_id, stopped_at__isnull=False
    )
    every = {**admin.site.each_context(request), **context, "stopped": list(stopped)}
    return TemplateResponse(request, template, every, status=status)
