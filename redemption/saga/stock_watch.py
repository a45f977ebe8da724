"""Checks on a schedule that all stock adds up."""

from django.utils.translation import gettext as _

from redemption.incidents.services import raise_incident, settle_incident
from redemption.invariants.checks import check_stock
from redemption.models import IncidentCase
from redemption.states import IncidentKind


def watch_stock() -> None:
    """Raise an incident for each product whose stock does not add up.

    Resolves the incidents of those that add up again. Reads all movements, so it runs on a schedule
    and not with a page.
    """
    drifted: dict[str, list[str]] = {}
    for violation in check_stock():
        drifted.setdefault(violation.subject, []).append(violation.figures)
    for sku, figures in drifted.items():
        raise_incident(
            kind=IncidentKind.STOCK_DRIFT,
            key=_drift(sku),
            what=f"{sku}: {'; '.join(figures)}",
            facts={"sku": sku},
        )
    over = (
        IncidentCase.objects.unended()
        .filter(incident__kind=IncidentKind.STOCK_DRIFT)
        .exclude(key__in=[_drift(sku) for sku in drifted])
    )
    for key in over.values_list("key", flat=True):
        settle_incident(key=key, why=_("The stock adds up again."))


def _drift(sku: str) -> str:
    return f"stock-drift:{sku}"
