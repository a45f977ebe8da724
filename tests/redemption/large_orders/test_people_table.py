"""The page of an order for several people: a table of them, filtered, and cancelled one by one."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AccountManager
from catalog.models import Product
from fulfillment.models import Fulfillment, PartnerCall
from fulfillment.virtual.services import flag
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.ids import uuid7
from redemption.checkout.services import CheckoutInput, Line, place_order
from redemption.messages.notifications import compose
from redemption.models import LetterKind, OrderItem, RedemptionOrder
from redemption.orders.actions.cancelling import cancel
from redemption.orders.facts import facts_of
from redemption.orders.steps.standing import standing_of
from redemption.states import LineStatus
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import ProductFactory
from tests.redemption.factories import delivered_by_mail, paid, settle
from tests.redemption.pages import now, said
from tests.redemption.world import RECIPIENT
from tests.support.visitor import forms_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[AccountManager], Client]


@pytest.fixture
def seat() -> AccountManager:
    return SeatFactory.create(company__balance=1_000_000, user__name="Mara Lind")


def for_people(seat: AccountManager, product: Product, count: int, **terms: Any) -> RedemptionOrder:
    """A paid order of one piece for each of so many people."""
    product = Product.objects.select_related("inventory").get(pk=product.pk)
    people = [
        {**RECIPIENT, "recipient_name": f"Person {n}", "recipient_email": f"p{n}@n.example"}
        for n in range(1, count + 1)
    ]
    entered = CheckoutInput(token=uuid7(), seen_points=count * product.points_cost)
    lines = [Line(product, 1, person, **terms) for person in people]
    order = place_order(seat=seat, lines=lines, entered=entered, by=Actor.in_seat(seat))
    settle(order.transactions.get())
    return now(order)


def standing(order: RedemptionOrder) -> str:
    return standing_of(facts_of(now(order)))


def cancel_form(page: Any, item: OrderItem) -> dict[str, str]:
    there = reverse("orders:cancel_line", args=[item.order.order_number, item.pk])
    return next(form.fields for form in forms_of(page.content.decode()) if form.action == there)


def test_the_table_names_each_person_what_they_get_and_its_state(
    client_for: SignIn, seat: AccountManager
) -> None:
    card = ProductFactory.create(virtual=True, name="Card", points_cost=100)
    order = for_people(seat, card, 3, message="Well done!")
    delivered_by_mail(order, "A-1")
    page = said(client_for(seat).get(order.get_absolute_url()))
    assert "Who gets what" in page
    assert page.count('<th scope="row">') >= 3
    assert "p2@n.example" in page
    assert f"Well done!<br>— Mara Lind, {seat.company.name}" in page
    assert "1 of 3 delivered, 2 being prepared." in page


def test_an_order_for_one_person_shows_products_as_before(
    client_for: SignIn, seat: AccountManager
) -> None:
    mug, book = ProductFactory.create_batch(2, in_stock=5, points_cost=100)
    order = paid(seat, (mug, 1), (book, 2))
    page = said(client_for(seat).get(order.get_absolute_url()))
    assert "What is in it" in page
    assert "Who gets what" not in page
    assert "2 being prepared." in page


def test_people_are_found_by_words_of_their_name_or_address_within_a_status(
    client_for: SignIn, seat: AccountManager
) -> None:
    mug = ProductFactory.create(in_stock=50, points_cost=10)
    order = for_people(seat, mug, 30)
    OrderItem.objects.filter(recipient_name="Person 25").update(city="Łódź")
    client, there = client_for(seat), order.get_absolute_url()
    assert "p21@n.example" not in said(client.get(there))  # of the first 20
    found = said(client.get(there, {"who": "łódź PERSON"}))
    assert "p25@n.example" in found
    assert "p2@n.example" not in found
    assert "p21@n.example" in said(client.get(there, {"who": "p21@"}))
    nobody = said(client.get(there, {"who": "<script>alert(1)</script>"}))
    assert "Nobody here has this name or address." in nobody
    assert "<script>alert" not in nobody
    item = order.items.get(recipient_name="Person 3")
    page = client.get(there)
    client.post(
        reverse("orders:cancel_line", args=[order.order_number, item.pk]), cancel_form(page, item)
    )
    cancelled = said(client.get(there, {"lines": "CANCELLED", "who": "person"}))
    assert "p3@n.example" in cancelled
    assert "p4@n.example" not in cancelled


def test_one_person_is_cancelled_and_the_others_go_on(
    client_for: SignIn, seat: AccountManager
) -> None:
    mug = ProductFactory.create(in_stock=50, points_cost=70)
    order = for_people(seat, mug, 3)
    item = order.items.get(recipient_name="Person 2")
    client, there = client_for(seat), order.get_absolute_url()
    cancel = reverse("orders:cancel_line", args=[order.order_number, item.pk])
    form = cancel_form(client.get(there), item)
    answer = client.post(cancel, form)
    assert answer["Location"] == f"{there}#lines-title"
    assert "Cancelled: Person" not in said(client.get(there))
    assert order.transactions.get(transaction_type="CREDIT").points_amount == 70
    states = order.items.order_by("recipient_name").values_list("fulfillment_status", flat=True)
    assert list(states) == ["QUEUED", "CANCELLED", "QUEUED"]
    assert standing(order) == "2 being prepared, 1 not sent, its points go back."
    client.post(cancel, form)  # the same form once more, from another tab
    assert "This line has ended already." in said(client.get(there))
    assert order.transactions.filter(transaction_type="CREDIT").count() == 1


def test_only_who_may_cancel_the_order_cancels_a_person_and_only_of_their_own_order(
    client_for: SignIn, seat: AccountManager
) -> None:
    mug = ProductFactory.create(in_stock=50, points_cost=70)
    order, item = (order := for_people(seat, mug, 2)), order.items.all()[0]
    cancel = reverse("orders:cancel_line", args=[order.order_number, item.pk])
    viewer = client_for(SeatFactory.create(company=seat.company, viewer=True))
    assert "Yes, cancel it" not in said(viewer.get(order.get_absolute_url()))
    assert viewer.post(cancel).status_code == 403
    assert client_for(SeatFactory.create()).post(cancel).status_code == 404
    other = reverse("orders:cancel_line", args=[order.order_number, uuid7()])
    assert client_for(seat).post(other).status_code == 404
    assert set(order.items.values_list("fulfillment_status", flat=True)) == {"QUEUED"}


def test_a_line_for_a_day_is_cancelled_until_it_is_sent(
    client_for: SignIn, seat: AccountManager
) -> None:
    card = ProductFactory.create(virtual=True, points_cost=100)
    order = for_people(seat, card, 2, send_on=timezone.now().date() + timedelta(days=9))
    assert standing(order) == "2 to be sent later."
    item = order.items.all()[0]
    client = client_for(seat)
    form = cancel_form(client.get(order.get_absolute_url()), item)
    client.post(reverse("orders:cancel_line", args=[order.order_number, item.pk]), form)
    assert order.transactions.get(transaction_type="CREDIT").points_amount == 100
    assert standing(order) == "1 to be sent later, 1 not sent, its points go back."


def test_the_sentence_says_how_an_order_stands_from_its_facts(
    client_for: SignIn, seat: AccountManager
) -> None:
    mug = ProductFactory.create(in_stock=50, points_cost=10)
    order = for_people(seat, mug, 5)
    for status, item in zip(
        (LineStatus.DELIVERED, LineStatus.SHIPPED, LineStatus.RETURNED, LineStatus.FAILED),
        order.items.all(),
        strict=False,
    ):
        OrderItem.objects.filter(pk=item.pk).update(fulfillment_status=status)
    assert standing(order) == (
        "1 of 5 delivered, 1 on its way, 1 being prepared, 1 returned,"
        " 1 not sent, its points go back."
    )
    whole = for_people(seat, mug, 2)
    client = client_for(seat)
    page = client.get(whole.get_absolute_url()).content.decode()
    there = reverse("orders:cancel", args=[whole.order_number])
    client.post(there, next(form.fields for form in forms_of(page) if form.action == there))
    for credit in whole.transactions.filter(transaction_type="CREDIT"):
        settle(credit)
    assert standing(whole).startswith("Cancelled by Mara Lind, ")


def cancel_all(client: Client, order: RedemptionOrder, page: Any) -> Any:
    there = reverse("orders:cancel", args=[order.order_number])
    shown = next(form.fields for form in forms_of(page.content.decode()) if form.action == there)
    return client.post(there, shown)


def test_lines_that_were_delivered_since_the_page_do_not_stop_a_cancel_of_the_others(
    client_for: SignIn, seat: AccountManager
) -> None:
    card = ProductFactory.create(virtual=True, points_cost=100)
    order = for_people(seat, card, 12)
    client, there = client_for(seat), order.get_absolute_url()
    page = client.get(there)
    assert "What is delivered before you confirm is not cancelled." in said(page)
    delivered_by_mail(order, "A-1")

    answer = cancel_all(client, order, page)

    assert answer.status_code == 303, said(answer)
    states = order.items.values_list("fulfillment_status", flat=True)
    assert sorted(states) == ["CANCELLED"] * 11 + ["DELIVERED"]
    assert order.transactions.get(transaction_type="CREDIT").points_amount == 1_100


def test_the_story_counts_only_what_the_partner_was_asked_for_and_says_how_many_to_stop(
    client_for: SignIn, seat: AccountManager
) -> None:
    card = ProductFactory.create(virtual=True, name="Card", points_cost=100)
    order = for_people(seat, card, 12)
    lines = list(order.items.order_by("pk"))
    asked = PartnerCall.objects.filter(fulfillment__reference__in=[each.pk for each in lines[:5]])
    asked.update(status="SUCCEEDED", next_attempt_at=None)
    cancel(order=order, by=Actor.in_seat(seat), reason="")
    page = said(client_for(seat).get(order.get_absolute_url()))
    assert "5 of 12 lines ordered from our partner" in page
    assert "Mara Lind asked to stop 5 lines (Card)" in page
    assert "Our partner is asked to stop 5 lines (Card). If it is not too late, their" in page
    PartnerCall.objects.filter(kind="CANCEL").update(status="REFUSED", next_attempt_at=None)
    page = said(client_for(seat).get(order.get_absolute_url()))
    assert "Too late: our partner delivers 5 lines (Card) already, and their points" in page


def test_the_story_says_of_one_unclear_line_what_it_does_not_say_of_the_others(
    client_for: SignIn, seat: AccountManager
) -> None:
    card = ProductFactory.create(virtual=True, name="Card", points_cost=100)
    order = for_people(seat, card, 12)
    PartnerCall.objects.update(status="SUCCEEDED", next_attempt_at=None)
    flag(Fulfillment.objects.all()[0], "The partner gave no clear answer in time.", "HORIZON")
    page = said(client_for(seat).get(order.get_absolute_url()))
    known, unclear = "11 of 12 lines ordered from our partner", "1 of 12 lines ordered from our"
    assert known in page
    assert unclear in page
    assert page.count("our partner has not said yet what became of it") == 1


def test_a_cancel_counts_what_has_arrived_already(client_for: SignIn, seat: AccountManager) -> None:
    card = ProductFactory.create(virtual=True, name="Card", points_cost=100)
    order = for_people(seat, card, 12)
    came = [each.pk for each in order.items.all()[:2]]
    OrderItem.objects.filter(pk__in=came).update(fulfillment_status="DELIVERED")
    arrived = Fulfillment.objects.filter(reference__in=came)
    arrived.update(status="DELIVERED", quantity_delivered=1)
    page = client_for(seat).get(order.get_absolute_url())
    assert "2 × Card cannot be cancelled any more: it has arrived." in said(page)


def test_the_letter_of_confirmation_names_the_first_lines_and_counts_the_others(
    seat: AccountManager,
) -> None:
    mug = ProductFactory.create(in_stock=50, points_cost=10)
    order = for_people(seat, mug, 12)
    letter = compose(order.letters.get(kind=LetterKind.CONFIRMED))
    texts = [str(letter.body), str(letter.alternatives[0][0])]
    for text in texts:
        assert "for Person 10," in text
        assert "for Person 11," not in text
        assert "and 2 more" in text
        assert order.get_absolute_url() in text


def test_a_line_that_the_page_did_not_offer_to_cancel_stops_a_cancel_of_many(
    client_for: SignIn, seat: AccountManager
) -> None:
    mug = ProductFactory.create(in_stock=50, points_cost=10)
    order = for_people(seat, mug, 12)
    packer = SeatFactory.create().user
    parcel = Fulfillment.objects.get(reference=order.items.earliest("pk").pk)
    until = timezone.now() + timedelta(days=1)
    Fulfillment.objects.filter(pk=parcel.pk).update(claimed_by=packer, claimed_until=until)
    client, there = client_for(seat), order.get_absolute_url()
    page = client.get(there)
    Fulfillment.objects.filter(pk=parcel.pk).update(claimed_by=None, claimed_until=None)

    answer = cancel_all(client, order, page)

    assert answer.status_code == 422
    assert "This has changed since you looked, and nothing was cancelled." in said(answer)
    assert not order.transactions.filter(transaction_type="CREDIT").exists()
    assert cancel_all(client, order, answer).status_code == 303
