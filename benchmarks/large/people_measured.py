"""Measures how long the checkout takes to place an order for many people, beside one for one person.

Both are measured in turn: by the clock, and by the CPU of this process and of its database connection, on which
other work on the machine has less influence. A ratio is that of the sums of one round; the table gives
the median of the rounds, and between what figures the middle half of them lies.
"""

import logging
import os
import statistics
import sys
import time
import uuid
from typing import NamedTuple

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")

import django

django.setup()

from django.db import connection
from django.test import Client

from accounts.models import AccountManager, Company, Role, User
from benchmarks.load import RECIPIENT
from benchmarks.pieces.measured import cpu_of
from catalog.models import Category, Product, ProductType, StockStatus
from inventory.models import Inventory
from redemption.models import Cart, CartLine

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "11"))
PEOPLE = int(os.environ.get("BENCH_PEOPLE", "40"))
EACH = 10  # orders of each side in a round
MOST = 3.0  # times


class Spent(NamedTuple):
    """Milliseconds of one order."""

    clock: float
    cpu: float


class Checkout:
    """One buyer with enough points, and a product with enough pieces."""

    def __init__(self) -> None:
        shelf = Category.objects.create(name="Shelf", slug="shelf", motif="books")
        company = Company.objects.create(name="Benchmark", loyalty_account_id="BENCH")
        user = User.objects.create_user("buyer@bench.example", name="Buyer")
        self.seat = AccountManager.objects.create(company=company, user=user, role=Role.BUYER)
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

    def place(self, people: int) -> Spent:
        """Fill the cart, unmeasured, and measure the form's way to its answer."""
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
        clock = [0.0]

        def send() -> None:
            began = time.perf_counter()
            answer = self.client.post("/checkout/", form)
            clock[0] = (time.perf_counter() - began) * 1e3
            assert answer.status_code == 303, (answer.status_code, answer.content[:300])

        cpu = cpu_of(send) / 1e6
        return Spent(clock[0], cpu)


def one_round(checkout: Checkout) -> tuple[Spent, Spent]:
    """What an order for many people, and one for one person, take on average."""
    found: dict[int, list[Spent]] = {PEOPLE: [], 1: []}
    for pair in range(EACH):
        for people in (PEOPLE, 1) if pair % 2 else (1, PEOPLE):
            found[people].append(checkout.place(people))
    many, one = (
        Spent(*(sum(column) / EACH for column in zip(*each, strict=True)))
        for each in found.values()
    )
    return many, one


def main() -> None:
    logging.disable(logging.WARNING)
    # A new connection on the way would be another process of the server.
    connection.settings_dict["CONN_MAX_AGE"] = None
    checkout = Checkout()
    one_round(checkout)  # for warming up
    rounds = [one_round(checkout) for _number in range(ROUNDS)]
    print(
        f"\n{'ms of an order':18}{f'{PEOPLE} people':>12}{'one':>10}{'ratio':>8}{'middle half':>18}"
    )
    over = False
    for name in Spent._fields:
        pairs = [(getattr(many, name), getattr(one, name)) for many, one in rounds]
        low, ratio, high = statistics.quantiles([many / one for many, one in pairs], n=4)
        many, one = (statistics.median(side) for side in zip(*pairs, strict=True))
        print(
            f"{name:18}{many:12.2f}{one:10.2f}{ratio:8.2f}{low:10.2f} to {high:5.2f}"
            f"   (at most {MOST})"
        )
        over |= ratio > MOST
    print(f"load {os.getloadavg()[0]:.1f}")
    sys.exit(over)


if __name__ == "__main__":
    main()
