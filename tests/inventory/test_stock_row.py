"""A shipped product has its stock row from the beginning, whoever adds it."""

import pytest
from django.db import connection

from catalog.models import Product, ProductType, StockStatus
from inventory.models import Inventory
from tests.catalog.factories import CategoryFactory, ProductFactory

pytestmark = pytest.mark.django_db


def product(sku: str, kind: ProductType) -> Product:
    shelf = CategoryFactory.create()
    return Product(
        sku=sku, slug=sku.lower(), name=sku, product_type=kind, points_cost=1, category=shelf
    )


def test_shipped_products_get_their_row_and_virtual_ones_none() -> None:
    one = product("ONE", ProductType.PHYSICAL)
    one.save()
    more = [product("TWO", ProductType.PHYSICAL), product("THREE", ProductType.VIRTUAL)]
    Product.objects.bulk_create(more)
    Product.objects.bulk_create(
        [product("TWO", ProductType.PHYSICAL), product("FOUR", ProductType.PHYSICAL)],
        update_conflicts=True, unique_fields=["sku"], update_fields=["name"],
    )  # fmt: skip
    rows = {row.product.sku: row for row in Inventory.objects.select_related("product")}
    assert set(rows) == {"ONE", "TWO", "FOUR"}
    assert {
        (row.quantity_available, row.is_tracked, row.low_stock_at) for row in rows.values()
    } == {(0, True, 5)}


def test_a_virtual_product_that_becomes_a_shipped_one_is_out_of_stock() -> None:
    card = ProductFactory.create(virtual=True)
    Product.objects.filter(pk=card.pk).update(stock_status=StockStatus.IN_STOCK)
    Product.objects.filter(pk=card.pk).update(product_type=ProductType.PHYSICAL)
    card.refresh_from_db()
    assert card.inventory.quantity_available == 0
    assert card.stock_status == StockStatus.OUT


def test_what_is_on_the_shelf_stays_when_the_kind_changes_to_and_fro() -> None:
    mug = ProductFactory.create(in_stock=7)
    Product.objects.filter(pk=mug.pk).update(product_type=ProductType.VIRTUAL)
    Product.objects.filter(pk=mug.pk).update(product_type=ProductType.PHYSICAL)
    mug.refresh_from_db()
    assert mug.inventory.quantity_available == 7
    assert mug.stock_status == StockStatus.IN_STOCK


def test_a_thousand_products_get_their_rows_in_one_statement() -> None:
    shelf = CategoryFactory.create()
    Product.objects.bulk_create(
        Product(
            sku=f"S{n}",
            slug=f"s{n}",
            name="Mug",
            product_type="PHYSICAL",
            points_cost=1,
            category=shelf,
        )
        for n in range(1000)
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM product LEFT JOIN inventory ON product.id = product_id"
                       " WHERE inventory.id IS NULL")  # fmt: skip
        assert cursor.fetchone() == (0,)
