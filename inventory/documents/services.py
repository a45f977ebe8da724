"""Checks a list of products and numbers, and writes it as one document, wholly or not at all."""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from django.db import transaction
from django.db.models.functions import Upper
from django.utils.translation import gettext as _

from catalog.models import Product
from inventory.documents.lists import SKU_LENGTH, ListLine
from inventory.models import (
    DocumentKind,
    Inventory,
    LowStockRule,
    MovementKind,
    StockDocument,
    StockMovement,
)
from inventory.selectors import last_change
from inventory.services import move
from inventory.shelves import MOST, StockError, follow_rule, must_count, must_fit, must_hold
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.texts.numbers import grouped

Some = TypeVar("Some")
AT_ONCE = 1_000  # SKUs that one query looks up
Seen = Mapping[str, int]  # pieces on the shelf by SKU in capitals, as the page showed them


@dataclass(slots=True)
class Checked:
    """One line with what is known about it.

    `error`: why it cannot be written. `news`: what changed since the page showed the shelf.
    """

    entry: ListLine
    product: Product | None = None
    on_shelf: int = 0
    before: int = 0  # on the shelf as the page showed it
    after: int | None = None
    error: str = ""
    news: str = ""

    @property
    def why(self) -> str:
        """Why it is not written as it is; "" if it can be."""
        return self.error or self.news

    @property
    def is_wrong(self) -> bool:
        return bool(self.why)


class WrongRowsError(StockError):
    """Some lines cannot be written, so nothing was; `checked` has all lines."""

    def __init__(self, checked: list[Checked]) -> None:
        super().__init__(_("Nothing was written. Look at the marked lines."))
        self.checked = checked


def check(*, kind: DocumentKind, entries: Iterable[ListLine], seen: Seen) -> list[Checked]:
    """Look up each line's product and say what is wrong with it. Changes nothing."""
    found = [Checked(entry) for entry in entries]
    products = _products(found)
    shelves = {
        each.product_id: each
        for keys in _some(product.pk for product in products.values())
        for each in Inventory.objects.filter(product__in=keys)
    }
    return _judged(kind, found, products, shelves, seen)


@transaction.atomic
def write(
    *,
    kind: DocumentKind,
    entries: Sequence[ListLine],
    seen: Seen,
    token: uuid.UUID,
    reference: str,
    reason: str,
    by: Actor,
) -> tuple[StockDocument, bool]:
    """Write a list as one document with a movement for each product.

    Returns the document, and whether it is new: a token that was written before gives the same one.
    Raises WrongRowsError if any line is wrong, or a counted shelf is not as it was `seen`.
    """
    made, is_new = document_of(kind=kind, token=token, reference=reference, reason=reason, by=by)
    if not is_new:
        return made, False
    found, shelves = _looked_up(made, entries, seen)
    if not found or any(each.is_wrong for each in found):
        raise WrongRowsError(found)
    _move_all(made, found, shelves)
    return made, True


def document_of(
    *, kind: DocumentKind, token: uuid.UUID, reference: str, reason: str, by: Actor
) -> tuple[StockDocument, bool]:
    """The document of this token, and whether it was made now, without a movement."""
    made = StockDocument(
        kind=kind, token=token, reference=reference, reason=reason, by_id=by.user_id
    )
    StockDocument.objects.bulk_create([made], ignore_conflicts=True)
    written = StockDocument.objects.get(token=token)
    return written, written.pk == made.pk


def booked_before(document: StockDocument) -> str:
    """The sentence for a form that was sent again after its document was written."""
    told = _("This form was booked before, as %(number)s; nothing was booked again.")
    return told % {"number": document.number}


@transaction.atomic
def write_some(
    *, document: StockDocument, entries: Sequence[ListLine], seen: Seen
) -> list[Checked]:
    """Write some lines of a list that was checked before.

    Returns those that cannot be written any more, which are left out.
    """
    found, shelves = _looked_up(document, entries, seen)
    _move_all(document, [each for each in found if not each.is_wrong], shelves)
    return [each for each in found if each.is_wrong]


def _looked_up(
    document: StockDocument, entries: Iterable[ListLine], seen: Seen
) -> tuple[list[Checked], dict[uuid.UUID, Inventory]]:
    """The lines as they are judged now, and their stock rows, locked."""
    found = [Checked(entry) for entry in entries]
    products = _products(found)
    shelves = _held(products.values())
    _judged(DocumentKind(document.kind), found, products, shelves, seen)
    return found, shelves


def _some(values: Iterable[Some]) -> Iterator[list[Some]]:
    """The values in lists of at most AT_ONCE."""
    rest = iter(values)
    while some := list(islice(rest, AT_ONCE)):
        yield some


def _products(found: Iterable[Checked]) -> dict[str, Product]:
    """The products of these lines by their SKUs in capitals."""
    keys = {each.entry.key for each in found if len(each.entry.sku) <= SKU_LENGTH}
    rows = Product.objects.annotate(key=Upper("sku")).only(
        "sku", "name", "product_type", "category_id"
    )
    return {
        product.sku.upper(): product
        for some in _some(sorted(keys))
        for product in rows.filter(key__in=some)
    }


def _held(products: Iterable[Product]) -> dict[uuid.UUID, Inventory]:
    """The stock rows of these products, locked in the order in which stock is locked everywhere."""
    categories = {product.pk: product.category_id for product in products}
    marks = {key: LowStockRule.objects.mark_for(key) for key in set(categories.values())}
    rows = Inventory.objects.select_for_update().filter(product__in=list(categories))
    held = {stock.product_id: stock for stock in rows.order_by("product_id")}
    for product_id, stock in held.items():
        follow_rule(stock, marks[categories[product_id]])
    return held


def _judged(
    kind: DocumentKind,
    found: list[Checked],
    products: Mapping[str, Product],
    shelves: Mapping[uuid.UUID, Inventory],
    seen: Seen,
) -> list[Checked]:
    rows: dict[str, int] = {}
    for each in found:
        each.product = products.get(each.entry.key)
        if each.product is None:
            each.error = _unknown(each.entry.sku)
        elif each.entry.key in rows:
            each.error = _("This SKU stands in line %(row)s already. Put both into one line.") % {
                "row": grouped(rows[each.entry.key])
            }
        else:
            rows[each.entry.key] = each.entry.row
            _judge(kind, each, each.product, shelves.get(each.product.pk), seen)
    return found


def _unknown(sku: str) -> str:
    if len(sku) > SKU_LENGTH:
        return _("This is no SKU: it has %(n)s characters.") % {"n": grouped(len(sku))}
    return _("No product has this SKU.")


def _judge(
    kind: DocumentKind, each: Checked, product: Product, stock: Inventory | None, seen: Seen
) -> None:
    if stock is None:
        each.error = _("This product is made on demand; it has no stock to change.")
        return
    each.on_shelf = stock.on_shelf
    each.before = seen.get(each.entry.key, stock.on_shelf)
    try:
        must_count(stock)
        change = _change(kind, each.entry, stock)
        must_fit(stock, change)
    except StockError as error:
        each.error = str(error)
        return
    each.after = stock.on_shelf + change
    if kind == DocumentKind.COUNT and each.before != stock.on_shelf:
        each.news = _("The page showed %(before)s on the shelf; now there are %(now)s. %(why)s") % {
            "before": grouped(each.before),
            "now": grouped(stock.on_shelf),
            "why": last_change(product.pk),
        }


def _change(kind: DocumentKind, entry: ListLine, stock: Inventory) -> int:
    """By how much the available number changes. Raises StockError if it cannot."""
    pieces = entry.pieces
    if pieces is None:
        told = _("“%(text)s” is no whole number.") if entry.text else _("The number is missing.")
        raise StockError(told % {"text": entry.text[:40]})
    if abs(pieces) > MOST:
        raise StockError(_("That is more than any shelf holds."))
    if kind == DocumentKind.COUNT:
        if pieces < 0:
            raise StockError(_("A count cannot be below zero."))
        must_hold(stock, pieces)
        return pieces - stock.on_shelf
    if kind == DocumentKind.RECEIPT and pieces < 1:
        raise StockError(_("Receive at least one piece."))
    if pieces == 0:
        raise StockError(_("An adjustment of zero changes nothing."))
    return pieces


def _move_all(
    made: StockDocument, found: Sequence[Checked], shelves: Mapping[uuid.UUID, Inventory]
) -> None:
    """Write the movements, and change the numbers in the order in which stock is locked.

    A count that finds what the records say has a movement of zero: it was counted all the same.
    """
    movements = sorted(_movements(made, found, shelves), key=lambda row: row.product_id)
    StockMovement.objects.bulk_create(movements, batch_size=AT_ONCE)
    for row in movements:
        if row.available_change:
            move(row.product_id, available=row.available_change, reserved=0)


def _movements(
    made: StockDocument, found: Iterable[Checked], shelves: Mapping[uuid.UUID, Inventory]
) -> Iterator[StockMovement]:
    received = made.kind == DocumentKind.RECEIPT
    for each in found:
        if each.product is None or each.after is None:
            continue
        yield StockMovement(
            product_id=each.product.pk,
            kind=MovementKind.RECEIVED if received else MovementKind.ADJUSTED,
            available_change=each.after - shelves[each.product.pk].on_shelf,
            reserved_change=0,
            document=made,
            reason=made.reason or made.reference or made.get_kind_display(),
            by_id=made.by_id,
        )
