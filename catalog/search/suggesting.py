"""Suggestions while somebody types: brands, categories and products that begin so."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

import tantivy

from catalog.search.analysis import terms, tokens
from catalog.search.answers import page
from catalog.search.opened import OpenIndex
from catalog.search.questions import CardQuestion, matching
from catalog.selectors import Sort

PRODUCTS, OTHERS = 6, 3  # at most, of each kind
_BRANDS = 2_000


@dataclass(frozen=True, slots=True)
class Suggested:
    """What to suggest: keys of products, categories as 32 letters, and brands."""

    products: Sequence[UUID]
    categories: Sequence[str]
    brands: Sequence[str]


def suggest(reading: OpenIndex, question: CardQuestion, names: dict[str, str]) -> Suggested:
    """What a company may be looking for. `names`: of categories, by their ids as 32 letters."""
    typed = tokens(question.typed)
    if not typed or not question.words:
        return Suggested((), (), ())
    found = page(reading.searcher, question, Sort.BEST, size=PRODUCTS)
    categories, brands = _seen(reading, question.tier_level)
    return Suggested(
        products=found.ids,
        categories=[key for key in categories if _begins(names.get(key, ""), typed)][:OTHERS],
        brands=[brand for brand in brands if _begins(brand, typed)][:OTHERS],
    )


def _begins(name: str, typed: Iterable[str]) -> bool:
    there = _words(name)
    return all(any(word.startswith(token) for word in there) for token in typed)


@lru_cache(maxsize=5_000)
def _words(name: str) -> tuple[str, ...]:
    return tuple(terms(name))


@lru_cache(maxsize=8)
def _kept(generation: str, tier_level: str) -> dict[str, tuple[str, ...]]:  # noqa: ARG001 - the key
    """Where the categories and brands of a tier are kept, most products first, for one commit."""
    return {}


def _seen(reading: OpenIndex, tier_level: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    kept = _kept(reading.generation, tier_level)
    if not kept:
        kept.update(_counted(reading.searcher, tier_level))
    return kept["category"], kept["brand"]


def _counted(searcher: tantivy.Searcher, tier_level: str) -> dict[str, tuple[str, ...]]:
    asked = {
        field: {"terms": {"field": field, "size": _BRANDS, "segment_size": _BRANDS}}
        for field in ("category", "brand")
    }
    told = searcher.aggregate(matching(searcher, CardQuestion(tier_level)), asked)
    return {field: tuple(str(each["key"]) for each in told[field]["buckets"]) for field in asked}
