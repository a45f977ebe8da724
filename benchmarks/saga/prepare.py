"""`orders N` places N orders; `script` prints the writes of one order for pgbench. `lines M N`
places N lines of virtual goods in orders of M, and `nudge M` begins those.

The script is recorded from the saga, so that both write the same rows with the same indexes and
triggers. Values that differ between orders become pgbench variables.
"""

import os
import re
import sys
import uuid
from collections.abc import Callable
from typing import Any

from loyalty_portal.data.actor import Actor

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty_portal.settings")

import django
from django.db import connection

django.setup()

from accounts import loyalty
from accounts.models import AccountManager, Company, Role, User
from benchmarks.load import RECIPIENT
from catalog.models import Category, Product, ProductType, StockStatus
from inventory.models import Inventory
from redemption.checkout.services import CheckoutInput, Line, place_order
from redemption.models import LoyaltyTransaction
from redemption.saga import tasks, transactions

PIECES = 1_000_000
LINES_OF_THE_MAP = """
    CREATE SEQUENCE bench_n;
    CREATE TABLE bench_map AS
        SELECT row_number() OVER (ORDER BY t.id) AS n, t.id AS tx_id, o.id AS order_id, i.id AS
            item_id, o.order_number
        FROM loyalty_transaction t JOIN redemption_order o ON o.id = t.order_id
        JOIN order_item i ON i.order_id = o.id WHERE t.status = 'INTENDED';
    ALTER TABLE bench_map ADD PRIMARY KEY (n);
    ANALYZE;
"""


def orders(count: int) -> None:
    shelf, _ = Category.objects.get_or_create(name="Shelf", slug="shelf", motif="books")
    company = Company.objects.create(name="Benchmark", loyalty_account_id="BENCH")
    user = User.objects.create_user("buyer@bench.example", name="Buyer")
    seat = AccountManager.objects.create(company=company, user=user, role=Role.BUYER)
    products = [
        Product.objects.create(
            sku=f"BENCH-{number:03d}",
            name=f"Product {number}",
            slug=f"product-{number}",
            product_type=ProductType.PHYSICAL,
            points_cost=100,
            category=shelf,
            stock_status=StockStatus.IN_STOCK,
        )
        for number in range(100)
    ]
    Inventory.objects.filter(product__in=products).update(quantity_available=PIECES)
    stocked = list(Product.objects.select_related("inventory"))
    for number in range(count):
        line = Line(product=stocked[number % 100], quantity=1, recipient=RECIPIENT)
        entered = CheckoutInput(token=uuid.uuid4(), seen_points=100)
        place_order(seat=seat, lines=[line], entered=entered, by=Actor.person(user))


def lines(in_each: int, count: int) -> None:
    """Place orders of virtual goods that cost as many points as they have lines."""
    user, _ = User.objects.get_or_create(email="buyer@bench.example", defaults={"name": "Buyer"})
    company, _ = Company.objects.get_or_create(name="Benchmark", loyalty_account_id="BENCH")
    seat, _ = AccountManager.objects.get_or_create(company=company, user=user, role=Role.BUYER)
    shelf, _ = Category.objects.get_or_create(name="Shelf", slug="shelf", motif="books")
    card, _ = Product.objects.select_related("inventory").get_or_create(
        sku="CARD",
        defaults={
            "name": "Card",
            "slug": "card",
            "product_type": ProductType.VIRTUAL,
            "points_cost": 1,
            "category": shelf,
        },
    )
    line = Line(product=card, quantity=1, recipient=RECIPIENT)
    for _number in range(count // in_each):
        entered = CheckoutInput(token=uuid.uuid4(), seen_points=in_each)
        place_order(seat=seat, lines=[line] * in_each, entered=entered, by=Actor.person(user))


def nudge(points: int | None = None) -> None:
    """Send the task for each order, as the checkout does; with `points` only for those of that
    many.
    """
    debits = LoyaltyTransaction.objects.due()
    if points is not None:
        debits = debits.filter(points_amount=points)
    for key in debits.values_list("pk", flat=True):
        tasks.settle_transaction.delay(str(key))


def script() -> None:
    with connection.cursor() as cursor:
        cursor.execute(LINES_OF_THE_MAP)
        cursor.execute("SELECT tx_id FROM bench_map ORDER BY n DESC LIMIT 1")
        key = cursor.fetchone()[0]
    claimed, claim = recorded(lambda: transactions._claim(key))  # noqa: SLF001 - its two transactions
    result = loyalty.send_debit(claim.call.body.encode(), claim.call.key)
    settled, _ = recorded(lambda: transactions._record(claim, result))  # noqa: SLF001
    order = claim.call.order
    item = order.items.get()
    known = {
        key: "tx_id",
        order.pk: "order_id",
        item.pk: "item_id",
        order.company_id: None,
        order.account_manager_id: None,
        order.account_manager.user_id: None,
        item.product_id: None,
    }
    scripted = [
        [general(sql, known).replace(order.order_number, ":order_number") for sql in statements]
        for statements in (claimed, settled)
    ]
    fresh = (name for name in known.values() if name and name.startswith("new_"))
    print("SELECT nextval('bench_n') AS n \\gset")
    print("SELECT tx_id, order_id, item_id, order_number FROM bench_map WHERE n = :n \\gset")
    print(f"SELECT {', '.join(f'gen_random_uuid() AS {name}' for name in fresh)} \\gset")
    for statements in scripted:
        print("BEGIN;")
        for sql in statements:
            print(sql.replace(result.transaction_id, "bare-:n") + ";")
        print("COMMIT;")


def recorded(act: Callable[[], Any]) -> tuple[list[str], Any]:
    """Call `act`. Returns the statements that it wrote, and its result."""
    writes: list[str] = []

    def record(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if re.match(r"\s*(INSERT|UPDATE|DELETE|WITH)", sql):
            composed = connection.ops.compose_sql(sql, params)  # type: ignore[attr-defined]
            writes.append(" ".join(composed.split()))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(record):
        result = act()
    return writes, result


def general(sql: str, known: dict[Any, str | None]) -> str:
    """Replace keys of the order and keys that are new for each order by variables."""

    def put(found: re.Match[str]) -> str:
        key = uuid.UUID(found[0])
        name = known.setdefault(key, f"new_{len(known)}")
        return f":{name}" if name else found[0]

    # not a part of a longer digest
    shape = r"\b[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\b"
    # pgbench reads "::" as a cast, also within 'debit::order_id'
    return re.sub(r"('\w+:)(:\w+')", r"\1' || '\2", re.sub(shape, put, sql))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["orders", count]:
            orders(int(count))
        case ["lines", in_each, count]:
            lines(int(in_each), int(count))
        case ["nudge", *points]:
            nudge(*map(int, points))
        case _:
            script()
