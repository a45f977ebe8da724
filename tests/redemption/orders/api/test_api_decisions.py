"""People approve and reject orders over the API, by the rules of the page."""

from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest

from accounts.access.keys import rotate_key
from accounts.models import AccountManager, Company
from accounts.seats.stand_ins import name_stand_in
from loyalty_portal.data.actor import Actor
from redemption.models import RedemptionOrder
from redemption.states import OrderStatus
from tests.accounts.access.making import new_key
from tests.accounts.access.signing_in import signed_in
from tests.accounts.factories import CompanyFactory, SeatFactory
from tests.catalog.factories import ProductFactory
from tests.loyalty_portal.api.calls import Calls, code
from tests.redemption.factories import placed
from tests.redemption.orders.approvals.test_stand_ins import today

pytestmark = pytest.mark.django_db


@pytest.fixture
def company() -> Company:
    made: Company = CompanyFactory.create(balance=9_000, approval_threshold=100)
    return made


def waiting(seat: AccountManager) -> RedemptionOrder:
    order = placed(seat, (ProductFactory.create(points_cost=300, in_stock=9), 1))
    assert order.status == OrderStatus.AWAITING_APPROVAL
    return order


def decide(calls: Calls, order: RedemptionOrder, act: str = "approve") -> Any:
    sent = {"reason": "Not this year"} if act == "reject" else None
    key = {"Idempotency-Key": uuid4().hex}
    return calls.call("post", f"/orders/{order.pk}/{act}", sent, **key)


def test_an_approver_approves_and_rejects_the_orders_of_others(company: Company) -> None:
    buyer = SeatFactory.create(company=company)
    approver = SeatFactory.create(company=company, approver=True)
    calls = signed_in(approver.user).calls
    first, second = waiting(buyer), waiting(buyer)
    rows = calls.every("/approvals", {"limit": 1})
    assert [each["id"] for each in rows] == [str(first.pk), str(second.pk)]  # the most urgent first
    assert (rows[0]["order_number"], rows[0]["total_points"]) == (first.order_number, 300)
    assert rows[0]["requested_by"] == str(buyer.user)
    until = datetime.fromisoformat(rows[0]["expires_at"])
    assert (until, rows[0]["expires_at"][-1]) == (first.approve_by, "Z")
    answer = decide(calls, first)
    assert (answer.status_code, answer.json()["status"]) == (200, "PENDING")
    approved = first.events.get(to_status="PENDING")
    assert approved.by == approver.user
    rejected = decide(calls, second, "reject")
    assert (rejected.status_code, rejected.json()["status"]) == (200, "REJECTED")
    assert calls.get("/approvals").json()["data"] == []
    late = decide(calls, first)
    assert (late.status_code, code(late)) == (409, "order_refused")


def test_who_may_not_decide_changes_nothing(company: Company) -> None:
    owner = SeatFactory.create(company=company, owner=True)
    own = waiting(owner)
    key = new_key(company, by=owner)
    of_key = waiting(key.key.seat)
    rotator = SeatFactory.create(company=company, owner=True)
    rotate_key(key=key.key, by=Actor.in_seat(rotator))
    buyer = SeatFactory.create(company=company)
    of_buyer = waiting(buyer)
    stranger = SeatFactory.create(approver=True)
    people = {seat: signed_in(seat.user).calls for seat in (owner, rotator, buyer, stranger)}
    refused = [
        (owner, own, "order_forbids"),  # nobody decides on their own
        (owner, of_key, "order_forbids"),  # nor on an order of a key that they made
        (rotator, of_key, "order_forbids"),  # or rotated
        (buyer, of_buyer, "role_forbids"),
        (stranger, of_buyer, "not_found"),
    ]
    for seat, order, named in refused:
        for act in ("approve", "reject"):
            assert code(decide(people[seat], order, act)) == named, (named, act)
        order.refresh_from_db()
        assert order.status == OrderStatus.AWAITING_APPROVAL
        listed = people[seat].get("/approvals")
        told = [each["order_number"] for each in listed.json().get("data", [])]
        assert order.order_number not in told
    third = signed_in(SeatFactory.create(company=company, approver=True).user).calls
    assert decide(third, of_key).status_code == 200


def test_who_stands_in_decides_over_the_api_and_a_lowered_limit_is_told(company: Company) -> None:
    approver = SeatFactory.create(company=company, approver=True, user__name="Grace")
    deputy = SeatFactory.create(company=company)
    buyer = SeatFactory.create(company=company)
    order = waiting(buyer)
    calls = signed_in(deputy.user).calls
    assert code(calls.get("/approvals")) == "role_forbids"
    day = today(company)
    by = Actor.in_seat(approver)
    name_stand_in(approver=approver, deputy=deputy, first=day, last=day, by=by)
    listed = calls.get("/approvals").json()["data"]
    assert [each["order_number"] for each in listed] == [order.order_number]
    AccountManager.objects.filter(pk=buyer.pk).update(monthly_limit=100)
    answer = decide(calls, order)
    assert (answer.status_code, code(answer)) == (409, "over_limit")
    AccountManager.objects.filter(pk=buyer.pk).update(monthly_limit=None)
    assert decide(calls, order).json()["status"] == "PENDING"
    assert code(decide(calls, waiting(approver))) == "order_forbids"
