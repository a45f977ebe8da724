"""Staff find products by the search index too: where they search for everything, in the list of
stock, and when they order for a company. It knows names without their accents; PostgreSQL does not.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from catalog.models import Product
from catalog.search import opened
from catalog.search.building import build
from redemption.backoffice.ordering.selectors import find_products
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import ProductFactory
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db


def found_by_all(text: str) -> str:
    return browser(staff("support")).post("/admin/search/", {"q": text}).content.decode()


def found_in_stock(text: str) -> str:
    answer = browser(staff("warehouse")).get("/admin/inventory/inventory/", {"q": text})
    return str(answer.content.decode())


def found_to_order(text: str) -> str:
    return " ".join(product.name for product in find_products(SeatFactory.create(), text))


PLACES = [found_by_all, found_in_stock, found_to_order]


@pytest.fixture(autouse=True)
def _products(settings: Any, tmp_path: Path) -> None:
    settings.SEARCH_INDEX_PATH = tmp_path / "search"
    ProductFactory.create(name="Crème brûlée torch", sku="KX-BOL220")
    ProductFactory.create(name="Teapot")


@pytest.mark.parametrize("found", PLACES)
@pytest.mark.parametrize("text", ["creme brulee", "torches", "bol220"])
def test_products_are_found_as_people_type_them(found: Callable[[str], str], text: str) -> None:
    build()
    opened.look_again()
    assert "Crème brûlée torch" in found(text)
    assert "Teapot" not in found(text)


@pytest.mark.parametrize("found", PLACES)
def test_without_an_index_postgresql_finds_them(found: Callable[[str], str]) -> None:
    opened.look_again()
    assert "Crème brûlée torch" in found("torch")
    assert "Teapot" not in found("torch")


def test_companies_are_offered_only_what_their_tier_may_redeem() -> None:
    Product.objects.filter(name="Teapot").update(minimum_tier="GOLD")
    build()
    opened.look_again()
    assert found_to_order("teapot") == ""
    assert found_to_order("!!") == ""
