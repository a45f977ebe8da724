"""Reconciliation: an overview by day, every run with its differences, and starting a run."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Count, QuerySet
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.backoffice.finding import company_keys
from catalog.importing.records import RowError
from loyalty_portal.admin_site.base import ActingAdmin, KnownChoice
from loyalty_portal.admin_site.found import Branch, newest_of
from loyalty_portal.admin_site.lists import KeyedDateFilter
from loyalty_portal.admin_site.refusals import RefusedError
from loyalty_portal.admin_site.verbs import Act, actor_of
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.replica import reported, reporting
from loyalty_portal.data.texts.numbers import grouped
from redemption.backoffice.badges import run_badge
from redemption.backoffice.forms import CompareForm, StatementFileForm
from redemption.models import Reconciliation, RunOutcome
from redemption.permissions import may_compare
from redemption.points.reconciliation.selectors import (
    CompanyDays,
    by_company_and_day,
    latest_runs,
    shown_days,
)
from redemption.points.reconciliation.services import ReconciliationError, reconcile, reconcile_file
from redemption.points.reconciliation.statements import StatementFileError
from redemption.states import DifferenceKind

MOST_COMPANIES = 30  # companies in the overview; those with problems come first
MOST_DIFFERENCES = 500  # differences on a run's page


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)


def _moment(at: datetime) -> str:
    """In the zone and the form of whoever looks."""
    return date_format(timezone.localtime(at), "SHORT_DATETIME_FORMAT")


def _with_statement(data: dict[str, Any], by: Actor) -> tuple[list[Reconciliation], int]:
    since = _midnight(data["since"]) if data["since"] else None
    return [reconcile(company=data["company"], since=since, by=by)], 0


def _with_file(data: dict[str, Any], by: Actor) -> tuple[list[Reconciliation], int]:
    sent: UploadedFile[Any] = data["file"]
    # The reader needs a file with a name. Use our own name, never the uploaded one.
    with NamedTemporaryFile() as kept:
        for piece in sent.chunks():
            kept.write(piece)
        kept.flush()
        return reconcile_file(
            path=Path(kept.name),
            company=data["company"],
            since=_midnight(data["since"]),
            until=_midnight(data["last"]) + timedelta(days=1),
            by=by,
        )


_Way = tuple[
    type[Form],
    Callable[[dict[str, Any], Any], tuple[list[Reconciliation], int]],
    Any,
]
WAYS: dict[str, _Way] = {
    "statement": (CompareForm, _with_statement, gettext_lazy("Compare now")),
    "file": (StatementFileForm, _with_file, gettext_lazy("Compare with this file")),
}


def _overview(days: list[date]) -> tuple[list[CompanyDays], int]:
    """The companies of the overview with their days, and how many companies there are."""
    companies = latest_runs().using(reporting())
    return by_company_and_day(companies[:MOST_COMPANIES], days), companies.count()


class ReconciliationAdmin(ActingAdmin[Reconciliation]):
    """Reconciliation runs, below an overview of each company's last days."""

    list_display = [
        "company_shown",
        "outcome_shown",
        "entry_count",
        "differing",
        "started_at",
        "who",
    ]
    list_select_related = ["company", "by"]
    list_filter = ["outcome", "source", ("started_at", KeyedDateFilter)]
    search_fields = ["problem"]
    search_help_text = gettext_lazy("Company or account")
    ordering = ["-id"]  # the time is in the key, which has an index
    list_before_template = "admin/redemption/reconciliation/_days.html"
    page_template = "admin/redemption/reconciliation/reconciliation.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.compare_view)
        return [
            path("compare/", view, name=self._address("compare")),
            path("compare/<slug:how>/", view, name=self._address("compare")),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        days = shown_days()
        read = reported(lambda: _overview(days))
        shown, of = read.found
        context = {
            "days": days,
            "rows": shown,
            "more": max(0, of - len(shown)),
            "as_of": read.as_of,
            "may_compare": may_compare(actor_of(request)),
        }
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def compare_view(self, request: HttpRequest, how: str = "") -> HttpResponse:
        """Start a run from one of two forms, then redirect to the run (303)."""
        if not may_compare(actor_of(request)):
            raise RefusedError("redemption.run_reconciliation")
        if how and how not in WAYS:
            raise Http404
        if not how or request.method != "POST":
            return self._forms(request, {})
        form_class, act, _label = WAYS[how]
        form = form_class(request.POST, request.FILES, auto_id=f"{how}-%s")
        wrong: StatementFileError | None = None
        if form.is_valid():
            try:
                runs, strange = act(form.cleaned_data, actor_of(request))
            except ReconciliationError as error:
                form.add_error(None, str(error))
            except StatementFileError as error:
                wrong = error
                form.add_error("file", str(error))
            else:
                return self._done(request, runs, strange)
        errors = wrong.errors if wrong else []
        more = wrong.wrong - len({error.row for error in errors}) if wrong else 0
        return self._forms(request, {how: form}, errors=errors, more=more, status=422)

    def facts(self, request: HttpRequest, row: Reconciliation) -> dict[str, object]:
        found = row.differences.select_related("order", "transaction", "incident")
        counts = found.order_by().values_list("kind").annotate(Count("pk"))
        return {
            "run": row,
            "state": run_badge(row),
            "differences": found[:MOST_DIFFERENCES],
            "kinds": [(DifferenceKind(kind).label, number) for kind, number in counts],
            "hidden": max(0, row.difference_count - MOST_DIFFERENCES),
            "may_compare": may_compare(actor_of(request)),
        }

    def get_queryset(self, request: HttpRequest) -> QuerySet[Reconciliation]:
        return super().get_queryset(request).select_related("company", "by")

    def found_by(self, term: str) -> Sequence[Branch]:
        rows = Reconciliation.objects.order_by()
        # Without a company the search has a branch all the same, which finds nothing.
        return [rows.none(), *newest_of(rows, "company", company_keys(term), by="-started_at")]

    def _done(
        self, request: HttpRequest, runs: Sequence[Reconciliation], strange: int
    ) -> HttpResponse:
        if strange:
            told = ngettext(
                "%(n)s entry is on an account that no company has.",
                "%(n)s entries are on accounts that no company has.",
                strange,
            )
            messages.warning(request, told % {"n": strange})
        if len(runs) == 1:
            there = reverse(f"admin:{self._address('change')}", args=[runs[0].pk])
        else:
            there = reverse(f"admin:{self._address('changelist')}")
            told = ngettext("%(n)s company compared.", "%(n)s companies compared.", len(runs))
            wrong = sum(run.outcome != RunOutcome.AGREED for run in runs)
            say = messages.warning if wrong else messages.success
            say(request, told % {"n": len(runs)})
        return HttpResponseRedirect(there, status=303)

    def _forms(
        self,
        request: HttpRequest,
        tried: dict[str, Form],
        *,
        errors: Sequence[RowError] = (),
        more: int = 0,
        status: int = 200,
    ) -> TemplateResponse:
        ways = WAYS if settings.LOYALTY_API_STATEMENT else {"file": WAYS["file"]}
        acts = {}
        media = self.media
        for how, (form_class, _act, label) in ways.items():
            form = tried.get(how) or form_class(auto_id=f"{how}-%s")
            self._search_companies(form)
            media += form.media
            href = reverse(f"admin:{self._address('compare')}", args=[how])
            acts[how] = Act(label=label, href=href, form=form, tried=how in tried)
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Compare with the partner"),
            "media": media,
            "acts": acts,
            "errors": errors,
            "more": more,
        }
        return TemplateResponse(
            request, "admin/redemption/reconciliation/compare.html", context, status=status
        )

    def _search_companies(self, form: Form) -> None:
        """Let the company be searched for: a list of thousands has no use, and takes long."""
        field: Any = form.fields["company"]
        source: Any = Reconciliation._meta.get_field("company")
        field.widget = KnownChoice(source, self.admin_site, choices=field.choices)
        field.widget.is_required = field.required

    @admin.display(description=gettext_lazy("company"), ordering="company__name")
    def company_shown(self, run: Reconciliation) -> SafeString:
        return format_html(
            '<span class="two-lines"><b>{}</b><small>{} – {}</small></span>',
            run.company,
            _moment(run.since),
            _moment(run.until),
        )

    @admin.display(description=gettext_lazy("outcome"), ordering="outcome")
    def outcome_shown(self, run: Reconciliation) -> SafeString:
        return run_badge(run)

    @admin.display(description=gettext_lazy("entries"), ordering="entries")
    def entry_count(self, run: Reconciliation) -> SafeString:
        return format_html('<span class="figure">{}</span>', grouped(run.entries))

    @admin.display(description=gettext_lazy("differences"), ordering="difference_count")
    def differing(self, run: Reconciliation) -> SafeString:
        return format_html('<span class="figure">{}</span>', grouped(run.difference_count))

    @admin.display(description=gettext_lazy("who"), ordering="by")
    def who(self, run: Reconciliation) -> str:
        return str(run.by or "–")
