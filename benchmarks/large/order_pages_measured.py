"""Measures the page of an order of many lines beside that of an order of one, request by request in
turn: while it is open, with half of its lines delivered, and completed, each line with a code.

What is measured is the CPU of this process and of its database connection, so that other work on
the machine counts little. A ratio is that of the sums of one round, and the table gives the median
of the rounds, and between what figures the middle half of them lies.
"""

import logging
import os
import statistics
import sys
from collections.abc import Callable
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")

import django

django.setup()

from django.db import connection
from django.test import Client

from accounts.models import User
from benchmarks.pieces.measured import cpu_of, settle_down
from benchmarks.saga.prepare import lines
from fulfillment.models import PartnerCall
from fulfillment.virtual import saga as virtual
from redemption.models import RedemptionOrder
from redemption.saga.transactions import settle_transaction

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "11"))
MANY = int(os.environ.get("BENCH_IN_EACH", "500"))
EACH = 10  # requests of each side in a round
MOST = {"page": 3.0, "asking for news": 1.2}  # ratios
Act = Callable[[], Any]


def order(in_each: int, *, is_complete: bool) -> RedemptionOrder:
    """An order of so many virtual lines: delivered, or the first half of them only."""
    lines(in_each, in_each)
    placed = RedemptionOrder.objects.latest("created_at")
    settle_transaction(placed.transactions.get().pk)
    calls = PartnerCall.objects.filter(fulfillment__reference__in=placed.items.values("pk"))
    due = list(calls.order_by("pk").values_list("pk", flat=True))
    for key in due if is_complete else due[: in_each // 2]:
        assert virtual.ask(key)
    placed.refresh_from_db()
    assert placed.is_final == is_complete, placed.status
    return placed


def requests(client: Client, placed: RedemptionOrder) -> dict[str, Act]:
    """What is asked for, by its name in the table."""
    address = placed.get_absolute_url()

    def get(path: str) -> Act:
        return lambda: _succeeded(client.get(path))

    return {
        "page": get(address),
        "asking for news": get(f"{address}story/?seen={placed.pulse}&last=0"),
    }


def _succeeded(response: Any) -> None:
    assert response.status_code == 200, (response.status_code, response.content[:300])


def compare(many: Act, one: Act) -> tuple[list[float], float, float]:
    """The ratio of each round, and the median milliseconds of both."""
    ratios, spent_many, spent_one = [], [], []
    for turn in range(-1, ROUNDS):  # the first is for warming up
        large = small = 0
        for pair in range(EACH):
            for is_large in (True, False) if pair % 2 else (False, True):
                if is_large:
                    large += cpu_of(many)
                else:
                    small += cpu_of(one)
        if turn >= 0:
            ratios.append(large / small)
            spent_many.append(large / EACH / 1e6)
            spent_one.append(small / EACH / 1e6)
    return ratios, statistics.median(spent_many), statistics.median(spent_one)


def main() -> None:
    logging.disable(logging.WARNING)
    # A new connection on the way would be another process of the server.
    connection.settings_dict["CONN_MAX_AGE"] = None
    client = Client(SERVER_NAME="127.0.0.1")
    print(f"\n{'CPU ms':36}{f'{MANY} lines':>12}{'one line':>12}{'ratio':>8}{'middle half':>18}")
    over = []
    for state, is_complete in (("open", False), ("completed", True)):
        large, small = (order(size, is_complete=is_complete) for size in (MANY, 1))
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        client.force_login(User.objects.get(), backend="accounts.backends.SeatsBackend")
        settle_down()
        sides = zip(requests(client, large).items(), requests(client, small).values(), strict=True)
        for (name, many), one in sides:
            ratios, of_many, of_one = compare(many, one)
            low, ratio, high = statistics.quantiles(ratios, n=4)
            print(
                f"{f'{state}: {name}':36}{of_many:12.2f}{of_one:12.2f}{ratio:8.2f}"
                f"{low:10.2f} to {high:5.2f}   (at most {MOST[name]})",
                flush=True,
            )
            over += [name] * (ratio > MOST[name])
    sys.exit(bool(over))


if __name__ == "__main__":
    main()
