"""An order's badge and sentence are made from its lines and points."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AccountManager, User
from catalog.models import Product
from fulfillment import services as desk
from fulfillment.models import Fulfillment
from loyalty_portal.data.actor import Actor
from redemption.backoffice import badges as staff_badges
from redemption.messages.notifications import compose
from redemption.models import Letter, LoyaltyTransaction, RedemptionOrder, badges
from redemption.models.badges import Badge, order_look
from redemption.orders.actions.cancelling import cancel
from redemption.states import LineStatus, OrderStatus, TransactionStatus
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import ProductFactory
from tests.redemption.factories import paid, placed, settle, shipped
from tests.redemption.pages import now, said, timeline, titles
from tests.support.orders.came_back import came_back, credited
from tests.support.staff import staff

pytestmark = pytest.mark.django_db
SignIn = Callable[[AccountManager], Client]


@pytest.fixture
def seat() -> AccountManager:
    return SeatFactory.create(company__balance=100_000, company__name="Northwind", user__name="Ada")


@pytest.fixture
def book() -> Product:
    return ProductFactory.create(name="Bicycles", points_cost=1_500)


def look(order: RedemptionOrder) -> Badge:
    return order_look(now(order), list(order.items.all()), list(order.transactions.all()))


def seen(order: RedemptionOrder) -> tuple[str, str]:
    shown = look(order)
    return str(shown.word), shown.sentence


def given_up(order: RedemptionOrder, quantity: int | None = None) -> LoyaltyTransaction:
    parcel = Fulfillment.objects.get(label=order.order_number)
    by = order.account_manager.user
    desk.cannot_supply(
        fulfillment=parcel, quantity=quantity, reason="Out of print", by=Actor.person(by)
    )
    return order.transactions.get(transaction_type="CREDIT")


def test_an_order_whose_only_line_could_not_be_supplied_is_not_in_progress(
    seat: AccountManager, book: Product
) -> None:
    order = paid(seat, (book, 2))
    assert seen(order) == ("Confirmed", "3,000 points were taken.")
    credit = given_up(order)
    assert now(order).status == OrderStatus.IN_FULFILLMENT
    assert seen(order) == ("Points on their way back", "3,000 points are on their way back.")
    settle(credit)
    assert seen(order) == ("Could not be supplied", "All 3,000 points are back.")


def test_an_order_that_was_cancelled_is_not_confirmed(seat: AccountManager, book: Product) -> None:
    order = paid(seat, (book, 1))
    cancel(order=order, by=Actor.in_seat(seat), reason="")
    assert now(order).status == OrderStatus.CONFIRMED
    assert seen(order) == ("Points on their way back", "1,500 points are on their way back.")
    settle(order.transactions.get(transaction_type="CREDIT"))
    assert seen(order) == ("Cancelled", "All 1,500 points are back.")


def test_points_that_only_people_can_give_back_are_said_to_be_missing(
    seat: AccountManager, book: Product
) -> None:
    order = paid(seat, (book, 1))
    credit = given_up(order)
    for status in ("SENT", "UNKNOWN", "NEEDS_REVIEW"):
        credit.transition(TransactionStatus(status))
    assert look(order).word == "Points not back yet"
    assert "a person is seeing to it" in look(order).sentence
    lost = next(step for step in timeline(order) if "could not be supplied" in step.title)
    assert lost.text == "Out of print. Its points are not back yet; a person is seeing to it."


def test_a_debit_that_is_unclear_is_not_being_taken_at_this_moment(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    order = placed(seat, (book, 1))
    client = client_for(seat)
    assert "Being taken at this moment" in said(client.get("/points/"))
    assert "1,500 being taken" in (home := said(client.get("/")))
    assert "of it unclear" not in home
    debit = order.transactions.get()
    debit.transition(TransactionStatus.SENT)
    debit.transition(TransactionStatus.UNKNOWN)
    points = said(client.get("/points/"))
    assert "Being taken at this moment" not in points
    assert "Held until it is clear whether they were taken" in points
    home = said(client.get("/"))
    assert "of it unclear since" in home
    assert '<a href="/points/#unclear">1,500</a>' in home
    assert "Points not clear yet" in home
    page = said(client.get(order.get_absolute_url()))
    assert "being taken" not in page.partition('id="order"')[2].lower()
    assert "It goes on by itself once it is clear whether its points were taken." in page
    assert "It is not clear yet whether 1,500 points were taken" in page


def test_what_is_partly_over_says_so(seat: AccountManager, book: Product) -> None:
    order = paid(seat, (book, 3))
    settle(given_up(order, 1))
    parcel = shipped(order)
    assert look(order).word == "On its way"
    desk.deliver(shipment=parcel, by=Actor.in_seat(seat))
    assert seen(order) == ("Completed in part", "1,500 of 4,500 points are back.")
    held = parcel.fulfillments.get()
    one = came_back(held, quantity=1, by=Actor.in_seat(seat))
    assert seen(order) == ("Partly returned", "1,500 of 4,500 points are back.")
    other = came_back(held, by=Actor.in_seat(seat))
    assert seen(order) == ("Returned", "1,500 of 4,500 points are back.")
    credited(one)
    credited(other)
    assert seen(order) == ("Returned", "3,000 points are on their way back.")


def test_the_page_the_list_home_and_the_letters_say_the_same(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    order = paid(seat, (book, 2))
    given_up(order)
    client = client_for(seat)
    for address in (order.get_absolute_url(), "/orders/", "/"):
        page = said(client.get(address))
        assert "Points on their way back" in page
        assert "In progress" not in page
    letter = compose(Letter.objects.get(order=order, kind="confirmed"))
    stands = "Points on their way back. 3,000 points are on their way back."
    assert f"The order's state now: {stands}" in letter.body


def test_what_came_back_is_not_being_given_back(seat: AccountManager, book: Product) -> None:
    order = paid(seat, (book, 1))
    settle(given_up(order))
    texts = [step.text for step in timeline(order)]
    assert "Out of print. Its points are back." in texts
    assert "All points are back." in texts
    assert not any("given back" in text or "way back" in text for text in texts)


def test_what_several_lines_give_back_together_is_told_in_the_plural(
    seat: AccountManager, book: Product
) -> None:
    order = paid(seat, (book, 1), (ProductFactory.create(points_cost=500), 1))
    cancel(order=now(order), by=Actor.in_seat(seat), reason="")
    assert any("Their points are on their way back." in step.text for step in timeline(order))
    settle(order.transactions.get(transaction_type="CREDIT"))
    texts = [step.text for step in timeline(order)]
    assert any("Their points are back." in text for text in texts)
    assert not any("Its points" in text for text in texts)


# --- Who --------------------------------------------------------------------------------------


def test_who_cancelled_is_named(seat: AccountManager, book: Product) -> None:
    order = paid(seat, (book, 1))
    cancel(order=order, by=Actor.in_seat(seat), reason="")
    step = next(step for step in timeline(order) if "cancelled" in step.title)
    assert (step.title, step.text) == (
        "Bicycles cancelled by Ada",
        "Its points are on their way back.",
    )


@pytest.mark.parametrize("before_the_points", [True, False])
def test_staff_who_cancel_are_the_programme(
    seat: AccountManager, book: Product, before_the_points: bool
) -> None:
    clerk = staff("support")
    User.objects.filter(pk=clerk.pk).update(name="Sam Support")
    clerk.refresh_from_db()
    order = (placed if before_the_points else paid)(seat, (book, 1))
    cancel(order=order, by=Actor.person(clerk), reason="Ordered twice")
    if before_the_points:
        settle(order.transactions.get())
    told = titles(order)
    assert "Bicycles cancelled by the programme (support)" in told
    assert not any("Sam" in title for title in told)


# --- When -------------------------------------------------------------------------------------


def test_a_record_says_the_exact_time_with_its_zone(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    order = placed(seat, (book, 1))
    at = order.created_at
    page = said(client_for(seat).get(order.get_absolute_url()))
    assert f"{at:%H:%M:%S} UTC</time>" in page
    assert ">now</time>" not in page


def test_what_is_told_relatively_never_counts_seconds(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    for number, age in enumerate((17, 61, 7_300)):
        order = placed(seat, (book, number + 1))
        RedemptionOrder.objects.filter(pk=order.pk).update(
            created_at=timezone.now() - timedelta(seconds=age)
        )
    page = said(client_for(seat).get("/orders/"))
    assert [words for words in ("now", "1 minute ago", "2 hours ago") if f">{words}</time>" in page]
    assert "second" not in page


def test_an_approval_shows_when_it_was_placed_and_until_when_it_is_held(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    seat.company.approval_threshold = 100
    seat.company.save()
    order = placed(seat, (book, 1))
    other = SeatFactory.create(company=seat.company, role="approver")
    page = said(client_for(other).get("/approvals/"))
    order.refresh_from_db()
    assert order.approve_by
    assert f"{order.created_at:%H:%M:%S} UTC</time>" in page
    assert f"{order.approve_by:%H:%M} UTC" in page


def test_every_status_has_a_look() -> None:
    """A status without one would raise an error on each page that shows it."""
    for looks in (badges._ORDER, staff_badges._ORDERS):
        assert set(looks) == set(OrderStatus)
    for line_looks in (badges._LINE, staff_badges._LINES):
        assert set(line_looks) == set(LineStatus)
    assert set(staff_badges._TRANSACTIONS) == set(TransactionStatus)
