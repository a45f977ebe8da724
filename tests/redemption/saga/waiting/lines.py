"""Orders with lines that wait, and the passing of their time."""

import uuid
from datetime import date, timedelta
from typing import Any

from django.utils import timezone

from accounts.models import AccountManager
from catalog.models import Product
from loyalty_portal.data.actor import Actor
from redemption.checkout.services import CheckoutInput, Line, place_order
from redemption.models import LineWait, OrderItem, RedemptionOrder
from redemption.saga.transactions import settle_transaction
from tests.redemption.world import RECIPIENT, World


def tomorrow() -> date:
    return timezone.now().date() + timedelta(days=1)


def placed(world: World, *wanted: tuple[Product, dict[str, Any]]) -> RedemptionOrder:
    """Place an order: a line of one piece for each product, with terms of Line."""
    seat = AccountManager.objects.select_related("company", "user").get(pk=world.seat.pk)
    found = Product.objects.select_related("inventory").in_bulk([each.pk for each, _ in wanted])
    return place_order(
        seat=seat,
        lines=[
            Line(found[product.pk], 1, **{"recipient": RECIPIENT, **terms})
            for product, terms in wanted
        ],
        entered=CheckoutInput(
            token=uuid.uuid4(), seen_points=sum(product.points_cost for product, _ in wanted)
        ),
        by=Actor.in_seat(seat),
    )


def confirmed(world: World, *wanted: tuple[Product, dict[str, Any]]) -> RedemptionOrder:
    """The same, and its points are taken."""
    order = placed(world, *wanted)
    settle_transaction(world.debit(order).pk)
    return RedemptionOrder.objects.get(pk=order.pk)


def dated(world: World, lines: int = 1) -> RedemptionOrder:
    """A confirmed order of so many cards for tomorrow, of 100 points each."""
    return confirmed(world, *[(world.virtual(points=100), {"send_on": tomorrow()})] * lines)


def asking(world: World, lines: int = 1) -> RedemptionOrder:
    """A confirmed order of so many books, of 100 points each, whose recipients are asked."""
    book = world.product(points=100, stocked=lines + 9)
    return confirmed(world, *[(book, {"recipient": None})] * lines)


def time_comes(order: RedemptionOrder) -> None:
    """Let the time of all waiting lines of the order come: it was an hour ago."""
    ago = timezone.now() - timedelta(hours=1)
    OrderItem.objects.filter(order=order, fulfillment_status="WAITING").update(waits_until=ago)
    LineWait.objects.filter(item__order=order, ended_at=None).update(next_attempt_at=ago)


def line(order: RedemptionOrder) -> OrderItem:
    return OrderItem.objects.get(order=order)
