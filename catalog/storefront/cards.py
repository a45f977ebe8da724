"""Turns rows of selectors.py into the texts and addresses that the templates show.

All values are computed here in plain Python. A template that formats numbers, resolves addresses
and looks up translations for each of 24 cards takes longer than the database.
"""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from catalog.models import ProductType, StockStatus, picture_address, shelf_address
from catalog.search.finding import FoundCards
from catalog.selectors import COUNT_CAP, Facets, FamilyFacts, Filters, Row
from catalog.storefront.forms import Asked, FacetOption, address, sorts_offered
from catalog.storefront.options import choosing
from loyalty_portal.data.texts.numbers import grouped

_GAP = "…"
HEART = "h"
EAGER_PICTURES = 8  # about as many as a screen shows before scrolling


class Card(NamedTuple):
    """One product or family in the list. `cost` is the number of points that `points` shows as
    text.
    """

    key: UUID
    href: str
    picture: str
    eager: bool
    name: str
    brand: str
    points: str
    cost: int
    ranged: bool
    choices: str
    virtual: bool
    stock: str

    @property
    def placeholder(self) -> str:
        """Placeholder for “N points short”, which rendered.py fills for each company."""
        return f"\x00{self.cost}\x00"

    @property
    def heart(self) -> str:
        """Placeholder for whether it is a favourite, which rendered.py fills for each seat."""
        return f"\x00{HEART}{self.key}\x00"


def cards(rows: Sequence[Row], families: dict[UUID, FamilyFacts]) -> list[Card]:
    """Make the cards of a page, in the order of `rows`."""
    language = get_language()
    return [
        _card(
            row,
            families.get(row.family_id) if row.family_id else None,
            index < EAGER_PICTURES,
            language,
        )
        for index, row in enumerate(rows)
    ]


@functools.lru_cache(maxsize=4_000)
def _card(row: Row, family: FamilyFacts | None, eager: bool, language: str) -> Card:  # noqa: ARG001 - it differs by it
    points, stock = row.points_cost, row.stock_status
    several = family is not None and family.variants > 1
    if family and several:
        points = family.points_from
        stock = StockStatus.IN_STOCK if family.in_stock else StockStatus.OUT
    return Card(
        key=row.id,
        href=choosing(row.slug) if several else f"{shelf_address()}{row.slug}/",
        picture=picture_address(
            slug=row.slug,
            cover=row.cover,
            image_url=row.image_url,
            drawn=f"{row.name}{row.brand}{row.variant}",
            category_id=row.category_id,
        ),
        eager=eager,
        name=family.name if family and several else row.name,
        brand=row.brand,
        points=grouped(points),
        cost=points,
        ranged=bool(family and several and family.points_to > points),
        choices=_choices(family.variants) if family and several else "",
        virtual=row.product_type == ProductType.VIRTUAL,
        stock="" if stock == StockStatus.IN_STOCK else stock,
    )


def _choices(variants: int) -> str:
    return ngettext("%(count)s choice", "%(count)s choices", variants) % {
        "count": grouped(variants)
    }


class Chip(NamedTuple):
    """A filter in use, with the address of the list without it."""

    label: str
    href: str


class PageLink(NamedTuple):
    """One entry of the page navigation. `href` is "" for the current page and for a gap."""

    label: str
    href: str

    @property
    def is_gap(self) -> bool:
        return self.label == _GAP


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything that the catalogue's templates show."""

    asked: Asked
    title: str
    counted: str
    show: str
    cards: list[Card]
    shelves: list[FacetOption]
    types: list[FacetOption]
    brands: list[FacetOption]
    sorts: Sequence[FacetOption]
    chips: list[Chip]
    pages: list[PageLink]
    before: str
    after: str
    with_budget: bool
    meant: str
    meant_href: str
    instead: bool

    @property
    def filters(self) -> Filters:
        return self.asked.filters


def catalogue(*, asked: Asked, found: FoundCards, with_budget: bool) -> Catalogue:
    """Build what the list page and its fragment show.

    `with_budget`: whether the company's balance is known, so that the "within our balance" filter
    can be offered.
    """
    filters, facets = asked.filters, found.facets
    names = {shelf.slug: shelf.name for shelf in facets.shelves}
    last = facets.pages if facets.total is not None else 1
    return Catalogue(
        asked=asked,
        title=_title(filters, names),
        counted=_counted(facets),
        show=_show(facets),
        cards=cards(found.rows, found.families),
        shelves=_shelves(filters, facets),
        types=_types(filters, facets),
        brands=_brands(filters, facets),
        sorts=sorts_offered(
            filters.sort,
            searched=bool(filters.q),
            language=get_language(),
        ),
        chips=list(_chips(filters, names)),
        pages=_pages(filters, last),
        before=_before(filters, found),
        after=address(filters, page=found.page + 1, after=found.after) if found.more else "",
        with_budget=with_budget,
        meant=found.meant,
        meant_href=address(filters, q=found.meant) if found.meant else "",
        instead=found.instead,
    )


def _before(filters: Filters, found: FoundCards) -> str:
    if found.page < 2:
        return ""
    return address(filters, page=found.page - 1, before=found.before) or "?"


def _title(filters: Filters, names: dict[str, str]) -> str:
    if filters.q:
        return _("Results for “%(words)s”") % {"words": filters.q}
    if len(filters.categories) == 1 and filters.categories[0] in names:
        return names[filters.categories[0]]
    return filters.brands[0] if len(filters.brands) == 1 else _("Catalogue")


def _counted(found: Facets) -> str:
    if found.total is None:
        return ""
    if found.total > COUNT_CAP and found.partial:
        return _("More than %(count)s products") % {"count": grouped(COUNT_CAP)}
    if not found.total:
        return _("No products")
    return ngettext("%(count)s product", "%(count)s products", found.total) % {
        "count": grouped(found.total)
    }


def _show(found: Facets) -> str:
    """What the button says that leads from the filters to the products."""
    if not found.total or (found.total > COUNT_CAP and found.partial):
        return _("Show results")
    return ngettext("Show %(count)s product", "Show %(count)s products", found.total) % {
        "count": grouped(found.total)
    }


def _count(found: Facets, number: int) -> str:
    return "" if found.partial else grouped(number)


def _shelves(filters: Filters, found: Facets) -> list[FacetOption]:
    return [
        FacetOption(
            shelf.slug,
            shelf.name,
            _count(found, shelf.products),
            shelf.slug in filters.categories,
        )
        for shelf in found.shelves
        if shelf.products or found.partial or shelf.slug in filters.categories
    ]


def _types(filters: Filters, found: Facets) -> list[FacetOption]:
    return [
        FacetOption(
            value.lower(),
            label,
            _count(found, found.types.get(value, 0)),
            value in filters.product_types,
        )
        for value, label in _type_labels(get_language())
    ]


@functools.cache
def _type_labels(language: str) -> list[tuple[str, str]]:  # noqa: ARG001 - they differ by it
    return [(value, str(label)) for value, label in ProductType.choices]


def _brands(filters: Filters, found: Facets) -> list[FacetOption]:
    listed = dict(found.brands)
    chosen = {brand: listed.get(brand) for brand in filters.brands}
    return [
        FacetOption(
            brand,
            brand,
            "" if count is None else _count(found, count),
            brand in filters.brands,
        )
        for brand, count in {**chosen, **listed}.items()
    ]


def _chips(filters: Filters, names: dict[str, str]) -> Iterable[Chip]:
    for slug in filters.categories:
        rest = tuple(each for each in filters.categories if each != slug)
        yield Chip(names.get(slug, slug), address(filters, categories=rest))
    for kind in filters.product_types:
        others = tuple(each for each in filters.product_types if each != kind)
        yield Chip(str(ProductType(kind).label), address(filters, product_types=others))
    for brand in filters.brands:
        left = tuple(each for each in filters.brands if each != brand)
        yield Chip(brand, address(filters, brands=left))
    if filters.points_from is not None:
        label = _("From %(points)s points") % {"points": grouped(filters.points_from)}
        yield Chip(label, address(filters, points_from=None))
    if filters.points_to is not None:
        label = _("Up to %(points)s points") % {"points": grouped(filters.points_to)}
        yield Chip(label, address(filters, points_to=None))
    if filters.within_balance:
        yield Chip(_("Within our balance"), address(filters, within_balance=False))
    if filters.in_stock:
        yield Chip(_("In stock"), address(filters, in_stock=False))


def _pages(filters: Filters, last: int) -> list[PageLink]:
    """Links to the first page, the last page and the pages next to the current one, with gaps."""
    if last == 1:
        return []
    now = filters.page
    near = sorted({1, last} | {page for page in range(now - 1, now + 2) if 1 <= page <= last})
    links: list[PageLink] = []
    first = address(filters)
    before = 0
    for page in near:
        if page > before + 1:
            links.append(PageLink(_GAP, ""))
        numbered = f"{first}{'&' if first else '?'}page={page}"
        href = (first or "?") if page == 1 else numbered
        links.append(PageLink(grouped(page), "" if page == now else href))
        before = page
    return links
