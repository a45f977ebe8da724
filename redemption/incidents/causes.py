"""Causes that come and go by themselves: stock that drifts, answers that arrive after all."""

from django.db.models import Exists, OuterRef, Q, QuerySet, UUIDField
from django.db.models.fields.json import KT
from django.db.models.functions import Cast
from django.utils.translation import gettext as _

from redemption.incidents.services import raise_incident, settle_incident
from redemption.models import Alert, AlertAction, Incident, OrderItem, RunOutcome
from redemption.reports.invariants import check_stock
from redemption.states import SETTLED_LINE, IncidentKind, TransactionStatus

_KNOWN = (TransactionStatus.SUCCEEDED, TransactionStatus.REFUSED)
_WAITS_FOR_AN_ANSWER = (
    IncidentKind.HORIZON,
    IncidentKind.CREDIT_REFUSED,
    IncidentKind.CREDIT_LATE,
)


def settle_gone() -> int:
    """Resolve the incidents whose cause went away by itself; how many there were."""
    gone = [
        (_moved_on(), _("The order has moved on.")),
        (_answered(), _("The outcome is known now.")),
        (_delivered_after_all(), _("The line is settled now.")),
    ]
    settled = sum(
        settle_incident(key=key, why=why)
        for incidents, why in gone
        for key in incidents.values_list("key", flat=True)
    )
    _end_shared_alerts()
    return settled


def _end_shared_alerts() -> None:
    """The alert about a comparison ends once all that it found is over, whoever ended the last."""
    of_the_run = Alert.objects.filter(run=OuterRef("run"))
    begun = Alert.objects.filter(run__isnull=False, action=AlertAction.TRIGGER)
    over = begun.exclude(run__outcome=RunOutcome.RUNNING).filter(
        ~Exists(of_the_run.filter(action=AlertAction.RESOLVE)),
        ~Exists(Incident.objects.unresolved().filter(run=OuterRef("run"))),
    )
    ends = [
        Alert(run_id=run, action=AlertAction.RESOLVE) for run in over.values_list("run", flat=True)
    ]
    Alert.objects.bulk_create(ends, ignore_conflicts=True)


def _moved_on() -> QuerySet[Incident]:
    stuck = Incident.objects.unresolved().filter(kind=IncidentKind.STUCK_ORDER)
    return stuck.exclude(order__status=KT("facts__status"))


def _answered() -> QuerySet[Incident]:
    waiting = Incident.objects.unresolved().filter(kind__in=_WAITS_FOR_AN_ANSWER)
    return waiting.filter(transaction__status__in=_KNOWN)


def _delivered_after_all() -> QuerySet[Incident]:
    settled = OrderItem.objects.filter(fulfillment_status__in=SETTLED_LINE).values("pk")
    lines = Incident.objects.unresolved().filter(kind=IncidentKind.HORIZON, facts__has_key="line")
    return lines.alias(line=Cast(KT("facts__line"), UUIDField())).filter(line__in=settled)


def watch_stock() -> int:
    """Raise an incident for each product whose stock does not add up; how many there are.

    Those that add up again are resolved. Reads all movements: for the clock, not for each look.
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
    over = Incident.objects.unresolved().filter(
        ~Q(key__in=[_drift(sku) for sku in drifted]), kind=IncidentKind.STOCK_DRIFT
    )
    for key in over.values_list("key", flat=True):
        settle_incident(key=key, why=_("The stock adds up again."))
    return len(drifted)


def _drift(sku: str) -> str:
    return f"stock-drift:{sku}"
