"""Makes the documents of the index from rows of PostgreSQL: one for each product.

Cards are of families. A card is what a family's products of one category, type and brand have in
common; a product without a family is its own. Which product stands for a card depends on who looks
and on the filters: the cheapest that matches. `before_<class>` holds the cost of the
next cheaper variant that such a viewer sees; a range filter uses it to count each card once.
"""

import functools
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from hashlib import blake2b
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

import tantivy
from django.db.models import QuerySet

from catalog.models import Product, StockStatus
from catalog.search.analysis import plain_sku, sku_terms, terms
from catalog.search.keys import halves, name_keys, with_key, with_key_by_age
from catalog.search.schema import CLASSES, NAME_KEYS, SCHEMA, TIERS, before_field, letter
from catalog.texts.words import plain_text

# A product's texts are read for itself and for its card, and brands and categories come again. What
# is returned must not be changed.
_terms = functools.lru_cache(maxsize=512)(terms)
_PLACES = {tier: place for place, tier in enumerate(TIERS)}
_LETTERS = [letter(place) for place in range(len(TIERS))]


class IndexRow(NamedTuple):
    """What the index needs of a product. Field names match the query's."""

    id: UUID
    sku: str
    name: str
    brand: str
    description: str
    product_type: str
    points_cost: int
    category_id: UUID
    category__name: str
    family_id: UUID | None
    family__name: str | None
    variant: str
    variant_position: int
    minimum_tier: str
    available_from: datetime | None
    available_until: datetime | None
    is_active: bool
    stock_status: str
    created_at: datetime
    popularity: int

    def is_offered(self, now: datetime) -> bool:
        """Whether some company may redeem it at that moment."""
        return (
            self.is_active
            and (self.available_from is None or self.available_from <= now)
            and (self.available_until is None or self.available_until > now)
        )

    @property
    def tier(self) -> int:
        return _PLACES[self.minimum_tier]

    @property
    def is_stocked(self) -> bool:
        return self.stock_status != StockStatus.OUT


def index_rows(products: QuerySet[Product]) -> QuerySet[Product, Any]:
    """The columns of these products, those of a family one after the other."""
    columns = IndexRow._fields
    return products.order_by("family_id", "id").values_list(*columns)


def documents(rows: Iterable[IndexRow], *, now: datetime) -> Iterator[tantivy.Document]:
    """The documents of products. Those of a family must follow each other, and be complete.

    `now`: the moment for which what is on offer is told.
    """
    for family, members in groupby(rows, key=attrgetter("family_id")):
        if family is None:
            for row in members:
                yield from _card([row], now)
        else:
            yield from _family(list(members), now)


def _family(rows: Sequence[IndexRow], now: datetime) -> Iterator[tantivy.Document]:
    together: dict[tuple[UUID, str, str], list[IndexRow]] = {}
    for row in rows:
        together.setdefault((row.category_id, row.product_type, row.brand), []).append(row)
    for card in together.values():
        yield from _card(card, now)


def card_key(row: IndexRow) -> int:
    """The number of a family's card; 0 without a family."""
    if row.family_id is None:
        return 0
    named = f"{row.family_id} {row.category_id} {row.product_type} {row.brand}".encode()
    return int.from_bytes(blake2b(named, digest_size=8).digest()) or 1


def in_turn(row: IndexRow) -> tuple[int, int, UUID]:
    """Which product of a card comes first: the cheapest."""
    return (row.points_cost, row.variant_position, row.id)


def _card(rows: Sequence[IndexRow], now: datetime) -> Iterator[tantivy.Document]:
    offered = sorted((row for row in rows if row.is_offered(now)), key=in_turn)
    before = _predecessors(offered)
    # Only a product that stands for the card somewhere needs the words of all.
    shared = _shared(offered) if offered else {}
    created = max(row.created_at for row in rows)
    popularity = sum(row.popularity for row in rows)
    several = len(offered) > 1
    for row in rows:
        fields = _own(row)
        high, low = halves(row.id)
        name = (row.family__name or row.name) if several else row.name
        fields |= {
            "group_key": card_key(row),
            "id_high": high,
            "id_low": low,
            "points": row.points_cost,
            "by_points": with_key(row.points_cost, low),
            "by_age": with_key_by_age(created, low),
            "by_popularity": with_key(popularity, low),
            **dict(zip(NAME_KEYS, name_keys(name, parts=len(NAME_KEYS)), strict=True)),
        }
        stands = before.get(row.id, {})
        if stands:
            fields |= stands | shared
        if row.is_offered(now):
            seen = [f"seen{tier}" for tier in range(row.tier, len(TIERS))]
            leads = [f"lead{name[7:]}" for name, points in stands.items() if points == 0]
            stock = [] if not row.is_stocked else ["stocked"]
            some = {one.tier for one in offered if one.is_stocked}
            kept = [f"some{tier}" for tier in range(len(TIERS)) if any(k <= tier for k in some)]
            fields["flags"] = " ".join([*seen, *leads, *stock, *kept])
        yield tantivy.Document.from_dict(fields, SCHEMA)


def _predecessors(offered: Sequence[IndexRow]) -> dict[UUID, dict[str, int]]:
    """For each product that can stand for the card: by class of viewers, the points of the next
    cheaper one. Of those with the same points the first stands.
    """
    found: dict[UUID, dict[str, int]] = {}
    for tier, stocked in CLASSES:
        last = 0
        for row in offered:
            seen = row.tier <= tier and (row.is_stocked or not stocked)
            if seen and row.points_cost > last:
                found.setdefault(row.id, {})[before_field(tier, stocked)] = last
                last = row.points_cost
    return found


def _own(row: IndexRow) -> dict[str, Any]:
    """The fields of a product that do not depend on others of its family."""
    words = {
        **_terms(" ".join((row.family__name or "", row.name, row.brand, row.variant))),
        **sku_terms(row.sku),
        **_terms(row.category__name),
        **_terms(plain_text(row.description)),
    }
    fields: dict[str, Any] = {
        "key": row.id.hex,
        "category": row.category_id.hex,
        "product_type": row.product_type,
        "own": " ".join(words),
    }
    if row.brand:
        fields["brand"] = row.brand
    if row.family_id:
        fields["family"] = row.family_id.hex
        fields["group"] = f"{card_key(row):016x}"
    return fields


def _shared(offered: Sequence[IndexRow]) -> dict[str, Any]:
    """The words of all variants on offer. In `words` each is behind the letter of the lowest tier
    that sees it; the other fields only rank.

    Who sees the card sees its variants for the lowest tier, so those have the first letter: most
    words are found under one letter then, whatever the tier.
    """
    lowest: dict[str, int] = {}
    names: dict[str, None] = {}
    more: dict[str, None] = {}
    skus: dict[str, int] = {}
    said: dict[str, int] = {}
    least = min(row.tier for row in offered)
    marks = {tier: 0 if tier == least else tier for tier in range(len(TIERS))}
    for row in sorted(offered, key=attrgetter("tier")):
        tier = marks[row.tier]
        said.setdefault(row.description, tier)
        own = {
            **(name := _terms(f"{row.family__name or ''} {row.name}")),
            **(rest := {**_terms(row.variant), **sku_terms(row.sku)}),
            **_terms(row.brand),
            **_terms(row.category__name),
        }
        names.update(name)
        more.update(rest)
        skus.setdefault(plain_sku(row.sku), tier)
        for term in own:
            lowest.setdefault(term, tier)
    for description, tier in said.items():
        for term in _terms(plain_text(description)):
            lowest[term] = min(lowest.get(term, tier), tier)
    first = offered[0]
    shown = dict.fromkeys(
        f"{_LETTERS[marks[row.tier]]}{row.family__name or ''} {row.name} {row.brand}"
        for row in offered
    )
    return {
        "words": " ".join([f"{_LETTERS[tier]}{term}" for term, tier in lowest.items()]),
        "name": " ".join(names),
        "brand_words": " ".join(_terms(first.brand)),
        "more": " ".join(more),
        "sku": [f"{_LETTERS[tier]}{sku}" for sku, tier in skus.items() if sku],
        "shown": "\n".join(list(shown)[:20]),
    }
