"""Fills and changes a draft. Nothing is reserved here; all checks are made when the order is
placed.

Each change gives the cart a new token. A checkout page that was opened before the change has the
old token, and is refused.
"""

import uuid
from collections.abc import Sequence

from django import forms
from django.db import transaction
from django.db.models import Count
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import AccountManager
from catalog.models import Product
from loyalty_portal.data.ids import uuid7
from loyalty_portal.data.texts.numbers import grouped
from redemption.checkout.rows import MOST_OF_ONE, DraftRow, pieces, version_of
from redemption.models import Cart, CartLine
from redemption.models.cart import MOST_ROWS
from redemption.saga.steps import RedemptionError

MOST_LINES = 50  # different products


class RowsChangedError(RedemptionError):
    """The rows are not those that the page showed, so nothing was saved."""


def parse_quantity(raw: str | None) -> int:
    """A whole number from 1 to MOST_OF_ONE. Raises RedemptionError for anything else."""
    try:
        return pieces(raw or "")
    except forms.ValidationError as error:
        raise RedemptionError(" ".join(error.messages)) from error


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
    rows = list(CartLine.objects.filter(cart=cart, product=product).only("quantity", "position"))
    _check_pieces(sum(row.quantity for row in rows), quantity)
    line = next((row for row in rows if row.position is None), None)
    if line is None:
        _check_room(seat, more=1, is_new=not rows)
        added = {"added_at": rows[0].added_at} if rows else {}
        return CartLine.objects.create(cart=cart, product=product, quantity=quantity, **added)
    line.quantity += quantity
    line.save(update_fields=["quantity"])
    return line


@transaction.atomic
def add_people(*, seat: AccountManager, product: Product, rows: Sequence[DraftRow]) -> None:
    """Add people who get a product, with what each gets, after those who are named already.

    Raises RedemptionError when the cart would be too full; nothing is added then.
    """
    if not rows:
        return
    cart, _created = Cart.objects.get_or_create(seat=seat)
    _renew(seat)
    before = list(CartLine.objects.filter(cart=cart, product=product))
    _check_pieces(sum(row.quantity for row in before), sum(row.quantity for row in rows))
    _check_room(seat, more=len(rows), is_new=not before)
    first = 1 + max((row.position for row in before if row.position is not None), default=-1)
    added = [_person(seat, row, position) for position, row in enumerate(rows, start=first)]
    for line in added:
        line.added_at = before[0].added_at if before else added[0].added_at
    CartLine.objects.bulk_create(added)


@transaction.atomic
def change_quantity(*, seat: AccountManager, product_id: uuid.UUID, quantity: int) -> None:
    """Set how many pieces of a product are in the cart. What nobody is named for grows or shrinks.

    Raises RedemptionError when the product was removed meanwhile, or when more pieces than that
    are somebody's.
    """
    _renew(seat)
    rows = _rows(seat, product_id)
    shared = sum(row.quantity for row in rows if row.position is not None)
    if quantity < shared:
        raise RedemptionError(
            _("%(shared)s of these are for people whom you named. See “Who gets it?” first.")
            % {"shared": shared}
        )
    nobodys = CartLine.objects.filter(cart=seat.pk, product=product_id, position=None)
    if quantity == shared:
        nobodys.delete()
    elif not nobodys.update(quantity=quantity - shared):
        _check_room(seat, more=1)
        CartLine.objects.create(
            cart_id=seat.pk,
            product_id=product_id,
            quantity=quantity - shared,
            added_at=rows[0].added_at,
        )


@transaction.atomic
def remove_line(*, seat: AccountManager, product_id: uuid.UUID) -> bool:
    """Take one product out, with all who would get it. False when it was not in the cart."""
    _renew(seat)
    removed, _kinds = CartLine.objects.filter(cart=seat.pk, product=product_id).delete()
    return removed > 0


@transaction.atomic
def replace_rows(
    *, seat: AccountManager, product: Product, rows: Sequence[DraftRow], total: int, seen: str
) -> None:
    """Make `rows` the people who get the product, in this order, of `total` pieces in the cart.

    What they do not get stays in the cart for nobody yet; `total` grows when they get more. `seen`
    is the `version_of` the rows that the page showed: raises RowsChangedError when these are others
    by now. Raises RedemptionError when the rows are too many, or the product was taken out.
    """
    _renew(seat)
    before = _rows(seat, product.pk)
    if version_of(before) != seen:
        raise RowsChangedError(_CHANGED % _facts(before))
    shared = sum(row.quantity for row in rows)
    _check_pieces(0, max(total, shared))
    written = [_person(seat, row, position) for position, row in enumerate(rows)]
    if total > shared:
        written.append(CartLine(cart_id=seat.pk, quantity=total - shared))
    for line in written:
        line.product, line.added_at = product, before[0].added_at
    CartLine.objects.filter(cart=seat.pk, product=product.pk).delete()
    _check_room(seat, more=len(written))
    CartLine.objects.bulk_create(written)


def share_out(*, total: int, people: int) -> list[int]:
    """Share pieces out evenly, at least one each; the first people get what is left over.

    Raises RedemptionError when there are fewer pieces than people.
    """
    if total < people:
        raise RedemptionError(
            _("Each person needs at least one piece. People: %(people)s, pieces: %(pieces)s.")
            % {"people": people, "pieces": total}
        )
    each, left = divmod(total, people) if people else (0, 0)
    return [each + (number < left) for number in range(people)]


def _person(seat: AccountManager, row: DraftRow, position: int) -> CartLine:
    return CartLine(
        cart_id=seat.pk,
        product=row.product,
        quantity=row.quantity,
        position=position,
        message=row.message,
        send_on=row.send_on,
        asks=row.asks,
        **row.recipient,
    )


_CHANGED = gettext_lazy(
    "These rows were changed in another window meanwhile (people now: %(people)s, pieces:"
    " %(pieces)s). Nothing of this page is saved yet; saving it again replaces what is there now."
)
_GONE = gettext_lazy("This product is not in your cart any more.")


def _facts(rows: Sequence[CartLine]) -> dict[str, int]:
    return {
        "people": sum(row.position is not None for row in rows),
        "pieces": sum(row.quantity for row in rows),
    }


def _rows(seat: AccountManager, product_id: uuid.UUID) -> list[CartLine]:
    """The rows of one product. Raises RedemptionError when there are none any more."""
    rows = list(CartLine.objects.filter(cart=seat.pk, product=product_id))
    if not rows:
        raise RedemptionError(_GONE)
    return rows


def _check_pieces(now: int, more: int) -> None:
    """Raise RedemptionError when a cart would hold too many pieces of one product."""
    if now + more <= MOST_OF_ONE:
        return
    told = _("A cart holds at most %(most)s of one product.")
    if now:
        told = _("A cart holds at most %(most)s of one product; %(now)s of this one are in it.")
    raise RedemptionError(told % {"most": grouped(MOST_OF_ONE), "now": grouped(now)})


def _check_room(seat: AccountManager, *, more: int, is_new: bool = False) -> None:
    """Raise RedemptionError when `more` rows, of a new product perhaps, do not fit into the draft.

    The caller holds the lock of the draft, so nobody else adds rows meanwhile.
    """
    rows = CartLine.objects.filter(cart=seat.pk)
    held = rows.aggregate(rows=Count("pk"), products=Count("product", distinct=True))
    if is_new and held["products"] >= MOST_LINES:
        raise RedemptionError(
            _("A cart holds at most %(most)s different products.") % {"most": MOST_LINES}
        )
    if held["rows"] + more > MOST_ROWS:
        raise RedemptionError(
            _("One order goes to at most %(most)s people; with these your cart has %(count)s rows.")
            % {"most": MOST_ROWS, "count": held["rows"] + more}
        )


def _renew(seat: AccountManager) -> None:
    """Lock the cart until the transaction ends, and give it a new token."""
    Cart.objects.filter(pk=seat.pk).update(token=uuid7(), updated_at=timezone.now())
