"""When a product counts as low, and when it will run out."""

from datetime import timedelta
from uuid import uuid4

import pgtrigger
import pytest
from django.urls import reverse
from django.utils import timezone

from catalog.models import Category, Product, StockStatus
from inventory import services as stock
from inventory.marks import apply_rules, set_low_mark, set_rule
from inventory.models import Inventory, LowStockRule, StockMovement
from inventory.selectors import Pace, paces
from inventory.services import Want
from loyalty_portal.data.actor import SYSTEM
from redemption.invariants.checks import check_stock
from redemption.saga.stock_watch import watch_stock
from tests.catalog.factories import CategoryFactory, ProductFactory
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db


def low_at(product: Product) -> int:
    return Inventory.objects.get(product=product).low_stock_at


def shown(product: Product) -> str:
    return Product.objects.get(pk=product.pk).stock_status


def redeemed(product: Product, quantity: int, *, days_ago: int) -> None:
    """Reserve pieces as an order does, that many days ago."""
    reference = uuid4()
    stock.reserve(wants=[Want(product.pk, quantity, reference)], by=SYSTEM)
    with pgtrigger.ignore():
        then = timezone.now() - timedelta(days=days_ago)
        StockMovement.objects.filter(reference=reference).update(created_at=then)


def pace_of(product: Product) -> Pace:
    return paces([Inventory.objects.get(product=product)])[product.pk]


def test_the_rule_of_a_category_holds_for_its_products_and_for_new_ones(settings: object) -> None:
    settings.LOW_STOCK_AT = 7  # type: ignore[attr-defined]
    toys = CategoryFactory.create()
    old = ProductFactory.create(category=toys, in_stock=20)
    own = ProductFactory.create(category=toys, in_stock=20)
    set_low_mark(product=own, low_stock_at=2)
    other = ProductFactory.create(in_stock=20)
    assert (low_at(old), low_at(other)) == (7, 7)
    set_rule(category=toys, low_stock_at=30)
    new = ProductFactory.create(category=toys, in_stock=20)
    imported = Product.objects.get(pk=ProductFactory.create(category=toys, virtual=True).pk)
    stock.open_stock(pieces={imported.pk: 20}, reason="Import", by=SYSTEM)
    assert [low_at(each) for each in (old, new, imported, own, other)] == [30, 30, 30, 2, 7]
    assert [shown(each) for each in (old, new, imported, own)] == ["LOW", "LOW", "LOW", "IN_STOCK"]
    set_rule(category=toys, low_stock_at=None)
    assert [low_at(each) for each in (old, own)] == [7, 2]
    set_low_mark(product=own, low_stock_at=None)
    assert low_at(own) == 7
    assert check_stock() == []


def test_a_product_that_moved_to_another_category_follows_that_rule() -> None:
    toys, books = CategoryFactory.create(), CategoryFactory.create()
    set_rule(category=books, low_stock_at=50)
    product = ProductFactory.create(category=toys, in_stock=20)
    Product.objects.filter(pk=product.pk).update(category=books)
    watch_stock()
    assert (low_at(product), shown(product)) == (50, StockStatus.LOW)
    assert apply_rules() == 0


def test_the_warehouse_sets_rules_and_the_catalogue_does_not(
    django_assert_max_num_queries: object,
) -> None:
    toys = CategoryFactory.create(name="Toys")
    product = ProductFactory.create(category=toys, in_stock=20)
    add = reverse("admin:inventory_lowstockrule_add")
    given = {"category": str(toys.pk), "low_stock_at": "40"}
    assert browser(staff("catalogue")).post(add, given).status_code == 403
    client = browser(staff("warehouse"))
    assert client.post(add, given).status_code == 302
    rule = LowStockRule.objects.get()
    assert low_at(product) == 40
    page = reverse("admin:inventory_lowstockrule_change", args=[rule.pk])
    assert client.post(page, {"low_stock_at": ""}).status_code == 302
    assert low_at(product) == 5
    assert client.post(page.replace("change", "delete"), {"post": "yes"}).status_code == 403
    assert Category.objects.filter(pk=toys.pk).exists()


@pytest.mark.parametrize("number", ["-1", "2147483648", "many"])
def test_no_rule_has_such_a_number(number: str) -> None:
    toys = CategoryFactory.create()
    given = {"category": str(toys.pk), "low_stock_at": number}
    answer = browser(staff("warehouse")).post(reverse("admin:inventory_lowstockrule_add"), given)
    assert answer.status_code == 200
    assert not LowStockRule.objects.exists()


def test_the_forecast_comes_from_what_was_redeemed_and_not_given_back() -> None:
    product = ProductFactory.create(in_stock=200)
    redeemed(product, 28, days_ago=3)
    redeemed(product, 28, days_ago=20)
    redeemed(product, 30, days_ago=60)
    redeemed(product, 50, days_ago=100)
    reference = uuid4()
    stock.reserve(wants=[Want(product.pk, 9, reference)], by=SYSTEM)
    stock.release(pieces={reference: None}, by=SYSTEM, reason="cancelled")
    pace = pace_of(product)
    assert (pace.last_28, pace.last_90, pace.available) == (56, 86, 64)
    assert pace.per_day == 2
    assert pace.days_left == 32
    assert pace.runs_out == timezone.localdate() + timedelta(days=32)


def test_without_news_for_28_days_the_90_days_count_and_without_any_nothing_is_told() -> None:
    slow, still = ProductFactory.create(in_stock=100), ProductFactory.create(in_stock=100)
    redeemed(slow, 9, days_ago=80)
    assert pace_of(slow).days_left == 910
    assert pace_of(still).days_left is None
    free = ProductFactory.create(in_stock=10)
    stock.stop_counting(product=free, reason="On demand", by=SYSTEM)
    assert paces([Inventory.objects.get(product=free)]) == {}


def test_the_forecast_stands_in_the_list_and_on_the_page_of_the_product() -> None:
    product = ProductFactory.create(in_stock=60)
    redeemed(product, 28, days_ago=3)
    client = browser(staff("warehouse"))
    there = reverse("admin:inventory_inventory_changelist")
    assert "in 32 days" in client.get(there).content.decode()
    row = Inventory.objects.get(product=product)
    page = client.get(reverse("admin:inventory_inventory_change", args=[row.pk]))
    assert "in 32 days" in page.content.decode()
