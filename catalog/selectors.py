"""Reads the catalogue, with light rows and few queries.

Pages stay fast with a million products: each list follows an index, and counting and paging stop at
COUNT_CAP.
"""

import functools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib.postgres.search import CombinedSearchQuery, SearchQuery, SearchRank
from django.core.exceptions import ValidationError
from django.db.models import Count, F, Max, Min, Q, QuerySet, Subquery, Value
from django.db.models.functions import Lower

from catalog.models import (
    Category,
    Family,
    Product,
    ProductPicture,
    ProductQuerySet,
    StockStatus,
    TitleWords,
)
from catalog.texts.words import in_order
from loyalty_portal.fastpath.sql import Prepared

PAGE_SIZE = 24
COUNT_CAP = 10_000  # the most products that a search counts and that the pages reach
BRANDS_SHOWN = 8
SEARCH_WORDS = 8
RANKED = 1_000  # the most matches by name, and as many other matches, that a search ranks
# Characters that PostgreSQL's text search parser treats specially. The vector blanks them too.
_NOT_WORDS = re.compile(r"[\s!-/:-@\[-`{-~\x00-\x1f]+")


class Sort(StrEnum):
    """The sort orders of the list. BEST is only for searches."""

    BEST = "best"
    NAME = "name"
    CHEAPEST = "points"
    DEAREST = "-points"
    NEWEST = "newest"
    POPULAR = "popular"


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters of the list; an empty value does not filter. Of several choices in one filter a
    product has one. Points are for one piece. `after` and `before` are places in the sort.
    """

    q: str = ""
    categories: tuple[str, ...] = ()  # slugs
    product_types: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()
    points_from: int | None = None
    points_to: int | None = None
    within_balance: bool = False
    in_stock: bool = False
    sort: Sort = Sort.NAME
    page: int = 1
    after: str = ""
    before: str = ""


class Row(NamedTuple):
    """The columns of a product that a card needs. Field names match the query's names."""

    id: UUID
    name: str
    slug: str
    brand: str
    product_type: str
    points_cost: int
    image_url: str
    cover: str
    stock_status: str
    category_id: UUID
    family_id: UUID | None
    variant: str


class FamilyFacts(NamedTuple):
    """Facts about all variants of a family that the company may redeem, for the family's card."""

    name: str
    variants: int
    points_from: int
    points_to: int
    in_stock: bool


class Shelf(NamedTuple):
    """A category with its number of products."""

    slug: str
    name: str
    products: int


@dataclass(frozen=True, slots=True)
class Facets:
    """The numbers of products for each filter value, counted without that filter itself.

    `total` is None where counting would read too much. `partial`: the counts by category and type
    cover only a part, or nothing. `reach`: the products that numbered pages go up to.
    """

    total: int | None
    shelves: Sequence[Shelf]
    types: dict[str, int]
    brands: Sequence[tuple[str, int]]
    partial: bool
    reach: int = COUNT_CAP

    @property
    def pages(self) -> int:
        return max(1, -(-min(self.total or 0, self.reach) // PAGE_SIZE))


def search_words(text: str) -> list[str]:
    """The words to search for; empty when the text has none."""
    return _NOT_WORDS.sub(" ", text).split()[:SEARCH_WORDS]


def search_query(text: str) -> SearchQuery | CombinedSearchQuery | None:
    """Build a query for products that have all words, each as a prefix or by its English stem.

    Returns None when the text has no words.
    """
    found: SearchQuery | CombinedSearchQuery | None = None
    for word in search_words(text):
        prefix = f"'{word}':*"
        either = SearchQuery(prefix, config="simple", search_type="raw") | SearchQuery(
            prefix, config="english", search_type="raw"
        )
        found = either if found is None else found & either
    return found


def _shown(tier_level: str, filters: Filters, budget: int | None) -> ProductQuerySet:
    """The cards that match all filters and cost at most `budget` points, if given."""
    cards = Product.objects.offered().for_tier(tier_level).filter(is_card=True)
    if filters.q and (query := search_query(filters.q)) is not None:
        cards = cards.filter(search=query)
    narrow: dict[str, Any] = {}
    if len(filters.categories) == 1:
        # A subquery instead of a join: with a single value PostgreSQL reads the list from the
        # index.
        shelf = Category.objects.filter(slug=filters.categories[0]).order_by()
        narrow["category"] = Subquery(shelf.values("pk"))
    elif filters.categories:
        narrow["category__slug__in"] = filters.categories
    if filters.product_types:
        narrow["product_type__in"] = filters.product_types
    if filters.brands:
        narrow["brand__in"] = filters.brands
    if filters.points_from is not None:
        narrow["points_cost__gte"] = filters.points_from
    if filters.points_to is not None:
        narrow["points_cost__lte"] = filters.points_to
    cards = cards.filter(**narrow)
    if budget is not None:
        cards = cards.filter(points_cost__lte=budget)
    if filters.in_stock:
        cards = cards.exclude(stock_status=StockStatus.OUT)
    return cards


def _sorted(cards: ProductQuerySet, filters: Filters) -> QuerySet[Product]:
    match filters.sort:
        case Sort.BEST if (query := search_query(filters.q)) is not None:
            # Ranking reads every match, so a large result ranks the name matches and some others
            # only.
            found = cards.order_by().values("pk")
            titles = found.alias(titles=TitleWords("search")).filter(titles=query)
            some = titles[:RANKED].union(found[:RANKED])
            rank = SearchRank(F("search"), query).desc()
            return Product.objects.filter(pk__in=some).order_by(rank, Lower("name"), "id")
        case Sort.CHEAPEST:
            return cards.order_by("points_cost", "id")
        case Sort.DEAREST:
            return cards.order_by("-points_cost", "-id")
        case Sort.POPULAR:
            return cards.order_by("-popularity", "-id")
        case Sort.NEWEST:
            return cards.order_by("-created_at", "-id")
        case _:
            return cards.order_by(Lower("name"), "id")


def card_rows(*, tier_level: str, filters: Filters, budget: int | None) -> list[Row]:
    """Read one page of cards, in order."""
    start = (filters.page - 1) * PAGE_SIZE
    cards = _sorted(_shown(tier_level, filters, budget), filters)
    return [Row(*row) for row in cards.values_list(*Row._fields)[start : start + PAGE_SIZE]]


def family_facts(*, tier_level: str, rows: Sequence[Row]) -> dict[UUID, FamilyFacts]:
    """Facts by family for those cards among `rows` that stand for one. No query if none does."""
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


def count_facets(*, tier_level: str, filters: Filters, budget: int | None) -> Facets:
    """Count the facets in one query, which groups all products; the filters are applied here."""
    wide = replace(filters, categories=(), product_types=(), brands=())
    shown = _shown(tier_level, wide, budget).order_by()
    groups = list(_matches(shown) if filters.q else _groups(shown))
    shelves: dict[str, Shelf] = {}
    types: Counter[str] = Counter()
    brands: Counter[str] = Counter()
    total = 0
    for product_type, brand, slug, name, _, number in sorted(groups, key=itemgetter(4, 3)):
        in_shelf = not filters.categories or slug in filters.categories
        in_type = not filters.product_types or product_type in filters.product_types
        in_brand = not filters.brands or brand in filters.brands
        before = shelves[slug].products if slug in shelves else 0
        shelves[slug] = Shelf(slug, name, before + number * (in_type and in_brand))
        types[product_type] += number * (in_shelf and in_brand)
        brands[brand] += number * (in_shelf and in_type)
        total += number * (in_shelf and in_type and in_brand)
    partial = bool(filters.q) and len(groups) > COUNT_CAP
    if partial and filters != wide:
        total = _shown(tier_level, filters, budget)[: COUNT_CAP + 1].count()
    del brands[""]
    # The database returns groups in any order, so brands with equal counts are sorted by name.
    ranked = sorted(brands.items(), key=lambda each: (-each[1], each[0]))[:BRANDS_SHOWN]
    listed = [(brand, number) for brand, number in ranked if number]
    listed += [(each, brands[each]) for each in filters.brands if each not in dict(listed)]
    return Facets(total, list(shelves.values()), dict(types), listed, partial)


def _groups(shown: ProductQuerySet) -> QuerySet[Product, Any]:
    """Count all products in groups from an index alone. A group has only its category's id."""
    grouped = shown.values_list("category_id", "product_type", "brand").annotate(
        slug=Max("category__slug"),
        called=Max("category__name"),
        position=Max("category__position"),
        number=Count("*"),
    )
    return grouped.values_list("product_type", "brand", "slug", "called", "position", "number")


def _matches(shown: ProductQuerySet) -> QuerySet[Product, Any]:
    """The products that a search finds, each as a group of one, up to the limit."""
    return shown.annotate(number=Value(1)).values_list(
        "product_type",
        "brand",
        "category__slug",
        "category__name",
        "category__position",
        "number",
    )[: COUNT_CAP + 1]


@functools.cache
def _cards_by_key(tier_level: str) -> Prepared[tuple[Any, ...]]:
    offered = Product.objects.offered().for_tier(tier_level).order_by()
    wanted = offered.values_list(*Row._fields)
    stand_ins = [UUID(int=number) for number in range(1, PAGE_SIZE + 1)]
    return Prepared(lambda *keys: wanted.filter(pk__in=keys), *stand_ins)


def padded(keys: Sequence[UUID]) -> list[UUID]:
    """The keys, the last one again until there are PAGE_SIZE, as a compiled statement takes."""
    return [*keys, *[keys[-1]] * (PAGE_SIZE - len(keys))]


def rows_by_key(*, tier_level: str, ids: Sequence[UUID], in_stock: bool = False) -> list[Row]:
    """The cards of these products, at most PAGE_SIZE, in their order, as they are at this moment.
    What this tier may not redeem now is left out.
    """
    if not ids:
        return []
    found = {row[0]: Row(*row) for row in _cards_by_key(tier_level)(*padded(ids))}
    rows = [found[key] for key in ids if key in found]
    return [row for row in rows if not in_stock or row.stock_status != StockStatus.OUT]


@functools.cache
def _offered_by_slug(tier_level: str) -> Prepared[Product]:
    offered = Product.objects.offered().for_tier(tier_level)
    wanted = offered.select_related("category", "family").defer("search").order_by()
    return Prepared(lambda slug: wanted.filter(slug=slug), "stand-in")


def offered_product(*, slug: str, tier_level: str) -> Product | None:
    """The product with this slug, if this tier may redeem it now; None otherwise."""
    return next(iter(_offered_by_slug(tier_level)(slug)), None)


@dataclass(frozen=True, slots=True)
class ProductFilters:
    """The filters of the API's list of products; an empty value does not filter. Unlike the list of
    cards, that list has each variant of a family.
    """

    q: str = ""
    category: str = ""  # a slug
    product_type: str = ""
    brand: str = ""
    family: str = ""  # a code
    points_to: int | None = None
    in_stock: bool = False


def offered_products(*, tier_level: str, filters: ProductFilters) -> QuerySet[Product]:
    """The products that this tier may redeem now, in no order, with category and family."""
    found = Product.objects.offered().for_tier(tier_level)
    if filters.q and (query := search_query(filters.q)) is not None:
        found = found.filter(search=query)
    named = {
        "category__slug": filters.category,
        "product_type": filters.product_type,
        "brand": filters.brand,
        "family__code": filters.family,
        "points_cost__lte": filters.points_to,
    }
    narrow = {name: value for name, value in named.items() if value not in {None, ""}}
    found = found.filter(**narrow)
    if filters.in_stock:
        found = found.exclude(stock_status=StockStatus.OUT)
    return found.select_related("category", "family").defer("search").order_by()


def offered_with_sku(*, sku: str, tier_level: str) -> Product | None:
    """The product with this SKU, if this tier may redeem it now; None otherwise."""
    return offered_products(tier_level=tier_level, filters=ProductFilters()).filter(sku=sku).first()


def shelves() -> QuerySet[Category]:
    """All categories, in no order."""
    return Category.objects.order_by()


def stored_product(key: str | UUID | None) -> Product | None:
    """The product with this key, which may be any text; None without one."""
    try:
        return Product.objects.filter(pk=key).first() if key else None
    except (ValidationError, ValueError):
        return None


def variant_to_follow(family: Family) -> Product | None:
    """The variant whose category, description and pictures a new one takes over: the first."""
    return family.products.order_by("variant_position", "created_at", "id").first()


def pictures_of(product: Product) -> list[ProductPicture]:
    """The uploaded pictures of a product, in order. No query when it has none."""
    return list(product.pictures.all()) if product.cover else []


class Variant(NamedTuple):
    """A variant of a family, for a link on the product page."""

    slug: str
    variant: str
    name: str
    points_cost: int
    stock_status: str


def variants(*, product: Product, tier_level: str) -> list[Variant]:
    """The variants of the family of `product`, including itself, in order; [] without a family."""
    if product.family_id is None:
        return []
    found = Product.objects.offered().for_tier(tier_level).filter(family=product.family_id)
    ordered = found.order_by("variant_position", "points_cost", "variant", "id")
    rows = [Variant(*row) for row in ordered.values_list(*Variant._fields)]
    return [rows[place] for place in in_order([row.variant for row in rows])]
