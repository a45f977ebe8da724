"""Negative controls: with a guard taken away, the bug that it is there for is found.

What would find nothing here would prove nothing elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from pytest_django.plugin import DjangoDbBlocker

from inventory.models import Inventory
from redemption.models import RedemptionOrder
from redemption.states import OrderStatus
from tests.redemption.world import World
from tests.rush import Visitors, rush
from tests.stack import Databases, Stack
from tests.stack_fixtures import in_use
from tests.unguarded import unguard_database
from tests.visitor import Visitor, order_number


@pytest.fixture(scope="module")
def _unguarded_stack(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    database = databases.create()
    unguard_database(database)
    folder = tmp_path_factory.mktemp("unguarded")
    with Stack(folder, database, settings="tests.settings_unguarded") as running:
        yield running


@pytest.fixture
def stack(_unguarded_stack: Stack, django_db_blocker: DjangoDbBlocker) -> Iterator[Stack]:
    """The portal's processes, without their guards."""
    yield from in_use(_unguarded_stack, django_db_blocker)


def found(stack: Stack, subject: str) -> set[str]:
    """What is broken about an order or a product, by the names of the promises."""
    broken = stack.violations(at_rest=False)
    return {violation.invariant.name for violation in broken if violation.subject == subject}


def test_key_of_the_attempt_instead_of_the_operation_takes_points_twice(
    stack: Stack, shop: World, visitor: Visitor
) -> None:
    stack.sandbox.fault("debit", "error_500_after")
    number = visitor.redeem(shop.virtual(points=1_000).get_absolute_url())

    assert stack.ends(number) == [OrderStatus.COMPLETED]

    assert shop.ledger(RedemptionOrder.objects.get(order_number=number)) == (2_000, 0)
    assert found(stack, number) == {"ENTRY_KNOWN", "WITHIN"}


def test_reserving_without_looking_sells_more_than_there_is(
    stack: Stack, shop: World, visitor_for: Visitors
) -> None:
    product = shop.product(stocked=3)

    answers = rush(shop, visitor_for, product, buyers=12)

    assert sum(answer.status_code == 303 for answer in answers) > 3
    assert Inventory.objects.get(product=product).quantity_available < 0
    assert "NOT_NEGATIVE" in found(stack, product.sku)


def test_form_without_a_token_of_its_own_places_two_orders(
    stack: Stack, shop: World, visitor: Visitor
) -> None:
    product = shop.product(stocked=10)
    visitor.put_in_cart(product.get_absolute_url())
    form = visitor.checkout()
    row = "SELECT 1 FROM inventory WHERE product_id = %s FOR UPDATE"

    with ThreadPoolExecutor(2) as pool:
        with stack.holding(row, product.pk) as wait_for:
            sent = [pool.submit(visitor.send, form) for _again in range(2)]
            wait_for(2)
        numbers = {order_number(each.result()) for each in sent}

    assert len(numbers) == 2
    assert RedemptionOrder.objects.filter(token=form.fields["token"]).count() == 2
