"""Reads what a seat and its company keep. What the company may not see now is left out everywhere,
as if it were not there.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from django.core.paginator import Page, Paginator
from django.db.models import Count, Q, QuerySet, Value

from accounts.models import AccountManager, Company
from catalog.models import (
    Favourite,
    ListedProduct,
    Product,
    ProductList,
    ProductView,
    StockStatus,
    StockWish,
)
from catalog.selectors import PAGE_SIZE, Row, padded, rows_by_key
from loyalty_portal.fastpath.sql import Prepared

MOST_SEEN = 48  # products that were looked at lately
MOST_COMPARED = 4
INSTEAD = 4  # products that are offered in place of one that is out of stock


def seen_by(company: Company) -> QuerySet[Product]:
    """What the company may redeem now, in no order."""
    return Product.objects.offered().for_tier(company.tier_level).order_by()


def product_to_keep(company: Company, key: str) -> Product | None:
    """The product with this key, which may be any text; None where the company may not see it."""
    try:
        return seen_by(company).filter(pk=UUID(key)).first()
    except ValueError:
        return None


class Kept(NamedTuple):
    """What a seat keeps of one product."""

    favourite: bool
    waits: bool


def kept_of(seat: AccountManager, product_id: UUID) -> Kept:
    """Whether the product is a favourite, and whether the seat waits for it, in one query."""
    favourite = Favourite.objects.filter(seat=seat, product=product_id)
    waits = StockWish.objects.filter(seat=seat, product=product_id, told_at=None)
    both = favourite.values_list(Value("favourite")).union(waits.values_list(Value("waits")))
    kinds = {kind for (kind,) in both}
    return Kept("favourite" in kinds, "waits" in kinds)


def _page(products: QuerySet[Any, UUID], number: str) -> Page[UUID]:
    return Paginator(products, PAGE_SIZE).get_page(number)


def favourites_of(seat: AccountManager, number: str) -> Page[UUID]:
    """A page of the seat's favourites, the newest first."""
    kept = Favourite.objects.filter(seat=seat, product__in=seen_by(seat.company))
    return _page(kept.order_by("-created_at", "-id").values_list("product", flat=True), number)


_kept_of_page = Prepared(
    lambda seat, *keys: (
        Favourite.objects.filter(seat=seat, product__in=keys).order_by().values_list("product")
    ),
    *[UUID(int=number) for number in range(1, PAGE_SIZE + 2)],
)


def favourites_among(seat: AccountManager, keys: Sequence[UUID]) -> set[UUID]:
    """Which of these products, at most PAGE_SIZE, are favourites of the seat, in one query."""
    return {key for (key,) in _kept_of_page(seat.pk, *padded(keys))} if keys else set()


def seen_lately(seat: AccountManager) -> list[UUID]:
    """The products at whose pages the seat looked, the last first: each has its place by its first
    look of a day.
    """
    looks = ProductView.objects.filter(seat=seat, product__in=seen_by(seat.company))
    latest = looks.order_by("-id").values_list("product", flat=True)[: 4 * MOST_SEEN]
    return list(dict.fromkeys(latest))[:MOST_SEEN]


def lists_of(company: Company) -> QuerySet[ProductList]:
    """The lists of a company by name, each with how many of its products can be seen."""
    shown = Count("entries", filter=Q(entries__product__in=seen_by(company)))
    return ProductList.objects.filter(company=company).annotate(shown=shown).order_by("name", "id")


def list_of_company(company: Company, key: UUID | str) -> ProductList | None:
    """The list with this key, which may be any text; None if it is another company's."""
    try:
        wanted = key if isinstance(key, UUID) else UUID(key)
    except ValueError:
        return None
    return ProductList.objects.filter(company=company, pk=wanted).first()


def entries_of(one: ProductList, company: Company, number: str) -> Page[UUID]:
    """A page of the products on a list, the newest first."""
    entries = ListedProduct.objects.filter(on_list=one, product__in=seen_by(company))
    return _page(entries.order_by("-created_at", "-id").values_list("product", flat=True), number)


def products_named(company: Company, slugs: Sequence[str]) -> list[Product]:
    """The products with these slugs that the company may see, each once, in their order."""
    asked = [slug for slug in dict.fromkeys(slugs) if slug and "\0" not in slug]
    found = seen_by(company).filter(slug__in=asked).select_related("category", "family")
    by_slug = {product.slug: product for product in found.defer("search")}
    return [by_slug[slug] for slug in asked if slug in by_slug]


def instead_of(company: Company, product_id: UUID) -> list[Row]:
    """Products in stock of the same category whose cost is nearest to that of this one."""
    gone = Product.objects.filter(pk=product_id).only("category_id", "family_id", "points_cost")
    one = gone.get()
    others = seen_by(company).filter(category=one.category_id, is_card=True)
    others = others.exclude(stock_status=StockStatus.OUT).exclude(pk=one.pk)
    if one.family_id:
        others = others.exclude(family=one.family_id)
    costs = others.values_list("points_cost", "pk")
    below = costs.filter(points_cost__lte=one.points_cost).order_by("-points_cost", "-id")
    above = costs.filter(points_cost__gt=one.points_cost).order_by("points_cost", "id")
    near = [*below[:INSTEAD], *above[:INSTEAD]]
    near.sort(key=lambda each: (abs(each[0] - one.points_cost), each[1]))
    ids = [key for _cost, key in near[:INSTEAD]]
    return rows_by_key(tier_level=company.tier_level, ids=ids)
