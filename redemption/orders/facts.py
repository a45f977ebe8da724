"""Reads all facts about one order, in a fixed number of queries."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Exists, Max, OuterRef, Prefetch, Q
from django.utils import timezone

from fulfillment.models import (
    CodeReveal,
    Fulfillment,
    FulfillmentEvent,
    PartnerCall,
    Shipment,
    VirtualCode,
)
from loyalty_portal.data.actor import Actor
from redemption.models import (
    Decision,
    EventSubject,
    Letter,
    LoyaltyTransaction,
    OrderEvent,
    OrderItem,
    RedemptionOrder,
)
from redemption.permissions import seen_by
from redemption.states import OPEN_TRANSACTION, REMEDIES, DecisionStatus


@dataclass(frozen=True, slots=True)
class LineDelivery:
    """What fulfillment knows about one line."""

    shipments: list[Shipment] = field(default_factory=list)
    reveals: list[CodeReveal] = field(default_factory=list)
    has_codes: bool = False
    parcel: Fulfillment | None = None
    calls: list[PartnerCall] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Facts:
    """One order with all that its company may see. `events` are those of the order and its
    lines.
    """

    order: RedemptionOrder
    items: list[OrderItem]
    transactions: list[LoyaltyTransaction]
    events: list[OrderEvent]
    letters: list[Letter]
    deliveries: dict[UUID, LineDelivery]
    remedies: list[Decision] = field(default_factory=list)

    def delivery(self, item: OrderItem) -> LineDelivery:
        return self.deliveries.get(item.pk, LineDelivery())


def order_of(actor: Actor, number: str) -> RedemptionOrder | None:
    """The order with this number; None when it is not the company's own."""
    orders = seen_by(actor).filter(order_number=number.upper())
    return orders.select_related("company", "account_manager__user", "decided_by").first()


def facts_of(order: RedemptionOrder) -> Facts:
    items = list(order.items.select_related("product"))
    events = order.events.filter(subject__in=[EventSubject.ORDER, EventSubject.LINE])
    return Facts(
        order=order,
        items=items,
        transactions=list(order.transactions.all()),
        events=list(events.select_related("by")),
        letters=list(order.letters.select_related("item")),
        deliveries=_deliveries(items),
        remedies=list(
            Decision.objects.filter(
                item__in=[item.pk for item in items],
                status=DecisionStatus.CONFIRMED,
                verdict__in=REMEDIES,
            )
        ),
    )


def _deliveries(items: list[OrderItem]) -> dict[UUID, LineDelivery]:
    rows = (
        Fulfillment.objects.filter(reference__in=[item.pk for item in items])
        .annotate(has_codes=Exists(VirtualCode.objects.valid().filter(fulfillment=OuterRef("pk"))))
        .prefetch_related("shipments", "calls")
        .prefetch_related(Prefetch("reveals", CodeReveal.objects.select_related("by")))
    )
    return {
        row.reference: LineDelivery(
            list(row.shipments.all()),
            list(row.reveals.all()),
            row.has_codes,
            row,
            list(row.calls.all()),
        )
        for row in rows
    }


@dataclass(frozen=True, slots=True)
class Pulse:
    """Tells an open page whether to reload. `version` changes with anything that the page shows;
    `delay` is the seconds until the next poll, 0 for never.
    """

    version: str
    delay: int  # seconds


# The longer nothing happened, the less often a page polls: (seconds without change, delay).
_DELAYS = ((30, 2), (5 * 60, 5), (60 * 60, 15))
LONGEST_DELAY = 60


def pulse_of(order: RedemptionOrder) -> Pulse:
    """The version of the order and the delay of the next poll, in two queries."""
    unsent = Q(letters__sent_at__isnull=True)
    due = Q(letters__next_attempt_at__isnull=False)
    unsettled = Q(transactions__status__in=OPEN_TRANSACTION)
    seen = RedemptionOrder.objects.filter(pk=order.pk).aggregate(
        happened=Count("events", distinct=True),
        last=Max("events__at"),
        written=Count("letters", distinct=True),
        not_sent=Count("letters", filter=unsent, distinct=True),
        to_send=Count("letters", filter=unsent & due, distinct=True),
        to_settle=Count("transactions", filter=unsettled, distinct=True),
    )
    worked = FulfillmentEvent.objects.filter(
        fulfillment__reference__in=order.items.values("pk")
    ).count()
    version = f"{seen['happened']}-{seen['written']}-{seen['not_sent']}-{worked}"
    over = order.is_final and not seen["to_send"] and not seen["to_settle"]
    return Pulse(version, 0 if over else _delay(seen["last"] or order.created_at))


def _delay(last: datetime) -> int:
    quiet = (timezone.now() - last).total_seconds()
    return next((delay for age, delay in _DELAYS if quiet < age), LONGEST_DELAY)
