"""Creates the demo's products (products.toml) and their stock: plenty, low or out."""

import tomllib
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from html import escape
from pathlib import Path
from random import Random
from typing import Any

import pgtrigger
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import TierLevel
from catalog.models import Product, ProductType
from catalog.services import ProductData, choose_cards, save_products
from inventory import services as stock
from inventory.models import Inventory
from loyalty_portal.data.actor import Actor

FILE = Path(__file__).with_name("products.toml")
POINTS_A_EURO = 100
DELIVERY_DAYS = 4
_AGE = """
    WITH age AS MATERIALIZED (
        SELECT id, now() - make_interval(days => days) AS moment
        FROM unnest(%s::uuid[], %s::int[]) AS given (id, days)
    ), product AS (
        UPDATE product SET created_at = moment FROM age WHERE product.id = age.id
    ), change AS (
        UPDATE catalog_productchange SET created_at = moment, pgh_created_at = moment
        FROM age WHERE pgh_obj_id = age.id
    ), movement AS (
        UPDATE inventory_stockmovement SET created_at = moment FROM age WHERE product_id = age.id
    )
    UPDATE inventory_inventorychange SET pgh_created_at = moment
    FROM age WHERE product_id = age.id
"""
LEFT = {"low": (1, 5), "out": (0, 0)}  # the range of pieces left at the end


@cache
def _categories() -> list[dict[str, Any]]:
    categories: list[dict[str, Any]] = tomllib.loads(FILE.read_text("utf-8"))["category"]
    return categories


def products() -> list[ProductData]:
    """All products of the file, one for each SKU."""
    return [
        data
        for category in _categories()
        for number, product in enumerate(category["products"], 1)
        for data in _variants(category, product, f"{category['prefix']}-{number:03}")
    ]


def _variants(
    category: dict[str, Any], product: dict[str, Any], code: str
) -> Iterator[ProductData]:
    values = product.get("values", [])
    names = [f"€{value}" for value in values] or product.get("variants", [""])
    points = [value * POINTS_A_EURO for value in values] or product["points"]
    if isinstance(points, int):
        points = [points] * len(names)
    family = code if len(names) > 1 else ""
    options = "Value" if values else product.get("options", "")
    virtual = bool(category.get("virtual"))
    for number, (variant, cost) in enumerate(zip(names, points, strict=True), 1):
        yield ProductData(
            sku=f"{code}-{number}" if family else code,
            name=f"{product['name']}, {variant}" if variant else product["name"],
            product_type=ProductType.VIRTUAL if virtual else ProductType.PHYSICAL,
            points_cost=cost,
            category=category["name"],
            description=_description(product),
            brand=product["brand"],
            validity=category.get("validity", ""),
            usable_at=product.get("usable_at", ""),
            delivery_days=None if virtual else DELIVERY_DAYS,
            terms=category.get("terms", ""),
            family=family,
            family_name=product["name"] if family else "",
            family_options=options if family else "",
            variant=variant,
            minimum_tier=product.get("tier", TierLevel.BRONZE),
            available_from=_in_days(product.get("since")),
            available_until=_in_days(product.get("until")),
            is_active=not product.get("retired", False),
        )


def _in_days(days: int | None) -> Any:
    return None if days is None else timezone.now() + timedelta(days=days)


def _description(product: dict[str, Any]) -> str:
    facts = "".join(f"<li>{escape(fact)}</li>" for fact in product.get("facts", []))
    text = f"<p>{escape(product['text'], quote=False)}</p>"
    return f"{text}<ul>{facts}</ul>" if facts else text


@transaction.atomic
def fill_shelves(*, dice: Random, by: Actor) -> None:
    """Create the products with plenty of stock, dated over the last year."""
    saved = save_products(products=products(), by=by)
    ours = Product.objects.filter(sku__in=[data.sku for data in products()])
    for product in ours.filter(product_type=ProductType.PHYSICAL).order_by("sku"):
        stock.receive(
            product=product, quantity=dice.randrange(60, 180, 5), reason="First delivery", by=by
        )
    choose_cards(families=saved.families)
    _age({product.pk: dice.randrange(75, 420) for product in ours.order_by("sku")})


def _age(days: dict[Any, int]) -> None:
    """Move the creation times of products and of their stock into the past, by days."""
    with pgtrigger.ignore(), connection.cursor() as cursor:
        cursor.execute(_AGE, [list(days), list(days.values())])


@transaction.atomic
def thin_shelves(*, dice: Random, by: Actor) -> None:
    """Count products down to the stock level that the file gives for them."""
    for category in _categories():
        for number, product in enumerate(category["products"], 1):
            if "stock" in product:
                code = f"{category['prefix']}-{number:03}"
                sku = f"{code}-1" if len(product.get("variants", [])) > 1 else code
                _count_down(sku, dice.randint(*LEFT[product["stock"]]), by)


def _count_down(sku: str, left: int, by: Actor) -> None:
    shelf = Inventory.objects.select_related("product").get(product__sku=sku)
    stock.count(
        product=shelf.product,
        counted=shelf.quantity_reserved + left,
        reason="Stock count",
        by=by,
    )
