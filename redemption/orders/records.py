"""Reads orders, their lines and deliveries as the API tells them, in few queries a page."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet, Sum

from accounts.permissions import may_approve
from fulfillment.models import Fulfillment, ShipmentLine, VirtualCode
from loyalty_portal.data.actor import Actor
from redemption.models import (
    LoyaltyTransaction,
    OrderItem,
    RedemptionOrder,
    TransactionType,
)
from redemption.permissions import decidable, decidable_instead, seen_by, seen_transactions
from redemption.states import OPEN_TRANSACTION, OrderStatus, TransactionStatus

_TAKES = (TransactionType.DEBIT, TransactionType.CORRECTION)
# An order leaves these in the transaction that settles its debit, or intends it.
_BEING_TAKEN = {OrderStatus.PENDING}
_BEFORE = {OrderStatus.AWAITING_APPROVAL} | _BEING_TAKEN


class PointsMoved(NamedTuple):
    """The points of an order: taken from the account, given back to it, still being taken, and
    being given back.
    """

    taken: int
    returned: int
    in_flight: int
    coming_back: int = 0


@dataclass(frozen=True, slots=True)
class OrderFilters:
    """The filters of the list of orders; an empty value does not filter."""

    status: Sequence[str] = ()
    reference: str = ""
    created_from: datetime | None = None
    created_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class SentLine:
    """A line with what was sent of it. `has_codes`: its codes can be asked for."""

    item: OrderItem
    parcels: list[ShipmentLine] = field(default_factory=list)
    has_codes: bool = False


def orders_seen(actor: Actor, filters: OrderFilters) -> QuerySet[RedemptionOrder]:
    """The company's orders, in no order."""
    orders = seen_by(actor).select_related("account_manager__user", "decided_by").order_by()
    if filters.status:
        orders = orders.filter(status__in=filters.status)
    if filters.reference:
        orders = orders.filter(reference=filters.reference)
    if filters.created_from:
        orders = orders.filter(created_at__gte=filters.created_from)
    if filters.created_until:
        orders = orders.filter(created_at__lt=filters.created_until)
    return orders


def waiting_for(actor: Actor) -> QuerySet[RedemptionOrder]:
    """The orders that wait for approval on which the actor may decide, in no order."""
    waiting = seen_by(actor).filter(status=OrderStatus.AWAITING_APPROVAL)
    if actor.seat is None or actor.user_id is None:
        return waiting.none()
    of_company = {"company_id": actor.seat.company_id, "user_id": actor.user_id}
    rule = decidable(**of_company)
    if not may_approve(actor):
        rule = decidable_instead(seat_id=actor.seat.pk, **of_company)
    rows = waiting.filter(rule)
    return rows.select_related("account_manager__user").order_by()


def by_key(key: str) -> Q:
    """The order with this id or number; a text that is neither finds none."""
    try:
        return Q(pk=UUID(key))
    except ValueError:
        return Q(order_number=key.upper())


def order_seen(actor: Actor, key: str) -> RedemptionOrder | None:
    """The order with this id or number; None when it is not the company's own."""
    return orders_seen(actor, OrderFilters()).filter(by_key(key)).first()


def pulse_seen(actor: Actor, key: str) -> int | None:
    """The pulse of the order with this id or number; None when it is not the company's own."""
    return seen_by(actor).filter(by_key(key)).order_by().values_list("pulse", flat=True).first()


def points_of(orders: Sequence[RedemptionOrder]) -> dict[UUID, PointsMoved]:
    """The points of each of these orders, in one query at most: before its debit is settled, an
    order's status tells them.
    """
    told = {
        order.pk: PointsMoved(0, 0, order.total_points if order.status in _BEING_TAKEN else 0)
        for order in orders
        if order.status in _BEFORE
    }
    others = [order for order in orders if order.pk not in told]
    return told | _points_asked(others) if others else told


def _points_asked(orders: Sequence[RedemptionOrder]) -> dict[UUID, PointsMoved]:
    settled = Q(status=TransactionStatus.SUCCEEDED)
    is_open = Q(status__in=sorted(OPEN_TRANSACTION))
    takes = Q(transaction_type__in=_TAKES)
    rows = LoyaltyTransaction.objects.filter(order__in=orders).order_by().values("order")
    sums = rows.annotate(
        taken=Sum("points_amount", filter=settled & takes, default=0),
        returned=Sum("points_amount", filter=settled & ~takes, default=0),
        in_flight=Sum("points_amount", filter=takes & is_open, default=0),
        coming_back=Sum("points_amount", filter=~takes & is_open, default=0),
    )
    found = {
        order: PointsMoved(*moved)
        for order, *moved in sums.values_list("order", *PointsMoved._fields)
    }
    return {order.pk: found.get(order.pk, PointsMoved(0, 0, 0)) for order in orders}


def lines_of(orders: Sequence[RedemptionOrder]) -> dict[UUID, list[SentLine]]:
    """The lines of each of these orders, in three queries."""
    items = list(OrderItem.objects.filter(order__in=orders).order_by("id"))
    found: dict[UUID, list[SentLine]] = defaultdict(list)
    for record in with_deliveries(items):
        found[record.item.order_id].append(record)
    return found


def with_deliveries(items: Sequence[OrderItem]) -> list[SentLine]:
    """These lines with what was sent of them, in two queries."""
    codes = VirtualCode.objects.valid().filter(fulfillment=OuterRef("pk"))
    known = Fulfillment.objects.filter(reference__in=[item.pk for item in items])
    rows = known.annotate(has_codes=Exists(codes)).values_list("pk", "reference", "has_codes")
    passed_on = {reference: (pk, has_codes) for pk, reference, has_codes in rows}
    parcels: dict[UUID, list[ShipmentLine]] = defaultdict(list)
    of_these = [pk for pk, _has_codes in passed_on.values()]
    sent = ShipmentLine.objects.filter(fulfillment__in=of_these).select_related("shipment")
    for parcel in sent:
        parcels[parcel.fulfillment_id].append(parcel)
    return [
        SentLine(item, parcels[passed_on[item.pk][0]], passed_on[item.pk][1])
        if item.pk in passed_on
        else SentLine(item)
        for item in items
    ]


def transactions_of(
    actor: Actor, orders: Sequence[RedemptionOrder]
) -> QuerySet[LoyaltyTransaction]:
    """The transactions of these orders, the first one first."""
    rows = seen_transactions(actor).filter(order__in=orders).select_related("order")
    return rows.order_by("created_at", "id")
