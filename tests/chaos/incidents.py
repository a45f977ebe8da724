"""Checks which incidents are still open after a run, and whether they must be."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from fulfillment.models import Fulfillment
from redemption.models import Alert, Difference, Incident, IncidentCase, RedemptionOrder
from redemption.states import IncidentKind, TransactionStatus
from tests.chaos.checks import Finding, Run

MOST_OF_THOUSAND = 5  # allowed number of needlessly open cases in 1,000 orders
WITHOUT_NEED = "open without need: "


def counted(run: Run) -> Counter[str]:
    """Count open cases, split into due ones and others by kind; and all cases, incidents, alerts.

    A case is due when its transaction waits for a review, its order differs from the partner's
    ledger, or the partner's own record of its line cannot be right. Cases are counted instead of
    incidents, because many cases share an incident.
    """
    differing = {each.subject for each in run.house.violations()}
    impossible = _impossible_there(run)
    counts = Counter[str]()
    for case in IncidentCase.objects.unended().select_related("incident", "order", "transaction"):
        if _is_due(case, differing):
            counts["open and due"] += 1
        elif case.facts.get("line") in impossible:
            counts["open and due, as the partner's record of the line is impossible"] += 1
        else:
            counts[f"{WITHOUT_NEED}{case.incident.kind}"] += 1
    for incident in Incident.objects.unresolved().filter(cases=None):
        counts[f"{WITHOUT_NEED}{incident.kind}"] += 1
    for kind in Difference.objects.values_list("kind", flat=True):
        counts[f"differences at night: {kind}"] += 1
    counts["cases of incidents"] = IncidentCase.objects.count()
    counts["incidents"] = Incident.objects.count()
    counts["alerts"] = Alert.objects.count()
    return +counts


def _is_due(case: IncidentCase, differing: set[str]) -> bool:
    points = case.transaction
    if points is not None and points.status == TransactionStatus.NEEDS_REVIEW:
        return True
    if case.facts.get("line") in differing:
        return True
    return case.order is not None and case.order.order_number in differing


def _impossible_there(run: Run) -> set[str]:
    """The lines that the partner has with more codes or fewer than was ordered, or with a code of
    another line. It says so whenever it is asked, so a person must settle them.
    """
    rows = run.house.sandbox.control("GET", "/fulfillments")["fulfillments"]
    codes = {
        row["reference"]: [one.get("code") or one["url"] for one in row["deliverables"] or ()]
        for row in rows
    }
    named = Counter(code for each in codes.values() for code in each)
    impossible = [
        row["reference"]
        for row in rows
        if row["status"] == "delivered"
        and (
            len(codes[row["reference"]]) != row["quantity"]
            or any(named[code] > 1 for code in codes[row["reference"]])
        )
    ]
    parcels = Fulfillment.objects.filter(pk__in=impossible)
    return {str(line) for line in parcels.values_list("reference", flat=True)}


def others(counts: Counter[str]) -> int:
    """The number of needlessly open cases."""
    return sum(number for name, number in counts.items() if name.startswith(WITHOUT_NEED))


def left_open(counts: Counter[str], orders: int) -> Iterator[Finding]:
    """A finding when too many cases are needlessly open. A few are tolerated: MOST_OF_THOUSAND, of
    fewer orders the same share, rounded up. A night of several seeds is judged as a whole, because
    one long lie of the partner leaves several cases in a single seed.
    """
    number = others(counts)
    if number > math.ceil(orders * MOST_OF_THOUSAND / 1_000):
        kinds = ", ".join(name for name in counts if name.startswith(WITHOUT_NEED))
        yield Finding("INCIDENTS", "open", f"{number} in {orders} orders ({kinds})")


def marks() -> Iterator[Finding]:
    """An order must be marked for a person exactly while it has an open case."""
    for case in IncidentCase.objects.unended().exclude(order=None).select_related("order"):
        assert case.order
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
