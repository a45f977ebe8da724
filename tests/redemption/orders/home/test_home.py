"""The home page: the balance, orders that need somebody, and past orders."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AccountManager, KnownBalance, TierLevel
from catalog.models import Product
from redemption.models import CartLine, OrderMessage, RedemptionOrder
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import ProductFactory
from tests.redemption.factories import paid, placed, settle

pytestmark = pytest.mark.django_db
SignIn = Callable[[AccountManager], Client]


@pytest.fixture
def seat() -> AccountManager:
    return SeatFactory.create(company__balance=10_000, company__name="Northwind")


def said(response: Any) -> str:
    return response.content.decode().replace("&#x27;", "'")


def test_home_asks_to_sign_in() -> None:
    assert Client().get("/")["Location"] == "/accounts/login/?next=/"


def test_a_fragment_for_somebody_signed_out_is_not_the_sign_in_page() -> None:
    answer = Client().get("/balance/", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.content) == (401, b"")


def test_home_shows_what_can_be_spent_what_is_in_flight_and_what_expires(
    client_for: SignIn, seat: AccountManager
) -> None:
    told = {"2027-01-31": 700, "2027-02-28": 800, "2027-03-31": 900}
    KnownBalance.objects.update(
        expiring=[{"points": points, "expires_on": day} for day, points in told.items()]
    )
    placed(seat, (ProductFactory.create(points_cost=1_234), 1))
    page = said(client_for(seat).get("/"))
    assert "Northwind can spend" in page
    for figure in ("8,766", "1,234", "700", "Jan. 31, 2027", "800", "Feb. 28, 2027"):
        assert figure in page
    assert "2027-03-31" not in page
    assert "March 31, 2027" not in page


def test_a_new_company_is_led_to_the_catalogue(client_for: SignIn, seat: AccountManager) -> None:
    assert "Nothing redeemed yet" in said(client_for(seat).get("/"))


def test_what_needs_somebody_comes_first(client_for: SignIn, seat: AccountManager) -> None:
    seat.company.approval_threshold = 100
    seat.company.save()
    placed(seat, (ProductFactory.create(), 1))
    owner = SeatFactory.create(company=seat.company, owner=True)
    assert "1 order is waiting for your approval" in said(client_for(owner).get("/"))
    assert "We are looking into these" not in said(client_for(seat).get("/"))
    RedemptionOrder.objects.update(needs_attention=True)
    assert "We are looking into these" in said(client_for(seat).get("/"))


def test_products_redeemed_before_are_shown_while_they_are_on_offer(
    client_for: SignIn, seat: AccountManager
) -> None:
    often, once, gone, dear = ProductFactory.create_batch(4)
    for product in (often, often, once, gone, dear):
        paid(seat, (product, 1))
    Product.objects.filter(pk=gone.pk).update(is_active=False)
    Product.objects.filter(pk=dear.pk).update(minimum_tier=TierLevel.PLATINUM)
    page = said(client_for(seat).get("/"))
    shown = page[page.index("Redeemed before") : page.index("Recent orders")]
    assert shown.index(often.name) < shown.index(once.name)
    assert gone.name not in shown
    assert dear.name not in shown


def test_what_was_redeemed_before_goes_into_the_cart_again(
    client_for: SignIn, seat: AccountManager
) -> None:
    product = ProductFactory.create(name="Teapot")
    paid(seat, (product, 1))
    client = client_for(seat)
    assert "Redeem again: Teapot" in said(client.get("/"))
    client.post("/cart/add/", {"product": product.pk})
    assert CartLine.objects.get(cart=seat.pk).quantity == 1
    viewer = SeatFactory.create(company=seat.company, viewer=True)
    assert "Redeem again: Teapot" not in said(client_for(viewer).get("/"))


def test_home_is_read_in_a_fixed_number_of_queries(
    client_for: SignIn, seat: AccountManager, django_assert_max_num_queries: Any
) -> None:
    for product in ProductFactory.create_batch(7):
        paid(seat, (product, 1))
    client = client_for(seat)
    with django_assert_max_num_queries(10):
        client.get("/")


def test_a_changed_balance_brings_home_alone(client_for: SignIn, seat: AccountManager) -> None:
    fragment = said(client_for(seat).get("/", headers={"HX-Request": "true", "HX-Target": "home"}))
    assert "Northwind can spend" in fragment
    assert "<html" not in fragment


def test_home_leads_to_what_waits_for_the_person(client_for: SignIn, seat: AccountManager) -> None:
    client = client_for(seat)
    assert "Nothing is waiting for you." in said(client.get("/"))
    asked, declined = (placed(seat, (ProductFactory.create(), 1)) for _each in range(2))
    settle(declined.transactions.get(), refused="insufficient_points")
    OrderMessage.objects.create(order=asked, kind="ANSWER", text="On Monday.", by=seat.user)
    soon = timezone.localdate() + timedelta(days=29)
    later = soon + timedelta(days=5)
    lapses = [{"points": 700, "expires_on": str(soon)}, {"points": 9, "expires_on": str(later)}]
    KnownBalance.objects.update(expiring=lapses)
    page = said(client.get("/"))
    assert f"Your question about order {asked.order_number} was answered." in page
    assert f"Order {declined.order_number} was declined; no points were taken." in page
    assert "700 points expire by" in page
    assert page.count("button--primary") == 1
    colleague = said(client_for(SeatFactory.create(company=seat.company)).get("/"))
    assert "was answered" not in colleague
    assert "was declined" not in colleague


def test_trouble_comes_last_and_quietly(client_for: SignIn, seat: AccountManager) -> None:
    order = placed(seat, (ProductFactory.create(), 1))
    RedemptionOrder.objects.update(needs_attention=True)
    page = said(client_for(seat).get("/"))
    assert page.index("Recent orders") < page.index("We are looking into these")
    assert order.order_number in page[page.index("We are looking into these") :]
