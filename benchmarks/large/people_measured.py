"""Measures how long it takes to place orders for many people.

What is compared is measured in turn: by the clock, and by the CPU of this process and of its database
connection, on which other work on the machine has less influence. A ratio is that of the sums of one
round; the table gives the median of the rounds, and between what figures the middle half of them lies.
"""

import logging
import os
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")

import django

django.setup()

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import AccountManager, Company, Role, User
from benchmarks.large.people import say, sizes
from benchmarks.load import RECIPIENT
from benchmarks.pieces.measured import cpu_of
from catalog.models import Category, Product, ProductType, StockStatus
from inventory.models import Inventory
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.recipient import FIELDS
from redemption.checkout.bulk import services as bulks
from redemption.checkout.bulk.sheets import header, sheet
from redemption.checkout.rows import COLUMNS
from redemption.checkout.selectors import offered_products
from redemption.checkout.services import CheckoutInput, Line, place_order
from redemption.models import Bulk, BulkStatus, Cart, CartLine, RedemptionOrder

MOST = 3.0  # times
MOST_SECONDS = 60.0  # until all rows of a spreadsheet are orders
LEAST_PACE = 0.7  # of place_order alone
ORDERS_IN_ALL = 10  # that the rows of the spreadsheet become


class Spent(NamedTuple):
    """Milliseconds of one order."""

    clock: float
    cpu: float


def spent(act: Callable[[], object]) -> Spent:
    """What this takes."""
    clock = [0.0]

    def run() -> None:
        began = time.perf_counter()
        act()
        clock[0] = (time.perf_counter() - began) * 1e3

    cpu = cpu_of(run) / 1e6
    return Spent(clock[0], cpu)


class Checkout:
    """One buyer with enough points, and a product with enough pieces."""

    def __init__(self) -> None:
        shelf = Category.objects.create(name="Shelf", slug="shelf", motif="books")
        company = Company.objects.create(name="Benchmark", loyalty_account_id="BENCH")
        user = User.objects.create_user("buyer@bench.example", name="Buyer")
        self.seat = AccountManager.objects.create(company=company, user=user, role=Role.BUYER)
        self.actor = Actor.in_seat(self.seat)
        self.book = Product.objects.create(
            sku="BOOK",
            name="Book",
            slug="book",
            product_type=ProductType.PHYSICAL,
            points_cost=1,
            category=shelf,
            stock_status=StockStatus.IN_STOCK,
        )
        Inventory.objects.filter(product=self.book).update(quantity_available=1_000_000)
        self.client = Client(SERVER_NAME="127.0.0.1")
        self.client.force_login(user, backend="accounts.backends.SeatsBackend")

    def filled(self, people: int) -> Callable[[], None]:
        """Fill the cart, unmeasured. Returns what sends the form and takes its answer."""
        token = uuid.uuid4()
        cart, _made = Cart.objects.update_or_create(seat=self.seat, defaults={"token": token})
        CartLine.objects.bulk_create(
            CartLine(
                cart=cart,
                product=self.book,
                quantity=1,
                position=place,
                **{**RECIPIENT, "recipient_name": f"Guest {place}"},
            )
            for place in range(people)
        )
        form = {"token": str(token), "seen_points": str(people), "reference": "", "note": ""}

        def send() -> None:
            answer = self.client.post("/checkout/", form)
            assert answer.status_code == 303, (answer.status_code, answer.content[:300])

        return send

    def place(self, people: int) -> Spent:
        return spent(self.filled(people))

    def statements(self, people: int) -> int:
        """How many statements it takes to place an order for so many."""
        send = self.filled(people)
        with CaptureQueriesContext(connection) as asked:
            send()
        return len(asked)

    def bulk(self, rows: int, orders: int) -> Bulk:
        """A file of so many rows, which become so many orders, as it was given."""
        told = {**RECIPIENT, "quantity": "1"}
        lines = []
        for row in range(rows):
            cells = {**told, "recipient_name": f"Guest {row}"}
            reference = f"R{row * orders // rows}"
            lines.append(["BOOK", "Book", reference, *(cells.get(name, "") for name in COLUMNS)])
        data = sheet("csv", header(), lines)
        return bulks.take(seat=self.seat, name="bench.csv", data=data, again=True, by=self.actor)

    def work(self, bulk: Bulk, until: Sequence[str]) -> None:
        """Work the bulk, turn by turn, until it stands so."""
        while bulk.status not in until:
            bulks.work_on(bulk.pk, placed=_left)
            bulk.refresh_from_db()
            say(f"{bulk.status.lower()}: {RedemptionOrder.objects.count()} orders in all")

    def confirm(self, bulk: Bulk) -> None:
        self.work(bulk, [BulkStatus.READY, BulkStatus.REFUSED])
        assert bulk.status == BulkStatus.READY, bulk.problem
        wrong = bulk.rows.exclude(errors=[]).first()
        assert wrong is None, wrong.errors
        points = bulks.points_of(bulk)
        bulks.confirm(bulk=bulk, seen_points=points, by=self.actor, ask=_unasked)
        bulk.refresh_from_db()

    def alone(self, orders: int) -> None:
        """Place so many orders for one person, each by itself."""
        tier = self.seat.company.tier_level
        recipient = {**dict.fromkeys(FIELDS, ""), **RECIPIENT}
        for _number in range(orders):
            product = offered_products(skus={"BOOK"}, tier_level=tier)["BOOK"]
            entered = CheckoutInput(token=uuid.uuid4(), seen_points=1)
            place_order(
                seat=self.seat, lines=[Line(product, 1, recipient)], entered=entered, by=self.actor
            )


def _left(_debits: Sequence[uuid.UUID]) -> None:
    """Leave the debits of orders as they are: placing alone is measured."""


def _unasked(_bulk: Bulk) -> None:
    raise AssertionError("The benchmark's orders need no approval.")


def told(name: str, pairs: Sequence[tuple[float, float]], *, unit: str, bound: str) -> float:
    """Print a row: both sides, and their ratio. Returns the ratio."""
    low, ratio, high = statistics.quantiles([one / other for one, other in pairs], n=4)
    one, other = (statistics.median(side) for side in zip(*pairs, strict=True))
    half = f"{low:.2f} to {high:.2f}"
    print(
        f"{f'{name}, {unit}':36}{one:12.2f}{other:12.2f}{ratio:8.2f}{half:>16}   ({bound})",
        flush=True,
    )
    return ratio


def many_people(checkout: Checkout, asked: Any) -> bool:
    """An order for many people beside one for one. Returns whether it keeps the bounds."""

    def one_round() -> tuple[Spent, Spent]:
        found: dict[int, list[Spent]] = {asked.people: [], 1: []}
        for pair in range(asked.each):
            for people in (asked.people, 1) if pair % 2 else (1, asked.people):
                found[people].append(checkout.place(people))
        many, one = (
            Spent(*(sum(column) / asked.each for column in zip(*each, strict=True)))
            for each in found.values()
        )
        return many, one

    one_round()  # for warming up
    rounds = []
    for number in range(asked.rounds):
        say(f"orders for {asked.people} and for one, round {number + 1} of {asked.rounds}")
        rounds.append(one_round())
    print(f"\n{'placing an order':36}{f'for {asked.people}':>12}{'for one':>12}{'ratio':>8}")
    ratios = [
        told(
            name,
            [(getattr(many, name), getattr(one, name)) for many, one in rounds],
            unit="ms",
            bound=f"at most {MOST}",
        )
        for name in Spent._fields
    ]
    many, one = checkout.statements(asked.people), checkout.statements(1)
    print(f"{'statements':36}{many:12}{one:12}{many / one:8.2f}{'':16}   (at most {MOST})")
    return max(*ratios, many / one) <= MOST


def ten_orders(checkout: Checkout, asked: Any) -> bool:
    """Rows of a spreadsheet that become a few orders, from reading the file to the last order."""
    say(f"{asked.rows} rows in {ORDERS_IN_ALL} orders")
    before = RedemptionOrder.objects.count()
    bulk = checkout.bulk(asked.rows, ORDERS_IN_ALL)
    began = time.perf_counter()
    checkout.confirm(bulk)
    read = time.perf_counter() - began
    checkout.work(bulk, [BulkStatus.DONE, BulkStatus.STOPPED])
    whole = time.perf_counter() - began
    made = RedemptionOrder.objects.count() - before
    print(
        f"\n{asked.rows:,} rows became {made} orders in {whole:.1f} s, of it {read:.1f} s of reading"
        f"   (at most {MOST_SECONDS:.0f} s)",
        flush=True,
    )
    return whole <= MOST_SECONDS and bulk.status == BulkStatus.DONE


def pace(checkout: Checkout, asked: Any) -> bool:
    """Orders of a bulk beside orders that are placed one by one: a turn of each, one after the
    other, until the bulk is done.
    """
    say(f"a spreadsheet of {asked.orders} orders is read")
    bulk = checkout.bulk(asked.orders, asked.orders)
    checkout.confirm(bulk)
    rounds: list[tuple[Spent, Spent]] = []  # of one order
    while bulk.status == BulkStatus.PLACING:
        before = RedemptionOrder.objects.count()
        turn = spent(partial(bulks.work_on, bulk.pk, placed=_left))
        made = RedemptionOrder.objects.count() - before
        bulk.refresh_from_db()
        if not made:
            continue
        single = spent(partial(checkout.alone, made))
        rounds.append(
            (
                Spent(*(figure / made for figure in turn)),
                Spent(*(figure / made for figure in single)),
            )
        )
        left = bulk.parts.filter(order=None).count()
        say(f"{made} orders of the bulk and {made} alone; {left} of the bulk are left")
    assert bulk.status == BulkStatus.DONE, bulk.problem
    rounds = rounds * 2 if len(rounds) == 1 else rounds  # a median needs two
    print(f"\n{'orders a second':36}{'of a bulk':>12}{'alone':>12}{'ratio':>8}")
    ratios = [
        told(
            name,
            [(1e3 / getattr(of_bulk, name), 1e3 / getattr(one, name)) for of_bulk, one in rounds],
            unit="orders a second",
            bound=f"at least {LEAST_PACE}",
        )
        for name in Spent._fields
    ]
    return min(ratios) >= LEAST_PACE


def main() -> None:
    asked = sizes().parse_args()
    logging.disable(logging.WARNING)
    # A new connection on the way would be another process of the server.
    connection.settings_dict["CONN_MAX_AGE"] = None
    checkout = Checkout()
    kept = [part(checkout, asked) for part in (many_people, ten_orders, pace)]
    print(f"load {os.getloadavg()[0]:.1f}")
    sys.exit(not all(kept))


if __name__ == "__main__":
    main()
