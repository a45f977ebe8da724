"""The tables of life cycles, and `transition`, which changes statuses."""

import pytest
from django.core.management import call_command
from django.db import DatabaseError

from fulfillment.states import CALL, FULFILLMENT
from loyalty_portal.data.lifecycle import (
    IllegalTransitionError,
    LifeCycle,
    StaleStatusError,
    transition_all,
)
from redemption.models import OrderEvent, RedemptionOrder
from redemption.states import LINE, ORDER, TRANSACTION, OrderStatus
from tests.redemption.world import World

ALL = (ORDER, LINE, TRANSACTION, FULFILLMENT, CALL)


@pytest.mark.parametrize("life_cycle", ALL, ids=lambda life_cycle: life_cycle.name)
def test_every_status_can_be_reached_and_every_follower_is_in_the_table(
    life_cycle: LifeCycle,
) -> None:
    reached = set(life_cycle.initial)
    while more := {after for status in reached for after in life_cycle.table[status]} - reached:
        reached |= more
    assert reached == set(life_cycle.table)


def test_the_drawing_in_the_docs_is_fresh() -> None:
    call_command("state_diagram", "--check")


def test_a_final_order_moves_nowhere(world: World) -> None:
    order = world.place((world.product(), 1))
    RedemptionOrder.objects.filter(pk=order.pk).update(status=OrderStatus.DECLINED)
    order.refresh_from_db()
    assert order.is_final
    with pytest.raises(IllegalTransitionError):
        order.transition(OrderStatus.CONFIRMED)


def test_a_step_from_a_status_that_was_left_already_is_refused(world: World) -> None:
    order = world.place((world.product(), 1))
    stale = RedemptionOrder.objects.get(pk=order.pk)
    order.transition(OrderStatus.CONFIRMED)
    with pytest.raises(StaleStatusError):
        stale.transition(OrderStatus.DECLINED)
    assert OrderEvent.objects.filter(order=order, to_status="DECLINED").count() == 0


def test_history_cannot_be_rewritten(world: World) -> None:
    order = world.place((world.product(), 1))
    with pytest.raises(DatabaseError, match="Cannot"):
        OrderEvent.objects.filter(order=order).update(reason="nothing happened")
    with pytest.raises(DatabaseError, match="Cannot"):
        OrderEvent.objects.filter(order=order).delete()


def test_several_orders_move_together_or_not_at_all(world: World) -> None:
    book = world.product()
    first, second = world.place((book, 1)), world.place((book, 1))
    with pytest.raises(IllegalTransitionError):
        transition_all([first, second], OrderStatus.COMPLETED)
    RedemptionOrder.objects.get(pk=second.pk).transition(OrderStatus.CANCELLING)
    with pytest.raises(StaleStatusError, match="Not all of 2"):
        transition_all([first, second], OrderStatus.CANCELLING)
    first.refresh_from_db()
    assert first.status == OrderStatus.PENDING
