"""The state of orders, points and work, which the sweeper tells Prometheus
(loyalty_portal/metrics/state.py). Each function is a source of settings.STATE_SOURCES.
"""

from collections.abc import Iterator
from typing import Any

from django.db import connection
from django.db.models import Count, F, Min, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Coalesce, Extract, Now
from django.utils import timezone

from accounts.models import Company
from loyalty_portal.data.leases import DUE
from loyalty_portal.metrics.state import StateFigure, briefly
from redemption.incidents.guide import GUIDE
from redemption.models import (
    Alert,
    Callback,
    CallbackState,
    Incident,
    IncidentCase,
    LoyaltyTransaction,
    Reconciliation,
    RedemptionOrder,
)
from redemption.points.reconciliation.selectors import COMPARED
from redemption.saga.queues import queues
from redemption.states import OPEN_ORDER, OPEN_TRANSACTION, IncidentKind, Severity

# Orders whose history went on within this time are added up.
RECENTLY = "1 day"

# What orders took and gave back beside what they were to: the rules TAKEN, NOTHING_TAKEN and OWED
# of redemption/invariants/rules.py, for the orders that something happened to.
_NET_EFFECT = """
WITH recent AS MATERIALIZED (
    SELECT DISTINCT order_id FROM redemption_orderevent WHERE at > now() - %s::interval
)
SELECT coalesce(sum(CASE
    WHEN o.status IN ('AWAITING_APPROVAL', 'REJECTED', 'EXPIRED', 'DECLINED') THEN t.d
    WHEN t.d > 0 THEN abs(t.d - o.total_points) + abs(t.owed - t.k - i.refunded)
    ELSE 0 END), 0)
FROM recent JOIN redemption_order o ON o.id = recent.order_id
CROSS JOIN LATERAL (
    SELECT
        coalesce(sum(points_amount) FILTER (
            WHERE transaction_type = 'DEBIT' AND status = 'SUCCEEDED'), 0) AS d,
        coalesce(sum(points_amount) FILTER (
            WHERE transaction_type = 'CREDIT' AND status <> 'REFUSED'), 0) AS owed,
        coalesce(sum(points_amount) FILTER (
            WHERE transaction_type = 'CORRECTION' AND status = 'SUCCEEDED'), 0) AS k
    FROM loyalty_transaction WHERE order_id = o.id
) t
CROSS JOIN LATERAL (
    SELECT coalesce(sum(quantity_refunded::bigint * points_per_item), 0) AS refunded
    FROM order_item WHERE order_id = o.id
) i
"""


def work() -> Iterator[StateFigure]:
    """What is due, by the kind of its queue; all from the index of due rows."""
    found: dict[str, dict[str, Any]] = {}
    with briefly():
        for kind, queue in queues().items():
            rows = queue.rows.filter(next_attempt_at__isnull=False)
            ended = Q(lease_until__lte=Now())
            found[kind] = rows.aggregate(
                due=Count("pk", DUE),
                oldest=Extract(Now() - Min("next_attempt_at", filter=DUE), "epoch"),
                expired=Count("pk", ended),
            )
        aside = _put_aside()
        unsent = Q(next_attempt_at__lte=Now()) | ~Q(problem="")
        alerts = Alert.objects.filter(unsent, next_attempt_at__isnull=False).count()
        parked = Callback.objects.filter(state=CallbackState.PARKED).count()

    def by_kind(name: str, says: str, what: str) -> StateFigure:
        rows = [((kind,), float(told[what] or 0)) for kind, told in found.items()]
        return StateFigure(name, says, rows, ("kind",))

    yield by_kind("portal_due_rows", "Rows of work that are due.", "due")
    yield by_kind("portal_due_oldest_seconds", "For how long the oldest is due.", "oldest")
    yield by_kind("portal_leases_expired", "Leases that ended without a result.", "expired")
    says = "Rows at which our own code failed again and again."
    told = [((kind,), float(aside.get(kind, 0))) for kind in found]
    yield StateFigure("portal_rows_put_aside", says, told, ("kind",))
    yield StateFigure("portal_alerts_unsent", "Alerts that should have been sent.", [((), alerts)])
    says = "Callbacks about deliveries that are not known (yet)."
    yield StateFigure("portal_callbacks_parked", says, [((), parked)])


def _put_aside() -> dict[str, int]:
    """By queue, from their incidents, which are found by an index; all alerts have one."""
    cases = IncidentCase.objects.unended().filter(incident__kind=IncidentKind.POISON_ROW)
    counted = cases.order_by().values_list("facts__work").annotate(Count("pk"))
    return dict(counted)


def orders() -> Iterator[StateFigure]:
    """Open orders by their status."""
    with briefly():
        rows = RedemptionOrder.objects.filter(status__in=OPEN_ORDER).order_by()
        found = dict(rows.values_list("status").annotate(Count("pk")))
    told = [((str(status),), float(found.get(status, 0))) for status in OPEN_ORDER]
    yield StateFigure("portal_orders", "Open orders.", told, ("status",))


def points() -> Iterator[StateFigure]:
    """Points of calls whose outcome is not known yet."""
    with briefly():
        rows = LoyaltyTransaction.objects.filter(status__in=sorted(OPEN_TRANSACTION))
        unsettled = rows.aggregate(points=Sum("points_amount", default=0))["points"]
    says = "Points that are being taken or given back."
    yield StateFigure("portal_unsettled_points", says, [((), unsettled)])


def net_effect() -> Iterator[StateFigure]:
    """Points taken or refunded beyond the amount due, over orders of the last day. Anything but 0
    is a bug.
    """
    with briefly(), connection.cursor() as cursor:
        cursor.execute(_NET_EFFECT, [RECENTLY])
        [difference] = cursor.fetchone()
    says = "Points that orders of the last day took or gave back beyond what they were to."
    yield StateFigure("portal_net_effect_difference_points", says, [((), float(difference))])


def incidents() -> Iterator[StateFigure]:
    """Open incidents."""
    with briefly():
        rows = Incident.objects.unresolved().order_by()
        found = {
            (str(kind), Severity(severity).name.lower()): float(number)
            for kind, severity, number in rows.values_list("kind", "severity").annotate(Count("pk"))
        }
    usual = {(str(kind), GUIDE[kind].severity.name.lower()): 0.0 for kind in IncidentKind}
    told = list((usual | found).items())
    yield StateFigure("portal_incidents_open", "Open incidents.", told, ("kind", "severity"))


def reconciliation() -> Iterator[StateFigure]:
    """How long ago a company was compared with the partner's statement, at most."""
    runs = Reconciliation.objects.filter(company=OuterRef("pk"), outcome__in=COMPARED)
    last = Subquery(runs.order_by("-started_at").values("finished_at")[:1])
    with briefly():
        companies = Company.objects.filter(is_active=True).annotate(
            compared=Coalesce(last, F("created_at"))
        )
        oldest = companies.aggregate(oldest=Min("compared"))["oldest"]
    age = (timezone.now() - oldest).total_seconds() if oldest else 0.0
    says = "How long ago the last reconciliation ended, of the company for which it is longest."
    yield StateFigure("portal_reconciled_age_seconds", says, [((), max(age, 0.0))])
