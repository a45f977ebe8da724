"""Orders that wait for approval."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AccountManager
from catalog.models import Product
from inventory.models import Inventory
from redemption.checkout.approvals.deciding import expire_approvals
from redemption.models import Bulk, BulkStatus, LoyaltyTransaction, RedemptionOrder
from redemption.orders.facts import facts_of
from redemption.orders.timeline import timeline_of
from redemption.states import OrderStatus
from tests.accounts.factories import CompanyFactory, SeatFactory
from tests.catalog.factories import ProductFactory
from tests.redemption.factories import placed

pytestmark = pytest.mark.django_db
SignIn = Callable[[AccountManager], Client]


@pytest.fixture
def buyer() -> AccountManager:
    company = CompanyFactory.create(balance=10_000, approval_threshold=100)
    return SeatFactory.create(company=company, user__name="Ada")


@pytest.fixture
def approver(buyer: AccountManager) -> AccountManager:
    return SeatFactory.create(company=buyer.company, approver=True, user__name="Grace")


@pytest.fixture
def camera() -> Product:
    return ProductFactory.create(name="Camera", points_cost=4_000, in_stock=5)


def said(response: Any) -> str:
    return response.content.decode().replace("&#x27;", "'")


def now(order: RedemptionOrder) -> RedemptionOrder:
    return RedemptionOrder.objects.get(pk=order.pk)


def answer(client: Client, order: RedemptionOrder, what: str, **form: str) -> Any:
    return client.post(reverse(f"orders:{what}", args=[order.order_number]), form)


def test_what_waits_is_listed_with_what_the_approver_needs_to_know(
    client_for: SignIn, buyer: AccountManager, approver: AccountManager, camera: Product
) -> None:
    placed(buyer, (camera, 1), reference="Raffle", note="For the winner")
    page = said(client_for(approver).get("/approvals/"))
    for fact in ("Ada", "Camera", "Raffle", "For the winner", "Approve 4,000 points", "6,000"):
        assert fact in page
    assert '<span class="count">1</span>' in page


def test_a_yes_takes_the_points(
    client_for: SignIn, buyer: AccountManager, approver: AccountManager, camera: Product
) -> None:
    order = placed(buyer, (camera, 1))
    assert not LoyaltyTransaction.objects.exists()
    response = answer(client_for(approver), order, "approve")
    assert (response.status_code, response["Location"]) == (303, order.get_absolute_url())
    assert now(order).status == OrderStatus.PENDING
    assert LoyaltyTransaction.objects.get().points_amount == 4_000
    assert [step.title for step in timeline_of(facts_of(now(order)))][1] == "Approved by Grace"


def test_a_no_needs_a_reason_which_the_buyer_reads(
    client_for: SignIn, buyer: AccountManager, approver: AccountManager, camera: Product
) -> None:
    order = placed(buyer, (camera, 1))
    client = client_for(approver)
    for nothing in ("  ", "\0"):
        response = answer(client, order, "reject", reason=nothing)
        page = said(response)
        assert response.status_code == 422
        why = "Give a reason; the buyer will read it." if nothing.isspace() else "Null characters"
        assert page.count(why) == 2  # at the field, and in the summary
        assert "data-error-summary" in page
        assert re.search(r'<details class="confirm"[^>]* open>', page)
    assert now(order).status == OrderStatus.AWAITING_APPROVAL
    answer(client, order, "reject", reason="Too dear")
    assert now(order).status == OrderStatus.REJECTED
    assert Inventory.objects.get(product=camera).quantity_available == 5
    page = said(client_for(buyer).get(order.get_absolute_url()))
    assert "Not approved by Grace" in page
    assert "Too dear. No points were taken." in page


def test_nobody_approves_their_own_order(
    client_for: SignIn, approver: AccountManager, camera: Product
) -> None:
    order = placed(approver, (camera, 1))
    client = client_for(approver)
    why = "Nobody approves their own order: another owner or approver of your company decides."
    for address in ("/approvals/", order.get_absolute_url()):
        assert why in said(client.get(address))
    for what in ("approve", "reject"):
        assert answer(client, order, what, reason="x").status_code == 403
    assert now(order).status == OrderStatus.AWAITING_APPROVAL


@pytest.mark.parametrize("role", ["buyer", "viewer"])
def test_only_approvers_and_owners_decide(
    client_for: SignIn, buyer: AccountManager, camera: Product, role: str
) -> None:
    order = placed(buyer, (camera, 1))
    client = client_for(SeatFactory.create(company=buyer.company, role=role))
    assert client.get("/approvals/").status_code == 403
    assert "Approve 4,000 points" not in said(client.get(order.get_absolute_url()))
    assert answer(client, order, "approve").status_code == 403
    assert now(order).status == OrderStatus.AWAITING_APPROVAL


def test_a_second_answer_is_told_what_came_of_the_first(
    client_for: SignIn, buyer: AccountManager, approver: AccountManager, camera: Product
) -> None:
    order = placed(buyer, (camera, 1))
    client = client_for(approver)
    answer(client, order, "approve")
    response = answer(client, order, "reject", reason="Changed my mind")
    assert "is no longer waiting for approval" in said(client.get(response["Location"]))
    response = answer(client, order, "approve")
    assert "is no longer waiting for approval" in said(client.get(response["Location"]))
    assert LoyaltyTransaction.objects.count() == 1


def test_an_order_that_nobody_decided_on_says_so(
    client_for: SignIn, buyer: AccountManager, camera: Product
) -> None:
    order = placed(buyer, (camera, 1))
    RedemptionOrder.objects.update(approve_by="2020-01-01T00:00:00Z")
    expire_approvals()
    page = said(client_for(buyer).get(order.get_absolute_url()))
    assert "Nobody approved it in time" in page


def test_an_empty_inbox_says_when_orders_come_there(
    client_for: SignIn, approver: AccountManager
) -> None:
    client = client_for(approver)
    assert "Orders of more than 100 points wait here" in said(client.get("/approvals/"))
    approver.company.approval_threshold = None
    approver.company.save()
    assert "every order goes ahead at once" in said(client.get("/approvals/"))


def test_the_inbox_is_read_in_a_fixed_number_of_queries(
    client_for: SignIn,
    buyer: AccountManager,
    approver: AccountManager,
    camera: Product,
    django_assert_max_num_queries: Any,
) -> None:
    client = client_for(approver)
    for _each in range(5):
        placed(buyer, (camera, 1))
        Bulk.objects.create(seat=buyer, name="Gifts.csv", status=BulkStatus.WAITING)
        with django_assert_max_num_queries(11):  # of these four for the panel, one for the files
            page = said(client.get("/approvals/"))
    assert page.count("<b>Gifts.csv</b>") == page.count('name="what"') - 7 == 5
