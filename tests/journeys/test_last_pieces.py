"""Many buyers at once over HTTP: the last pieces are sold once, and a form is one order.

tests/chaos/test_guards.py shows that these tests would notice otherwise.
"""

from __future__ import annotations

from functools import partial

from inventory.models import Inventory
from redemption.models import LoyaltyTransaction, RedemptionOrder
from redemption.states import TransactionStatus
from tests.journeys.crowd import Visitors, redeem_at_once
from tests.redemption.world import World
from tests.support.stack import Stack
from tests.support.visitor import Visitor, order_number
from tests.support.waiting import all_at_once, eventually

BUYERS, PIECES = 100, 10


def wait_for_debits(numbers: list[str]) -> None:
    debits = LoyaltyTransaction.objects.filter(
        order__order_number__in=numbers, status=TransactionStatus.SUCCEEDED
    )
    eventually(lambda: debits.count() == len(numbers), "the points of all orders are taken")


def debits_at_the_partner(stack: Stack, points: int) -> list[str]:
    """The order numbers of all debits of so many points."""
    entries = stack.sandbox.ledger()["entries"]
    return sorted(each["reference"] for each in entries if each["points"] == points)


def test_a_hundred_buyers_redeem_the_last_ten_pieces(
    stack: Stack, shop: World, visitor_for: Visitors
) -> None:
    points = 4_321  # a cost that no other order has
    product = shop.product(points=points, stocked=PIECES)

    answers = redeem_at_once(shop, visitor_for, product, buyers=BUYERS)

    numbers = sorted(order_number(answer) for answer in answers if answer.status_code == 303)
    refusals = [answer for answer in answers if answer.status_code != 303]
    assert len(set(numbers)) == PIECES
    assert {answer.status_code for answer in refusals} == {422}
    assert all("There are not enough pieces" in answer.text for answer in refusals)
    assert len(refusals) == BUYERS - PIECES
    wait_for_debits(numbers)
    placed = RedemptionOrder.objects.filter(items__product=product)
    assert sorted(placed.values_list("order_number", flat=True)) == numbers
    assert debits_at_the_partner(stack, points) == numbers
    shelf = Inventory.objects.get(product=product)
    assert (shelf.quantity_available, shelf.quantity_reserved) == (0, PIECES)
    assert not stack.violations(at_rest=False)


def test_the_same_form_sent_twenty_times_at_once_is_one_order(
    stack: Stack, shop: World, visitor: Visitor
) -> None:
    points = 4_322
    product = shop.product(points=points, stocked=PIECES)
    visitor.put_in_cart(product.get_absolute_url())
    form = visitor.checkout()

    answers = all_at_once([partial(visitor.send, form)] * 20)

    numbers = {order_number(answer) for answer in answers}
    assert len(numbers) == 1
    assert order_number(visitor.send(form)) in numbers
    wait_for_debits(list(numbers))
    assert RedemptionOrder.objects.filter(company=shop.company).count() == 1
    assert debits_at_the_partner(stack, points) == list(numbers)
    shelf = Inventory.objects.get(product=product)
    assert (shelf.quantity_available, shelf.quantity_reserved) == (PIECES - 1, 1)
    assert not stack.violations(at_rest=False)
