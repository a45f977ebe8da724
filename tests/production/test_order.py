"""One order through everything that production has."""

from __future__ import annotations

from redemption.models import RedemptionOrder
from redemption.states import OrderStatus
from tests.production.stack import Production
from tests.support.waiting import eventually

SECONDS = 120.0  # on a busy machine


def status(number: str) -> str:
    return str(RedemptionOrder.objects.values_list("status", flat=True).get(order_number=number))


def test_an_order_goes_through_the_balancer_to_the_partners_and_back(
    production: Production,
) -> None:
    world = production.world()
    card, mug = world.virtual(), world.product()
    buyer = production.buyer(world)

    number = buyer.redeem(card.get_absolute_url())
    physical = buyer.redeem(mug.get_absolute_url())

    eventually(
        lambda: status(number) == OrderStatus.COMPLETED, "the order is delivered", within=SECONDS
    )
    assert "Completed" in buyer.get(f"/orders/{number}/").text
    eventually(
        lambda: status(physical) == OrderStatus.CONFIRMED,
        "the other order waits for the desk",
        within=SECONDS,
    )
    order = RedemptionOrder.objects.get(order_number=number)
    assert world.ledger(order) == (order.total_points, 0)
    eventually(lambda: production.mailbox.about(number), "a letter tells of it", within=SECONDS)
    assert not production.violations(at_rest=False)
