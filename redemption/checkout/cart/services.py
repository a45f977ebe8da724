"""Fills and changes a cart. Nothing is reserved here; all checks are made when the order is placed.

Each change gives the cart a new token. A checkout page that was opened before the change has the
old token, and is refused.
"""

import uuid

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import AccountManager
from catalog.models import Product
from loyalty_portal.data.ids import uuid7
from redemption.models import Cart, CartLine
from redemption.saga.steps import RedemptionError

MOST_OF_ONE = 1_000  # pieces of one product in one cart
MOST_LINES = 50


def parse_quantity(raw: str | None) -> int:
    """A whole number from 1 to MOST_OF_ONE. Raises RedemptionError for anything else."""
    text = (raw or "").strip()
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:12]) <= MOST_OF_ONE:
        raise RedemptionError(
            _("Quantity must be a whole number from 1 to %(most)s.") % {"most": f"{MOST_OF_ONE:,}"}
        )
    return int(text)


def offered_to(seat: AccountManager, product_id: str) -> Product:
    """The product, if this seat's company may redeem it now. Raises RedemptionError otherwise."""
    try:
        key = uuid.UUID(product_id)
    except ValueError:
        key = uuid.UUID(int=0)
    found = Product.objects.offered().for_tier(seat.company.tier_level).filter(pk=key).first()
    if found is None:
        raise RedemptionError(_("This product is not on offer any more."))
    return found


@transaction.atomic
def add_to_cart(*, seat: AccountManager, product: Product, quantity: int) -> CartLine:
    """Put `quantity` more of a product into the cart. RedemptionError when the cart is full."""
    cart, _created = Cart.objects.get_or_create(seat=seat)
    _renew(seat)
    line = CartLine.objects.filter(cart=cart, product=product).first()
    if line is None:
        if cart.lines.count() >= MOST_LINES:
            raise RedemptionError(
                _("A cart holds at most %(most)s different products.") % {"most": MOST_LINES}
            )
        return CartLine.objects.create(cart=cart, product=product, quantity=quantity)
    if line.quantity + quantity > MOST_OF_ONE:
        raise RedemptionError(
            _("A cart holds at most %(most)s of one product; %(now)s of this one are in it.")
            % {"most": f"{MOST_OF_ONE:,}", "now": f"{line.quantity:,}"}
        )
    line.quantity += quantity
    line.save(update_fields=["quantity"])
    return line


@transaction.atomic
def change_quantity(*, seat: AccountManager, line_id: uuid.UUID, quantity: int) -> None:
    """Set the quantity of one line. Raises RedemptionError when the line was removed meanwhile."""
    _renew(seat)
    if not CartLine.objects.filter(cart=seat.pk, pk=line_id).update(quantity=quantity):
        raise RedemptionError(_("This product is not in your cart any more."))


@transaction.atomic
def remove_line(*, seat: AccountManager, line_id: uuid.UUID) -> None:
    """Take one product out."""
    _renew(seat)
    CartLine.objects.filter(cart=seat.pk, pk=line_id).delete()


def _renew(seat: AccountManager) -> None:
    """Lock the cart until the transaction ends, and give it a new token."""
    Cart.objects.filter(pk=seat.pk).update(token=uuid7(), updated_at=timezone.now())
