"""Lists that show orders of 500 lines load no more than with orders of one line."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from accounts.models import AccountManager, Role
from redemption.models import RedemptionOrder
from redemption.saga.transactions import settle_transaction
from tests.redemption.pages import said
from tests.redemption.world import World

pytestmark = pytest.mark.django_db(transaction=True)
MANY = 500


class Reading:
    """Counts the statements, and the rows that they return, of a block."""

    def __init__(self) -> None:
        self.statements = self.rows = 0

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        done = execute(sql, params, many, context)
        self.statements += 1
        self.rows += max(0, context["cursor"].rowcount)
        return done


def reading(client: Client, address: str) -> tuple[int, int, str]:
    """The statements and rows of a page, and what it says."""
    seen = Reading()
    with connection.execute_wrapper(seen):
        page = client.get(address)
    return seen.statements, seen.rows, said(page)


def orders(world: World, lines: int) -> list[RedemptionOrder]:
    """One order whose points were taken, and one that waits for approval."""
    world.company.approval_threshold = 600
    world.company.save()
    product = world.product(points=1, stocked=lines)
    taken = world.place(*[(product, 1)] * lines)
    settle_transaction(world.debit(taken).pk)
    dear = world.product(points=601, stocked=1)
    return [taken, world.place((dear, 1), *[(world.virtual(points=1), 1)] * (lines - 1))]


@pytest.mark.parametrize("address", ["/", "/orders/", "/approvals/"])
def test_a_list_reads_as_much_for_500_lines_as_for_one(
    world: World, client_for: Callable[[AccountManager], Client], address: str
) -> None:
    client = client_for(world.new_seat(Role.OWNER))
    client.get(address)  # fills the caches
    figures = []
    for lines in (1, MANY):
        RedemptionOrder.objects.update(company=world.new_company(points=0))  # only the new ones
        orders(world, lines)
        statements, rows, page = reading(client, address)
        figures.append((statements, rows))
        assert ("and 499 more" in page) == (lines == MANY)
        if address != "/approvals/" and lines == MANY:
            assert "500 × Thing" in page  # one product for 500 people
    (few, little), (many, much) = figures
    assert few == many
    assert much <= little + 20  # the first lines of an order to approve are shown
