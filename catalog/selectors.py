"""Reading the catalogue: light rows, few queries, and counts that are a few seconds old.

A page must stay quick at a million products, so each list is walked along an index, a search
is counted to a cap, and nobody leafs further than the cap either.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib.postgres.search import CombinedSearchQuery, SearchQuery, SearchRank
from django.core.cache import cache
from django.db.models import Count, F, Max, Min, Q, QuerySet, Subquery, Value
from django.db.models.functions import Lower

from catalog.models import Category, Product, ProductQuerySet, StockStatus

PAGE_SIZE = 24
COUNT_CAP = 10_000  # products that a search counts, and that anyone leafs through
FACETS_SECONDS = 20
BRANDS_SHOWN = 8
SEARCH_WORDS = 8
# What PostgreSQL's parser and its query syntax would trip over; blanked in the vector too.
_NOT_WORDS = re.compile(r"[\s!-/:-@\[-`{-~\x00-\x1f]+")


class Sort(StrEnum):
    """Orders of the list; BEST is for searches only."""

    BEST = "best"
    NAME = "name"
    CHEAPEST = "points"
    DEAREST = "-points"
    NEWEST = "newest"


@dataclass(frozen=True, slots=True)
class Filters:
    """What somebody wants to see; an empty value does not narrow. Points are of one piece."""

    q: str = ""
    category: str = ""  # a slug
    product_type: str = ""
    brand: str = ""
    points_from: int | None = None
    points_to: int | None = None
    within_balance: bool = False
    in_stock: bool = False
    sort: Sort = Sort.NAME
    page: int = 1


class Row(NamedTuple):
    """What a card needs of a product; names are the query's columns."""

    id: UUID
    name: str
    slug: str
    brand: str
    product_type: str
    points_cost: int
    image_url: str
    stock_status: str
    category_id: UUID
    family_id: UUID | None
    variant: str


class FamilyFacts(NamedTuple):
    """What a family's card says of all its variants that the viewer may redeem."""

    name: str
    variants: int
    points_from: int
    points_to: int
    in_stock: bool


class Shelf(NamedTuple):
    """A category with its count."""

    slug: str
    name: str
    products: int


@dataclass(frozen=True, slots=True)
class Facets:
    """Counts under the filters that are on, each but for its own filter.

    `total` ends at COUNT_CAP + 1 in a search. `partial`: a search found so much that the
    counts by shelf and type are of some of it only.
    """

    total: int
    shelves: Sequence[Shelf]
    types: dict[str, int]
    brands: Sequence[tuple[str, int]]
    partial: bool

    @property
    def pages(self) -> int:
        return max(1, -(-min(self.total, COUNT_CAP) // PAGE_SIZE))


def search_words(text: str) -> list[str]:
    """The words that a search is about; empty when there is nothing to search for."""
    return _NOT_WORDS.sub(" ", text).split()[:SEARCH_WORDS]


def search_query(text: str) -> SearchQuery | CombinedSearchQuery | None:
    """All of the words, each as the beginning of one, as written or as its English stem."""
    found: SearchQuery | CombinedSearchQuery | None = None
    for word in search_words(text):
        prefix = f"'{word}':*"
        either = SearchQuery(prefix, config="simple", search_type="raw") | SearchQuery(
            prefix, config="english", search_type="raw"
        )
        found = either if found is None else found & either
    return found


def _shown(tier_level: str, filters: Filters, budget: int | None) -> ProductQuerySet:
    """The cards that match all filters; `budget` is what "within our balance" means."""
    cards = Product.objects.offered().for_tier(tier_level).filter(is_card=True)
    if filters.q and (query := search_query(filters.q)) is not None:
        cards = cards.filter(search=query)
    narrow: dict[str, Any] = {}
    if filters.category:
        # A subquery and no join: its one value lets the list be read off the shelf's index.
        shelf = Category.objects.filter(slug=filters.category)
        narrow["category"] = Subquery(shelf.values("pk"))
    if filters.product_type:
        narrow["product_type"] = filters.product_type
    if filters.brand:
        narrow["brand"] = filters.brand
    if filters.points_from is not None:
        narrow["points_cost__gte"] = filters.points_from
    if filters.points_to is not None:
        narrow["points_cost__lte"] = filters.points_to
    cards = cards.filter(**narrow)
    if filters.within_balance and budget is not None:
        cards = cards.filter(points_cost__lte=budget)
    if filters.in_stock:
        cards = cards.exclude(stock_status=StockStatus.OUT)
    return cards


def _sorted(cards: ProductQuerySet, filters: Filters) -> QuerySet[Product]:
    match filters.sort:
        case Sort.BEST if (query := search_query(filters.q)) is not None:
            # Ranking reads every match: of very many, any COUNT_CAP of them.
            some = Product.objects.filter(pk__in=cards.values("pk")[:COUNT_CAP])
            return some.order_by(SearchRank(F("search"), query).desc(), Lower("name"), "id")
        case Sort.CHEAPEST:
            return cards.order_by("points_cost", "id")
        case Sort.DEAREST:
            return cards.order_by("-points_cost", "-id")
        case Sort.NEWEST:
            return cards.order_by("-created_at", "-id")
        case _:
            return cards.order_by(Lower("name"), "id")


def card_rows(*, tier_level: str, filters: Filters, budget: int | None) -> list[Row]:
    """One page of cards, in order."""
    start = (filters.page - 1) * PAGE_SIZE
    cards = _sorted(_shown(tier_level, filters, budget), filters)
    return [Row(*row) for row in cards.values_list(*Row._fields)[start : start + PAGE_SIZE]]


def family_facts(*, tier_level: str, rows: Sequence[Row]) -> dict[UUID, FamilyFacts]:
    """By family, for the cards among `rows` that stand for one. No query when none does."""
    families = {row.family_id for row in rows if row.family_id}
    if not families:
        return {}
    found = (
        Product.objects.offered()
        .for_tier(tier_level)
        .filter(family__in=families)
        .order_by()
        .values_list("family_id")
        .annotate(
            called=Max("family__name"),
            variants=Count("id"),
            points_from=Min("points_cost"),
            points_to=Max("points_cost"),
            in_stock=Count("id", filter=~Q(stock_status=StockStatus.OUT)),
        )
    )
    return {
        family: FamilyFacts(name, variants, low, high, bool(in_stock))
        for family, name, variants, low, high, in_stock in found
        if family is not None
    }


def facets(*, tier_level: str, filters: Filters, budget: int | None) -> Facets:
    """Counts for the filters, one query or the cache: at most FACETS_SECONDS old."""
    limit = budget if filters.within_balance else None
    asked = repr((tier_level, replace(filters, page=1, sort=Sort.NAME), limit))
    key = f"catalog:facets:{hashlib.blake2b(asked.encode(), digest_size=16).hexdigest()}"
    known: Facets | None = cache.get(key)
    if known is None:
        known = _count(tier_level, filters, budget)
        cache.set(key, known, FACETS_SECONDS)
    return known


def _count(tier_level: str, filters: Filters, budget: int | None) -> Facets:
    """Both sets of counts in one query: by shelf and type, and by brand (without a slug)."""
    wide = replace(filters, category="", product_type="")
    by_shelf = (
        _counted(tier_level, wide, budget)
        .values_list("category__slug", "category__name", "product_type")
        .annotate(count=Count("id"), position=F("category__position"))
    )
    by_brand = (
        _counted(tier_level, replace(filters, brand=""), budget)
        .exclude(brand="")
        .values_list(Value(""), "brand", Value(""))
        .annotate(count=Count("id"), position=Value(0))
        .order_by("-count", "brand")[:BRANDS_SHOWN]
    )
    rows = list(by_shelf.union(by_brand, all=True))
    by_slug = sorted((row for row in rows if row[0]), key=lambda row: (row[4], row[1]))
    partial = bool(filters.q) and sum(row[3] for row in by_slug) > COUNT_CAP
    shelves: dict[str, Shelf] = {}
    types: dict[str, int] = {}
    total = 0
    for slug, name, product_type, count, _ in by_slug:
        in_type = filters.product_type in {"", product_type}
        in_shelf = filters.category in {"", slug}
        before = shelves[slug].products if slug in shelves else 0
        shelves[slug] = Shelf(slug, name, before + count * in_type)
        types[product_type] = types.get(product_type, 0) + count * in_shelf
        total += count * (in_type and in_shelf)
    if partial:
        total = _shown(tier_level, filters, budget)[: COUNT_CAP + 1].count()
    brands = [(name, count) for slug, name, _, count, _ in rows if not slug]
    return Facets(total, list(shelves.values()), types, brands, partial)


def _counted(tier_level: str, filters: Filters, budget: int | None) -> QuerySet[Product]:
    """All that match; of a search, whose matches must be read one by one, COUNT_CAP and one."""
    shown = _shown(tier_level, filters, budget).order_by()
    if not filters.q:
        return shown
    return Product.objects.filter(pk__in=shown.values("pk")[: COUNT_CAP + 1]).order_by()


def offered_product(*, slug: str, tier_level: str) -> Product | None:
    """The product with this slug if this tier may redeem it now."""
    found = Product.objects.offered().for_tier(tier_level).filter(slug=slug)
    return found.select_related("category", "family").defer("search").first()


class Variant(NamedTuple):
    """One of a family, as the product page links it."""

    slug: str
    variant: str
    name: str
    points_cost: int
    stock_status: str


def variants(*, product: Product, tier_level: str) -> list[Variant]:
    """The family of `product`, itself included, cheapest first; empty without a family."""
    if product.family_id is None:
        return []
    found = Product.objects.offered().for_tier(tier_level).filter(family=product.family_id)
    return [
        Variant(*row)
        for row in found.order_by("points_cost", "variant", "id").values_list(*Variant._fields)
    ]
