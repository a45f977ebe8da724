"""The catalogue over the API: what a company may redeem, page by page."""

from datetime import datetime
from typing import Any

import pytest

from accounts.models import TierLevel
from catalog.models import StockStatus
from tests.accounts.access.making import new_key
from tests.accounts.factories import CompanyFactory
from tests.catalog.factories import CategoryFactory, FamilyFactory, ProductFactory
from tests.loyalty_portal.api.calls import Calls

pytestmark = pytest.mark.django_db


@pytest.fixture
def calls() -> Calls:
    return Calls(new_key(CompanyFactory.create(), scopes=["catalog:read"]))


def skus(rows: list[Any]) -> list[str]:
    return [row["sku"] for row in rows]


def test_a_product_is_told_in_full(calls: Calls, settings: Any) -> None:
    category = CategoryFactory.create(name="Books", slug="books")
    family = FamilyFactory.create(name="Mugs", code="mugs")
    product = ProductFactory.create(
        sku="MUG-1", name="Mug", category=category, family=family, variant="blue", brand="Acme",
        description="<p>Big</p><script>alert(1)</script>", in_stock=9,
    )  # fmt: skip
    told = calls.get("/products/MUG-1").json()
    assert told["id"] == str(product.pk)
    assert datetime.fromisoformat(told["created_at"]) == product.created_at
    assert told["description"] == "<p>Big</p>"
    assert told["image_url"].startswith(f"{settings.PORTAL_URL}/catalog/artwork/mug-1.svg")
    assert told["family"] == {"code": "mugs", "name": "Mugs", "variant": "blue"}
    assert told["category"]["slug"] == "books"
    assert (told["brand"], told["points_cost"], told["product_type"]) == ("Acme", 1000, "PHYSICAL")
    assert (told["is_redeemable"], told["why_not"]) == (True, None)
    gone = ProductFactory.create(in_stock=0)
    told = calls.get(f"/products/{gone.sku}").json()
    assert (told["is_redeemable"], told["why_not"]) == (False, "out_of_stock")
    assert (told["stock_status"], told["name"]) == (StockStatus.OUT, gone.name)
    assert (told["family"], told["brand"]) == (None, None)


def test_only_what_the_company_may_redeem_now_is_there(calls: Calls) -> None:
    shown = ProductFactory.create()
    hidden = [
        ProductFactory.create(inactive=True),
        ProductFactory.create(minimum_tier=TierLevel.GOLD),
        ProductFactory.create(available_from="2100-01-01T00:00Z"),
        ProductFactory.create(available_until="2020-01-01T00:00Z"),
    ]
    assert skus(calls.every("/products")) == [shown.sku]
    for product in hidden:
        assert calls.get(f"/products/{product.sku}").status_code == 404


def test_each_variant_is_a_product_and_filters_narrow_the_list(calls: Calls) -> None:
    family, books = FamilyFactory.create(code="mugs"), CategoryFactory.create(slug="books")
    blue = ProductFactory.create(sku="A", family=family, is_card=True, brand="Acme")
    red = ProductFactory.create(sku="B", family=family, is_card=False, points_cost=3000)
    code = ProductFactory.create(sku="C", virtual=True, category=books, name="Novel gift")
    gone = ProductFactory.create(sku="D", in_stock=0)
    assert gone.stock_status == StockStatus.OUT
    wanted = {
        "": [blue, red, code, gone],
        "family=mugs": [blue, red],
        "category=books": [code],
        "product_type=VIRTUAL": [code],
        "brand=Acme": [blue],
        "points_to=1000": [blue, code, gone],
        "in_stock=true": [blue, red, code],
        "q=nov": [code],
        "q=nov&brand=Acme": [],
    }
    for query, products in wanted.items():
        rows = calls.get(f"/products?{query}").json()["data"]
        assert skus(rows) == [product.sku for product in products], query


def test_pages_follow_one_another_and_nothing_is_told_twice_or_left_out(
    calls: Calls, django_assert_max_num_queries: Any
) -> None:
    made = sorted(ProductFactory.create().sku for _each in range(7))
    answer = calls.get("/products?limit=3")
    first = answer.json()
    assert skus(first["data"]) == made[:3]
    assert first["next"].startswith("/api/v1/products?limit=3&after=")
    assert answer["Link"] == f'<{first["next"]}>; rel="next"'
    assert "Link" not in calls.get("/products")
    ProductFactory.create(sku="AAA")  # comes before the place, so it shifts nothing
    assert skus(first["data"]) + skus(calls.every(first["next"])) == made
    with django_assert_max_num_queries(2):  # the key and the page
        calls.get("/products?limit=100")
    assert skus(calls.every("/products", {"limit": 1})) == ["AAA", *made]


def test_categories_are_listed(calls: Calls) -> None:
    for slug in ("toys", "books", "tools"):
        CategoryFactory.create(slug=slug)
    assert [row["slug"] for row in calls.every("/categories", {"limit": 2})] == [
        "books", "tools", "toys",
    ]  # fmt: skip
