"""Reads what staff order for a seat: seats, products, and what an order would be."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import orjson
from django.db.models import QuerySet
from django.db.models.functions import Upper
from django.utils.translation import gettext as _

from accounts.layout import Header
from accounts.models import AccountManager, Company
from accounts.selectors import find_companies
from catalog.models import Product
from catalog.search.finding import with_words
from catalog.selectors import search_words
from redemption.backoffice.ordering.typed import Typed, TypedLine
from redemption.checkout.approvals.approval import approval_need
from redemption.checkout.enough import short_of
from redemption.checkout.for_seats import held_up, points_of, too_few
from redemption.checkout.rows import GivenRow, read_rows, recipient_of, today_of
from redemption.checkout.services import Line
from redemption.checkout.shown import Shown

FOUND = 20  # products


@dataclass(slots=True)
class CheckedLine:
    """A line with its product and what is wrong with it, by column; "" is the line as a whole."""

    typed: TypedLine
    product: Product | None
    line: Line | None = None
    errors: dict[str, list[str]] = field(default_factory=dict)

    @property
    def points(self) -> int:
        return self.line.quantity * self.line.product.points_cost if self.line else 0

    @property
    def all_errors(self) -> list[str]:
        return [error for errors in self.errors.values() for error in errors]


@dataclass(slots=True)
class CheckedOrder:
    """A list that was checked, with what an order of it would be. `errors`: by column, of the
    recipient whom several lines share. `version` differs whenever what was typed does.
    """

    lines: list[CheckedLine]
    errors: dict[str, list[str]]
    header: Header
    waits: str  # why it needs approval; "" when it does not
    why_not: str  # why no order can be placed now
    version: str

    @property
    def has_errors(self) -> bool:
        return bool(self.errors) or any(line.errors for line in self.lines)

    @property
    def ready(self) -> bool:
        return bool(self.lines) and not (self.has_errors or self.why_not)

    @property
    def total(self) -> int:
        return sum(line.points for line in self.lines)

    @property
    def left(self) -> int | None:
        """Points that remain; None while no balance is known."""
        return None if self.header.spendable is None else self.header.spendable - self.total

    @property
    def order_lines(self) -> list[Line]:
        return [line.line for line in self.lines if line.line]

    @property
    def shown(self) -> Shown:
        """What the preview shows, which the service compares with what is true by then."""
        products = [line.product for line in self.order_lines]
        return Shown.of(products, waits=bool(self.waits))


def find_seats(words: str) -> list[tuple[Company, list[AccountManager]]]:
    """Companies whose name contains the words, by name, with the seats of their people."""
    companies = list(find_companies(words))
    seats = _of_people().filter(company__in=companies).select_related("user", "company")
    of_company: dict[UUID, list[AccountManager]] = {company.pk: [] for company in companies}
    for seat in seats.order_by("user__name", "id"):
        of_company[seat.company_id].append(seat)
    return [(company, of_company[company.pk]) for company in companies]


def seat_to_order_for(seat_id: UUID) -> AccountManager | None:
    """The seat of a person, with what placing an order needs, whether it may order or not."""
    seats = _of_people().select_related("user", "company__known_balance")
    return seats.filter(pk=seat_id).first()


def _of_people() -> QuerySet[AccountManager]:
    """Seats whose person can ask. The system of an API key orders by itself."""
    return AccountManager.objects.filter(user__is_machine=False)


def find_products(seat: AccountManager, words: str) -> list[Product]:
    """Products that the seat's company may redeem and that have all the words, SKUs included."""
    if not search_words(words):
        return []
    found = with_words(_offered(seat), words, tier_level=seat.company.tier_level)
    return list(found.order_by("name", "sku")[:FOUND])


def _offered(seat: AccountManager) -> QuerySet[Product]:
    return Product.objects.offered().for_tier(seat.company.tier_level).defer("description")


def version_of(typed: Typed, about: Sequence[str]) -> str:
    """A text that differs whenever the list, its recipients or the order's own fields do."""
    facts = [*about, typed.all, [[line.sku, line.quantity, line.own] for line in typed.lines]]
    return hashlib.sha256(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)).hexdigest()


def check(seat: AccountManager, typed: Typed, *, header: Header, version: str) -> CheckedOrder:
    """Check the list as an order of the seat: products, stock, recipients, approval, balance."""
    products = _products(seat, [line.sku for line in typed.lines])
    lines = [CheckedLine(line, products.get(line.sku.upper())) for line in typed.lines]
    errors = _read(seat, lines, typed.all)
    for sku, wanted in _wanted(lines):
        if problem := short_of(products[sku], wanted):
            next(each for each in lines if each.product is products[sku]).errors[""] = [problem]
    found = [line.line for line in lines if line.line]
    total = points_of(found)
    need = approval_need(seat, total)
    return CheckedOrder(
        lines=lines,
        errors=errors,
        header=header,
        waits=need.why if need else "",
        why_not=held_up(seat, found) or too_few(header, total),
        version=version,
    )


def _products(seat: AccountManager, skus: Sequence[str]) -> dict[str, Product]:
    """The products that the seat may redeem, by their SKUs in capitals."""
    named = _offered(seat).annotate(key=Upper("sku")).filter(key__in={sku.upper() for sku in skus})
    return {product.sku.upper(): product for product in named.select_related("inventory")}


def _read(
    seat: AccountManager, lines: list[CheckedLine], of_all: Mapping[str, str]
) -> dict[str, list[str]]:
    """Read the cells of each line; returns what is wrong with the recipient whom lines share."""
    shared: dict[str, list[str]] = {}
    for line in lines:
        if line.product is None:
            sku = line.typed.sku
            told = _("This company may not redeem “%(sku)s” now, or no product has this SKU.")
            line.errors["sku"] = [told % {"sku": sku} if sku else _("Enter the SKU.")]
            continue
        who = line.typed.own if line.typed.has_own else of_all
        cells = {**who, "quantity": line.typed.quantity}
        reading = read_rows([GivenRow(line.product, cells)], today=today_of(seat.company))
        for error in reading.errors:
            own = line.typed.has_own or error.column == "quantity"
            (line.errors if own else shared)[error.column] = [error.detail]
        [row] = reading.rows
        if not reading.errors:
            who = recipient_of(line.product, row.recipient)
            line.line = Line(line.product, row.quantity, who)
    return shared


def _wanted(lines: Sequence[CheckedLine]) -> Iterator[tuple[str, int]]:
    """How many pieces of each product the list wants, by its SKU in capitals."""
    wanted: dict[str, int] = {}
    for line in lines:
        if line.line:
            sku = line.line.product.sku.upper()
            wanted[sku] = wanted.get(sku, 0) + line.line.quantity
    yield from wanted.items()
