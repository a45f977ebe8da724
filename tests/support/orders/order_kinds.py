"""Orders for tests of the admin: placed through the service, debited without a partner."""

import uuid

from django.db import transaction
from django.utils import timezone

from accounts.models import AccountManager
from catalog.models import Product
from fulfillment.models import Fulfillment
from loyalty_portal.data.actor import Actor
from redemption.checkout.services import CheckoutInput, Line, place_order
from redemption.models import RedemptionOrder
from redemption.saga.steps import confirm, locked
from redemption.states import TransactionStatus
from tests.accounts.factories import SeatFactory

RECIPIENT = {
    "recipient_name": "Ada Byron",
    "recipient_email": "ada@northwind.example",
    "recipient_phone": "+4930123456",
    "address_line1": "Invalidenstr. 43",
    "address_line2": "",
    "city": "Berlin",
    "region": "",
    "postcode": "10115",
    "country": "DE",
}


def placed_order(
    *wanted: tuple[Product, int], seat: AccountManager | None = None
) -> RedemptionOrder:
    """An order whose debit was not sent yet."""
    seat = seat or SeatFactory.create()
    seat = AccountManager.objects.select_related("company", "user").get(pk=seat.pk)
    lines = [
        Line(Product.objects.select_related("inventory").get(pk=product.pk), quantity, RECIPIENT)
        for product, quantity in wanted
    ]
    points = sum(line.product.points_cost * line.quantity for line in lines)
    entered = CheckoutInput(token=uuid.uuid4(), seen_points=points)
    return place_order(seat=seat, lines=lines, entered=entered, by=Actor.in_seat(seat))


def confirmed_order(
    *wanted: tuple[Product, int], seat: AccountManager | None = None
) -> RedemptionOrder:
    """An order whose debit succeeded. Its lines are at the desk and at the partner."""
    order = placed_order(*wanted, seat=seat)
    debit = order.transactions.get()
    debit.transition(TransactionStatus.SENT, attempts=1)
    debit.transition(
        TransactionStatus.SUCCEEDED,
        external_transaction_id=f"txn_{uuid.uuid4().hex}",
        answer_status=201,
        next_attempt_at=None,
        settled_at=timezone.now(),
    )
    with transaction.atomic():
        confirm(locked(order.pk))
    order.refresh_from_db()
    return order


def parcel_of(order: RedemptionOrder) -> Fulfillment:
    """The desk's fulfillment of an order with one line."""
    return Fulfillment.objects.get(reference=order.items.get().pk)
