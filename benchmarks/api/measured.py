"""The measured part of `make bench-api`, in a process with a database of its own.

`compare` prints what the API's requests cost beside others, in CPU of this process and of its
database connection (benchmarks/pieces/measured.py). `keys` prints the keys of two companies.
"""

import itertools
import json
import logging
import os
import statistics
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from unittest.mock import patch

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")

import django

django.setup()

import orjson
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import path

from accounts.access.bearer import caller_of
from accounts.models import Company, TierLevel
from benchmarks.api.keys import new_key
from benchmarks.load import RECIPIENT
from benchmarks.pieces.measured import cpu_of, settle_down
from benchmarks.pieces.requests import Act, Buyers, succeeded
from catalog.selectors import ProductFilters, offered_products
from loyalty_portal.http.rates import Rate
from redemption.orders.api import placing

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "11"))
PAIRS = 10  # requests of each side in a round
ROWS = 50
LIST, PLACE, KEY = (
    0.4,
    0.9,
    0.1,
)  # to reach: of the bare view, of the checkout; at most: of the request
PLENTY = 1_000_000  # calls a minute, so that no limit ends the measuring
number = itertools.count()


# --- The bare view --------------------------------------------------------------------------------

COLUMNS = (
    "id", "created_at", "sku", "name", "description", "product_type", "points_cost", "image_url",
    "stock_status", "variant", "brand", "family__code", "family__name",
    "category__id", "category__slug", "category__name",
)  # fmt: skip


def bare(_request: HttpRequest) -> HttpResponse:
    """The same rows as orjson, without key, limits, checks and cleaning."""
    rows = offered_products(tier_level=TierLevel.GOLD, filters=ProductFilters())
    told = list(rows.order_by("sku").values(*COLUMNS)[:ROWS])
    return HttpResponse(orjson.dumps({"data": told, "next": None}), content_type="application/json")


urlpatterns = [path("bare", bare)]


# --- Requests -------------------------------------------------------------------------------------


class Calls:
    """Calls of one company's key, and what each is compared with."""

    def __init__(self) -> None:
        self.buyers = Buyers()
        company = Company.objects.order_by("id").first()
        assert company is not None
        self.headers = {"Authorization": f"Bearer {new_key(company)}"}
        self.client = Client(SERVER_NAME="127.0.0.1")
        self.bare = Client(SERVER_NAME="127.0.0.1")

    def products(self) -> Act:
        return lambda: succeeded(
            self.client.get(f"/api/v1/products?limit={ROWS}", headers=self.headers), 200
        )

    def bare_products(self) -> Act:
        return lambda: succeeded(self.bare.get("/bare"), 200)

    def key(self) -> Act:
        request: Any = RequestFactory().get("/api/v1/products", headers=self.headers)
        _ = request.headers  # the frame of the API has read them before
        return lambda: caller_of(request)

    def order(self) -> Act:
        first = next(number) * 7
        chosen = [self.buyers.products[(first + n) % len(self.buyers.products)] for n in range(2)]
        names = {name.removeprefix("recipient_"): text for name, text in RECIPIENT.items()}
        said = {
            "lines": [
                {"sku": product.sku, "quantity": 1, "recipient": names} for product in chosen
            ],
            "expected_points": sum(product.points_cost for product in chosen),
        }
        headers = {**self.headers, "Idempotency-Key": f"bench-{next(number)}"}
        body = json.dumps(said)
        return lambda: succeeded(
            self.client.post(
                "/api/v1/orders", body, content_type="application/json", headers=headers
            ),
            201,
        )

    def checkout(self) -> Act:
        client, seat = self.buyers.one()
        token, points = self.buyers.fill_cart(seat)
        form = {**RECIPIENT, "token": token, "seen_points": points}
        return lambda: succeeded(client.post("/checkout/", form), 303)

    def queries_of_the_key(self) -> int:
        act = self.key()
        act()  # its use is written down once a minute
        with CaptureQueriesContext(connection) as queries:
            act()
        return len(queries)


def barely() -> AbstractContextManager[Any]:
    """Without middleware, and with the addresses of this module."""
    return override_settings(MIDDLEWARE=[], ROOT_URLCONF=__name__)


# --- Measuring ------------------------------------------------------------------------------------


def shares(
    one: Callable[[], Act],
    other: Callable[[], Act],
    around: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> list[float]:
    """What one costs of the other (made and run within `around`), in each round."""
    found = []
    for turn in range(-1, ROUNDS):  # the first is for warming up
        ours = theirs = 0
        for pair in range(PAIRS):
            for side in (0, 1) if pair % 2 else (1, 0):
                if side:
                    ours += cpu_of(one())
                else:
                    with around():
                        theirs += cpu_of(other())
        if turn >= 0:
            found.append(ours / theirs)
    return found


def shown(name: str, ratios: list[float], *, least: float = 0, most: float = 0) -> bool:
    """Print a figure with the middle half of its rounds. Returns whether it is reached."""
    low, middle, high = statistics.quantiles(ratios, n=4)
    reached = middle >= least if least else middle <= most
    wanted = f"to reach: {least}" if least else f"at most: {most}"
    told = f"{name:44}{middle:6.2f}  ({low:.2f} to {high:.2f}; {wanted})"
    print(told + ("" if reached else "   missed"), flush=True)
    return reached


def inverse(ratios: list[float]) -> list[float]:
    return [1 / each for each in ratios]


def compare() -> int:
    logging.disable(logging.WARNING)
    connection.settings_dict["CONN_MAX_AGE"] = None  # a new one would be another process
    settings.API_RATE_KEY = settings.API_RATE_COMPANY = PLENTY
    calls = Calls()
    queries = calls.queries_of_the_key()
    print(f"{'queries of the key':44}{queries:6}  (to reach: 1)")
    settle_down()
    with patch.object(placing, "ORDERS", Rate("orders", most=PLENTY, burst=PLENTY)):
        listed = inverse(shares(calls.products, calls.bare_products, barely))
        placed = inverse(shares(calls.order, calls.checkout))
        reached = [
            queries == 1,
            shown(f"{ROWS} products, speed of bare orjson", listed, least=LIST),
            shown("the key, cost of its request", shares(calls.key, calls.products), most=KEY),
            shown("POST /orders, speed of the checkout", placed, least=PLACE),
        ]
    return 0 if all(reached) else 1


if __name__ == "__main__":
    if sys.argv[1] == "compare":
        sys.exit(compare())
    companies = Company.objects.order_by("id")
    print(json.dumps([new_key(company) for company in companies[1:3]]))
