"""Staff cancel a line, give points of units back, and decide about what came back."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from fulfillment import services as desk
from loyalty_portal.data.actor import Actor
from redemption.models import LineReturn, OrderItem, RedemptionOrder
from redemption.states import LineStatus
from tests.catalog.factories import ProductFactory
from tests.support.orders.came_back import came_back
from tests.support.orders.order_kinds import confirmed_order, parcel_of
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db

LIST = "/admin/redemption/lineunits/"


@pytest.fixture(autouse=True)
def a_limit(settings: Any) -> None:
    settings.CREDIT_LIMIT_POINTS = 200


@pytest.fixture
def order() -> RedemptionOrder:
    """A paid order of five pieces of 100 points."""
    return confirmed_order((ProductFactory.create(points_cost=100), 5))


def delivered(order: RedemptionOrder) -> None:
    by = Actor.person(staff("fulfillment"))
    parcel = desk.pack(fulfillment=parcel_of(order), by=by)
    sent = desk.ship(fulfillment=parcel, quantity=5, carrier="DHL", tracking_number="", by=by)
    desk.deliver(shipment=sent, by=by)


def line(order: RedemptionOrder) -> OrderItem:
    return order.items.get()


def page(client: Client, order: RedemptionOrder) -> str:
    address = reverse("admin:redemption_lineunits_change", args=[line(order).pk])
    return " ".join(client.get(address).content.decode().split())


def button(order: RedemptionOrder, verb: str) -> str:
    return reverse("admin:redemption_lineunits_do", args=[line(order).pk, verb])


def forbidden(client: Client, order: RedemptionOrder, verb: str) -> bool:
    return client.post(button(order, verb)).status_code == 403


def said(client: Client, order: RedemptionOrder, verb: str, **data: Any) -> str:
    """Press a button. Returns the text of the next page."""
    answer = client.post(button(order, verb), data, follow=True)
    assert answer.status_code in {200, 422}
    return " ".join(answer.content.decode().split())


def test_support_credits_few_units_and_finance_confirms_more(order: RedemptionOrder) -> None:
    delivered(order)
    support, finance = browser(staff("support")), browser(staff("finance"))
    there = reverse("admin:redemption_lineunits_change", args=[line(order).pk])
    assert (
        there
        in support.get(
            reverse("admin:redemption_redemptionorder_change", args=[order.pk])
        ).content.decode()
    )
    assert "Give points of some units back" in page(support, order)
    form = {"seen": 0, "units": 2, "reason": "Two were scratched"}
    assert "The points of 2 units go back: 200." in said(support, order, "credit", **form)
    assert "went back since the page was made" in said(support, order, "credit", **form)
    form["seen"] = 2
    assert "Enter a whole number" in said(support, order, "credit", **form | {"units": "x"})
    told = said(support, order, "credit", **form | {"units": 4})
    assert "Points of 3 units were not given back yet" in told
    assert "Proposed. One person may give back 200 points" in said(
        support, order, "credit", **form | {"units": 3}
    )
    assert "You proposed this or recorded the return." in page(support, order)
    assert "Somebody of finance must decide." in page(browser(staff("support")), order)
    proposal = line(order).decisions.get(status="PROPOSED").pk
    assert forbidden(support, order, "confirm")
    home = finance.get("/admin/").content.decode()
    assert there in home
    assert "Do you agree?" in page(finance, order)
    told = said(finance, order, "reject", proposal=proposal, reason="Only two were")
    assert "Rejected. Something else may be proposed." in told
    said(support, order, "credit", **form | {"units": 1})
    assert "Something else is proposed by now" in said(finance, order, "confirm", proposal=proposal)
    newest = line(order).decisions.get(status="PROPOSED").pk
    told = said(finance, order, "confirm", proposal=newest)
    assert "The points of 1 unit go back: 100." in told
    assert "The points of 2 units were not given back." in told
    assert "Give points" not in page(browser(staff("auditor")), order)


def test_finance_finds_what_came_back_and_decides_about_it(order: RedemptionOrder) -> None:
    delivered(order)
    both = staff("fulfillment", "finance")
    came_back(parcel_of(order), quantity=2, by=Actor.person(both), reason="Too small")
    finance = browser(staff("finance"))
    assert line(order).product_name in finance.get(LIST).content.decode()
    assert "2 units came back" in page(finance, order)
    assert "You recorded it, so somebody else" in page(browser(both), order)
    assert "Finance decides about the points." in page(browser(staff("support")), order)
    returned = LineReturn.objects.get().pk
    assert "read what came back before you decide" in said(
        finance, order, "decide", back=1, reason="As agreed"
    )
    assert "2 came back: give the points of 0 to 2 back." in said(
        finance, order, "decide", returned=returned, back=3, reason="As agreed"
    )
    told = said(finance, order, "decide", returned=returned, back=0, reason="Used")
    assert "Decided. No points go back." in told
    assert "points of 0 given back" in told
    assert line(order).product_name not in finance.get(LIST).content.decode()
    assert line(order).product_name in finance.get(f"{LIST}?waits=back").content.decode()


def test_support_cancels_one_line_or_reads_why_not(order: RedemptionOrder) -> None:
    support = browser(staff("support"))
    told = page(support, order)
    assert "Cancelled at once:" in told
    assert "500 points go back" in told
    clerk = Actor.person(staff("fulfillment"))
    desk.claim(fulfillment=parcel_of(order), by=clerk)
    refused = said(support, order, "cancel", reason="Wrong colour", shown="")
    assert "cannot be cancelled any more: somebody at the desk is working on it." in refused
    desk.unclaim(fulfillment=parcel_of(order), by=clerk)
    told = said(support, order, "cancel", reason="Wrong colour", shown="")
    assert "500 points go back to the company’s account." in told
    assert line(order).fulfillment_status == LineStatus.CANCELLED
    assert forbidden(browser(staff("finance")), order, "cancel")
