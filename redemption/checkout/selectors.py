"""Products as the checkout needs them, and what its page shows beside its form."""

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db.models.expressions import RawSQL

from accounts.models import AccountManager, Address
from catalog.models import Product
from loyalty_portal.data.actor import Actor
from loyalty_portal.fastpath.sql import Prepared
from redemption.checkout.cart.selectors import CartPage
from redemption.permissions import seen_by

MOST_ADDRESSES = 500  # the most address-book entries in the list
MYSELF = "me"


@dataclass(frozen=True, slots=True)
class AddressOption:
    """An entry of the address book."""

    value: str
    label: str
    chosen: bool


@functools.cache
def _offered_by_skus(tier_level: str) -> Prepared[Product]:
    offered = Product.objects.offered().for_tier(tier_level).select_related("inventory")
    wanted = offered.defer("description", "search").order_by()
    # The number of SKUs would be part of a plain IN, so they are one array.
    return Prepared(
        lambda skus: wanted.filter(sku__in=RawSQL("SELECT unnest(%s::text[])", [skus])), ("an SKU",)
    )


def offered_products(*, skus: Collection[str], tier_level: str) -> dict[str, Product]:
    """Those of these products that this tier may redeem now, by SKU, each with its inventory and
    without its description: one query.
    """
    return {product.sku: product for product in _offered_by_skus(tier_level)(sorted(skus))}


def address_book(seat: AccountManager, chosen: str) -> list[AddressOption]:
    """The entries that the seat can choose from: the company's colleagues and customers."""
    rows = Address.objects.filter(company=seat.company_id)[:MOST_ADDRESSES]
    return [AddressOption(str(row.pk), str(row), str(row.pk) == chosen) for row in rows]


def picked(seat: AccountManager, chosen: str) -> Mapping[str, str]:
    """The recipient's columns of the chosen entry; empty when the entry is not the company's."""
    if chosen == MYSELF:
        return {"recipient_name": seat.name, "recipient_email": seat.email}
    row = entry_of(seat, chosen)
    return row.recipient() if row else {}


def entry_of(seat: AccountManager, chosen: str) -> Address | None:
    """The entry of the company's address book with this key; None when there is none."""
    try:
        key = UUID(chosen)
    except ValueError:
        return None
    return Address.objects.filter(company=seat.company_id, pk=key).first()


def reference_of(actor: Actor, number: str) -> str:
    """The company's own reference on its order with this number; "" for none."""
    orders = seen_by(actor).filter(order_number=number.upper()[:50])
    return orders.values_list("reference", flat=True).first() or ""


def can_try(cart: CartPage) -> bool:
    """Whether the page offers the button. Of the balance only a fresh one that is too low takes it
    away; the partner decides in the end.
    """
    known_short = cart.missing > 0 and not cart.header.stale
    return bool(cart.entries) and not cart.troubled and not known_short and not cart.over
