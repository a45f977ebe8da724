"""A cancel of a large order while workers deliver its lines: it gets through, and each point moves
once.
"""

import threading
import uuid
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial

import pytest
from django.db import connection, transaction
from django.test import Client

from accounts.models import AccountManager
from catalog.models import ProductType
from fulfillment.models import Fulfillment, FulfillmentQuerySet, PartnerCall
from fulfillment.partner import Deliverable, Report, ReportStatus
from fulfillment.states import FulfillmentStatus
from fulfillment.virtual.saga import ask
from fulfillment.virtual.services import hear_answer, locked
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.trouble import retried
from redemption.invariants.checks import check_invariants
from redemption.models import RedemptionOrder
from redemption.orders.actions.cancelling import cancel
from redemption.saga.steps import RedemptionError
from redemption.saga.transactions import settle_transaction
from redemption.states import OrderStatus
from tests.redemption.large_orders.test_people_table import cancel_all
from tests.redemption.large_orders.test_steps_on_sets import confirmed
from tests.redemption.pages import said
from tests.redemption.world import World, make_all_due
from tests.support.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[AccountManager], Client]

WAITING = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)
LINES, WORKERS, BEGUN = 200, 6, 5
Act = Callable[[], str]


def number_waiting() -> int:
    with connection.cursor() as cursor:
        cursor.execute(WAITING)
        return int(cursor.fetchone()[0])


def has_or_waits(has: threading.Event) -> bool:
    """Whether a worker has its line, or waits for it as well."""
    return has.is_set() or number_waiting() > 1


def relayed(order: RedemptionOrder, act: Act) -> str:
    """Do `act` while workers deliver the order's lines, from the first to the last: each has its
    line before the one ahead of it, for whom `act` waits, is done.
    """
    parcels = Fulfillment.objects.filter(label=order.order_number).order_by("pk")
    keys = list(parcels.values_list("pk", flat=True))
    has, go = ([threading.Event() for _key in keys] for _each in range(2))
    over, working = threading.Event(), list[Future[None]]()

    def work(place: int) -> None:
        try:
            retried(partial(deliver, keys[place], place, has[place], go[place]))
        finally:
            connection.close()

    def relay() -> None:
        try:
            for place in range(len(keys) - 1):
                eventually(lambda: over.is_set() or number_waiting(), "the cancel waits")
                if not over.is_set():
                    working.append(pool.submit(work, place + 1))
                    eventually(partial(has_or_waits, has[place + 1]), "the next worker")
                go[place].set()
            go[-1].set()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(keys) + 1) as pool:
        working.append(pool.submit(work, 0))
        has[0].wait(20)
        relaying = pool.submit(relay)
        try:
            return act()
        finally:
            over.set()
            relaying.result()
            for each in working:
                each.result()


@transaction.atomic
def deliver(key: uuid.UUID, place: int, has: threading.Event, go: threading.Event) -> None:
    """Take a line, and settle it as delivered as soon as `go` says so, if nobody ended it."""
    code = Deliverable(code=f"CODE-{place}", pin=None, url=None, expires_on=None)
    now = datetime.now(UTC)
    report = Report(f"F-{place}", str(key), ReportStatus.DELIVERED, now, None, (code,))
    held = locked(key, report)
    has.set()
    go.wait(20)
    if held.status == FulfillmentStatus.REQUESTED:
        hear_answer(held=held, report=report)


def test_a_cancel_waits_once_for_workers_who_go_through_the_lines(world: World) -> None:
    order = confirmed(world, 8, kind=ProductType.VIRTUAL)
    relayed(order, lambda: cancel(order=order, by=Actor.in_seat(world.seat), reason=""))
    states = order.items.order_by("pk").values_list("fulfillment_status", flat=True)
    assert list(states) == ["DELIVERED"] + ["CANCELLED"] * 7
    assert [credit.points_amount for credit in world.credits(order)] == [70]


def test_locking_in_the_direction_of_the_workers_a_cancel_comes_after_all_of_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control."""

    def from_the_first(rows: FulfillmentQuerySet) -> list[Fulfillment]:
        return list(rows.select_for_update(no_key=True).order_by("pk"))

    # replaced: negative control, the direction of the locks
    monkeypatch.setattr(FulfillmentQuerySet, "held", from_the_first)
    order = confirmed(world, 8, kind=ProductType.VIRTUAL)
    with pytest.raises(RedemptionError, match="Nothing of this order can be cancelled any more"):
        relayed(order, lambda: cancel(order=order, by=Actor.in_seat(world.seat), reason=""))
    assert not order.items.exclude(fulfillment_status="DELIVERED").exists()


def test_the_web_cancels_what_is_left_while_workers_deliver_some_hundred_lines(
    world: World, client_for: SignIn
) -> None:
    world.partners.dial(mode="instant")
    order = confirmed(world, LINES, kind=ProductType.VIRTUAL)
    client = client_for(world.seat)
    page = client.get(order.get_absolute_url())
    calls = deque(PartnerCall.objects.order_by("pk").values_list("pk", flat=True))

    def work() -> None:
        try:
            while calls:
                ask(calls.popleft())
        finally:
            connection.close()

    came = Fulfillment.objects.filter(status=FulfillmentStatus.DELIVERED)
    with ThreadPoolExecutor(WORKERS) as pool:
        working = [pool.submit(work) for _worker in range(WORKERS)]
        eventually(lambda: came.count() >= BEGUN, "some are delivered")
        answer = cancel_all(client, order, page)
        for each in working:
            each.result()
    assert answer.status_code == 303, said(answer)
    make_all_due()
    for call in PartnerCall.objects.due():  # what was being sent: the partner decides
        ask(call.pk)
    for credit in world.credits(order):
        settle_transaction(credit.pk)
    order.refresh_from_db()
    assert order.status == OrderStatus.COMPLETED
    cancelled = order.items.filter(fulfillment_status="CANCELLED").count()
    assert cancelled
    assert came.count() == LINES - cancelled
    assert world.ledger(order) == (10 * LINES, 10 * cancelled)
    assert check_invariants(at_rest=True) == []
