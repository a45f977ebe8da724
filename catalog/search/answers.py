"""Answers of the index: pages of cards in order, and counts for each choice of a filter."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

import tantivy
from tantivy import DocAddress, Order, Query

from catalog.freshness import held
from catalog.search.keys import HALF, WITH_KEY
from catalog.search.questions import (
    KEYS,
    CardQuestion,
    best_first,
    between,
    every,
    matching,
    one_of,
    own_words,
    term,
)
from catalog.search.schema import MOST
from catalog.selectors import Sort

BEST_REACH = 1_000  # results that are ranked
REACH = 10_000  # results that a page is counted off to; those behind are reached by a place
_BRANDS = 60
_WIDE = 60_000  # values of a filter that are counted in each part of the index
_SAMPLE = 1_000  # documents that tell how the values of a field are spread
_MANY = 20  # times as many match as are wanted: then a part of the sort is asked first

Place = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FoundProducts:
    """A page of products in order, with the numbers of their families' cards (0: without family),
    and with their places in the sort; none for the best first.
    """

    ids: Sequence[UUID]
    cards: Sequence[int]
    places: Sequence[Place]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many cards each choice would show, each filter's own choices left out. Categories are
    ids as 32 letters.
    """

    total: int
    categories: dict[str, int]
    types: dict[str, int]
    brands: dict[str, int]


def page(
    searcher: tantivy.Searcher,
    question: CardQuestion,
    sort: Sort,
    *,
    size: int,
    skip: int = 0,
    after: Place | None = None,
    before: Place | None = None,
    total: int = 0,
) -> FoundProducts:
    """One page: `size` products after `skip`, or after or before a place in the sort. `total`: how
    many match, if known.
    """
    if sort is Sort.BEST:
        reach = min(skip, BEST_REACH - size)
        hits = searcher.search(
            best_first(searcher, question), limit=size, offset=reach, count=False
        ).hits
        best = [address for _rank, address in hits]
        return FoundProducts(_ids(searcher, best), _cards(searcher, best), ())
    fields, descending = KEYS[sort]
    first, most, turned = after or (), size, False
    if before is not None:
        first, descending, turned = before, not descending, True
    elif after is None:
        skip = min(skip, REACH)
        most = skip + size
    base = matching(searcher, question)
    near = _near(searcher, question, fields[0], descending, first, most, total)
    addresses: list[DocAddress] = []
    if near is not None:
        addresses = _in_order(searcher, every([near, base]), fields, descending, first, most, skip)
    if len(addresses) < size:
        addresses = _in_order(searcher, base, fields, descending, first, most, skip)
    if turned:
        addresses.reverse()
    return FoundProducts(
        _ids(searcher, addresses),
        _cards(searcher, addresses),
        _places(searcher, fields, addresses),
    )


def _near(
    searcher: tantivy.Searcher,
    question: CardQuestion,
    field: str,
    descending: bool,
    after: Place,
    most: int,
    total: int,
) -> Query | None:
    """Query: documents of that part of the sort that probably has the first `most`; None where it
    is not worth it. Sorting all that match takes ten times as long.
    """
    if total < _MANY * most:
        return None
    spread = held(f"spread:{field}", lambda: _spread(searcher, field))
    wanted = 2 * most * len(spread) // total + 5
    if descending:
        high = after[0] if after else _highest(question, field)
        last = bisect_right(spread, high) - wanted
        return between(field, spread[last], high) if last >= 0 else None
    low = after[0] if after else _lowest(question, field)
    last = bisect_left(spread, low) + wanted
    return between(field, low, spread[last]) if last < len(spread) else None


def _lowest(question: CardQuestion, field: str) -> int:
    return (question.points_from or 0) * WITH_KEY if field == "by_points" else 0


def _highest(question: CardQuestion, field: str) -> int:
    if field != "by_points" or question.points_to is None:
        return MOST
    return (question.points_to + 1) * WITH_KEY - 1


def _spread(searcher: tantivy.Searcher, field: str) -> list[int]:
    """The values that some hundred documents have in a field, in order. They are those with the
    lowest random part in their keys.
    """
    lowest = HALF // 2  # of keys as UUIDs are made
    share = HALF // 4 * _SAMPLE // max(searcher.num_docs, _SAMPLE)
    some = between("id_low", lowest, lowest + share)
    hits = searcher.search(
        some, limit=2 * _SAMPLE, count=False, order_by_field=field, order=Order.Asc
    ).hits
    return [int(value) for value, _address in hits]


def _in_order(
    searcher: tantivy.Searcher,
    query: Query,
    fields: Sequence[str],
    descending: bool,
    after: Place,
    most: int,
    skip: int,
) -> list[DocAddress]:
    """The first `most` after a place, without the first `skip`."""
    if after:
        return _walk(searcher, query, fields, descending, after, most)
    order = Order.Desc if descending else Order.Asc
    # With a neighbour on each side: where no two are equal, the first field tells them apart.
    begin = max(skip - 1, 0)
    hits = searcher.search(
        query,
        limit=most + 1 - begin,
        offset=begin,
        count=False,
        order_by_field=fields[0],
        order=order,
    ).hits
    if len({value for value, _address in hits}) == len(hits):
        return [address for _value, address in hits[skip - begin : most - begin]]
    return _first(searcher, query, fields, descending, most)[skip:]


def _walk(
    searcher: tantivy.Searcher,
    query: Query,
    fields: Sequence[str],
    descending: bool,
    after: Place,
    most: int,
) -> list[DocAddress]:
    """The first `most` in the order of several fields, after a place. The index sorts by one, so
    those that are equal in the first are asked for by the next.
    """
    if most <= 0 or not fields:
        return []
    field, rest = fields[0], fields[1:]
    found: list[DocAddress] = []
    if after:
        same = every([query, between(field, after[0], after[0])])
        found = _walk(searcher, same, rest, descending, after[1:], most) if rest else []
        if descending:
            if after[0] == 0:
                return found
            query = every([query, between(field, 0, after[0] - 1)])
        else:
            query = every([query, between(field, min(after[0] + 1, MOST), MOST)])
        if len(found) >= most:
            return found
    return found + _first(searcher, query, fields, descending, most - len(found))


def _first(
    searcher: tantivy.Searcher, query: Query, fields: Sequence[str], descending: bool, most: int
) -> list[DocAddress]:
    """The first `most` of all that match, in the order of these fields."""
    field, rest = fields[0], fields[1:]
    order = Order.Desc if descending else Order.Asc
    hits = searcher.search(
        query, limit=most + 1, count=False, order_by_field=field, order=order
    ).hits
    found: list[DocAddress] = []
    for value, group in groupby(hits, key=itemgetter(0)):
        addresses = [address for _value, address in group]
        left = most - len(found)
        if left <= 0:
            break
        if len(addresses) > 1 and rest:
            equal = every([query, between(field, value, value)])
            addresses = _first(searcher, equal, rest, descending, left)
        found += addresses[:left]
    return found


def _ids(searcher: tantivy.Searcher, addresses: list[DocAddress]) -> list[UUID]:
    if not addresses:
        return []
    highs = searcher.fast_field_values("id_high", addresses)
    lows = searcher.fast_field_values("id_low", addresses)
    return [
        UUID(int=int(high or 0) * HALF + int(low or 0))
        for high, low in zip(highs, lows, strict=True)
    ]


def _cards(searcher: tantivy.Searcher, addresses: list[DocAddress]) -> list[int]:
    if not addresses:
        return []
    return [int(card or 0) for card in searcher.fast_field_values("group_key", addresses)]


def _places(
    searcher: tantivy.Searcher, fields: Sequence[str], addresses: list[DocAddress]
) -> list[Place]:
    if not addresses:
        return []
    columns = [searcher.fast_field_values(field, addresses) for field in fields]
    return [tuple(int(value or 0) for value in row) for row in zip(*columns, strict=True)]


def _terms(field: str, size: int) -> dict[str, Any]:
    # Each part of the index counts all values: the most frequent of all need not be so in each.
    return {"terms": {"field": field, "size": size, "segment_size": _WIDE}}


_ASKED = {
    "categories": _terms("category", 2_000),
    "product_types": _terms("product_type", 10),
    "brands": _terms("brand", _BRANDS),
}


def counts(searcher: tantivy.Searcher, question: CardQuestion) -> Counts:
    """Count the cards of a question, and of each choice in its filters."""
    chosen = [name for name in _ASKED if getattr(question, name)]
    # Each card has one type, so all of them are as many as the cards of all types.
    whole = "total" if "product_types" in chosen else "product_types"
    all_of = {**_ASKED, whole: _ASKED["product_types"]}
    plain = {name: asked for name, asked in all_of.items() if name not in chosen}
    told = searcher.aggregate(matching(searcher, question), plain)
    for name in chosen:
        wide = {name: _ASKED[name]}
        told |= searcher.aggregate(matching(searcher, question.without(name)), wide)
    found = {
        name: {str(each["key"]): int(each["doc_count"]) for each in told[name]["buckets"]}
        for name in all_of
    }
    brands = found["brands"]
    for brand in question.brands:
        if brand not in brands:
            brands[brand] = _count(searcher, question.without("brands"), term("brand", brand))
    return Counts(
        total=sum(found[whole].values()),
        categories=found["categories"],
        types=found["product_types"],
        brands=brands,
    )


def _count(searcher: tantivy.Searcher, question: CardQuestion, more: Query) -> int:
    return how_many(searcher, every([matching(searcher, question), more]))


def how_many(searcher: tantivy.Searcher, query: Query) -> int:
    """How many documents match."""
    # The wheel's types do not name this attribute.
    return int(searcher.search(query, limit=1).count)  # type: ignore[attr-defined]


def best_variants(
    searcher: tantivy.Searcher, question: CardQuestion, found: FoundProducts
) -> dict[UUID, UUID]:
    """For cards that were found by words: the variant that has them itself, where it is another.

    The card of a mug is found by "red", and its link should lead to the red one.
    """
    words = own_words(searcher, question.words)
    by_card = {card: key for card, key in zip(found.cards, found.ids, strict=True) if card}
    if not words or not by_card:
        return {}
    conditions = [
        one_of("group", [f"{card:016x}" for card in by_card]),
        term("flags", f"seen{question.tier}"),
        *words,
    ]
    if question.points_from:
        conditions.append(between("points", question.points_from, MOST))
    if question.points_to is not None:
        conditions.append(between("points", 0, question.points_to))
    if question.in_stock:
        conditions.append(term("flags", "stocked"))
    hits = searcher.search(
        every(conditions), limit=200, count=False, order_by_field="by_points", order=Order.Asc
    ).hits
    those = [address for _points, address in hits]
    if not those:
        return {}
    better: dict[int, UUID] = {}
    own_cards = _cards(searcher, those)
    for card, key in zip(own_cards, _ids(searcher, those), strict=True):
        better.setdefault(card, key)
    return {by_card[card]: key for card, key in better.items() if card in by_card}


def products_with(searcher: tantivy.Searcher, words: Query, *, most: int) -> list[UUID]:
    """The keys of the first `most` products that match, in no order."""
    hits = searcher.search(words, limit=most, count=False).hits
    return _ids(searcher, [address for _rank, address in hits])
