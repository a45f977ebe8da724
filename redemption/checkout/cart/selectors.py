"""Reads the cart: its lines, whether each can be redeemed now, and the points that remain."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.layout import Header
from accounts.models import AccountManager, Address
from accounts.permissions import may_redeem
from catalog.models import Product
from loyalty_portal.data.actor import Actor
from loyalty_portal.fastpath.sql import Prepared
from redemption.checkout.limits import Allowance, allowances_of
from redemption.models import CartLine

MOST_IN_BOOK = 500  # entries of the address book that a page offers


@dataclass(frozen=True, slots=True)
class Entry:
    """A product of the cart, with its rows. `trouble` says why it cannot be redeemed; "" when it
    can.
    """

    product: Product
    rows: list[CartLine]
    trouble: str
    left_in_stock: int | None  # pieces; None when the product is made on demand

    @property
    def quantity(self) -> int:
        return sum(row.quantity for row in self.rows)

    @property
    def points(self) -> int:
        return self.quantity * self.product.points_cost

    @property
    def people(self) -> int:
        """How many people were named for it."""
        return sum(row.position is not None for row in self.rows)

    @property
    def nobodys(self) -> int:
        """Pieces for whom nobody was named yet."""
        return sum(row.quantity for row in self.rows if row.position is None)


@dataclass(frozen=True, slots=True)
class Refused:
    """A quantity that somebody typed and that is not possible, with the reason."""

    entry: Entry
    typed: str
    problem: str


@dataclass(frozen=True, slots=True)
class CartPage:
    """The one object of the cart's templates; points are whole numbers."""

    entries: list[Entry]
    header: Header
    may_redeem: bool
    refused: Refused | None = None
    allowances: list[Allowance] = field(default_factory=list)

    @property
    def over(self) -> list[str]:
        """Why it is more than limits leave: a sentence for each."""
        exceeded = (each for each in self.allowances if each.over(self.total))
        return [each.refusal(self.total) for each in exceeded]

    @property
    def total(self) -> int:
        return sum(entry.points for entry in self.entries)

    @property
    def pieces(self) -> int:
        return sum(entry.quantity for entry in self.entries)

    @property
    def troubled(self) -> bool:
        """Whether a line must be removed or changed before the cart can be redeemed."""
        return any(entry.trouble for entry in self.entries)

    @property
    def left(self) -> int | None:
        """Points that remain after redeeming: negative when too few, None when not known."""
        spendable = self.header.spendable
        return None if spendable is None else spendable - self.total

    @property
    def missing(self) -> int:
        """Points that are lacking, by the last known balance."""
        return max(0, -self.left) if self.left is not None else 0


_cart_lines = Prepared(
    lambda seat_id: (
        CartLine.objects.filter(cart=seat_id)
        .select_related("cart", "product__inventory")
        .defer("product__description", "product__search")
    ),
    UUID(int=1),
)


def cart_lines(seat: AccountManager) -> list[CartLine]:
    """The rows of the seat's cart, with all that placing an order needs, in one query."""
    return _cart_lines(seat.pk)


def lines_of(seat: AccountManager, product_id: UUID) -> list[CartLine]:
    """The rows of one product in the seat's cart, people first, each with its product and seat."""
    rows = CartLine.objects.filter(cart=seat.pk, product=product_id)
    needed = rows.select_related("product", "cart__seat__user", "cart__seat__company")
    return list(needed.defer("product__description", "product__search"))


class InBook(NamedTuple):
    """An entry of the address book, to choose by its key."""

    key: str
    label: str


def book_of(seat: AccountManager, *, by_mail: bool) -> list[InBook]:
    """Those of the company's address book who can get a product: by e-mail, or by parcel."""
    return [
        InBook(str(row.pk), f"{row.recipient_name}, {row.recipient_email}" if by_mail else str(row))
        for row in _in_book(seat, by_mail=by_mail)[:MOST_IN_BOOK]
    ]


def from_book(seat: AccountManager, keys: Sequence[str], *, by_mail: bool) -> list[dict[str, str]]:
    """The recipients with these keys, in the order of the book. Other keys count for nothing."""
    known = {str(row.pk): row for row in _in_book(seat, by_mail=by_mail)[:MOST_IN_BOOK]}
    return [row.recipient() for key, row in known.items() if key in set(keys)]


def _in_book(seat: AccountManager, *, by_mail: bool) -> QuerySet[Address]:
    column = "recipient_email" if by_mail else "address_line1"
    return Address.objects.filter(company=seat.company_id).exclude(**{column: ""})


def cart_page(seat: AccountManager, lines: list[CartLine], header: Header) -> CartPage:
    """The cart with the current stock and points."""
    rows_of: dict[UUID, list[CartLine]] = {}
    for line in lines:
        rows_of.setdefault(line.product_id, []).append(line)
    entries = [_entry(rows, seat) for rows in rows_of.values()]
    return CartPage(
        entries=entries,
        header=header,
        may_redeem=may_redeem(Actor.in_seat(seat)),
        allowances=allowances_of(seat) if entries else [],
    )


def _entry(rows: list[CartLine], seat: AccountManager) -> Entry:
    product = rows[0].product
    left = _left(product)
    wanted = sum(row.quantity for row in rows)
    trouble = _trouble(product, wanted, seat, left)
    return Entry(product=product, rows=rows, trouble=trouble, left_in_stock=left)


def _left(product: Product) -> int | None:
    """Pieces that can be redeemed now; None where the number has no limit."""
    inventory = getattr(product, "inventory", None)
    if inventory is None:
        return None if product.is_virtual else 0
    return inventory.quantity_available if inventory.is_tracked else None


def _trouble(product: Product, wanted: int, seat: AccountManager, left: int | None) -> str:
    if not product.is_offered_to(seat.company.tier_level):
        return _("This product is not on offer any more. Remove it to continue.")
    if left == 0:
        return _("Out of stock. Remove it to continue, or come back later.")
    if left is not None and left < wanted:
        return _("Only %(left)s left. Choose fewer to continue.") % {"left": left}
    return ""
