"""The index and PostgreSQL give the same answers to random questions."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tantivy

from catalog.models import Category, Product
from catalog.search import answers, finding, folders
from catalog.search.building import build
from catalog.search.following import IndexFollower
from catalog.search.questions import CardQuestion
from catalog.selectors import Facets, Filters, Sort
from inventory.models import Inventory
from loyalty_portal.feed.touches import place_now
from tests.catalog.search.agreement import Dice, answer_of_postgresql

SIZE = 7


@pytest.fixture(autouse=True)
def _own_index(settings: Any, tmp_path: Path) -> None:
    settings.SEARCH_INDEX_PATH = tmp_path / "search"


def searcher() -> tantivy.Searcher:
    index = tantivy.Index.open(str(folders.current().folder))
    index.config_reader("manual", 0)
    index.reload()
    return index.searcher()


def told_by_index(
    one: tantivy.Searcher, question: CardQuestion, sort: Sort
) -> tuple[list[Any], dict[str, Any]]:
    """All pages one after the other, and the counts."""
    found = answers.counts(one, question)
    shown: list[Any] = []
    after = None
    while True:
        page = answers.page(one, question, sort, size=SIZE, after=after, total=found.total)
        shown += page.ids
        if len(page.ids) < SIZE:
            break
        after = page.places[-1]
    brands = {brand: number for brand, number in found.brands.items() if number}
    return shown, {
        "total": found.total,
        "categories": found.categories,
        "types": found.types,
        "brands": brands,
    }


def compare(dice: Dice, questions: int) -> None:
    one = searcher()
    for _ in range(questions):
        question, sort = dice.question()
        shown, counts = told_by_index(one, question, sort)
        ids, expected = answer_of_postgresql(question, sort, dice.now)
        assert counts == expected, question
        assert shown == ids, (question, sort)
        total = counts["total"]
        back = answers.page(one, question, sort, size=SIZE, skip=SIZE, total=total)
        assert list(back.ids) == ids[SIZE : 2 * SIZE]
        if back.places:
            place = back.places[0]
            before = answers.page(one, question, sort, size=SIZE, before=place, total=total)
            assert list(before.ids) == ids[:SIZE]


def play(rounds: int, questions: int, products: int, monkeypatch: pytest.MonkeyPatch) -> None:
    now = place_now().at
    # replaced: offers are told for this moment, whatever the database's clock says.
    monkeypatch.setattr("catalog.search.following.turned_between", lambda *_moments: [])
    dice = Dice(random.Random().randrange(10**9), now)
    families = dice.families(products // 8)
    Product.objects.bulk_create(dice.product(families) for _ in range(products))
    build()
    compare(dice, questions)
    for _ in range(rounds - 1):
        follower = IndexFollower()
        for product in Product.objects.order_by("?")[: products // 10]:
            for name, value in dice.offer().items():
                setattr(product, name, value)
            product.family = dice.random.choice([None, *families])
            product.save()
        for gone in Product.objects.order_by("?")[:3]:
            Inventory.objects.filter(product=gone).delete()
            gone.delete()
        Product.objects.bulk_create(dice.product(families) for _ in range(5))
        while follower.turn():
            pass
        follower.close()
        compare(dice, questions)


def test_the_index_answers_as_postgresql_does(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(rounds=3, questions=60, products=300, monkeypatch=monkeypatch)


@pytest.mark.long
def test_the_index_answers_as_postgresql_does_2000_times_in_each_of_20_rounds(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(rounds=20, questions=2_000, products=1_000, monkeypatch=monkeypatch)


# --- Pages: of the index, and of PostgreSQL alone ------------------------------------------------


def filters_of(question: CardQuestion, sort: Sort) -> Filters:
    """The same question as an address asks it: categories by slug."""
    slugs = {each.pk.hex: each.slug for each in Category.objects.all()}
    return Filters(
        categories=tuple(slugs[key] for key in question.categories),
        product_types=question.product_types,
        brands=question.brands,
        points_from=question.points_from,
        points_to=question.points_to,
        in_stock=question.in_stock,
        sort=sort,
    )


def counted(facets: Facets) -> dict[str, Any]:
    """What the choices say. A choice that finds nothing may be left out."""
    return {
        "total": facets.total,
        "shelves": {each.slug: each.products for each in facets.shelves if each.products},
        "types": {name: number for name, number in facets.types.items() if number},
        "brands": {name: number for name, number in facets.brands if number},
    }


def all_pages(tier: str, filters: Filters) -> tuple[list[Any], dict[str, Any], bool]:
    """The keys of all pages in order, what the choices say, and whether the index answered."""
    first = finding.find_cards(tier_level=tier, filters=filters, budget=None)
    found = [row.id for row in first.rows]
    for number in range(2, first.facets.pages + 1):
        one = replace(filters, page=number)
        page = finding.find_cards(tier_level=tier, filters=one, budget=None)
        found += [row.id for row in page.rows]
    return found, counted(first.facets), first.by_index


def test_several_choices_find_the_same_with_the_index_and_without(
    transactional_db: None, settings: Any, tmp_path: Path
) -> None:
    """Of products without a family: a card of PostgreSQL is one product of its family."""
    dice = Dice(random.Random().randrange(10**9), place_now().at)
    Product.objects.bulk_create(dice.product([]) for _ in range(250))
    build()
    indexed = settings.SEARCH_INDEX_PATH
    several = 0
    for _ in range(40):
        question, _sort = dice.question()
        filters = filters_of(question, Sort.CHEAPEST)
        several += max(len(filters.categories), len(filters.brands)) > 1
        settings.SEARCH_INDEX_PATH = indexed
        keys, said, by_index = all_pages(question.tier_level, filters)
        settings.SEARCH_INDEX_PATH = tmp_path / "none"
        others, said_too, by_index_too = all_pages(question.tier_level, filters)
        assert (by_index, by_index_too) == (True, False)
        assert said == said_too, question
        assert sorted(keys) == sorted(others), question
    assert several > 5
