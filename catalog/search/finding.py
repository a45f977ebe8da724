"""Finds the cards of a page: by the search index of this machine, or else by PostgreSQL.

The index says which products, in which order, and how many. What the page shows of them is read
from PostgreSQL by key, so price, stock and permission are of this moment.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple
from uuid import UUID

import tantivy
from django.db import connection
from django.db.models import QuerySet

from catalog.freshness import held, remember
from catalog.models import Category, Product, Synonym
from catalog.search import answers, opened, spelling
from catalog.search.analysis import Synonyms, question_words, synonym_groups
from catalog.search.folders import IndexUnusableError
from catalog.search.questions import KEYS, CardQuestion, every, own_words, term
from catalog.search.schema import TIERS
from catalog.search.suggesting import suggest
from catalog.selectors import (
    BRANDS_SHOWN,
    PAGE_SIZE,
    Facets,
    FamilyFacts,
    Filters,
    Row,
    Shelf,
    Sort,
    card_rows,
    count_facets,
    family_facts,
    rows_by_key,
    search_query,
)

logger = logging.getLogger(__name__)

_NO_CATEGORY = "0" * 32
MOST_COUNTED = 50_000  # products; with more, PostgreSQL counts nothing for the filters
MOST_BY_KEY = 2_000  # products that a list is told by their keys


def is_counted() -> bool:
    """Whether PostgreSQL should count for the filters: with many products that takes seconds."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE oid = 'product'::regclass")
        return bool(cursor.fetchone()[0] <= MOST_COUNTED)


class CategoryRow(NamedTuple):
    """What filters show of a category."""

    id: UUID
    slug: str
    name: str


def category_rows() -> list[CategoryRow]:
    """All categories, in the order in which filters show them."""
    ordered = Category.objects.order_by("position", "name", "slug")
    return [CategoryRow(*row) for row in ordered.values_list("id", "slug", "name")]


@dataclass(frozen=True, slots=True)
class FoundCards:
    """One page of cards. `page`: its number. `after`, `before`: places of the next and the previous
    page, "" where pages are numbered. `more`: whether another page follows.

    `meant`: other words that find more; `instead`: the cards are of those.
    """

    rows: Sequence[Row]
    families: dict[UUID, FamilyFacts]
    facets: Facets
    page: int
    more: bool
    by_index: bool
    after: str = ""
    before: str = ""
    meant: str = ""
    instead: bool = False


def find_cards(*, tier_level: str, filters: Filters, budget: int | None) -> FoundCards:
    """One page of the cards that companies of this tier see, with counts for the filters.

    `budget`: the most points that a card may cost, None for any.
    """
    try:
        return _by_index(opened.reading(), tier_level, filters, budget)
    except IndexUnusableError:
        pass
    except ValueError as error:  # what Tantivy raises when it cannot read
        logger.warning("the search index did not answer: %s", error)
    return _by_database(tier_level, filters, budget)


def categories_shown() -> list[CategoryRow]:
    """All categories, in the order in which filters show them."""
    return held("categories", category_rows)


def synonyms() -> Synonyms:
    """The words that mean the same, as staff keep them."""
    return held("synonyms", lambda: synonym_groups(Synonym.objects.values_list("names", flat=True)))


def question_of(
    tier_level: str, filters: Filters, budget: int | None, categories: Sequence[CategoryRow]
) -> CardQuestion:
    """What the index is asked for these filters."""
    highest = [each for each in (filters.points_to, budget) if each is not None]
    keys = {each.slug: each.id.hex for each in categories}
    return CardQuestion(
        tier_level=tier_level,
        words=tuple(question_words(filters.q, synonyms())) if filters.q else (),
        typed=filters.q,
        categories=tuple(keys.get(slug, _NO_CATEGORY) for slug in filters.categories),
        product_types=filters.product_types,
        brands=filters.brands,
        points_from=filters.points_from,
        points_to=max(min(highest), 0) if highest else None,
        in_stock=filters.in_stock,
    )


def _by_index(
    reading: opened.OpenIndex, tier_level: str, filters: Filters, budget: int | None
) -> FoundCards:
    searcher = reading.searcher
    categories = categories_shown()
    question = question_of(tier_level, filters, budget, categories)
    counts = answers.counts(searcher, question)
    meant, instead = "", False
    if question.words and counts.total < spelling.FEW:
        words = spelling.did_you_mean(searcher, question)
        if words is not None:
            other = replace(question, words=words, typed="")
            others = answers.counts(searcher, other)
            if others.total > counts.total:
                meant = " ".join(word.text for word in words)
                if not counts.total:
                    question, counts, instead = other, others, True
    facets = _facets(counts, categories, filters)
    return _page(searcher, question, filters, facets, meant, instead)


def _page(
    searcher: tantivy.Searcher,
    question: CardQuestion,
    filters: Filters,
    facets: Facets,
    meant: str,
    instead: bool,
) -> FoundCards:
    sort, total = filters.sort, facets.total or 0
    after, before = place_of(filters.after, sort), place_of(filters.before, sort)
    number = filters.page if after or before else min(filters.page, facets.pages)
    found = answers.page(
        searcher,
        question,
        sort,
        size=PAGE_SIZE,
        skip=(number - 1) * PAGE_SIZE,
        after=after,
        before=before,
        total=total,
    )
    ids = list(found.ids)
    if question.words:
        better = answers.best_variants(searcher, question, found)
        ids = [better.get(key, key) for key in ids]
    rows = rows_by_key(tier_level=question.tier_level, ids=ids, in_stock=filters.in_stock)
    full = len(found.ids) == PAGE_SIZE
    more = full and number * PAGE_SIZE < total
    if sort is Sort.BEST:
        more = more and number < facets.pages
    return FoundCards(
        rows=rows,
        families=family_facts(tier_level=question.tier_level, rows=rows),
        facets=facets,
        page=number,
        more=more,
        by_index=True,
        after=_told(found.places[-1]) if more and found.places else "",
        before=_told(found.places[0]) if number > 2 and found.places else "",
        meant=meant,
        instead=instead,
    )


def _facets(counts: answers.Counts, categories: Sequence[CategoryRow], filters: Filters) -> Facets:
    ranked = sorted(counts.brands.items(), key=lambda each: (-each[1], each[0]))
    listed = [(brand, number) for brand, number in ranked if number][:BRANDS_SHOWN]
    named = dict(listed)
    listed += [
        (brand, counts.brands.get(brand, 0)) for brand in filters.brands if brand not in named
    ]
    return Facets(
        total=counts.total,
        shelves=[
            Shelf(each.slug, each.name, counts.categories.get(each.id.hex, 0))
            for each in categories
        ],
        types=counts.types,
        brands=listed,
        partial=False,
        reach=answers.BEST_REACH if filters.sort is Sort.BEST else answers.REACH,
    )


def place_of(text: str, sort: Sort) -> answers.Place | None:
    """The place in a sort that an address names; None if it names none."""
    fields = KEYS[sort][0] if sort in KEYS else ()
    parts = text.split("-") if text else []
    return tuple(int(part, 16) for part in parts) if parts and len(parts) == len(fields) else None


def _told(place: answers.Place) -> str:
    return "-".join(f"{number:x}" for number in place)


def _by_database(tier_level: str, filters: Filters, budget: int | None) -> FoundCards:
    """The same by PostgreSQL, as far as it can without reading all products: cards are those that
    stand for their families.
    """
    filters = replace(filters, after="", before="")
    if remember("is-counted", bool, "", is_counted):
        facets = remember(
            "facets",  # the facets do not depend on page and sort, so all pages share them
            Facets,
            (tier_level, replace(filters, page=1, sort=Sort.NAME), budget),
            lambda: count_facets(tier_level=tier_level, filters=filters, budget=budget),
        )
        filters = replace(filters, page=min(filters.page, facets.pages))
    else:
        shelves = [Shelf(each.slug, each.name, 0) for each in categories_shown()]
        facets = Facets(None, shelves, {}, [], partial=True)
    rows = card_rows(tier_level=tier_level, filters=filters, budget=budget)
    more = len(rows) == PAGE_SIZE
    return FoundCards(
        rows=rows,
        families=family_facts(tier_level=tier_level, rows=rows),
        facets=facets,
        page=filters.page,
        more=more if facets.total is None else filters.page < facets.pages,
        by_index=False,
    )


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One thing that somebody may be looking for: its name and the address of it."""

    label: str
    kind: str  # "product", "category" or "brand"
    key: str  # a product's slug, a category's slug, or a brand
    several: bool = False  # the product has variants to choose from


def suggestions(*, tier_level: str, typed: str) -> list[Suggestion]:
    """What a company may be looking for that has typed this; [] without an index."""
    categories = categories_shown()
    filters = Filters(q=typed, sort=Sort.BEST)
    question = question_of(tier_level, filters, None, categories)
    names = {each.id.hex: each.name for each in categories}
    slugs = {each.id.hex: each.slug for each in categories}
    try:
        found = suggest(opened.reading(), question, names)
    except IndexUnusableError:
        return []
    rows = rows_by_key(tier_level=tier_level, ids=list(found.products))
    families = family_facts(tier_level=tier_level, rows=rows)
    return [
        *(Suggestion(names[key], "category", slugs[key]) for key in found.categories),
        *(Suggestion(brand, "brand", brand) for brand in found.brands),
        *(_product(row, families) for row in rows),
    ]


def _product(row: Row, families: dict[UUID, FamilyFacts]) -> Suggestion:
    facts = families.get(row.family_id) if row.family_id else None
    if facts and facts.variants > 1:
        return Suggestion(facts.name, "product", row.slug, several=True)
    return Suggestion(row.name, "product", row.slug)


def with_words(
    products: QuerySet[Product], text: str, *, tier_level: str = ""
) -> QuerySet[Product]:
    """Those of these products that have all words themselves; all of them without a word.

    `tier_level`: only what companies of this tier may redeem is looked for.
    """
    query = search_query(text)
    if query is None:
        return products
    try:
        searcher = opened.reading().searcher
        conditions = own_words(searcher, question_words(text, synonyms()))
        if tier_level:
            conditions.append(term("flags", f"seen{TIERS.index(tier_level)}"))
        keys = answers.products_with(searcher, every(conditions), most=MOST_BY_KEY + 1)
    except IndexUnusableError:
        found = products.order_by().filter(search=query)
        keys = list(found.values_list("pk", flat=True)[: MOST_BY_KEY + 1])
    # A sorted list of more rows than that is found sooner by the index of what it is sorted by.
    return (
        products.filter(pk__in=keys) if len(keys) <= MOST_BY_KEY else products.filter(search=query)
    )
