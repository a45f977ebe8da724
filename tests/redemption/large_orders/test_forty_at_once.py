"""Forty orders of 500 lines at once for one product: pieces and points add up."""

from collections import Counter
from functools import partial

import pytest
from django.db import connections

from loyalty_portal.data.actor import Actor
from redemption.invariants.checks import check_invariants
from redemption.models import RedemptionOrder
from redemption.orders.actions.cancelling import cancel
from redemption.saga.steps import RedemptionError
from redemption.saga.transactions import settle_transaction
from tests.redemption.world import World
from tests.support.waiting import all_at_once

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]
LINES, ORDERS, STOCKED_FOR = 500, 40, 20


def test_forty_orders_of_500_lines_for_one_product_take_what_there_is(world: World) -> None:
    product = world.product(points=1, stocked=STOCKED_FOR * LINES)

    def settled(order: RedemptionOrder) -> str:
        settle_transaction(world.debit(order).pk)
        order.refresh_from_db()
        return str(order.status)

    def place() -> RedemptionOrder | None:
        try:
            return world.place(*[(product, 1)] * LINES)
        except RedemptionError:
            return None
        finally:
            connections.close_all()

    def settle(order: RedemptionOrder) -> str:
        try:
            return settled(order)
        finally:
            connections.close_all()

    def call_off(order: RedemptionOrder) -> None:
        try:
            cancel(order=order, by=Actor.in_seat(world.seat), reason="not needed")
            settle_transaction(world.credits(order)[0].pk)
        finally:
            connections.close_all()

    placed = [order for order in all_at_once([place] * ORDERS) if order]
    assert len(placed) == STOCKED_FOR
    assert Counter(all_at_once([partial(settle, order) for order in placed])) == {
        "CONFIRMED": STOCKED_FOR
    }
    shelf = product.inventory
    shelf.refresh_from_db()
    assert (shelf.quantity_available, shelf.quantity_reserved) == (0, STOCKED_FOR * LINES)
    all_at_once([partial(call_off, order) for order in placed[::2]])
    shelf.refresh_from_db()
    assert shelf.quantity_available == STOCKED_FOR * LINES // 2
    for number, order in enumerate(placed):
        back = LINES if number % 2 == 0 else 0
        assert world.ledger(order) == (LINES, back)
    assert check_invariants(at_rest=True) == []
