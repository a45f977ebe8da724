"""An order's timeline in plain words, and how its page polls."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AccountManager
from catalog.models import Product
from fulfillment import services as desk
from fulfillment.models import Fulfillment
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.texts.times import exact
from redemption.incidents.services import acknowledge
from redemption.models import Incident, RedemptionOrder
from redemption.orders.actions.cancelling import cancel
from redemption.orders.facts import facts_of, pulse_of
from redemption.saga.steps import flag, locked
from redemption.states import IncidentKind, TransactionStatus
from tests.accounts.factories import SeatFactory, UserFactory
from tests.catalog.factories import ProductFactory
from tests.redemption.factories import (
    delivered_by_mail,
    letters_sent,
    paid,
    placed,
    settle,
    shipped,
)
from tests.redemption.pages import address, now, said, timeline, titles
from tests.support.orders.came_back import came_back, credited

pytestmark = pytest.mark.django_db
SignIn = Callable[[AccountManager], Client]
HTMX = {"HX-Request": "true", "HX-Target": "pulse"}


@pytest.fixture
def seat() -> AccountManager:
    return SeatFactory.create(company__balance=100_000, company__name="Northwind", user__name="Ada")


@pytest.fixture
def book() -> Product:
    return ProductFactory.create(name="Bicycles", points_cost=1_500)


@pytest.fixture
def card() -> Product:
    return ProductFactory.create(virtual=True, name="Gift card", points_cost=5_000)


# --- The story -------------------------------------------------------------------------------


def test_points_being_taken_are_said_in_plain_words(seat: AccountManager, book: Product) -> None:
    order = placed(seat, (book, 3))
    doing = timeline(order)[1]
    assert doing.title == "We are taking 4,500 points from Northwind’s account"
    assert doing.text == "This takes a few seconds."
    assert doing.now
    order.transactions.update(created_at=timezone.now() - timedelta(minutes=10))
    assert "longer than usual" in timeline(order)[1].text


def test_an_unknown_outcome_is_said_and_that_nothing_is_taken_twice(
    seat: AccountManager, book: Product
) -> None:
    order = placed(seat, (book, 1))
    debit = order.transactions.get()
    debit.transition(TransactionStatus.SENT)
    debit.transition(TransactionStatus.UNKNOWN)
    assert "nothing is taken or given twice" in timeline(order)[1].text
    debit.transition(TransactionStatus.NEEDS_REVIEW)
    assert "A person is finding out" in timeline(order)[1].text


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("insufficient_points", "There were not enough points in the account."),
        ("account_blocked", "The account is blocked."),
        ("account_not_found", "does not know the account"),
        ("something_new", "The loyalty system refused."),
    ],
)
def test_a_refusal_says_why_and_that_nothing_was_taken(
    seat: AccountManager, book: Product, code: str, words: str
) -> None:
    order = placed(seat, (book, 1))
    settle(order.transactions.get(), refused=code)
    last = timeline(order)[-1]
    assert words in last.text
    assert "No points were taken" in last.text
    assert not any(step.ahead for step in timeline(order))


def test_what_comes_in_one_way_is_one_step_that_names_each(
    seat: AccountManager, book: Product, card: Product
) -> None:
    order = paid(seat, (book, 1), (ProductFactory.create(name="Mug", in_stock=5), 1), (card, 1))
    ahead = {step.title: step.text for step in timeline(order) if step.ahead}
    assert ahead["Arrives"] == "Bicycles, to Ada Byron. Mug, to Ada Byron."
    assert ahead["Codes by e-mail"] == "Gift card, to Ada Byron"
    assert len(ahead) == len([step for step in timeline(order) if step.ahead])


def test_a_parcel_is_followed_from_the_desk_to_its_recipient(
    seat: AccountManager, book: Product
) -> None:
    order = paid(seat, (book, 2))
    assert [step.title for step in timeline(order)][-1] == "Arrives"
    parcel = shipped(order)
    desk.deliver(shipment=parcel, by=Actor.in_seat(seat))
    assert titles(order) == [
        "Ordered by Ada",
        "3,000 points taken from Northwind’s account",
        "Being prepared",
        "Packed",
        "Sent with DHL",
        "Arrived",
        "Completed",
    ]
    assert "Tracking number JJD1." in timeline(order)[4].text


def test_codes_are_followed_from_the_partner_to_their_recipient(
    client_for: SignIn, seat: AccountManager, card: Product
) -> None:
    order = paid(seat, (card, 1))
    assert titles(order)[-1] == "Ordered from our partner"
    delivered_by_mail(order, "CODE-1")
    client_for(seat).post(address(order, "codes", order.items.get().pk))
    assert titles(order)[-3:] == ["Delivered by e-mail", "Completed", "Ada looked at the codes"]


def test_what_cannot_be_supplied_is_given_back(seat: AccountManager, book: Product) -> None:
    order = paid(seat, (book, 2))
    parcel = Fulfillment.objects.get(label=order.order_number)
    desk.claim(fulfillment=parcel, by=Actor.in_seat(seat))
    desk.cannot_supply(
        fulfillment=parcel, quantity=None, reason="Out of print", by=Actor.in_seat(seat)
    )
    lost = next(step for step in timeline(order) if "could not be supplied" in step.title)
    assert lost.text == "Out of print. Its points are on their way back."
    credit = order.transactions.get(transaction_type="CREDIT")
    assert "We are giving 3,000 points back to Northwind’s account" in titles(order)
    credit.transition(TransactionStatus.SENT)
    credit.transition(TransactionStatus.UNKNOWN)
    assert "Giving 3,000 points back to Northwind’s account" in titles(order)
    settle(credit)
    assert titles(order)[-2:] == [
        "3,000 points given back to Northwind’s account",
        "Could not be supplied",
    ]


def test_a_line_that_came_back_is_told(seat: AccountManager, book: Product) -> None:
    order = paid(seat, (book, 1))
    desk.deliver(shipment=shipped(order), by=Actor.in_seat(seat))
    parcel = Fulfillment.objects.get(label=order.order_number)
    returned = came_back(parcel, reason="Broken", by=Actor.in_seat(seat))
    [told] = [step for step in timeline(order) if step.title == "Bicycles came back"]
    assert told.text == "Broken. The programme decides about the points."
    credited(returned)
    [told] = [step for step in timeline(order) if step.title == "Bicycles came back"]
    assert told.text == "Broken. The points of 1 piece are given back."


def test_what_came_back_in_part_and_is_not_credited_is_told_with_the_reason(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    order = paid(seat, (book, 3))
    desk.deliver(shipment=shipped(order), by=Actor.in_seat(seat))
    parcel = Fulfillment.objects.get(label=order.order_number)
    credited(came_back(parcel, quantity=2, by=Actor.in_seat(seat)), 0, reason="Used for a year")
    [told] = [step for step in timeline(order) if "came back" in step.title]
    assert told.title == "2 of 3 × Bicycles came back"
    assert told.text == "broken. No points are given back: Used for a year."
    page = said(client_for(seat).get(order.get_absolute_url()))
    told_of_line = "3 of 3 arrived, points of 0 given back. 2 pieces came back."
    assert told_of_line in " ".join(page.split())


def test_an_order_that_somebody_looks_at_says_so_without_the_inner_reason(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    order = paid(seat, (book, 1))
    RedemptionOrder.objects.update(needs_attention=True, attention_reason="lease lost at step 4")
    page = said(client_for(seat).get(order.get_absolute_url()))
    assert "Somebody of the programme is looking at it" in page
    assert "lease lost" not in page


def test_an_order_that_needs_attention_says_when_it_was_looked_at_and_by_when_it_will_be(
    client_for: SignIn, seat: AccountManager, book: Product, settings: Any
) -> None:
    settings.ATTENTION_HOURS = 24
    order = paid(seat, (book, 1))
    flag(locked(order.pk), "lost", kind=IncidentKind.STUCK_ORDER)
    client = client_for(seat)
    page = said(client.get(order.get_absolute_url()))
    assert "Nobody has looked at it yet. Somebody looks at it by" in page
    assert f"{order.get_absolute_url()}?ask#ask" in page
    opened = said(client.get(f"{order.get_absolute_url()}?ask"))
    assert '<details class="confirm" id="ask" open>' in " ".join(opened.split())
    clerk = Actor.person(UserFactory.create(superuser=True))
    acknowledge(incident=Incident.objects.get(), by=clerk)
    assert "Last looked at on" in said(client.get(order.get_absolute_url()))
    settings.ATTENTION_HOURS = 0
    page = said(client.get(order.get_absolute_url()))
    assert "It was to be looked at by" in page
    later = timezone.now() + timedelta(days=3)
    Incident.objects.update(snoozed_until=later, snoozed_why="The partner is closed")
    page = said(client.get(order.get_absolute_url()))
    assert f"Somebody looks at it by {exact(later, zone=seat.company.time_zone)}" in page
    assert "The partner is closed" not in page
    order.transactions.update(status=TransactionStatus.UNKNOWN, next_attempt_at=later)
    page = said(client.get(order.get_absolute_url()))
    assert "The portal itself asks the loyalty system again on" in page


def test_the_page_shows_ledger_letters_reference_and_note(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    order = paid(seat, (book, 2), reference="Q4", note="For <b>the</b> fair")
    page = said(client_for(seat).get(order.get_absolute_url()))
    assert "−3,000" in page
    assert order.transactions.get().external_transaction_id in page
    assert "Order confirmed" in page
    assert "about to be sent" in page
    assert "Q4" in page
    assert "For &lt;b&gt;the&lt;/b&gt; fair" in page


# --- Polling ---------------------------------------------------------------------------------


def test_a_page_looks_again_ever_less_often_and_stops_when_all_is_over(
    seat: AccountManager, book: Product
) -> None:
    order = placed(seat, (book, 1))
    assert pulse_of(facts_of(order)).delay == 2
    settle(order.transactions.get(), refused="insufficient_points")
    assert pulse_of(facts_of(now(order))).delay == 2  # a letter is due
    letters_sent(order)
    assert pulse_of(facts_of(now(order))).delay == 0


@pytest.mark.parametrize(("quiet", "delay"), [(60, 5), (600, 15), (7200, 60)])
def test_the_longer_nothing_happens_the_longer_a_page_waits(
    seat: AccountManager, book: Product, quiet: int, delay: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = placed(seat, (book, 1))
    later = timezone.now() + timedelta(seconds=quiet)
    # replaced: the page must be looked at much later, with the database as it is
    monkeypatch.setattr(timezone, "now", lambda: later)
    assert pulse_of(facts_of(order)).delay == delay


def test_what_is_unchanged_is_not_sent_again(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    order = placed(seat, (book, 1))
    client = client_for(seat)
    url = address(order, "story")
    seen = now(order).pulse
    same = said(client.get(url, {"seen": seen}, headers=HTMX))
    assert 'id="pulse"' in same
    assert 'id="order"' not in same
    settle(order.transactions.get())
    changed = client.get(url, {"seen": seen}, headers=HTMX)
    assert 'id="order" hx-swap-oob' in said(changed)
    assert 'id="balance"' in said(changed)
    assert "Being prepared" in changed["HX-Trigger"]
    assert "<html" not in said(changed)


def test_a_final_order_does_not_look_again(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    order = placed(seat, (book, 1))
    assert "/story/" in said(client_for(seat).get(order.get_absolute_url()))
    settle(order.transactions.get(), refused="insufficient_points")
    letters_sent(order)
    assert "/story/" not in said(client_for(seat).get(order.get_absolute_url()))


def test_an_order_withdrawn_before_approval_says_who_did_it(
    seat: AccountManager, book: Product
) -> None:
    seat.company.approval_threshold = 100
    seat.company.save()
    order = placed(seat, (book, 1))
    cancel(order=order, by=Actor.in_seat(seat), reason="Not needed")
    last = timeline(order)[-1]
    assert (last.title, last.text) == ("Withdrawn by Ada", "Not needed. No points were taken.")
