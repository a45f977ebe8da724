"""Machines whose clocks are an hour off: only PostgreSQL's clock decides what is due (docs/saga.md, rule 17).

Their clocks are set from within the processes: under libfaketime Python 3.11 sleeps for ever.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django.plugin import DjangoDbBlocker

from redemption.invariants.checks import Invariant
from redemption.models import Incident, LoyaltyTransaction, RedemptionOrder
from redemption.states import IncidentKind, OrderStatus
from tests.redemption.world import World
from tests.support.stack import Databases, Stack
from tests.support.stack_fixtures import in_use
from tests.support.visitor import Visitor
from tests.support.waiting import eventually

pytestmark = pytest.mark.long

HOUR = 3600
SECONDS = 300.0  # on a busy machine


@pytest.fixture(
    scope="module",
    params=[(HOUR, -HOUR, HOUR), (-HOUR, HOUR, -HOUR)],
    ids=["the-worker-is-behind", "the-worker-is-ahead"],
)
def _wrong(
    request: pytest.FixtureRequest,
    databases: Databases,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    settings = "tests.production.settings_wrong_clock"
    running = Stack(tmp_path_factory.mktemp("clocks"), databases.create(), settings=settings)
    processes = (running.web, running.worker, running.sweeper)
    for process, off in zip(processes, request.param, strict=True):
        process.environment["CLOCK_OFF"] = str(off)
    with running:
        yield running


@pytest.fixture
def stack(_wrong: Stack, django_db_blocker: DjangoDbBlocker) -> Iterator[Stack]:
    yield from in_use(_wrong, django_db_blocker)


def test_orders_are_placed_and_delivered_once_whoever_is_an_hour_off(
    stack: Stack, shop: World, visitor: Visitor
) -> None:
    """Some calls are answered by nobody, so leases and the times of the next tries count too."""
    for operation in ("debit", "fulfill"):
        stack.sandbox.fault(operation, "reset_after")
    card, mug = shop.virtual(), shop.product()

    numbers = [visitor.redeem(card.get_absolute_url()) for _ in range(3)]
    parcel = visitor.redeem(mug.get_absolute_url())

    eventually(lambda: statuses(*numbers) == {OrderStatus.COMPLETED}, "they end", within=SECONDS)
    eventually(lambda: statuses(parcel) == {OrderStatus.CONFIRMED}, "it waits", within=SECONDS)
    for number in (*numbers, parcel):
        eventually(lambda n=number: stack.mailbox.about(n), "its letter comes", within=SECONDS)  # type: ignore[misc]
    assert LoyaltyTransaction.objects.count() == 4
    # A deadline may seem to be over, until the order has gone on.
    eventually(lambda: not open_incidents(), "no incident stays open", within=SECONDS)
    assert set(Incident.objects.values_list("kind", flat=True)) <= {IncidentKind.STUCK_ORDER}
    # Events have the time of their process, so the history is told in another order.
    broken = {each.invariant for each in stack.violations(at_rest=False)}
    assert broken <= {Invariant.REPLAYED}


def open_incidents() -> bool:
    return Incident.objects.unresolved().exists()


def statuses(*numbers: str) -> set[str]:
    orders = RedemptionOrder.objects.filter(order_number__in=numbers)
    return set(orders.values_list("status", flat=True))
