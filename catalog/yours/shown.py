"""What the pages of kept products show of each: lines, and products side by side."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from accounts.models import Company
from catalog.models import Product, StockStatus, picture_address, shelf_address
from catalog.selectors import PAGE_SIZE, Row, rows_by_key
from catalog.texts.words import plain_text, safe_html
from loyalty_portal.data.texts.numbers import grouped

LONGEST_SAID = 300  # characters of a description beside others


class KeptLine(NamedTuple):
    """One product. `short`: how many points are missing for it, "" for none."""

    key: UUID
    slug: str
    href: str
    picture: str
    name: str
    brand: str
    points: str
    short: str
    virtual: bool
    stock: str


def lines(company: Company, ids: Iterable[UUID], spendable: int | None) -> list[KeptLine]:
    """The lines of these products, in their order. `spendable` is in points, None if unknown."""
    tier, keys = company.tier_level, list(ids)
    return [
        _line(row, spendable)
        for start in range(0, len(keys), PAGE_SIZE)
        for row in rows_by_key(tier_level=tier, ids=keys[start : start + PAGE_SIZE])
    ]


def _line(row: Row, spendable: int | None) -> KeptLine:
    return KeptLine(
        key=row.id,
        slug=row.slug,
        href=f"{shelf_address()}{row.slug}/",
        picture=picture_address(
            slug=row.slug,
            cover=row.cover,
            image_url=row.image_url,
            drawn=f"{row.name}{row.brand}{row.variant}",
            category_id=row.category_id,
        ),
        name=row.name,
        brand=row.brand,
        points=grouped(row.points_cost),
        short=_short(row.points_cost, spendable),
        virtual=row.product_type == "VIRTUAL",
        stock="" if row.stock_status == StockStatus.IN_STOCK else row.stock_status,
    )


def _short(points_cost: int, spendable: int | None) -> str:
    missing = 0 if spendable is None else points_cost - spendable
    return grouped(missing) if missing > 0 else ""


class Compared(NamedTuple):
    """One row of products side by side: what it says of each, in their order."""

    name: str
    values: list[str]


def side_by_side(products: Sequence[Product], spendable: int | None) -> list[Compared]:
    """What differs between products, a row for each thing that any of them says."""
    told: list[tuple[str, Callable[[Product], str]]] = [
        (_("Points"), lambda one: grouped(one.points_cost)),
        (_("More points needed"), lambda one: _short(one.points_cost, spendable)),
        (_("Brand"), lambda one: one.brand),
        (_("Category"), lambda one: one.category.name),
        (_("How it comes"), _comes),
        (_("Stock"), lambda one: str(StockStatus(one.stock_status).label)),
        (_("When it arrives"), _arrives),
        (_("How long it is valid"), lambda one: one.validity),
        (_("Where it can be used"), lambda one: one.usable_at),
        (_("Description"), _said),
    ]
    rows = [Compared(name, [say(product) for product in products]) for name, say in told]
    return [row for row in rows if any(row.values)]


def _comes(product: Product) -> str:
    return _("By e-mail") if product.is_virtual else pgettext("how a product comes", "Shipped")


def _arrives(product: Product) -> str:
    days = product.delivery_days
    if product.is_virtual or not days:
        return ""
    told = ngettext("Within %(days)s working day", "Within %(days)s working days", days)
    return told % {"days": grouped(days)}


def _said(product: Product) -> str:
    text = " ".join(plain_text(safe_html(product.description)).split())
    return text if len(text) <= LONGEST_SAID else f"{text[:LONGEST_SAID].rstrip()}…"
