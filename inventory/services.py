"""The only functions that change stock. Numbers move by one conditional UPDATE, in product order.

Each function opens a transaction or belongs inside the caller's. Each writes its movement, and the
product's `stock_status` when it changes between in stock, low and out.

A product whose stock is not counted has the same records: what is reserved of it is received at
that moment, and what is released is written off, so none is ever available.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Case, F, Model, Q, When
from django.db.models.functions import Now
from django.db.models.lookups import GreaterThanOrEqual
from django.utils.translation import gettext as _

from catalog.models import Product, StockStatus
from inventory.models import (
    Inventory,
    MovementKind,
    Reservation,
    StockMovement,
    default_low_mark,
)
from inventory.shelves import (
    StockError,
    held_shelf,
    must_count,
    must_fit,
    must_hold,
    status_at,
    status_of,
)
from loyalty_portal.data.actor import SYSTEM, Actor
from loyalty_portal.data.texts.kept import kept
from loyalty_portal.fastpath.sql import insert
from loyalty_portal.fastpath.updates import PreparedPair, PreparedUpdate


class OutOfStockError(StockError):
    """Fewer pieces are available than wanted."""

    def __init__(self, product_id: uuid.UUID) -> None:
        super().__init__(_("There are not enough pieces left."))
        self.product_id = product_id


@dataclass(frozen=True, slots=True)
class Want:
    """`quantity` pieces of a product, for the order line `reference`."""

    product_id: uuid.UUID
    quantity: int
    reference: uuid.UUID


# This statement locks the row until the transaction ends, so callers reserve last. CHECK
# constraints keep both numbers at zero or more even if the condition were removed.
_moved = PreparedUpdate(
    lambda product_id, available, reserved: (
        Inventory.objects.filter(product=product_id),
        (Q(is_tracked=False) | Q(GreaterThanOrEqual(F("quantity_available") + available, 0)))
        & Q(GreaterThanOrEqual(F("quantity_reserved") + reserved, 0)),
        {
            "quantity_available": Case(
                When(is_tracked=True, then=F("quantity_available") + available), default=0
            ),
            "quantity_reserved": F("quantity_reserved") + reserved,
            "last_updated": Now(),
        },
    ),
    uuid.UUID(int=1),
    1_000_001,
    1_000_002,
    returning=("quantity_available", "low_stock_at", "is_tracked"),
)


def move(product_id: uuid.UUID, *, available: int, reserved: int) -> bool:
    """Change both numbers of one product. False when one would fall below zero.

    For the functions of this room only: whoever calls it writes the movement.
    """
    row = _moved(product_id, available, reserved)
    if row is None:
        return False
    now, low_stock_at, is_tracked = row
    if not is_tracked:
        if available:
            _balance(product_id, available)
        return True
    status = status_at(now, low_stock_at)
    if status != status_at(now - available, low_stock_at):
        Product.objects.filter(pk=product_id).show_stock(status)
    return True


def _balance(product_id: uuid.UUID, change: int) -> None:
    """Write the opposite movement of an uncounted product, so that its available number stays 0."""
    kind = MovementKind.RECEIVED if change < 0 else MovementKind.ADJUSTED
    _record(product_id, kind, -change, _("The stock is not counted."), SYSTEM)


def reserve(*, wants: Sequence[Want], by: Actor, along: Sequence[Model] = ()) -> None:
    """Reserve pieces for order lines: all of them or, with OutOfStockError, none.

    Products without an inventory row must not be passed: they are made on demand. `along`: new rows
    of the caller, inserted by the same statement.
    """
    pieces = _by_product((want.product_id, want.quantity) for want in wants)
    with transaction.atomic(savepoint=False):
        insert([*along, *(row for want in wants for row in _held(want, by))])
        for product_id, number in pieces:
            if not move(product_id, available=-number, reserved=number):
                raise OutOfStockError(product_id)


def _held(want: Want, by: Actor) -> tuple[Reservation, StockMovement]:
    reservation = Reservation(
        product_id=want.product_id, reference=want.reference, quantity=want.quantity
    )
    kind = MovementKind.RESERVED
    return reservation, _of_line(reservation, kind, -want.quantity, want.quantity, "", by)


def _by_product(pieces: Iterable[tuple[uuid.UUID, int]]) -> list[tuple[uuid.UUID, int]]:
    """The sum for each product, in the order in which stock rows are locked everywhere."""
    sums: dict[uuid.UUID, int] = defaultdict(int)
    for product_id, number in pieces:
        sums[product_id] += number
    return sorted(sums.items())


def release(
    *, pieces: Mapping[uuid.UUID, int | None], by: Actor, reason: str, gone: bool = False
) -> None:
    """Return reserved pieces to the shelf. `gone`: they are not there, so they are written off
    together with it and are at no moment available.

    The argument maps each line's reference to a number, or None for all that it still holds. Lines
    without reserved pieces (made on demand, or released before) are ignored.
    """
    with transaction.atomic(savepoint=False):
        taken = [(held, number) for held, number in _open(pieces) if number]
        for held, number in taken:
            held.released += number
        Reservation.objects.bulk_update([held for held, _number in taken], ["released"])
        moves = [_of_line(held, MovementKind.RELEASED, n, -n, reason, by) for held, n in taken]
        if gone:
            moves += [_of_line(held, MovementKind.ADJUSTED, -n, 0, reason, by) for held, n in taken]
        insert(moves)
        for product_id, n in _by_product((held.product_id, n) for held, n in taken):
            if not move(product_id, available=0 if gone else n, reserved=-n):
                raise _disagrees()


def take_back(*, want: Want, reason: str, by: Actor) -> None:
    """Put pieces that came back from the recipient of a line on the shelf again."""
    held = Reservation(product_id=want.product_id, reference=want.reference)
    with transaction.atomic(savepoint=False):
        insert([_of_line(held, MovementKind.RECEIVED, want.quantity, 0, reason, by)])
        move(want.product_id, available=want.quantity, reserved=0)  # it only adds


_A_LINE = (uuid.UUID(int=1), uuid.UUID(int=2), 1_000_001)  # placeholders of _consumed

# What a reservation still holds is spent, and leaves the shelf. Each condition is checked with its
# row locked, so one statement is as safe as a lock before it.
_consumed = PreparedPair(
    PreparedUpdate(
        lambda product_id, reference, number: (
            Reservation.objects.filter(product=product_id, reference=reference),
            Q(GreaterThanOrEqual(F("quantity") - F("released") - F("consumed"), number)),
            {"consumed": F("consumed") + number},
        ),
        *_A_LINE,
        returning=("consumed",),
    ),
    PreparedUpdate(
        lambda product_id, _reference, number: (
            Inventory.objects.filter(product=product_id),
            Q(GreaterThanOrEqual(F("quantity_reserved"), number)),
            {"quantity_reserved": F("quantity_reserved") - number, "last_updated": Now()},
        ),
        *_A_LINE,
        returning=("quantity_reserved",),
    ),
)


def consume(*, want: Want, by: Actor) -> None:
    """Record that pieces reserved for a line were sent. A line without reserved pieces, which was
    made on demand, is ignored.
    """
    held = Reservation(product_id=want.product_id, reference=want.reference)
    movement = _of_line(held, MovementKind.CONSUMED, 0, -want.quantity, "", by)
    with transaction.atomic(savepoint=False):
        given = (want.product_id, want.reference, want.quantity)
        if _consumed(*given, along=[movement]) is None:
            _tell_why(want, movement)


def _tell_why(want: Want, movement: StockMovement) -> None:
    """Raise the reason why pieces cannot be consumed, unless the line has no reservation."""
    if StockMovement.objects.filter(pk=movement.pk).exists():
        raise _disagrees()
    for held in Reservation.objects.filter(reference=want.reference):
        raise _holds_only(held)


def _disagrees() -> StockError:
    return StockError(_("The stock of this product does not agree with its reservations."))


def _holds_only(held: Reservation) -> StockError:
    return StockError(_("The line holds only %(open)s pieces.") % {"open": held.open})


def _open(pieces: Mapping[uuid.UUID, int | None]) -> list[tuple[Reservation, int]]:
    """The reservations of these lines, locked, each with its number of pieces."""
    rows = Reservation.objects.select_for_update().filter(reference__in=list(pieces))
    found = []
    for held in rows.order_by("product_id", "pk"):
        wanted = pieces[held.reference]
        number = held.open if wanted is None else wanted
        if number > held.open:
            raise _holds_only(held)
        found.append((held, number))
    return found


def _of_line(
    held: Reservation,
    kind: MovementKind,
    available: int,
    reserved: int,
    reason: str,
    by: Actor,
) -> StockMovement:
    return StockMovement(
        product_id=held.product_id,
        kind=kind,
        available_change=available,
        reserved_change=reserved,
        reference=held.reference,
        reason=reason[:255],
        by_id=by.user_id,
    )


def receive(*, product: Product, quantity: int, reason: str, by: Actor) -> None:
    """Record that new pieces have come in. The first time, this creates the inventory of the
    product.
    """
    if quantity < 1:
        raise StockError(_("Receive at least one piece."))
    _change(product, MovementKind.RECEIVED, quantity, reason, by)


def open_stock(*, pieces: Mapping[uuid.UUID, int | None], reason: str, by: Actor) -> None:
    """Put the first pieces of many new products on the shelf at once, by the products' ids.

    None as a number: the stock is not counted. What their inventory had before is written over.
    """
    rows = Product.objects.filter(pk__in=pieces, category__low_stock_rule__low_stock_at__gte=0)
    marks: dict[uuid.UUID, Any] = dict(
        rows.values_list("pk", "category__low_stock_rule__low_stock_at")
    )
    with transaction.atomic():
        shelves = Inventory.objects.bulk_create(
            (
                Inventory(
                    product_id=product_id,
                    quantity_available=number or 0,
                    low_stock_at=marks.get(product_id, default_low_mark()),
                    is_tracked=number is not None,
                )
                for product_id, number in pieces.items()
            ),
            update_conflicts=True,
            unique_fields=["product"],
            update_fields=["quantity_available", "low_stock_at", "is_tracked", "last_updated"],
        )
        StockMovement.objects.bulk_create(
            StockMovement(
                product_id=product_id,
                kind=MovementKind.RECEIVED,
                available_change=number,
                reserved_change=0,
                reason=reason,
                by_id=by.user_id,
            )
            for product_id, number in pieces.items()
            if number
        )
        by_status: dict[StockStatus, list[uuid.UUID]] = defaultdict(list)
        for shelf in shelves:
            by_status[status_of(shelf)].append(shelf.product_id)
        for status, products in by_status.items():
            Product.objects.filter(pk__in=products).show_stock(status)


def adjust(*, product: Product, change: int, reason: str, by: Actor) -> None:
    """Correct the available number by `change` (negative: broken, lost)."""
    if change == 0:
        raise StockError(_("An adjustment of zero changes nothing."))
    if not reason.strip():
        raise StockError(_("Say why the number is adjusted."))
    _change(product, MovementKind.ADJUSTED, change, reason, by)


def count(*, product: Product, counted: int, reason: str, by: Actor) -> int:
    """Record that `counted` pieces are on the shelf, including those reserved for orders.

    Returns the change to the available number (0: the records were right).
    """
    with transaction.atomic():
        stock = held_shelf(product)
        must_count(stock)
        must_hold(stock, counted)
        change = counted - stock.on_shelf
        if change:
            _change(
                product, MovementKind.ADJUSTED, change, reason or kept(lambda: _("Counted")), by
            )
    return change


def _change(product: Product, kind: MovementKind, change: int, reason: str, by: Actor) -> None:
    with transaction.atomic():
        stock = held_shelf(product)
        must_count(stock)
        must_fit(stock, change)
        _record(product.pk, kind, change, reason, by)
        move(product.pk, available=change, reserved=0)


def _record(
    product_id: uuid.UUID, kind: MovementKind, available: int, reason: str, by: Actor
) -> None:
    """Write a movement that belongs to no order line."""
    StockMovement.objects.create(
        product_id=product_id,
        kind=kind,
        available_change=available,
        reserved_change=0,
        reason=reason[:255],
        by_id=by.user_id,
    )


def stop_counting(*, product: Product, reason: str, by: Actor) -> None:
    """Stop counting: any number can be redeemed from now on. The available pieces are written
    off.
    """
    with transaction.atomic():
        stock = held_shelf(product)
        if not stock.is_tracked:
            raise StockError(_("The stock of this product is not counted already."))
        if stock.quantity_available:
            change = -stock.quantity_available
            _change(product, MovementKind.ADJUSTED, change, reason, by)
        _set_counted(product, is_tracked=False, status=StockStatus.IN_STOCK)


def start_counting(*, product: Product, counted: int, reason: str, by: Actor) -> None:
    """Start counting: `counted` pieces are on the shelf, including those reserved for orders."""
    with transaction.atomic():
        stock = Inventory.objects.select_for_update().get(product=product)
        if stock.is_tracked:
            raise StockError(_("The stock of this product is counted already."))
        _set_counted(product, is_tracked=True, status=StockStatus.OUT)
        count(product=product, counted=counted, reason=reason, by=by)


def _set_counted(product: Product, *, is_tracked: bool, status: StockStatus) -> None:
    Inventory.objects.filter(product=product).update(is_tracked=is_tracked, last_updated=Now())
    Product.objects.filter(pk=product.pk).show_stock(status)
