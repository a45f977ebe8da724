"""The requests that pieces of the fastpath are for: each function prepares one, unmeasured, and
returns it.
"""

import itertools
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from accounts.loyalty import StatementEntry
from accounts.models import AccountManager, Company, User
from benchmarks.api.keys import new_key
from benchmarks.load import RECIPIENT
from catalog.models import Product, ProductType
from fulfillment.desk.selectors import lines_of
from fulfillment.desk.services import pack_parcel
from fulfillment.models import Fulfillment, PartnerCall
from fulfillment.services import ship_together
from loyalty_portal.data.actor import Actor
from redemption.checkout import services as checkout
from redemption.models import Cart, CartLine, Letter, StatementLine
from redemption.points.reconciliation import statements
from redemption.saga import tasks, transactions
from tests.accounts.second_factor import ProvedForce

STAFF = "staff@bench.example"
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
        return lambda: succeeded(client.get(path, headers=headers), 200)

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

    def order(self, product: Product | None = None) -> Any:
        """An order of this product, or of the next one in stock."""
        _, seat = self.one()
        product = product or self.products[next(number) % len(self.products)]
        line = checkout.Line(product, 1, RECIPIENT)
        entered = checkout.CheckoutInput(token=uuid.uuid4(), seen_points=product.points_cost)
        return checkout.place_order(
            seat=seat, lines=[line], entered=entered, by=Actor.in_seat(seat)
        )


def succeeded(response: Any, status: int) -> None:
    assert response.status_code == status, (response.status_code, response.content[:300])


class Requests:
    def __init__(self) -> None:
        self.buyers = Buyers()
        self.recorded = ""  # the page of an order, once there is one
        self.keys = [new_key(company) for company in Company.objects.order_by("id")]
        self.card = self._card()
        ProvedForce().install()
        self.staff = Client(SERVER_NAME="127.0.0.1")
        self.staff.force_login(
            User.objects.create_superuser(STAFF, None),
            backend="accounts.backends.SeatsBackend",
        )

    def _card(self) -> Product:
        """A virtual product, which the partner delivers at once."""
        shelf = self.buyers.products[0].category
        card = {"name": "Card", "slug": "card", "points_cost": 100, "category": shelf}
        Product.objects.create(sku="CARD", product_type=ProductType.VIRTUAL, **card)
        return Product.objects.select_related("inventory").get(sku="CARD")

    def _key(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[next(number) % len(self.keys)]}"}

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
        return lambda: succeeded(client.get("/cart/"), 200)

    def place(self) -> Act:
        client, seat = self.buyers.one()
        token, points = self.buyers.fill_cart(seat)
        form = {**RECIPIENT, "token": token, "seen_points": points}
        return lambda: succeeded(client.post("/checkout/", form), 303)

    def settle(self) -> Act:
        key = str(self.buyers.order().transactions.get().pk)
        return lambda: tasks.settle_transaction(key)

    def by_key(self) -> Act:
        client, headers = self.buyers.clients[0], self._key()
        return lambda: succeeded(client.get("/api/v1/orders?limit=1", headers=headers), 200)

    def place_by_key(self) -> Act:
        client = self.buyers.clients[0]
        headers = {**self._key(), "Idempotency-Key": f"bench-{next(number)}"}
        product = self.buyers.products[next(number) % len(self.buyers.products)]
        who = {name.removeprefix("recipient_"): text for name, text in RECIPIENT.items()}
        lines = [{"sku": product.sku, "quantity": 1, "recipient": who}]
        said = json.dumps({"lines": lines, "expected_points": product.points_cost})
        send = partial(client.post, "/api/v1/orders", said, "application/json", headers=headers)
        return lambda: succeeded(send(), 201)

    def deliver(self) -> Act:
        order = self.buyers.order(self.card)
        transactions.settle_transaction(order.transactions.get().pk)
        line = order.items.values("pk")
        call = str(PartnerCall.objects.get(fulfillment__reference__in=line).pk)
        return lambda: tasks.request_fulfillment(call)

    def ship(self) -> Act:
        order = self.buyers.order()
        transactions.settle_transaction(order.transactions.get().pk)
        parcel = Fulfillment.objects.get(reference__in=order.items.values("pk"))
        by = Actor.person(User.objects.get(email=STAFF))
        pack_parcel(parcel=parcel, by=by)
        packed = list(lines_of(parcel))
        units = {line.pk: line.open_quantity for line in packed}
        return lambda: ship_together(units=units, carrier="DHL", tracking_number="", by=by)

    def record(self) -> Act:
        if not self.recorded:
            order = self.buyers.order()
            transactions.settle_transaction(order.transactions.get().pk)
            self.recorded = reverse("admin:redemption_redemptionorder_change", args=[order.pk])
        return lambda: succeeded(self.staff.get(self.recorded), 200)

    def home(self) -> Act:
        return lambda: succeeded(self.staff.get(reverse("admin:index")), 200)

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
    "call by a key": Requests.by_key,
    "placing by a key": Requests.place_by_key,
    "asking for a delivery": Requests.deliver,
    "shipping a parcel": Requests.ship,
    "record of an order": Requests.record,
    "first page of the back office": Requests.home,
    "sending a letter": Requests.letter,
    "keeping a statement": Requests.statement,
}
