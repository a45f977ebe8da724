"""The cases of an incident on its page: open ones first, then the newest."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import F
from django.utils.safestring import SafeString

from redemption.backoffice.badges import transaction_badge
from redemption.backoffice.selectors import LineRecord, line_records
from redemption.models import Incident, IncidentCase, OrderItem

SHOWN = 10  # cases on one page
_NAMED_ELSEWHERE = {"line", "line was"}  # omitted facts: a line has a page of its own


@dataclass(frozen=True, slots=True)
class CaseShown:
    """A case for display. `facts` are those that do not link to a page."""

    case: IncidentCase
    points_state: SafeString | str
    undecided: bool  # about points; a delivery's own page says it
    delivery: LineRecord | None
    facts: list[tuple[str, Any]]


def cases_page(incident: Incident, number: str) -> Page[IncidentCase]:
    """A page of an incident's cases. An invalid `number` gives the first or last page."""
    cases = incident.cases.select_related("order", "transaction", "ended_by")
    ordered = cases.order_by(F("ended_at").desc(nulls_first=True), "-created_at", "-id")
    return Paginator(ordered, SHOWN).get_page(number)


def shown(cases: Iterable[IncidentCase]) -> list[CaseShown]:
    """Prepare cases for display, in three queries more for any number of cases."""
    rows = list(cases)
    lines = [case.facts["line"] for case in rows if "line" in case.facts]
    named = OrderItem.objects.filter(pk__in=lines)
    found = line_records(named, with_parcels=False) if lines else []
    deliveries = {str(record.item.pk): record for record in found}
    return [_shown(case, deliveries.get(case.facts.get("line", ""))) for case in rows]


def _shown(case: IncidentCase, delivery: LineRecord | None) -> CaseShown:
    points = case.transaction
    open_still = case.ended_at is None
    return CaseShown(
        case=case,
        points_state=transaction_badge(points) if points else "",
        undecided=bool(open_still and points and points.is_undecided),
        delivery=delivery,
        facts=[each for each in case.facts.items() if each[0] not in _NAMED_ELSEWHERE],
    )
