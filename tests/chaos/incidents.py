"""Which incidents are still open once it is quiet, and whether they have to be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from redemption.models import Alert, Incident, IncidentCase, RedemptionOrder
from redemption.states import IncidentKind, TransactionStatus
from tests.chaos.checks import Finding, Run

MOST_OF_THOUSAND = 5  # cases that are open though nothing has to wait for them, in 1,000 orders
WITHOUT_NEED = "open without need: "


def counted(run: Run) -> Counter[str]:
    """How many cases of incidents are open: due ones, the others by kind. And how many cases,
    incidents and alerts there were at all.

    Due is a case whose transaction waits for a review, or whose order stands otherwise in the
    partner's ledger. Cases are counted and not incidents, of which many cases make one.
    """
    differing = {each.subject for each in run.house.violations()}
    counts = Counter[str]()
    for case in IncidentCase.objects.unended().select_related("incident", "order", "transaction"):
        due = _is_due(case, differing)
        counts["open and due" if due else f"{WITHOUT_NEED}{case.incident.kind}"] += 1
    for incident in Incident.objects.unresolved().filter(cases=None):
        counts[f"{WITHOUT_NEED}{incident.kind}"] += 1
    counts["cases of incidents"] = IncidentCase.objects.count()
    counts["incidents"] = Incident.objects.count()
    counts["alerts"] = Alert.objects.count()
    return +counts


def _is_due(case: IncidentCase, differing: set[str]) -> bool:
    points = case.transaction
    if points is not None and points.status == TransactionStatus.NEEDS_REVIEW:
        return True
    return case.order is not None and case.order.order_number in differing


def others(counts: Counter[str]) -> int:
    """How many of them are open without need."""
    return sum(number for name, number in counts.items() if name.startswith(WITHOUT_NEED))


def left_open(counts: Counter[str], orders: int) -> Iterator[Finding]:
    """Too many that nothing waits for; a single one may be the first of many orders."""
    number = others(counts)
    if number > max(1, orders * MOST_OF_THOUSAND // 1_000):
        kinds = ", ".join(name for name in counts if name.startswith(WITHOUT_NEED))
        yield Finding("INCIDENTS", "open", f"{number} in {orders} orders ({kinds})")


def marks() -> Iterator[Finding]:
    """An order is marked for a person while, and only while, a case of it is open."""
    for case in IncidentCase.objects.unended().exclude(order=None).select_related("order"):
        if not case.order.needs_attention and case.incident.kind not in _WITHOUT_A_MARK:
            yield Finding("MARK", case.order.order_number, f"is not marked: {case.what}")
    needed = IncidentCase.objects.unended().exclude(order=None).values("order")
    for order in RedemptionOrder.objects.filter(needs_attention=True).exclude(pk__in=needed):
        yield Finding(
            "MARK", order.order_number, f"is marked for nothing: {order.attention_reason}"
        )


_WITHOUT_A_MARK = {
    IncidentKind.POISON_ROW,
    IncidentKind.PUZZLING_CALLBACK,
    IncidentKind.RECONCILIATION,
}
