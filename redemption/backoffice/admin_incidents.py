"""Incidents: what happened, what to do, and the steps from open to resolved."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.backoffice.finding import company_keys
from loyalty_portal.admin_site.base import ActingAdmin
from loyalty_portal.admin_site.found import Branch, newest_of, number_of, with_words
from loyalty_portal.admin_site.verbs import Verb, actor_of
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.texts.kept import retold
from redemption.backoffice.badges import incident_badge, severity_badge
from redemption.backoffice.cases import cases_page, shown
from redemption.backoffice.forms import EvidenceForm
from redemption.backoffice.search.lists import numbered
from redemption.backoffice.stock_check import check_product
from redemption.backoffice.work.views import incidents as incidents_to_do
from redemption.incidents import services
from redemption.incidents.guide import GUIDE
from redemption.incidents.services import IncidentError
from redemption.models import Incident, IncidentCase, IncidentEvent
from redemption.models.incidents import IS_OVER
from redemption.orders.actions import incidents
from redemption.permissions import seen_incidents
from redemption.states import IncidentKind, IncidentStatus

_MAY = "redemption.handle_incident"


def _acknowledge(incident: Incident, data: dict[str, Any], by: Actor) -> str:
    services.acknowledge(incident=incident, by=by)
    return _("It is yours now.")


def _resolve(incident: Incident, data: dict[str, Any], by: Actor) -> str:
    incidents.resolve(incident=incident, by=by, evidence=data["evidence"], cases=data["cases"])
    return _("Resolved.")


def _again(incident: Incident, data: dict[str, Any], by: Actor) -> str:
    incidents.try_again(incident=incident, by=by)
    return _("It is tried again within moments. When it works, this resolves itself.")


class OverFilter(admin.SimpleListFilter):
    """Filters incidents that are not resolved, whatever their status."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        each = [(status.value, str(status.label)) for status in IncidentStatus]
        return [("unresolved", _("Not resolved")), *each]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "unresolved":
            return queryset.exclude(status=IncidentStatus.RESOLVED)
        return queryset.filter(status=self.value()) if self.value() else queryset


class IncidentAdmin(ActingAdmin[Incident]):
    """Incidents. Unresolved ones come first, the most severe on top."""

    list_display = [
        "what_shown", "severity_shown", "status_shown", "age", "open_cases", "times_seen", "who",
    ]  # fmt: skip
    list_select_related = ["order", "acknowledged_by"]
    list_filter = [OverFilter, "severity", "kind", "created_at"]
    search_fields = ["what"]
    search_help_text = gettext_lazy("Order number, SKU, company or words")
    page_template = "admin/redemption/incident.html"
    refusals = (IncidentError,)
    verbs = {
        "acknowledge": Verb(gettext_lazy("I am on it"), _MAY, _acknowledge),
        "again": Verb(gettext_lazy("Try it again"), _MAY, _again),
        "resolve": Verb(gettext_lazy("Resolve"), _MAY, _resolve, EvidenceForm),
    }

    def get_urls(self) -> list[URLPattern]:
        work = self.admin_site.admin_view(incidents_to_do)
        check = self.admin_site.admin_view(check_product)
        return [
            path("work/", work, name="redemption_incident_work"),
            path("stock/<uuid:stock_id>/", check, name=self._address("check_stock")),
            *super().get_urls(),
        ]

    def get_ordering(self, request: HttpRequest) -> list[str | Combinable]:
        """As the index `incident_list` has them."""
        return ["over", "-severity", "-created_at", "-id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Incident]:
        rows = seen_incidents(actor_of(request), Incident.objects.annotate(over=IS_OVER))
        return (
            rows.select_related("company", "run", "acknowledged_by", "resolved_by")
            .annotate(open_now=number_of(IncidentCase.objects.filter(ended_at=None), "incident"))
            .order_by(*self.get_ordering(request))
        )

    def found_by(self, term: str) -> Sequence[Branch]:
        rows, cases = Incident.objects.order_by(), IncidentCase.objects.order_by()
        return [
            with_words(rows, term, "what", "key"),
            (with_words(cases, term, "what", "key"), "incident"),
            (cases.filter(order__in=numbered(term)), "incident"),
            *newest_of(rows, "company", company_keys(term)),
        ]

    def first_values(self, row: Incident) -> dict[str, object]:
        return {"cases": self.open_cases(row)}

    def facts(self, request: HttpRequest, row: Incident) -> dict[str, object]:
        page = cases_page(row, request.GET.get("page", "1"))
        return {
            "incident": row,
            "severity": severity_badge(row),
            "state": incident_badge(row),
            "what_to_do": GUIDE[row.kind].what_to_do,
            "page": page,
            "cases": shown(page),
            "open_cases": self.open_cases(row),
            "waits_for_two": "" if row.is_over else incidents.waits_for_two(row),
            "put_aside": row.kind == IncidentKind.POISON_ROW,
            "alerts": row.run.alerts.all() if row.run else row.alerts.all(),
            "events": [(event, _headline(event)) for event in row.events.select_related("by")],
        }

    @admin.display(description=gettext_lazy("what happened"))
    def what_shown(self, incident: Incident) -> SafeString:
        return format_html(
            '<span class="two-lines"><b>{}</b><small>{}</small></span>',
            incident.get_kind_display(),
            retold(incident.what),
        )

    @admin.display(description=gettext_lazy("severity"))
    def severity_shown(self, incident: Incident) -> SafeString:
        return severity_badge(incident)

    @admin.display(description=gettext_lazy("status"))
    def status_shown(self, incident: Incident) -> SafeString:
        return incident_badge(incident)

    @admin.display(description=gettext_lazy("age"))
    def age(self, incident: Incident) -> SafeString:
        ended = incident.resolved_at
        told = timesince(incident.created_at, ended, depth=1)
        return format_html('<span title="{}">{}</span>', incident.created_at, told)

    @admin.display(description=gettext_lazy("open cases"))
    def open_cases(self, incident: Incident) -> int:
        open_now: int = incident.open_now  # type: ignore[attr-defined]
        return open_now

    @admin.display(description=gettext_lazy("who"))
    def who(self, incident: Incident) -> str:
        return str(incident.acknowledged_by or "–")


def _headline(event: IncidentEvent) -> str:
    if not event.from_status:
        return _("Raised")
    if event.from_status == event.to_status:
        return _("Remark") if event.by_id else _("Seen again")
    return str(IncidentStatus(event.to_status).label)
