"""Measures each piece of the fastpath: requests with it and with its plain form, one by one in turn.

What is measured is the CPU of this process and of its database connection, so that other work on
the machine counts little. For each round the times of both sides are added up; the gain is what
the piece saves of the request without it. The table gives the median of the rounds, and between
what figures the middle half of them lies.
"""

import itertools
import logging
import os
import statistics
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")

import django

django.setup()

from django.conf import settings
from django.core.cache import cache
from django.db import close_old_connections, connection
from django.test import Client
from django.urls import reverse

from accounts import layout
from accounts import selectors as seats
from accounts.loyalty import StatementEntry
from accounts.models import AccountManager, User
from benchmarks.load import RECIPIENT
from catalog import freshness, rendered
from catalog import selectors as products
from catalog import views as catalogue
from catalog.models import Product
from catalog.search import finding
from fulfillment import services as deliveries
from inventory import services as stock
from loyalty_portal.data import leases, lifecycle
from loyalty_portal.data.actor import Actor
from loyalty_portal.fastpath.postgresql.base import DatabaseWrapper
from redemption.backoffice import order_record
from redemption.checkout import services as checkout
from redemption.checkout.cart import selectors as cart
from redemption.messages import notifications
from redemption.models import Cart, CartLine, Letter, StatementLine
from redemption.points.header import providers
from redemption.points.reconciliation import statements
from redemption.saga import steps, tasks, transactions
from tests.accounts.second_factor import ProvedForce

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "11"))
ONLY = os.environ.get("BENCH_PIECES", "").split("|")
PAIRS = 10  # requests of each side in a round
LEAST = 0.05  # of its request
number = itertools.count()
Act = Callable[[], Any]


class Buyers:
    """The people of benchmarks/prepare.py, signed in, in turn."""

    def __init__(self) -> None:
        self.seats = list(AccountManager.objects.select_related("user", "company"))
        self.products = list(Product.objects.select_related("inventory").order_by("sku"))
        self.clients = [Client(SERVER_NAME="127.0.0.1") for _ in self.seats]
        for client, seat in zip(self.clients, self.seats, strict=True):
            client.force_login(seat.user, backend="accounts.backends.SeatsBackend")

    def one(self) -> tuple[Client, AccountManager]:
        place = next(number) % len(self.seats)
        return self.clients[place], self.seats[place]

    def get(self, path: str, target: str = "") -> Act:
        client, _ = self.one()
        headers = {"HX-Target": target} if target else {}
        return lambda: _succeeded(client.get(path, headers=headers), 200)

    def fill_cart(self, seat: AccountManager) -> tuple[str, int]:
        """Two lines; the cart's token and its points."""
        CartLine.objects.filter(cart=seat.pk).delete()
        filled, _ = Cart.objects.update_or_create(seat=seat, defaults={"token": uuid.uuid4()})
        first = next(number) * 7
        chosen = [self.products[(first + n) % len(self.products)] for n in range(2)]
        CartLine.objects.bulk_create(
            CartLine(cart=filled, product=product, quantity=1) for product in chosen
        )
        return str(filled.token), sum(product.points_cost for product in chosen)

    def order(self) -> Any:
        _, seat = self.one()
        product = self.products[next(number) % len(self.products)]
        line = checkout.Line(product, 1, RECIPIENT)
        entered = checkout.CheckoutInput(token=uuid.uuid4(), seen_points=product.points_cost)
        return checkout.place_order(
            seat=seat, lines=[line], entered=entered, by=Actor.in_seat(seat)
        )


def _succeeded(response: Any, status: int) -> None:
    assert response.status_code == status, (response.status_code, response.content[:300])


# --- Requests: each function prepares one, unmeasured, and returns it -----------------------------


class Requests:
    def __init__(self) -> None:
        self.buyers = Buyers()
        self.recorded = ""  # the page of an order, once there is one
        ProvedForce().install()
        self.staff = Client(SERVER_NAME="127.0.0.1")
        self.staff.force_login(
            User.objects.create_superuser("staff@bench.example", None),
            backend="accounts.backends.SeatsBackend",
        )

    def list(self) -> Act:
        return self.buyers.get(f"/catalog/?page={next(number) % 40 + 1}")

    def list_results(self) -> Act:
        return self.buyers.get("/catalog/?sort=points", target="results")

    def product(self) -> Act:
        return self.buyers.get(f"/catalog/product-{next(number) * 7 % 1000:04d}/")

    def product_first_time(self) -> Act:
        cache.clear()
        return self.product()

    def tally(self) -> Act:
        return self.buyers.get("/catalog/product-0007/?quantity=3", target="tally")

    def cart(self) -> Act:
        client, seat = self.buyers.one()
        self.buyers.fill_cart(seat)
        return lambda: _succeeded(client.get("/cart/"), 200)

    def place(self) -> Act:
        client, seat = self.buyers.one()
        token, points = self.buyers.fill_cart(seat)
        form = {**RECIPIENT, "token": token, "seen_points": points}
        return lambda: _succeeded(client.post("/checkout/", form), 303)

    def settle(self) -> Act:
        key = str(self.buyers.order().transactions.get().pk)
        return lambda: tasks.settle_transaction(key)

    def record(self) -> Act:
        if not self.recorded:
            order = self.buyers.order()
            transactions.settle_transaction(order.transactions.get().pk)
            self.recorded = reverse("admin:redemption_redemptionorder_change", args=[order.pk])
        return lambda: _succeeded(self.staff.get(self.recorded), 200)

    def letter(self) -> Act:
        order = self.buyers.order()
        transactions.settle_transaction(order.transactions.get().pk)
        key = str(Letter.objects.get(order=order).pk)
        return lambda: tasks.send_letter(key)

    def statement(self) -> Act:
        batch, at = uuid.uuid4(), datetime.now(UTC)
        StatementLine.objects.all().delete()
        told = [
            StatementEntry(f"{batch}-{n}", "debit", "BENCH-1", n + 1, f"R-{n}", None, 0, at)
            for n in range(500)
        ]
        return lambda: statements.keep(batch, told)


REQUESTS = {
    "list": Requests.list,
    "list, results alone": Requests.list_results,
    "product": Requests.product,
    "product, first time": Requests.product_first_time,
    "product, tally alone": Requests.tally,
    "cart": Requests.cart,
    "placing an order": Requests.place,
    "settling a debit": Requests.settle,
    "record of an order": Requests.record,
    "sending a letter": Requests.letter,
    "keeping a statement": Requests.statement,
}


# --- Pieces ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Piece:
    """`off` names what is replaced by its plain form: a module or class, and an attribute of it."""

    name: str
    request: str
    off: tuple[tuple[Any, str], ...]
    template: str = ""  # only for this template


def plainly(act: Callable[..., Any], template: str = "") -> Callable[..., Any]:
    """The same with FASTPATH=false; of a cached fragment only where it is of this template."""

    def run(*args: Any, **named: Any) -> Any:
        if template and template not in args:
            return act(*args, **named)
        settings.FASTPATH = False
        try:
            return act(*args, **named)
        finally:
            settings.FASTPATH = True

    return run


def made_each_time(_key: str, *, make: Callable[[], Any], **_more: Any) -> Any:
    return make()


_UPDATES = ((leases, "update"), (lifecycle, "update"))
_CART = ((checkout, "update"), (checkout, "delete"))
_FRAGMENTS = ("frame/_balance", "frame/_menu", "frame/_nav", "_messages")
PIECES = [
    Piece("several queries at once", "record of an order", ((order_record, "read_together"),)),
    Piece("connection check", "list", ((DatabaseWrapper, "is_usable"),)),
    Piece("connection check", "settling a debit", ((DatabaseWrapper, "is_usable"),)),
    Piece("query: seats", "list", ((seats, "_usable_seats"),)),
    Piece("query: seats", "product", ((seats, "_usable_seats"),)),
    Piece("query: seats", "placing an order", ((seats, "_usable_seats"),)),
    Piece("query: header", "list", ((providers, "_read_figures"),)),
    Piece("query: header", "product", ((providers, "_read_figures"),)),
    Piece("query: cards by key", "list", ((products, "_cards_by_key"),)),
    Piece("query: product", "product, first time", ((products, "_offered_by_slug"),)),
    Piece("query: cart lines", "cart", ((cart, "_cart_lines"),)),
    Piece("query: cart lines", "placing an order", ((cart, "_cart_lines"),)),
    Piece("query: due transaction", "settling a debit", ((transactions, "_due"),)),
    Piece("query: locked order", "settling a debit", ((steps, "_locked"),)),
    Piece("query: lines of the order", "settling a debit", ((steps, "_items"),)),
    Piece("query: what is due next", "settling a debit", ((tasks, "_due_of_order"),)),
    Piece("query: letter", "sending a letter", ((notifications, "_read"),)),
    Piece("query: lines of the letter", "sending a letter", ((notifications, "_items"),)),
    Piece("insert: order", "placing an order", ((stock, "insert"),)),
    Piece("insert: parcels", "settling a debit", ((deliveries, "insert"),)),
    Piece("insert: statement", "keeping a statement", ((statements, "insert"),)),
    Piece("update: claim, status, event", "settling a debit", _UPDATES),
    Piece("update: claim", "sending a letter", _UPDATES),
    Piece("update, delete: cart", "placing an order", _CART),
    Piece("update: stock", "placing an order", ((stock, "_moved"),)),
    *(
        Piece(f"fragment: {name}", "list", ((layout, "cached_fragment"),), f"ui/{name}.html")
        for name in _FRAGMENTS
    ),
    Piece("page", "list", ((catalogue, "cached_page"),)),
    Piece("page", "product", ((catalogue, "cached_page"),)),
    Piece("fragment: results", "list, results alone", ((catalogue, "cached_fragment"),)),
    Piece("fragments: filters, results", "list", ((rendered, "cached_fragment"),)),
    Piece("fragments: choices, links", "list", ((rendered, "cached_fragments"),)),
    Piece("held values", "list", ((finding, "held"),)),
    Piece("fragment: tally", "product", ((rendered, "cached_fragment"),)),
    Piece("fragment: tally", "product, tally alone", ((rendered, "cached_fragment"),)),
    Piece("cached product", "product", ((freshness, "cached_value"),)),
]


@contextmanager
def without(piece: Piece) -> Iterator[None]:
    with ExitStack() as stack:
        for owner, name in piece.off:
            fast = getattr(owner, name)
            plain: Any = plainly(fast, piece.template)
            if name in {"_offered_by_slug", "_cards_by_key"}:
                plain = lambda tier, fast=fast: plainly(fast(tier))  # noqa: E731
            elif name == "cached_value":
                plain = made_each_time
            stack.enter_context(patch.object(owner, name, plain))
        yield


@contextmanager
def all_plain() -> Iterator[None]:
    settings.FASTPATH = False
    try:
        yield
    finally:
        settings.FASTPATH = True


# --- Measuring ------------------------------------------------------------------------------------


def backend_cpu() -> int:
    """Nanoseconds that the server's process of our connection has run."""
    connection.ensure_connection()
    pid = connection.connection.info.backend_pid
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


def cpu_of(act: Callable[[], Any]) -> int:
    """Nanoseconds of CPU, after a look at the connection as at each request and task."""
    before = time.process_time_ns() + backend_cpu()
    close_old_connections()
    act()
    return time.process_time_ns() + backend_cpu() - before


def gains(request: Callable[[], Any], off: Callable[[], Any]) -> tuple[list[float], float]:
    """For each round the share of the request that the piece saves; and the request's milliseconds
    with it.
    """
    shares, each = [], []
    for turn in range(-1, ROUNDS):  # the first is for warming up
        fast = plain = 0
        for pair in range(PAIRS):
            for side in ("fast", "plain") if pair % 2 else ("plain", "fast"):
                act = request()
                if side == "fast":
                    fast += cpu_of(act)
                else:
                    with off():
                        plain += cpu_of(act)
        if turn >= 0:
            shares.append(1 - fast / plain)
            each.append(fast / PAIRS / 1e6)
    return shares, statistics.median(each)


def _wanted(name: str) -> bool:
    return any(part in name for part in ONLY)


def show(name: str, request: str, shares: list[float], milliseconds: float) -> None:
    low, gain, high = statistics.quantiles(shares, n=4)
    told = f"{gain:7.1%}{low:9.1%} to {high:5.1%}"
    short = "" if gain >= LEAST else "   under 5 %"
    print(f"{name:28}{request:24}{milliseconds:8.2f}{told}{short}", flush=True)


def main() -> None:
    logging.disable(logging.WARNING)
    # A new connection on the way would be another process of the server.
    connection.settings_dict["CONN_MAX_AGE"] = None
    requests = Requests()
    ready = {name: partial(make, requests) for name, make in REQUESTS.items()}
    print(f"{'piece':28}{'request':24}{'CPU ms':>8}{'saves':>7}{'middle half':>18}")
    for name, request in ready.items():
        if _wanted(f"all of it {name}"):
            show("all of it", name, *gains(request, all_plain))
    for piece in PIECES:
        if _wanted(f"{piece.name} {piece.request}"):
            measured = gains(ready[piece.request], partial(without, piece))
            show(piece.name, piece.request, *measured)


if __name__ == "__main__":
    main()
