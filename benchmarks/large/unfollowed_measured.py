"""Measures what the feed costs a company without a live key or endpoint: the CPU of this process and
of its database connection for placing an order, with the trigger on order events and without it, in
turns. Told is the median of the rounds.
"""

import logging
import os
import statistics
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")

import django

django.setup()

from pgtrigger import registered

from benchmarks.large.people_measured import Checkout
from benchmarks.pieces.measured import settle_down
from loyalty_portal.feed.models import Follower, Outbox
from redemption.models import OrderEvent

ROUNDS = 15
AT_FIRST = 6  # orders of each side in a round that are not counted
EACH = 40  # orders of each side in a round that are
MOST = 1.03  # times; what is below cannot be told from chance


def noting(on: bool) -> None:
    """Switch the trigger on order events on or off."""
    [(model, trigger)] = registered(f"{OrderEvent._meta.label}:noted_for_the_feed")
    (trigger.enable if on else trigger.disable)(model)


def orders(checkout: Checkout, *, on: bool) -> float:
    """Milliseconds of CPU for an order. The first ones, which plan anew, are not counted."""
    noting(on)
    for _order in range(AT_FIRST):
        checkout.place(1)
    return sum(checkout.place(1).cpu for _order in range(EACH)) / EACH


def one_round(checkout: Checkout, number: int) -> tuple[float, float]:
    """What an order takes with the trigger, and without it; each comes first in every other
    round.
    """
    found = {on: orders(checkout, on=on) for on in ((True, False) if number % 2 else (False, True))}
    return found[True], found[False]


def main() -> None:
    logging.disable(logging.WARNING)
    checkout = Checkout()
    settle_down()
    one_round(checkout, 0)  # for warming up
    rounds = [one_round(checkout, number) for number in range(ROUNDS)]
    assert not Follower.objects.exists()
    assert not Outbox.objects.exists()
    low, ratio, high = statistics.quantiles([one / other for one, other in rounds], n=4)
    told, bare = (statistics.median(side) for side in zip(*rounds, strict=True))
    print(f"\n{'CPU ms':36}{'with feed':>12}{'without':>12}{'ratio':>8}{'middle half':>16}")
    print(
        f"{'order of a company nobody follows':36}{told:12.2f}{bare:12.2f}{ratio:8.3f}"
        f"{f'{low:.3f} to {high:.3f}':>16}   (at most {MOST})"
    )
    sys.exit(ratio > MOST)


if __name__ == "__main__":
    main()
