"""Redeems an order again: puts its products into the cart, for the same people."""

from collections import defaultdict

from django.utils.translation import gettext as _

from accounts.models import AccountManager
from catalog.models import Product
from redemption.checkout.cart import services as cart
from redemption.checkout.rows import DraftRow, recipient_of
from redemption.models import CartLine, OrderItem, RedemptionOrder
from redemption.saga.steps import RedemptionError
from redemption.states import LineStatus, WaitsFor

# The statuses of a line whose recipient was asked and has not answered, or never will.
_UNANSWERED = frozenset({LineStatus.WAITING, LineStatus.CANCELLED})


def repeat(*, seat: AccountManager, order: RedemptionOrder) -> list[str]:
    """Put what is still on offer into the seat's cart, with the people who got it, and without
    messages and days. Returns a sentence for each product that was left out.

    Whoever gave their own address is asked again, for the company does not know it.
    """
    left_out = []
    items: dict[Product, list[OrderItem]] = defaultdict(list)
    for item in order.items.select_related("product"):
        items[item.product].append(item)
    for product, those in items.items():
        known = [item for item in those if item.recipient_name]
        nobodys = sum(item.quantity for item in those if not item.recipient_name)
        try:
            offered = cart.offered_to(seat, str(product.pk))
            cart.add_people(seat=seat, product=offered, rows=_rows(offered, known))
            if nobodys:
                cart.add_to_cart(seat=seat, product=offered, quantity=nobodys)
        except RedemptionError as problem:
            facts = {"product": product.name, "why": problem}
            left_out.append(_("“%(product)s” was left out: %(why)s") % facts)
    return left_out


def has_cart(seat: AccountManager) -> bool:
    """Whether something is in the seat's cart."""
    return CartLine.objects.filter(cart=seat.pk).exists()


def _rows(product: Product, items: list[OrderItem]) -> list[DraftRow]:
    """A row for each person, however many lines they had."""
    pieces: dict[tuple[bool, tuple[tuple[str, str], ...]], int] = defaultdict(int)
    for item in items:
        asks = _is_asked(item)
        who = {name: item.recipient()[name] for name in ("recipient_name", "recipient_email")}
        said = recipient_of(product, who if asks else item.recipient())
        pieces[asks, tuple(said.items())] += item.quantity
    return [
        DraftRow(product, quantity, dict(who), asks=asks)
        for (asks, who), quantity in pieces.items()
    ]


def _is_asked(item: OrderItem) -> bool:
    if item.waits_for != WaitsFor.RECIPIENT:
        return False
    return item.hides_address or item.fulfillment_status in _UNANSWERED
