"""Forty people in one checkout cost about what one costs: one form, one order, few statements."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import AccountManager
from catalog.models import Product
from redemption.models import Cart, CartLine, RedemptionOrder
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import ProductFactory
from tests.redemption.factories import checkout_form
from tests.redemption.world import RECIPIENT

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[AccountManager], Client]
PEOPLE, MOST = 40, 3  # times the statements for one person


def fill(seat: AccountManager, product: Product, people: int, **terms: Any) -> None:
    """A cart with a row for each of so many people."""
    cart, _made = Cart.objects.update_or_create(seat=seat, defaults={"token": uuid.uuid4()})
    named = [{**RECIPIENT, "recipient_name": f"Guest {number}"} for number in range(people)]
    CartLine.objects.bulk_create(
        CartLine(cart=cart, product=product, quantity=1, position=place, **{**who, **terms})
        for place, who in enumerate(named)
    )


def statements(client: Client, seat: AccountManager) -> int:
    """How many statements placing what is in the cart takes, from the form to the answer."""
    form = checkout_form(seat)
    with CaptureQueriesContext(connection) as seen:
        assert client.post("/checkout/", form).status_code == 303
    return len(seen)


@pytest.mark.parametrize("virtual", [False, True])
def test_an_order_for_forty_people_takes_at_most_three_times_the_statements_of_one(
    client_for: SignIn, virtual: bool
) -> None:
    seat = SeatFactory.create(company__balance=1_000_000)
    in_stock = {} if virtual else {"in_stock": 1_000}
    product = ProductFactory.create(virtual=virtual, points_cost=10, **in_stock)
    address = dict.fromkeys(RECIPIENT, "") if virtual else {}
    terms = {**address, "recipient_email": "guest@home.example"} if virtual else {}
    terms.pop("recipient_name", None)
    client, counted = client_for(seat), {}
    for people in (1, 1, PEOPLE):  # the first time compiles what is compiled once
        fill(seat, product, people, **terms)
        counted[people] = statements(client, seat)
        assert RedemptionOrder.objects.latest("created_at").items.count() == people
    assert counted[PEOPLE] <= MOST * counted[1], counted
