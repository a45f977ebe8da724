"""The pages of approvals: rows, the panel, several at once, and what was decided."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from accounts.models import AccountManager, Company
from catalog.models import Product, StockStatus
from loyalty_portal.data.actor import Actor
from redemption.checkout.approvals.deciding import approve, reject
from redemption.models import (
    Bulk,
    BulkPart,
    BulkStatus,
    LoyaltyTransaction,
    OrderItem,
    RedemptionOrder,
)
from redemption.orders.approvals.selectors import PAGE_SIZE
from redemption.states import OrderStatus
from tests.accounts.factories import CompanyFactory, SeatFactory
from tests.catalog.factories import ProductFactory
from tests.redemption.factories import checkout_form, fill_cart, placed
from tests.redemption.saga.test_races import while_somebody

pytestmark = pytest.mark.django_db
SignIn = Callable[[AccountManager], Client]
HERE = "/approvals/"
DECIDE = f"{HERE}decide/"


@pytest.fixture
def company() -> Company:
    return CompanyFactory.create(balance=10_000, approval_threshold=100)


@pytest.fixture
def grace(company: Company) -> AccountManager:
    return SeatFactory.create(company=company, approver=True, user__name="Grace")


@pytest.fixture
def buyer(company: Company) -> AccountManager:
    return SeatFactory.create(company=company, user__name="Ada")


@pytest.fixture
def tent() -> Product:
    return ProductFactory.create(name="Tent", points_cost=400, in_stock=50)


def said(response: Any) -> str:
    return response.content.decode().replace("&#x27;", "'")


def key(order: RedemptionOrder) -> str:
    return f"order:{order.order_number}"


def statuses(*orders: RedemptionOrder) -> list[str]:
    return [RedemptionOrder.objects.get(pk=order.pk).status for order in orders]


# --- The panel -----------------------------------------------------------------------------


def test_the_panel_has_what_the_buyer_saw_and_what_changed_since(
    client_for: SignIn, grace: AccountManager, buyer: AccountManager, tent: Product
) -> None:
    lamp = ProductFactory.create(name="Lamp", points_cost=300, in_stock=1)
    placed(buyer, (tent, 1))
    order = placed(buyer, (tent, 2), (lamp, 1), reference="Raffle", note="For the winner")
    Product.objects.filter(pk=tent.pk).update(points_cost=500)
    Product.objects.filter(pk=lamp.pk).update(stock_status=StockStatus.OUT)
    SeatFactory.create(company=buyer.company, owner=True, user__name="Olga")
    page = said(client_for(grace).get(HERE, {"order": order.order_number}))
    for fact in (
        *("Tent", "Lamp", "Raffle", "For the winner", "Approve 1,100 points", "8,900", "Grace"),
        "“Tent” costs 500 points by now; here it costs 400.",
        "“Lamp” is sold out by now; the pieces of this order are held.",
        "Invalidenstr. 43",
        "More than 100 points need approval",
    ):
        assert fact in page
    fragment = client_for(grace).get(HERE, {"order": order.order_number}, HTTP_HX_TARGET="panel")
    assert "<html" not in said(fragment)
    assert "Approve 1,100 points" in said(fragment)


def test_an_approver_reads_what_happens_to_a_line_whose_date_has_passed(
    client_for: SignIn, grace: AccountManager, buyer: AccountManager
) -> None:
    order = placed(buyer, (ProductFactory.create(virtual=True, points_cost=400), 1))
    day = timezone.now() + timedelta(days=1)
    OrderItem.objects.filter(order=order).update(waits_for="DATE", waits_until=day)
    told = "The date has passed: it is sent as soon as you approve."
    client = client_for(grace)
    page = said(client.get(HERE, {"order": order.order_number}))
    assert "Sent on" in page
    assert told not in page
    OrderItem.objects.filter(order=order).update(waits_until=timezone.now())
    page = said(client.get(HERE, {"order": order.order_number}))
    assert told in page
    assert "Sent on" not in page
    page = said(client.get(order.get_absolute_url()))
    assert "Its date has passed: it is sent as soon as the order is approved." in page
    assert "Will be sent on" not in page


def test_an_unknown_order_shows_the_first_that_can_be_decided(
    client_for: SignIn, grace: AccountManager, buyer: AccountManager, tent: Product
) -> None:
    own = placed(grace, (tent, 1))
    placed(buyer, (tent, 2))
    client = client_for(grace)
    for asked in ("", "R-NOTHING", "<script>", "\0"):
        page = said(client.get(HERE, {"order": asked}))
        assert "Approve 800 points" in page
    assert "Nobody approves their own order" in said(client.get(HERE, {"order": own.order_number}))
    assert f'value="{key(own)}"' not in page


# --- Several at once -----------------------------------------------------------------------


def test_each_of_several_is_decided_by_itself_and_told(
    client_for: SignIn, grace: AccountManager, buyer: AccountManager, tent: Product
) -> None:
    first, second, before = (placed(buyer, (tent, 1)) for _each in range(3))
    own = placed(grace, (tent, 1))
    stranger = placed(
        SeatFactory.create(company__approval_threshold=1, company__balance=9_000), (tent, 1)
    )
    owner = SeatFactory.create(company=buyer.company, owner=True, user__name="Olga")
    approve(order=before, by=Actor.in_seat(owner))
    client = client_for(grace)
    chosen = [*map(key, (first, second, before, own, stranger)), "order:x", "bulk:x", "nonsense"]
    response = client.post(DECIDE, {"what": chosen, "do": "approve"}, follow=True)
    page = said(response)
    assert f"Approved: {first.order_number}, {second.order_number}." in page
    told = f"{before.order_number}: This order is no longer waiting for approval. Olga approved it"
    assert told in page
    assert f"{own.order_number}: Nobody approves their own order: another" in page
    assert f"{stranger.order_number}: There is no such order in your company." in page
    assert statuses(first, second, own, stranger) == [
        *2 * [OrderStatus.PENDING],
        *2 * [OrderStatus.AWAITING_APPROVAL],
    ]
    assert LoyaltyTransaction.objects.count() == 3


def test_several_are_rejected_with_one_reason_and_without_it_nothing_is(
    client_for: SignIn, grace: AccountManager, buyer: AccountManager, tent: Product
) -> None:
    orders = [placed(buyer, (tent, 1)) for _each in range(2)]
    client, chosen = client_for(grace), [key(order) for order in orders]
    for form, told in (
        ({"what": chosen, "do": "reject"}, "Give a reason; the buyer will read it."),
        ({"what": chosen, "do": "reject", "reason": "\0"}, "Null characters"),
        ({"do": "approve"}, "Choose at least one order first."),
    ):
        response = client.post(DECIDE, form)
        page = said(response)
        assert (response.status_code, told in page) == (422, True)
        assert page.count(" checked") == len(form.get("what", []))
    assert set(statuses(*orders)) == {OrderStatus.AWAITING_APPROVAL}
    form = {"what": chosen, "do": "reject", "reason": "Not now"}
    page = said(client.post(DECIDE, form, follow=True))
    assert "No points were taken." in page
    assert set(statuses(*orders)) == {OrderStatus.REJECTED}
    assert client.get(DECIDE).status_code == 303


def test_files_of_orders_are_decided_in_the_same_list(
    client_for: SignIn, grace: AccountManager, buyer: AccountManager
) -> None:
    bulk = Bulk.objects.create(
        seat=buyer, name="gifts.csv", status=BulkStatus.WAITING, approve_by="2100-01-01T00:00:00Z"
    )
    BulkPart.objects.create(bulk=bulk, number=1, lines=3, points=1_500)
    client = client_for(grace)
    page = said(client.get(HERE))
    assert "gifts.csv" in page
    assert "1,500" in page
    what = {"what": f"bulk:{bulk.pk}", "do": "approve"}
    assert "Approved: gifts.csv." in said(client.post(DECIDE, what, follow=True))
    assert "gifts.csv: Grace approved it" in said(client.post(DECIDE, what, follow=True))
    assert "gifts.csv" in said(client.get(f"{HERE}decided/"))


@pytest.mark.django_db(transaction=True)
def test_of_two_who_decide_at_once_one_wins_and_the_other_reads_who(
    client_for: SignIn, grace: AccountManager, buyer: AccountManager, tent: Product
) -> None:
    order = placed(buyer, (tent, 1))
    owner = SeatFactory.create(company=buyer.company, owner=True, user__name="Olga")
    client = client_for(grace)
    by = Actor.in_seat(owner)
    with while_somebody(lambda: reject(order=order, by=by, reason="No")):
        response = client.post(DECIDE, {"what": key(order), "do": "approve"})
    page = said(client.get(response["Location"]))
    assert "Olga did not approve it," in page
    assert statuses(order) == [OrderStatus.REJECTED]
    assert not LoyaltyTransaction.objects.exists()


# --- Decided -------------------------------------------------------------------------------


def test_what_was_decided_is_listed_by_page_with_who_and_why(
    client_for: SignIn, grace: AccountManager, buyer: AccountManager, tent: Product
) -> None:
    by = Actor.in_seat(grace)
    yes, no = placed(buyer, (tent, 1)), placed(buyer, (tent, 1))
    approve(order=yes, by=by)
    reject(order=no, by=by, reason="Too dear")
    waiting = placed(buyer, (tent, 1))
    client = client_for(grace)
    page = said(client.get(f"{HERE}decided/"))
    for fact in (yes.order_number, no.order_number, "Too dear", "Grace", "Not approved"):
        assert fact in page
    assert waiting.order_number not in page
    with transaction.atomic():
        for _each in range(PAGE_SIZE):
            reject(order=placed(buyer, (tent, 1)), by=by, reason="No")
    assert "Page 1 of 2" in said(client.get(f"{HERE}decided/"))
    assert yes.order_number in said(client.get(f"{HERE}decided/", {"page": "2"}))
    assert client.get(f"{HERE}decided/", {"page": "nonsense"}).status_code == 200


def test_the_pages_are_read_in_a_fixed_number_of_queries(
    client_for: SignIn,
    grace: AccountManager,
    buyer: AccountManager,
    tent: Product,
    django_assert_max_num_queries: Any,
) -> None:
    client, by = client_for(grace), Actor.in_seat(grace)
    for _each in range(4):
        placed(buyer, (tent, 1))
        approve(order=placed(buyer, (tent, 1)), by=by)
        with django_assert_max_num_queries(11):
            client.get(HERE)
        with django_assert_max_num_queries(9):
            client.get(f"{HERE}decided/")


# --- The buyer's pages ---------------------------------------------------------------------


def test_the_buyer_reads_until_when_it_is_held_and_who_was_asked(
    client_for: SignIn, grace: AccountManager, buyer: AccountManager, tent: Product
) -> None:
    order = placed(buyer, (tent, 1))
    page = said(client_for(buyer).get(order.get_absolute_url()))
    assert "Held until" in page
    assert "UTC" in page
    assert "Asked: Grace." in page


def test_cart_and_checkout_show_what_is_left_before_the_click(
    client_for: SignIn, company: Company, buyer: AccountManager, tent: Product
) -> None:
    AccountManager.objects.filter(pk=buyer.pk).update(monthly_limit=1_000)
    Company.objects.filter(pk=company.pk).update(quarterly_budget=5_000)
    fill_cart(buyer, (tent, 2))
    client = client_for(buyer)
    for path in ("/cart/", "/checkout/"):
        page = said(client.get(path))
        assert "Left of your limit this month: 1,000 of 1,000 points. It renews on" in page
        assert "Left of your company’s budget this quarter: 5,000 of 5,000 points." in page
    form = checkout_form(buyer)
    AccountManager.objects.filter(pk=buyer.pk).update(monthly_limit=700)
    over = "This is 100 points over the monthly limit of Ada: 700 of 700 points are left."
    for path in ("/cart/", "/checkout/"):
        page = said(client.get(path))
        assert over in page
        assert "disabled" in page
    response = client.post("/checkout/", form)
    assert response.status_code == 422
    assert over in said(response)
    assert not RedemptionOrder.objects.exists()
