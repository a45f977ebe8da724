"""Exports of tables: at once while they are small, else as a job."""

from collections.abc import Iterator, Mapping

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from loyalty_portal.audit.models import TrailKind
from loyalty_portal.audit.services import record
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.replica import reported
from loyalty_portal.data.tables.exports import FORMATS
from loyalty_portal.data.tables.tables import ReportTable
from loyalty_portal.jobs.files import append, made_file
from loyalty_portal.jobs.kinds import JobRefusedError, Kind, Step
from loyalty_portal.jobs.models import Job
from redemption.analytics.forms import ReportForm
from redemption.analytics.questions import Question
from redemption.analytics.reports.registry import REPORTS, ReportKind
from redemption.permissions import may_see_reports

MOST_AT_ONCE = 1_000  # rows of a table that a request exports
JOB_KIND = "reports.export"


def find_table(report: ReportKind, question: Question, key: str) -> ReportTable | None:
    """The table with this key, with as many rows as the question allows; None without one."""
    tables = report.answer(question).tables
    return next((table for table in tables if table.key == key), None)


def fixed(question: Question) -> dict[str, str]:
    """The parameters that ask the same on a later day: with days instead of "last month"."""
    days = {"since": question.span.first.isoformat(), "until": question.span.last.isoformat()}
    return {**question.asked, "period": "own", **days}


def file_name(report: str, question: Question, form: str) -> str:
    return f"{report}-{question.span.first:%Y-%m-%d}-{question.span.last:%Y-%m-%d}.{form}"


def note_export(*, report: str, table: str, form: str, asked: Mapping[str, str], by: Actor) -> None:
    """Record in the trail who exported what."""
    facts = {"table": table, "format": form, "asked": dict(asked)}
    record(TrailKind.EXPORTED, by=by, what=str(REPORTS[report].title), facts=facts)


def _export(job: Job) -> Iterator[Step]:
    """Write the file. It is one slice, since a report is answered as a whole."""
    if job.state.get("written"):
        return
    asked = job.parameters
    report = REPORTS[asked["report"]]
    form = ReportForm(report, asked["asked"], now=timezone.now())
    if not form.is_valid():
        raise JobRefusedError(_("What the report was narrowed to does not exist any more."))
    if job.person is None or not may_see_reports(Actor.person(job.person)):
        raise JobRefusedError(_("You may no longer see reports."))
    question = form.question().in_full()
    read = reported(lambda: find_table(report, question, asked["table"]), since=job.created_at)
    table = read.found
    if table is None:
        raise JobRefusedError(_("This report has no such table."))
    content_type, write = FORMATS[asked["format"]]
    name = file_name(report.name, question, asked["format"])
    append(made_file(job=job, name=name, content_type=content_type), write(table))
    rows = len(table.rows)
    yield Step({"written": True}, done=rows, total=rows)


EXPORT = Kind(gettext_lazy("Export of a report"), "redemption.view_reports", _export)
