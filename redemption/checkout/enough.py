"""Whether the stock reaches for what somebody wants to order."""

from collections import Counter
from collections.abc import Iterable
from uuid import UUID

from django.utils.translation import gettext as _

from catalog.models import Product
from loyalty_portal.data.texts.numbers import grouped


def pieces_of(wanted: Iterable[tuple[Product, int]]) -> Counter[UUID]:
    """How many pieces of each product these lines want together, by the product's key."""
    pieces: Counter[UUID] = Counter()
    for product, quantity in wanted:
        pieces[product.pk] += quantity
    return pieces


def short_of(product: Product, wanted: int) -> str:
    """Why the stock does not reach for so many pieces; "" when it does. The product's `inventory`
    is loaded.
    """
    stock = getattr(product, "inventory", None)
    if stock is None:
        return "" if product.is_virtual else _("It is out of stock.")
    if not stock.is_tracked or stock.quantity_available >= wanted:
        return ""
    facts = {"left": grouped(stock.quantity_available), "wanted": grouped(wanted)}
    return _("Only %(left)s are left; %(wanted)s are wanted.") % facts
