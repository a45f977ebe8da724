"""While the loyalty partner is down no new order is accepted; existing ones go on."""

from collections.abc import Callable

import pytest
from django.core.cache import cache
from django.test import Client

from accounts import loyalty
from accounts.models import AccountManager
from catalog.models import Product
from inventory.models import Inventory
from loyalty_portal.data.actor import Actor
from loyalty_portal.partners import breaker
from loyalty_portal.partners.answers import Answer, Outcome
from loyalty_portal.partners.breaker import FAILURES
from redemption.models import CartLine, LoyaltyTransaction, RedemptionOrder
from redemption.orders.actions.cancelling import cancel
from redemption.saga.transactions import settle_transaction
from redemption.states import OrderStatus
from tests.redemption.factories import checkout_form, fill_cart
from tests.redemption.world import World, make_all_due

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[AccountManager], Client]
URL = "/checkout/"
SENTENCE = "no points can be taken"


@pytest.fixture
def book(world: World) -> Product:
    """A book. Two of it are in the seat's cart."""
    product = world.product(points=1_500, stocked=10)
    fill_cart(world.seat, (product, 2))
    return product


def take_down() -> None:
    for _call in range(FAILURES):
        breaker.hear(loyalty.PARTNER, "POST", Answer(Outcome.UNKNOWN, code="timeout"))


def test_a_checkout_is_stopped_politely_with_the_cart_kept(
    client_for: SignIn, world: World, book: Product
) -> None:
    take_down()
    client = client_for(world.seat)
    page = client.get(URL)
    assert page.status_code == 200
    assert page.content.decode().count(SENTENCE) == 1
    answer = client.post(URL, checkout_form(world.seat, note="With thanks"))
    assert answer.status_code == 422
    told = answer.content.decode()
    assert told.count(SENTENCE) == 1
    assert "Nothing was ordered, and no points were taken" in told
    assert "With thanks" in told
    assert not RedemptionOrder.objects.exists()
    assert CartLine.objects.get().quantity == 2
    assert Inventory.objects.get(product=book).quantity_reserved == 0
    assert world.partners.calls(operation="debit") == []


def test_the_next_answer_to_a_debit_lets_the_same_form_through(
    client_for: SignIn, world: World, book: Product
) -> None:
    placed = world.place((book, 1))
    take_down()
    client, form = client_for(world.seat), checkout_form(world.seat)
    assert client.post(URL, form).status_code == 422
    settle_transaction(world.debit(placed).pk)
    assert SENTENCE not in client.get(URL).content.decode()
    assert client.post(URL, form).status_code == 303


def test_a_balance_that_is_not_told_stops_nobody_and_one_that_is_promises_nothing(
    client_for: SignIn, world: World, book: Product
) -> None:
    """A slow balance must not close the shop, and a quick one must not hide that debits fail."""
    client, form = client_for(world.seat), checkout_form(world.seat)
    world.partners.fault("balance", "error_500_before", times=None)
    for _look in range(FAILURES):
        cache.delete(f"balance-asked:{world.company.pk}")
        client.get("/balance/", headers={"HX-Request": "true"})
    assert SENTENCE not in client.get(URL).content.decode()
    world.partners.clear_faults()
    take_down()
    cache.delete(f"balance-asked:{world.company.pk}")
    client.get("/balance/", headers={"HX-Request": "true"})
    assert client.post(URL, form).status_code == 422


def test_an_order_that_waits_for_approval_takes_no_points_and_is_not_stopped(
    client_for: SignIn, world: World, book: Product
) -> None:
    world.company.approval_threshold = 100
    world.company.save()
    take_down()
    client = client_for(world.seat)
    assert SENTENCE not in client.get(URL).content.decode()
    assert client.post(URL, checkout_form(world.seat)).status_code == 303
    assert RedemptionOrder.objects.get().status == OrderStatus.AWAITING_APPROVAL


def test_a_form_that_was_placed_before_still_shows_its_order(
    client_for: SignIn, world: World, book: Product
) -> None:
    client, form = client_for(world.seat), checkout_form(world.seat)
    first = client.post(URL, form)
    take_down()
    assert client.post(URL, form)["Location"] == first["Location"]


def test_debits_that_were_promised_and_credits_go_on_and_open_the_way_again(
    client_for: SignIn, world: World, book: Product
) -> None:
    order = world.place((book, 1))
    world.partners.fault("debit", "error_500_before", times=None)
    for _try in range(FAILURES):
        settle_transaction(world.debit(order).pk)
        make_all_due()
    client, form = client_for(world.seat), checkout_form(world.seat)
    assert client.post(URL, form).status_code == 422
    assert len(world.partners.calls(operation="debit")) == FAILURES
    world.partners.clear_faults()
    settle_transaction(world.debit(order).pk)
    take_down()
    cancel(order=RedemptionOrder.objects.get(pk=order.pk), by=Actor.in_seat(world.seat), reason="")
    settle_transaction(LoyaltyTransaction.objects.get(transaction_type="CREDIT").pk)
    assert RedemptionOrder.objects.get(pk=order.pk).status == OrderStatus.CANCELLED
    assert world.ledger(order) == (1_500, 1_500)
    assert client.post(URL, form).status_code == 303
