"""When a product counts as low: its own number, its category's rule, or the programme's default.

`Inventory.low_stock_at` always holds the number that counts, so that moving stock asks no rule.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterator

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce

from catalog.models import Category, Product, StockStatus
from inventory.models import Inventory, LowStockRule
from inventory.shelves import held_shelf, status_of

AT_ONCE = 1_000  # rows that one transaction locks


@transaction.atomic
def set_low_mark(*, product: Product, low_stock_at: int | None) -> Inventory:
    """Give the product a number of its own, or with None take it away: then the rule holds again.

    Creates the product's inventory if needed.
    """
    stock = held_shelf(product)
    rule = LowStockRule.objects.mark_for(product.category_id)
    stock.low_stock_at = rule if low_stock_at is None else low_stock_at
    stock.has_own_mark = low_stock_at is not None
    stock.save(update_fields=["low_stock_at", "has_own_mark"])
    Product.objects.filter(pk=product.pk).show_stock(status_of(stock))
    return stock


def set_rule(
    *, category: Category, low_stock_at: int | None, days_ahead: int | None = None
) -> LowStockRule:
    """Set the numbers of a category, None for the default, and apply that of pieces to its
    products.
    """
    rule, _made = LowStockRule.objects.update_or_create(
        category=category, defaults={"low_stock_at": low_stock_at, "days_ahead": days_ahead}
    )
    apply_rules()
    return rule


def apply_rules() -> int:
    """Write the number that counts to each product without its own where it is another one.

    So it follows a changed rule, a changed default, and a product that moved to another category.
    Returns the number of changed rows.
    """
    changed = 0
    for keys in _differing():
        changed += _apply(keys)
    return changed


def _differing() -> Iterator[list[uuid.UUID]]:
    rule = Coalesce("product__category__low_stock_rule__low_stock_at", settings.LOW_STOCK_AT)
    rows = Inventory.objects.filter(has_own_mark=False).exclude(low_stock_at=rule)
    while keys := list(rows.order_by("product_id").values_list("pk", flat=True)[:AT_ONCE]):
        yield keys


@transaction.atomic
def _apply(keys: list[uuid.UUID]) -> int:
    """Write the numbers of these rows, locked in the order in which stock is locked everywhere."""
    rows = Inventory.objects.select_for_update(of=("self",)).filter(pk__in=keys)
    held = rows.filter(has_own_mark=False).annotate(
        rule=Coalesce("product__category__low_stock_rule__low_stock_at", settings.LOW_STOCK_AT),
        shown=F("product__stock_status"),
    )
    by_mark: dict[int, list[uuid.UUID]] = defaultdict(list)
    by_status: dict[StockStatus, list[uuid.UUID]] = defaultdict(list)
    for stock in held.order_by("product_id"):
        stock.low_stock_at = stock.rule
        by_mark[stock.rule].append(stock.pk)
        if status_of(stock) != stock.shown:
            by_status[status_of(stock)].append(stock.product_id)
    for mark, rows_of_mark in by_mark.items():
        Inventory.objects.filter(pk__in=rows_of_mark).update(low_stock_at=mark)
    for status, products in by_status.items():
        Product.objects.filter(pk__in=products).show_stock(status)
    return len(keys)
