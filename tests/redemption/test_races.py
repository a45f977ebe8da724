"""What happens when two decide at once: one wins, the other is told, nothing moves twice."""

import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from django.db import connection, transaction

from redemption.aftercare.services import cancel
from redemption.callbacks import services as callbacks
from redemption.models import Callback, RedemptionOrder
from redemption.placing.services import expire_approvals
from redemption.saga import settle_transaction
from redemption.services import RedemptionError, flag_overdue
from redemption.states import OrderStatus
from tests.redemption.test_webhooks import body, send
from tests.redemption.world import World
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@contextmanager
def while_somebody_moves(order: RedemptionOrder, **changes: object) -> Iterator[None]:
    """Hold the order, changed and not yet committed, until the body waits for it."""
    held, go_on = threading.Event(), threading.Event()

    def move() -> None:
        try:
            with transaction.atomic():
                RedemptionOrder.objects.filter(pk=order.pk).update(**changes)
                held.set()
                go_on.wait(20)
        finally:
            connection.close()

    def somebody_waits() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(WAITING)
            return bool(cursor.fetchone()[0])

    def watch() -> None:
        try:
            eventually(somebody_waits, "the body waits for the order")
        finally:
            connection.close()
            go_on.set()

    with ThreadPoolExecutor(2) as others:
        moving: Future[None] = others.submit(move)
        held.wait(20)
        others.submit(watch)
        yield
        moving.result()


def test_cancelling_an_order_that_moves_on_at_that_moment_says_so(world: World) -> None:
    order = world.place((world.product(), 1))
    with (
        while_somebody_moves(order, status=OrderStatus.CONFIRMED),
        pytest.raises(RedemptionError, match="changing at this moment"),
    ):
        cancel(order=order, by=world.seat.user, reason="")


def test_an_approval_that_comes_as_the_time_runs_out_counts(world: World) -> None:
    world.company.approval_threshold = 1
    world.company.save()
    order = world.place((world.product(), 1))
    RedemptionOrder.objects.update(approve_by="2020-01-01T00:00:00Z")
    with while_somebody_moves(order, status=OrderStatus.PENDING):
        assert expire_approvals() == 0
    assert RedemptionOrder.objects.get().status == OrderStatus.PENDING


def test_an_order_that_moves_on_as_it_is_found_late_is_not_marked(world: World) -> None:
    order = world.place((world.product(), 1))
    RedemptionOrder.objects.update(created_at="2020-01-01T00:00:00Z")
    with while_somebody_moves(order, status=OrderStatus.DECLINED):
        assert flag_overdue() == 0
    assert not RedemptionOrder.objects.get().needs_attention


def test_what_is_gone_or_not_due_is_nothing_to_do(world: World) -> None:
    assert settle_transaction(uuid.uuid4()) is None
    assert callbacks.process(uuid.uuid4()) is None


def test_a_callback_that_somebody_spoiled_is_for_a_person(world: World) -> None:
    send(body("unknown", "delivered", codes=1))
    Callback.objects.update(body="{")
    callbacks.process(Callback.objects.get().pk)
    assert Callback.objects.get().state == "PUZZLING"
