"""What can be asked of the index, and its queries, which are built from terms alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from tantivy import FieldType, Occur, Query, Searcher

from catalog.search.analysis import LONGEST_TEXT, Word, plain_sku
from catalog.search.schema import MOST, NAME_KEYS, SCHEMA, TIERS, before_field, letter
from catalog.selectors import Sort

# What ranks: an SKU that was typed whole, then what is in stock, then where a word stands.
_SKU, _STOCK = 40_000.0, 10_000.0
_WEIGHTS = {"name": 8.0, "more": 5.0, "brand_words": 4.0}
_BODY = 1.0
_FEW_VALUES = 24
_FEW_ENDS = 8  # terms with the same beginning that are looked up one by one
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
    conditions = []
    # First, because Tantivy walks along the first of several ranges and looks the others up.
    if low > 1 or high is not None:
        conditions.append(between("points", low, MOST if high is None else high))
    if low > 1:
        before = before_field(question.tier, question.in_stock)
        conditions.append(between(before, 0, low - 1))
    else:
        conditions.append(term("flags", f"lead{question.tier}{int(question.in_stock)}"))
    for field, values in (
        ("category", question.categories),
        ("product_type", question.product_types),
        ("brand", question.brands),
    ):
        if values:
            conditions.append(one_of(field, values))
    return conditions


def worded(searcher: Searcher, question: CardQuestion) -> list[Query]:
    """A query for each word that must be there, without rank."""
    letters = [letter(tier) for tier in range(question.tier + 1)]
    return [
        every_way(searcher, word, letters, "words") for word in question.words if not word.optional
    ]


def every_way(searcher: Searcher, word: Word, letters: Sequence[str], field: str) -> Query:
    """OR query: documents with the word, one of its spellings, its stem, or its beginning. Often
    one term is all that is left of it, which Tantivy looks up fastest.
    """
    known, beginnings = _known(searcher, word, letters, field)
    ways = [one_of(field, known)] if known else []
    ways += [begins(field, begin) for begin in beginnings]
    for way in word.ways:
        if len(way) > 1:
            each = [one_of(field, [f"{mark}{part}" for mark in letters]) for part in way]
            ways.append(every(each))
    return some(ways) if ways else Query.empty_query()


def _known(
    searcher: Searcher, word: Word, letters: Sequence[str], field: str
) -> tuple[list[str], list[str]]:
    """The terms by which a word is found, of those that documents have, and beginnings that many
    terms have.
    """
    single = [way[0] for way in word.ways if len(way) == 1] + list(word.stems)
    if word.prefix:  # finds them too
        single = [each for each in single if not each.startswith(word.prefix)]
    known = _there(searcher, field, [f"{mark}{each}" for mark in letters for each in single])
    beginnings = []
    for begin in [f"{mark}{word.prefix}" for mark in letters] if word.prefix else ():
        ends = _ends(searcher, field, begin, shortest=3 + len(letters[0]))
        if ends is None:
            beginnings.append(begin)
        else:
            known += ends
    return known, beginnings


def begins(field: str, text: str) -> Query:
    """Query: documents with a term that begins with this text."""
    return Query.fuzzy_term_query(SCHEMA, field, text, distance=0, prefix=True)


def _there(searcher: Searcher, field: str, values: Sequence[str]) -> list[str]:
    """Those of these terms that documents have."""
    return [value for value in values if searcher.doc_freq(field, value)]


def _ends(searcher: Searcher, field: str, begin: str, *, shortest: int = 3) -> list[str] | None:
    """The terms that begin so; None if they are many, or may be: the beginning is short."""
    if len(begin) < shortest:
        return None
    found = searcher.terms_with_prefix(field, begin, limit=_FEW_ENDS + 1)
    return [term for term, _often in found] if len(found) <= _FEW_ENDS else None


def ranked(searcher: Searcher, question: CardQuestion) -> list[Query]:
    """Queries whose scores together are the rank of a card that matches. Those that no document
    fulfils are left out.
    """
    tier = question.tier
    letters = [letter(each) for each in range(tier + 1)]
    ranks = [Query.const_score_query(term("flags", f"some{tier}"), _STOCK)]
    if sku := plain_sku(question.typed[:LONGEST_TEXT]):
        exact = _there(searcher, "sku", [f"{mark}{sku}" for mark in letters])
        if exact:
            ranks.append(Query.const_score_query(one_of("sku", exact), _SKU))
    for word in question.words:
        known, beginnings = _known(searcher, word, letters, "words")
        body = [f"{mark}{word.text}" for mark in letters]
        # If all that match have the word as it was typed, only where it stands tells them apart.
        alone = not (beginnings or word.optional or word.ways[1:] or {*known} - {*body})
        for field, weight in _WEIGHTS.items():
            ranks += _ranked_in(searcher, word, field, weight, alone=alone)
        if not alone and (there := _there(searcher, "words", body)):
            ranks.append(Query.const_score_query(one_of("words", there), _BODY))
    return ranks


def _ranked_in(
    searcher: Searcher, word: Word, field: str, weight: float, *, alone: bool
) -> list[Query]:
    """Queries that rank by a word in one field: as it was typed, and unless it stands `alone` by
    its stem, by its beginning, and by its parts.
    """
    names = _there(searcher, field, [way[0] for way in word.ways if len(way) == 1])
    stems = [] if alone else _there(searcher, field, word.stems)
    ranks = []
    for terms, share in ((names, weight), (stems, weight * _STEM)):
        if terms:
            ranks.append(Query.boost_query(some([term(field, each) for each in terms]), share))
    if word.prefix and not alone:
        ends = _ends(searcher, field, word.prefix)
        longer = [each for each in ends or () if each not in {*names, *stems}]
        if ends is None or longer:
            begun = begins(field, word.prefix) if ends is None else one_of(field, longer)
            ranks.append(Query.const_score_query(begun, weight * _PREFIX))
    if len(word.ways[0]) > 1:
        parts = every([term(field, part) for part in word.ways[0]])
        ranks.append(Query.boost_query(parts, weight))
    return ranks


def matching(searcher: Searcher, question: CardQuestion) -> Query:
    """Query: cards that match, without rank. For counts and for sorts by a key."""
    return every([*filtered(question), *worded(searcher, question)])


def best_first(searcher: Searcher, question: CardQuestion) -> Query:
    """Query: cards that match, with their rank.

    Each query that ranks is put around it as one optional part. Tantivy looks up a single optional
    part for what was found only, but walks through all products that have one of several.
    """
    found = Query.const_score_query(matching(searcher, question), 0.0)
    for rank in ranked(searcher, question):
        found = Query.boolean_query([(Occur.Must, found), (Occur.Should, rank)])
    return found


def own_words(searcher: Searcher, words: Sequence[Word]) -> list[Query]:
    """Queries: products that have these words themselves, whatever their family has."""
    return [every_way(searcher, word, [""], "own") for word in words if not word.optional]
