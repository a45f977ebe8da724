"""The index and PostgreSQL give the same answers to random questions."""

import random
from pathlib import Path
from typing import Any

import pytest
import tantivy

from catalog.models import Product
from catalog.search import answers, folders
from catalog.search.building import build
from catalog.search.following import IndexFollower
from catalog.search.questions import CardQuestion
from catalog.selectors import Sort
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
    shown: list[Any] = []
    after = None
    while True:
        page = answers.page(one, question, sort, size=SIZE, after=after)
        shown += page.ids
        if len(page.ids) < SIZE:
            break
        after = page.places[-1]
    found = answers.counts(one, question)
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
        back = answers.page(one, question, sort, size=SIZE, skip=SIZE)
        if back.places:
            before = answers.page(one, question, sort, size=SIZE, before=back.places[0])
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
