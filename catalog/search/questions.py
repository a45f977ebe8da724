"""What can be asked of the index, and its queries, which are built from terms alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from tantivy import FieldType, Occur, Query

from catalog.search.analysis import LONGEST_TEXT, Word, plain_sku
from catalog.search.schema import MOST, NAME_KEYS, SCHEMA, TIERS, before_field, letter
from catalog.selectors import Sort

# What ranks: an SKU that was typed whole, then what is in stock, then where a word stands.
_SKU, _STOCK = 4_000.0, 1_000.0
_WEIGHTS = {"name": 8.0, "more": 5.0, "brand_words": 4.0}
_BODY = 1.0
_FEW_VALUES = 24
_STEM, _PREFIX = 0.7, 0.4  # of the weight of a word that is there as typed


# The fields to sort by in turn, and whether from the greatest.
KEYS: dict[Sort, tuple[tuple[str, ...], bool]] = {
    Sort.NAME: ((*NAME_KEYS, "id_low"), False),
    Sort.CHEAPEST: (("by_points", "id_low"), False),
    Sort.DEAREST: (("by_points", "id_low"), True),
    Sort.NEWEST: (("by_age", "id_low"), True),
    Sort.POPULAR: (("by_popularity", "id_low"), True),
}


@dataclass(frozen=True, slots=True)
class CardQuestion:
    """Which cards a company asks for; an empty value does not filter. Categories are ids as 32
    letters. Points are for one piece.
    """

    tier_level: str
    words: tuple[Word, ...] = ()
    typed: str = ""
    categories: tuple[str, ...] = ()
    product_types: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()
    points_from: int | None = None
    points_to: int | None = None
    in_stock: bool = False

    @property
    def tier(self) -> int:
        return TIERS.index(self.tier_level)

    def without(self, field: str) -> "CardQuestion":
        """The same question without the choices in one field."""
        nothing: dict[str, Any] = {field: ()}
        return replace(self, **nothing)


def one_of(field: str, values: Sequence[str]) -> Query:
    """Query: documents with one of these values.

    Few values are looked up one by one: a set is made into an automaton, which takes longer than
    the rest of the question.
    """
    if 0 < len(values) <= _FEW_VALUES:
        return some([Query.term_query(SCHEMA, field, value, "basic") for value in values])
    return Query.term_set_query(SCHEMA, field, list(values))


def between(field: str, low: int, high: int) -> Query:
    """Query: documents with a number in this range, both ends included."""
    return Query.range_query(SCHEMA, field, FieldType.Unsigned, low, high)


def term(field: str, value: str) -> Query:
    """Query: documents with this term."""
    return Query.term_query(SCHEMA, field, value, "freq" if field in _WEIGHTS else "basic")


def every(queries: Sequence[Query]) -> Query:
    """AND of the queries."""
    if len(queries) == 1:
        return queries[0]
    return Query.boolean_query([(Occur.Must, query) for query in queries])


def some(queries: Sequence[Query]) -> Query:
    """OR of the queries."""
    if len(queries) == 1:
        return queries[0]
    return Query.boolean_query([(Occur.Should, query) for query in queries])


def filtered(question: CardQuestion) -> list[Query]:
    """Filter queries, without the words. Among a card's variants within the points range, only the
    cheapest matches, so a card counts once (documents.py).
    """
    low, high = question.points_from or 0, question.points_to
    if low > 1:
        before = before_field(question.tier, question.in_stock)
        conditions = [between(before, 0, low - 1)]
    else:
        conditions = [term("flags", f"lead{question.tier}{int(question.in_stock)}")]
    if low > 1 or high is not None:
        conditions.append(between("points", low, MOST if high is None else high))
    for field, values in (
        ("category", question.categories),
        ("product_type", question.product_types),
        ("brand", question.brands),
    ):
        if values:
            conditions.append(one_of(field, values))
    return conditions


def worded(question: CardQuestion) -> list[Query]:
    """A query for each word that must be there, without rank."""
    letters = [letter(tier) for tier in range(question.tier + 1)]
    return [every_way(word, letters, "words") for word in question.words if not word.optional]


def every_way(word: Word, letters: Sequence[str], field: str) -> Query:
    """OR query: documents with the word, one of its spellings, its stem, or its beginning."""
    single = [way[0] for way in word.ways if len(way) == 1] + list(word.stems)
    if word.prefix:  # finds them too
        single = [each for each in single if not each.startswith(word.prefix)]
    each_one = [f"{mark}{each}" for mark in letters for each in single]
    ways = [one_of(field, each_one)] if each_one else []
    for way in word.ways:
        if len(way) > 1:
            each = [one_of(field, [f"{mark}{part}" for mark in letters]) for part in way]
            ways.append(every(each))
    if word.prefix:
        ways += [begins(field, f"{mark}{word.prefix}") for mark in letters]
    return Query.const_score_query(some(ways), 0.0)


def begins(field: str, text: str) -> Query:
    """Query: documents with a term that begins with this text."""
    return Query.fuzzy_term_query(SCHEMA, field, text, distance=0, prefix=True)


def ranked(question: CardQuestion) -> list[Query]:
    """Queries whose scores together are the rank of a card that matches."""
    tier = question.tier
    letters = [letter(each) for each in range(tier + 1)]
    ranks = [Query.const_score_query(term("flags", f"some{tier}"), _STOCK)]
    if sku := plain_sku(question.typed[:LONGEST_TEXT]):
        exact = one_of("sku", [f"{mark}{sku}" for mark in letters])
        ranks.append(Query.const_score_query(exact, _SKU))
    for word in question.words:
        best = []
        for field, weight in _WEIGHTS.items():
            names = {way[0] for way in word.ways if len(way) == 1}
            best += [Query.boost_query(term(field, name), weight) for name in names]
            best += [Query.boost_query(term(field, stem), weight * _STEM) for stem in word.stems]
            if word.prefix:
                prefix = begins(field, word.prefix)
                best.append(Query.const_score_query(prefix, weight * _PREFIX))
            if len(word.ways[0]) > 1:
                parts = every([term(field, part) for part in word.ways[0]])
                best.append(Query.boost_query(parts, weight))
        exact_words = one_of("words", [f"{mark}{word.text}" for mark in letters])
        best.append(Query.const_score_query(exact_words, _BODY))
        ranks.append(Query.disjunction_max_query(best, tie_breaker=0.1))
    return ranks


def matching(question: CardQuestion) -> Query:
    """Query: cards that match, without rank. For counts and for sorts by a key."""
    return every([*filtered(question), *worded(question)])


def best_first(question: CardQuestion) -> Query:
    """Query: cards that match, with their rank.

    Each query that ranks is put around it as one optional part. Tantivy looks up a single optional
    part for what was found only, but walks through all products that have one of several.
    """
    conditions = [*filtered(question), *worded(question)]
    found = Query.const_score_query(every(conditions), 0.0)
    for rank in ranked(question):
        found = Query.boolean_query([(Occur.Must, found), (Occur.Should, rank)])
    return found


def own_words(words: Sequence[Word]) -> list[Query]:
    """Queries: products that have these words themselves, whatever their family has."""
    return [every_way(word, [""], "own") for word in words if not word.optional]
