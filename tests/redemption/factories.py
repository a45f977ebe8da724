"""Carts and orders in many states, for tests that need no partner."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import AccountManager
from catalog.models import Product
from fulfillment import services as desk
from fulfillment.models import Fulfillment, Shipment, VirtualCode
from fulfillment.news import tell
from fulfillment.states import FulfillmentStatus
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.ids import uuid7
from redemption.checkout.cart.services import add_to_cart
from redemption.checkout.services import CheckoutInput, Line, place_order
from redemption.models import LoyaltyTransaction, RedemptionOrder
from redemption.saga import steps
from redemption.states import TransactionStatus
from tests.redemption.world import RECIPIENT


def fill_cart(seat: AccountManager, *wanted: tuple[Product, int]) -> None:
    for product, quantity in wanted:
        add_to_cart(seat=seat, product=product, quantity=quantity)


def checkout_form(seat: AccountManager, **changes: Any) -> dict[str, Any]:
    """The form data that a browser sends for the current cart."""
    lines = list(seat.cart.lines.select_related("product", "cart"))
    total = sum(line.quantity * line.product.points_cost for line in lines)
    shown = {"token": str(lines[0].cart.token), "seen_points": str(total)}
    return {**RECIPIENT, "reference": "", "note": "", **shown, **changes}


def placed(seat: AccountManager, *wanted: tuple[Product, int], **words: Any) -> RedemptionOrder:
    """Place an order. `reference` and `note` may be given."""
    lines = [
        Line(Product.objects.select_related("inventory").get(pk=product.pk), pieces, RECIPIENT)
        for product, pieces in wanted
    ]
    points = sum(line.quantity * line.product.points_cost for line in lines)
    entered = CheckoutInput(token=uuid7(), seen_points=points, **words)
    seat = AccountManager.objects.select_related("company", "user").get(pk=seat.pk)
    return place_order(seat=seat, lines=lines, entered=entered, by=Actor.in_seat(seat))


def settle(intent: LoyaltyTransaction, *, refused: str = "") -> None:
    """Record an answer of the partner: success, or `refused` with a code."""
    with transaction.atomic():
        if intent.status != TransactionStatus.SENT:
            intent.transition(TransactionStatus.SENT)
        rows = LoyaltyTransaction.objects.filter(pk=intent.pk)
        order = steps.locked(intent.order_id)
        if refused:
            rows.update(next_attempt_at=None, answer_code=refused)
            intent.transition(TransactionStatus.REFUSED, settled_at=timezone.now())
            steps.decline(order, refused)
            return
        rows.update(next_attempt_at=None, external_transaction_id=f"txn_{intent.pk.hex[-12:]}")
        intent.transition(TransactionStatus.SUCCEEDED, settled_at=timezone.now())
        if intent.is_debit:
            steps.confirm(order)
        else:
            steps.credited(order, intent)


def paid(seat: AccountManager, *wanted: tuple[Product, int], **words: Any) -> RedemptionOrder:
    """Place an order whose debit succeeded."""
    order = placed(seat, *wanted, **words)
    settle(order.transactions.get())
    order.refresh_from_db()
    return order


def shipped(order: RedemptionOrder) -> Shipment:
    """Ship the order's first line with DHL."""
    parcel = Fulfillment.objects.get(reference=order.items.all()[0].pk)
    by = order.account_manager.user
    desk.pack(fulfillment=parcel, by=Actor.person(by))
    return desk.ship(
        fulfillment=parcel,
        quantity=parcel.open_quantity,
        carrier="DHL",
        tracking_number="JJD1",
        by=Actor.person(by),
    )


def delivered_by_mail(order: RedemptionOrder, *codes: str) -> None:
    """Let the partner deliver the codes of the order's first line."""
    with transaction.atomic():
        parcel = desk.locked(Fulfillment.objects.get(reference=order.items.all()[0].pk))
        for position, code in enumerate(codes):
            VirtualCode.objects.create(
                fulfillment=parcel, position=position, code=code, fingerprint=code
            )
        parcel.quantity_delivered = parcel.quantity
        parcel.save(update_fields=["quantity_delivered"])
        parcel.transition(FulfillmentStatus.DELIVERED)
        tell(parcel, delivered=parcel.quantity)


def letters_sent(order: RedemptionOrder) -> None:
    """Mark the order's letters as sent, so that none is due."""
    order.letters.update(sent_at=timezone.now(), next_attempt_at=None)
