"""Cancelling: what is offered is done, and the message says what was done."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AccountManager
from catalog.models import Product
from fulfillment import services as desk
from fulfillment.models import Fulfillment, PartnerCall
from fulfillment.partner import Deliverable, Report, ReportStatus
from fulfillment.virtual.services import flag, hear_answer, locked
from loyalty_portal.data.actor import Actor
from redemption.invariants.checks import check_invariants
from redemption.orders.actions.cancelling import cancel
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import ProductFactory
from tests.redemption.factories import paid
from tests.redemption.pages import address, now, said

pytestmark = pytest.mark.django_db
SignIn = Callable[[AccountManager], Client]


@pytest.fixture
def seat() -> AccountManager:
    return SeatFactory.create(company__balance=100_000, user__name="Ada")


@pytest.fixture
def book() -> Product:
    return ProductFactory.create(name="Bicycles", points_cost=1_500)


@pytest.fixture
def card() -> Product:
    return ProductFactory.create(virtual=True, name="Gift card", points_cost=5_000)


def test_what_the_desk_works_on_is_offered_to_nobody_to_cancel(
    client_for: SignIn, seat: AccountManager, book: Product, card: Product
) -> None:
    order = paid(seat, (book, 1), (card, 1))
    client = client_for(seat)
    desk.claim(fulfillment=Fulfillment.objects.get(sku=book.sku), by=Actor.in_seat(seat))
    why = "Bicycles cannot be cancelled any more: somebody at the desk is working on it."
    offered = said(client.get(order.get_absolute_url()))
    assert "Cancelled at once: Gift card. 5,000 points go back to" in offered
    assert why in offered
    told = said(client.post(address(order, "cancel"), follow=True))
    assert "Cancelled: Gift card. 5,000 points go back to the company’s account." in told
    assert why in told
    assert "Cancel this order" not in told
    assert Fulfillment.objects.get(sku=book.sku).status == "QUEUED"


def test_what_was_put_back_can_be_cancelled_again(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    order = paid(seat, (book, 1))
    client, parcel = client_for(seat), Fulfillment.objects.get()
    desk.claim(fulfillment=parcel, by=Actor.in_seat(seat))
    assert "Cancel this order" not in said(client.get(order.get_absolute_url()))
    desk.unclaim(fulfillment=parcel, by=Actor.in_seat(seat))
    assert "Cancel this order" in said(client.get(order.get_absolute_url()))


def test_a_page_that_looks_again_sees_what_the_desk_has_claimed(
    client_for: SignIn, seat: AccountManager, book: Product, card: Product
) -> None:
    order = paid(seat, (book, 1), (ProductFactory.create(), 1))
    client = client_for(seat)
    first, second = Fulfillment.objects.all()
    desk.claim(fulfillment=first, by=Actor.in_seat(seat))
    seen = now(order).pulse
    assert "Cancel this order" in said(client.get(address(order, "story"), {"seen": "older"}))
    desk.claim(fulfillment=second, by=Actor.in_seat(seat))
    told = said(client.get(address(order, "story"), {"seen": seen}))
    assert 'id="order"' in told
    assert "Cancel this order" not in told


def test_what_the_partner_could_not_stop_is_not_offered_again(
    client_for: SignIn, seat: AccountManager, card: Product
) -> None:
    order = paid(seat, (card, 1))
    PartnerCall.objects.update(status="SUCCEEDED", next_attempt_at=None)
    client = client_for(seat)
    told = said(client.post(address(order, "cancel"), follow=True))
    assert "Our partner is asked to stop Gift card. If it is not too late, 5,000 points" in told
    assert "Cancel this order" not in told
    assert f"{seat.user} asked to stop Gift card" in told
    assert "If it is not too late, its points come back." in told
    PartnerCall.objects.filter(kind="CANCEL").update(status="REFUSED", next_attempt_at=None)
    told = said(client.get(order.get_absolute_url()))
    assert "Too late: our partner delivers Gift card already, and its points stay taken." in told
    again = said(client.post(address(order, "cancel"), follow=True))
    assert (
        "Gift card cannot be cancelled any more: our partner could not stop it any more." in again
    )
    assert PartnerCall.objects.filter(kind="CANCEL").count() == 1


def test_who_asked_the_partner_to_stop_and_what_came_of_it_stays_in_the_story(
    client_for: SignIn, seat: AccountManager, card: Product
) -> None:
    order = paid(seat, (card, 1))
    PartnerCall.objects.update(status="SUCCEEDED", next_attempt_at=None)
    cancel(order=order, by=Actor.in_seat(seat), reason="")
    held = Fulfillment.objects.get()
    units = (Deliverable(code="ABCD", pin=None, url=None, expires_on=None),)
    report = Report("F-1", str(held.pk), ReportStatus.DELIVERED, timezone.now(), None, units)
    hear_answer(held=locked(held.pk, report), report=report)
    told = said(client_for(seat).get(order.get_absolute_url()))
    assert f"{seat.user} asked to stop Gift card" in told
    assert "Too late: Gift card was delivered, and its points stay taken." in told
    assert check_invariants() == []


def test_a_delivery_that_is_not_clear_is_said_to_be_that(
    client_for: SignIn, seat: AccountManager, card: Product
) -> None:
    order = paid(seat, (card, 1))
    PartnerCall.objects.update(status="SUCCEEDED", next_attempt_at=None)
    page = said(client_for(seat).get(order.get_absolute_url()))
    assert "usually within minutes" in page
    flag(Fulfillment.objects.get(), "The partner gave no clear answer in time.", "HORIZON")
    page = said(client_for(seat).get(order.get_absolute_url()))
    assert "usually within minutes" not in page
    assert "1 not clear yet." in page
    assert "Our partner has not said what became of it. We are finding out." in page
    assert "our partner has not said yet what became of it" in page
