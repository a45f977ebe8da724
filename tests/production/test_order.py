"""One order through everything that production has."""

from __future__ import annotations

from redemption.models import RedemptionOrder
from redemption.states import OrderStatus
from tests.production.stack import Production
from tests.support.waiting import eventually


def test_an_order_goes_through_the_balancer_to_the_partners_and_back(
    production: Production,
) -> None:
    world = production.world()
    card, mug = world.virtual(), world.product()
    buyer = production.buyer(world)

    number = buyer.redeem(card.get_absolute_url())
    physical = buyer.redeem(mug.get_absolute_url())

    order = RedemptionOrder.objects.get(order_number=number)
    eventually(
        lambda: order.refresh_from_db() or order.status == OrderStatus.COMPLETED,
        "the order is delivered",
    )
    assert "Completed" in buyer.get(f"/orders/{number}/").text
    other = RedemptionOrder.objects.get(order_number=physical)
    eventually(
        lambda: other.refresh_from_db() or other.status == OrderStatus.CONFIRMED,
        "the other order waits for the desk",
    )
    assert world.ledger(order) == (order.total_points, 0)
    eventually(lambda: production.mailbox.about(number), "a letter tells of it")
    assert not production.violations(at_rest=False)
