"""A page of an order whose lines arrive while it is read shows one moment."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from accounts.models import AccountManager
from catalog.models import ProductType
from redemption.models import RedemptionOrder
from redemption.orders.facts import facts_of
from redemption.orders.timeline import timeline_of
from tests.redemption.factories import delivered_by_mail
from tests.redemption.large_orders.test_steps_on_sets import confirmed
from tests.redemption.pages import now, said
from tests.redemption.world import World

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[AccountManager], Client]


@contextmanager
def a_line_arrives_once_the_lines_are_read(order: RedemptionOrder) -> Iterator[None]:
    """Deliver the first line, by another connection, right after the block has read the lines."""
    read: list[str] = []

    def arrives() -> None:
        try:
            delivered_by_mail(order, "A-1")
        finally:
            connection.close()

    def look(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        answer = execute(sql, params, many, context)
        if not read and sql.startswith("SELECT") and 'FROM "order_item"' in sql:
            read.append(sql)
            with ThreadPoolExecutor(1) as other:
                other.submit(arrives).result()
        return answer

    with connection.execute_wrapper(look):
        yield
    assert read


def test_lines_that_arrive_while_the_page_is_read_are_on_the_next_one(
    world: World, client_for: SignIn
) -> None:
    order = confirmed(world, 12, kind=ProductType.VIRTUAL)
    client, there = client_for(world.seat), order.get_absolute_url()
    client.get(there)  # what a first page reads beside the order is read now
    with a_line_arrives_once_the_lines_are_read(order):
        page = said(client.get(there))
    assert "12 being prepared." in page
    assert "delivered by e-mail" not in page
    page = said(client.get(there))
    assert "1 of 12 delivered, 11 being prepared." in page
    assert "1 of 12 lines delivered by e-mail" in page


def test_reading_each_part_at_its_own_moment_contradicts_itself(world: World) -> None:
    """The negative control: the story has events of lines that were read before them."""
    order = now(confirmed(world, 12, kind=ProductType.VIRTUAL))
    with transaction.atomic(), a_line_arrives_once_the_lines_are_read(order):
        told = [f"{step.title} {step.text}" for step in timeline_of(facts_of(order))]
    [arrived] = [each for each in told if "delivered by e-mail" in each]
    assert "0 of 1 ×" in arrived
