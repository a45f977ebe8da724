"""What people look for stands in the first three: a set of questions with a score that may not fall."""

from pathlib import Path

import pytest

from catalog.models import Category, Product
from catalog.search.finding import find_cards
from catalog.selectors import Filters, Sort
from tests.catalog.factories import CategoryFactory, ProductFactory
from tests.catalog.search.conftest import OwnIndex

pytestmark = pytest.mark.django_db
HERE = Path(__file__).parent
LEAST_QUESTIONS = 120
LEAST = 0.97  # of the questions; raise it with the score


def read() -> tuple[list[list[str]], list[tuple[str, set[str]]]]:
    """The products of the set, and its questions with their answers."""
    lines = (HERE / "relevance.txt").read_text().splitlines()
    products = [
        [cell.strip() for cell in line[2:].split("|")] for line in lines if line[:2] == "P "
    ]
    asked = [line[2:].partition(" = ") for line in lines if line[:2] == "Q "]
    return products, [(question, set(keys.split())) for question, _, keys in asked]


def test_what_people_look_for_stands_in_the_first_three(
    index: OwnIndex, capsys: pytest.CaptureFixture[str]
) -> None:
    products, questions = read()
    assert len(questions) >= LEAST_QUESTIONS
    keys = {}
    for key, name, brand, variant, sku, category, description in products:
        shelf = Category.objects.filter(name=category).first() or CategoryFactory.create(
            name=category
        )
        made = ProductFactory.create(
            name=name,
            brand=brand,
            variant=variant,
            sku=sku,
            category=shelf,
            description=f"<p>{description}</p>",
        )
        keys[made.pk] = key
    assert Product.objects.count() == len(keys)
    index.build()
    missed = []
    for question, wanted in questions:
        found = find_cards(
            tier_level="BRONZE", filters=Filters(q=question, sort=Sort.BEST), budget=None
        )
        first = [keys[row.id] for row in found.rows[:3]]
        if not wanted & set(first):
            missed.append(f"{question}: {', '.join(first) or 'nothing'}")
    score = 1 - len(missed) / len(questions)
    with capsys.disabled():
        print(
            f"\nrelevance: {score:.3f} of {len(questions)} questions; missed: {'; '.join(missed)}"
        )
    assert score >= LEAST, missed
