"""Letters about the parts of an order: gathered for a quarter of an hour, the last one at the end."""

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.core import mail
from django.db import connection, transaction
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import AccountManager
from catalog.models import Product
from fulfillment import services as desk
from fulfillment.models import Fulfillment
from fulfillment.news import tell
from fulfillment.states import FulfillmentStatus
from fulfillment.withdrawing import withdraw
from loyalty_portal.data.actor import Actor
from redemption.management.commands.sweep import drain
from redemption.messages import digests
from redemption.messages.notifications import send_letter
from redemption.models import Letter, LetterKind, OrderItem, RedemptionOrder, TransactionType
from redemption.models.orders import OrderQuerySet
from redemption.orders.actions.services import retry_now
from redemption.states import OrderStatus
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import ProductFactory
from tests.redemption.factories import paid, settle, shipped
from tests.redemption.pages import said
from tests.redemption.saga.test_races import while_somebody

SignIn = Callable[[AccountManager], Client]
pytestmark = pytest.mark.django_db


@pytest.fixture
def seat() -> AccountManager:
    return SeatFactory.create(company__name="Smith & Sons")


@pytest.fixture
def card() -> Product:
    return ProductFactory.create(virtual=True, name="Card", points_cost=200)


def with_lines(seat: AccountManager, product: Product, lines: int) -> RedemptionOrder:
    """An order of lines of one piece each whose letter of confirmation was sent."""
    order = paid(seat, *[(product, 1)] * lines)
    for number, item in enumerate(order.items.all()):
        item.recipient_name = f"Guest {number}"
        item.save()
    sent()
    return order


def arrives(item: OrderItem) -> None:
    """Let the partner deliver a line."""
    with transaction.atomic():
        parcel = desk.locked(Fulfillment.objects.get(reference=item.pk))
        parcel.quantity_delivered = parcel.quantity
        parcel.save(update_fields=["quantity_delivered"])
        parcel.transition(FulfillmentStatus.DELIVERED)
        tell(parcel, delivered=parcel.quantity)


def fails(item: OrderItem, reason: str = "Sold out") -> None:
    """Let the partner refuse a line."""
    with transaction.atomic():
        parcel = desk.locked(Fulfillment.objects.get(reference=item.pk))
        parcel.transition(FulfillmentStatus.FAILED, quantity_failed=parcel.quantity)
        tell(parcel, lost=parcel.quantity, reason=reason)


def sent() -> list[Any]:
    """Send what is due. Returns the letters."""
    mail.outbox.clear()
    drain("letters")
    return list(mail.outbox)


def later(minutes: int) -> None:
    """Let time pass for the letters."""
    ago = timedelta(minutes=minutes)
    Letter.objects.update(sent_at=F("sent_at") - ago, next_attempt_at=F("next_attempt_at") - ago)


def html(message: Any) -> str:
    return str(message.alternatives[0][0])


def test_40_lines_delivered_one_by_one_are_one_letter_at_the_end(
    seat: AccountManager, card: Product
) -> None:
    order = with_lines(seat, card, 40)
    told = []
    for item in order.items.all():
        arrives(item)
        told += sent()
    [last] = told
    assert last.to == [seat.user.email]
    number = order.order_number
    assert last.subject == f"Order {number} is complete: 40 of 40 pieces delivered"
    assert "Nothing more will be sent." in last.body
    assert "- 1 × Card for Guest 9, ada@northwind.example" in last.body
    assert "Guest 10" not in last.body
    assert "- and 30 more, on the order’s page" in last.body
    assert "For safety this letter holds none" in last.body
    assert html(last).count(f'{order.get_absolute_url()}"') == 2
    assert "and 30 more</a>" in html(last)
    for part in (last.body, html(last)):
        assert "{{" not in part
        assert "{%" not in part
    later(60)
    assert sent() == []
    assert Letter.objects.filter(order=order).count() == 2


def test_news_waits_a_quarter_of_an_hour_and_each_is_told_once(
    seat: AccountManager, card: Product
) -> None:
    order = with_lines(seat, card, 6)
    first, second, third, fourth, *_others = order.items.all()
    arrives(first)
    arrives(second)
    later(14)
    assert sent() == []
    arrives(third)
    later(1)
    [letter] = sent()
    assert letter.subject == f"Order {order.order_number} has news: 3 of 6 pieces delivered"
    arrives(fourth)
    later(14)
    assert sent() == []
    later(1)
    [letter] = sent()
    assert "1 more piece delivered, 4 of 6 so far." in letter.body
    assert "Guest 3" in letter.body
    assert "Guest 2" not in letter.body
    later(600)
    assert sent() == []


def test_what_failed_says_where_its_points_are_and_later_that_they_are_back(
    seat: AccountManager, card: Product
) -> None:
    order = with_lines(seat, card, 5)
    lines = list(order.items.all())
    for item in lines[:2]:
        arrives(item)
        later(1)
    for item in lines[2:4]:
        fails(item)
    later(15)
    [letter] = sent()
    assert "2 of 5 pieces delivered." in letter.body
    assert "2 pieces could not be supplied. Their 400 points are coming back. Why: Sold out" in (
        letter.body
    )
    for credit in order.transactions.filter(transaction_type=TransactionType.CREDIT):
        settle(credit)
    fails(lines[4], "Out of print")
    [last] = sent()
    assert "is complete: 2 of 5 pieces delivered" in last.subject
    assert (
        "3 pieces could not be supplied. 400 of their 600 points are back; the others" in last.body
    )
    assert "for Guest 4, ada@northwind.example: Out of print" in last.body
    settle(order.transactions.filter(transaction_type=TransactionType.CREDIT).latest("created_at"))
    assert sent() == []
    later(15)
    [after] = sent()
    assert after.subject.endswith("has news: 200 points are back in Smith & Sons’s account")
    assert "200 points are back in Smith &amp; Sons’s account" in html(after)
    assert "&amp;" not in after.body


def test_parcels_name_carrier_and_number_and_parts_are_counted(seat: AccountManager) -> None:
    book = ProductFactory.create(name="Book", points_cost=100)
    order = paid(seat, (book, 5), (book, 1))
    sent()
    parcel = Fulfillment.objects.get(reference=order.items.all()[0].pk)
    by = Actor.in_seat(seat)
    desk.pack(fulfillment=parcel, by=by)
    desk.ship(fulfillment=parcel, quantity=2, carrier="DHL", tracking_number="JJD7", by=by)
    later(15)
    [letter] = sent()
    assert letter.subject.endswith("has news: 2 pieces are on their way")
    assert "- 2 × Book for Ada Byron: DHL JJD7\n  https://www.dhl.de/" in letter.body
    assert 'verfolgen.html?piececode=JJD7"' in html(letter)
    desk.deliver(shipment=parcel.shipments.get(), by=by)
    desk.cannot_supply(fulfillment=parcel, quantity=3, reason="Wet\nForged", by=by)
    withdraw(references=[order.items.all()[1].pk], by=by, reason="Twice")
    [last] = sent()
    assert "is complete: 2 of 6 pieces delivered" in last.subject
    assert "3 pieces could not be supplied. Their 300 points are coming back. Why: Wet Forged" in (
        last.body
    )
    assert "1 piece cancelled. Its 100 points are coming back. Why: Twice" in last.body
    assert "Codes" not in last.body


def test_a_cancelled_order_is_told_once_and_whole(seat: AccountManager, card: Product) -> None:
    order = with_lines(seat, card, 12)
    items = list(order.items.all())
    fails(items[0])
    withdraw(references=[item.pk for item in items], by=Actor.in_seat(seat), reason="Too many")
    assert sent() == []
    for credit in order.transactions.filter(transaction_type=TransactionType.CREDIT):
        settle(credit)
    [last] = sent()
    assert last.subject == f"Order {order.order_number} ended without a delivery"
    assert "nothing is owed" in last.body
    assert "1 piece could not be supplied. Its 200 points are back. Why: Sold out" in last.body
    assert "11 pieces cancelled. Their 2,200 points are back. Why: Too many" in last.body
    later(60)
    assert sent() == []


def test_no_two_go_out_within_a_quarter_of_an_hour_but_the_last_one_does(
    seat: AccountManager, card: Product, settings: Any
) -> None:
    order = with_lines(seat, card, 4)
    first, second, third, fourth = order.items.all()
    arrives(first)
    later(15)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    assert sent() == []  # the mail server is away
    arrives(second)
    later(60)
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    [letter] = sent()
    assert "1 of 4" in letter.subject or "2 of 4" in letter.subject
    assert "Guest 1" not in letter.body
    waiting = Letter.objects.get(key=Letter.gathering_key(order.pk))
    assert waiting.attempts == 0
    later(14)
    assert sent() == []
    arrives(third)
    later(2)
    [letter] = sent()
    assert "Guest 1" in letter.body
    assert "Guest 2" in letter.body
    arrives(fourth)
    [last] = sent()
    assert "is complete" in last.subject


def test_a_digest_that_is_sent_again_tells_the_same_and_news_since_has_its_own(
    seat: AccountManager, card: Product
) -> None:
    """As after a process that died between sending and recording."""
    order = with_lines(seat, card, 4)
    first, second, *_others = order.items.all()
    arrives(first)
    later(15)
    [letter] = sent()
    row = Letter.objects.get(kind=LetterKind.DIGEST)
    arrives(second)
    Letter.objects.filter(pk=row.pk).update(
        sent_at=None, next_attempt_at=F("created_at"), lease_until=F("created_at")
    )
    [again] = sent()
    assert again.extra_headers == letter.extra_headers
    assert "Guest 0" in again.body
    assert "Guest 1" not in again.body
    later(15)
    [new] = sent()
    assert new.extra_headers != letter.extra_headers
    assert "Guest 1" in new.body
    assert "Guest 0" not in new.body


def test_letters_of_a_version_without_digests_are_not_told_again(
    seat: AccountManager, card: Product
) -> None:
    order = with_lines(seat, card, 4)
    first, second, *_others = order.items.all()
    OrderItem.objects.filter(pk=first.pk).update(quantity_delivered=1)
    Fulfillment.objects.filter(reference=first.pk).update(quantity_shipped=1)
    for kind, facts in (
        (LetterKind.SHIPPED, {"quantity": 1}),
        (LetterKind.DELIVERED, {"quantity": 1}),
        (LetterKind.REFUNDED, {"points": 3}),
    ):
        Letter.objects.create(
            order=order, item=first, kind=kind, key=f"{kind}", to="ada@n.example", facts=facts
        )
    sent()
    with transaction.atomic():
        digests.gather(order)
    later(15)
    assert sent() == []
    assert not Letter.objects.filter(kind=LetterKind.DIGEST).exists()
    arrives(second)
    later(15)
    [letter] = sent()
    assert "Guest 1" in letter.body
    assert "Guest 0" not in letter.body


def test_an_order_of_one_line_has_its_letters_at_once_as_before(seat: AccountManager) -> None:
    order = paid(seat, (ProductFactory.create(name="Book"), 3))
    parcel = shipped(order)
    desk.deliver(shipment=parcel, by=Actor.in_seat(seat))
    number = order.order_number
    assert [letter.subject for letter in sent()] == [
        f"Order {number} is confirmed",
        "On its way: Book",
        "Delivered: Book",
    ]
    assert not Letter.objects.filter(kind=LetterKind.DIGEST).exists()


def test_the_story_tells_of_a_digest_in_one_entry_and_retrying_hurries_none(
    seat: AccountManager, card: Product, client_for: SignIn
) -> None:
    order = with_lines(seat, card, 12)
    items = list(order.items.all())
    for item in items[:7]:
        arrives(item)
    fails(items[7])
    page = said(client_for(seat).get(order.get_absolute_url()))
    assert page.count("gathers news until") == 1
    retry_now(order=order, by=Actor.in_seat(seat))
    assert sent() == []
    later(15)
    [_letter] = sent()
    page = said(client_for(seat).get(order.get_absolute_url()))
    assert page.count("7 delivered, 1 not delivered") == 1
    assert "gathers news" not in page


def test_sending_a_digest_of_500_lines_costs_the_statements_of_3(
    seat: AccountManager, card: Product
) -> None:
    counted = []
    for lines in (3, 3, 500):  # the first compiles what is compiled once
        order = with_lines(seat, card, 3)
        pattern = order.items.all()[0]
        OrderItem.objects.bulk_create(
            OrderItem(
                **{
                    field.attname: getattr(pattern, field.attname)
                    for field in OrderItem._meta.concrete_fields
                    if field.name != "id"
                }
            )
            for _ in range(lines - 3)
        )
        order.items.update(quantity_delivered=1)
        with transaction.atomic():
            digests.gather(order)
        later(15)
        with CaptureQueriesContext(connection) as seen:
            [letter] = sent()
        counted.append(len(seen))
        assert f"{lines} of {lines} pieces delivered" in letter.subject
    assert counted[1] == counted[2]


# --- News at the moment of sending ---------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_news_that_is_written_while_a_digest_is_sent_is_in_it(
    seat: AccountManager, card: Product
) -> None:
    due, second = one_told(seat, card)
    with while_somebody(lambda: arrives(second)):
        assert send_letter(due.pk)
    assert "2 of 4" in mail.outbox[-1].subject


@pytest.mark.django_db(transaction=True)
def test_without_the_lock_on_the_digest_such_news_is_lost(
    seat: AccountManager, card: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    due, second = one_told(seat, card)

    def write(order: RedemptionOrder, *, due: Any, update: str) -> None:
        key = Letter.gathering_key(order.pk)
        letter = Letter(
            order=order, kind="digest", key=key, to="ada@n.example", next_attempt_at=due
        )
        Letter.objects.bulk_create([letter], ignore_conflicts=True)

    # replaced: the guard that this test takes away, and the order's lock, which guards it too
    monkeypatch.setattr(digests, "_lock_gathering", lambda _order: None)
    monkeypatch.setattr(digests, "_write", write)
    monkeypatch.setattr(OrderQuerySet, "beat", lambda *_orders, **_changes: 0)
    written, over = threading.Event(), threading.Event()

    def works() -> None:
        try:
            with transaction.atomic():
                arrives(second)
                written.set()
                over.wait(20)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as others:
        working = others.submit(works)
        written.wait(20)
        send_letter(due.pk)
        over.set()
        working.result()
    assert "1 of 4" in mail.outbox[-1].subject
    assert not Letter.objects.filter(key=Letter.gathering_key(due.order_id)).exists()


@pytest.mark.django_db(transaction=True)
def test_an_order_that_ends_while_its_digest_is_closed_is_told_whole_at_once(
    seat: AccountManager, card: Product
) -> None:
    due, *_rest = one_told(seat, card)
    *others, last = due.order.items.all()[1:]
    for item in others:
        arrives(item)
    token = Letter.objects.lease(due.pk, seconds=60)
    assert token
    with while_somebody(lambda: arrives(last)):
        assert digests.close(due.pk, token)
    due.refresh_from_db()
    assert due.facts["whole"]
    assert due.order.status == OrderStatus.COMPLETED
    assert Letter.objects.filter(kind=LetterKind.DIGEST).count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_digest_that_another_process_has_meanwhile_is_left_to_it(
    seat: AccountManager, card: Product
) -> None:
    due, _second = one_told(seat, card)
    mail.outbox.clear()
    orders = RedemptionOrder.objects.filter(pk=due.order_id)
    taken_over = partial(Letter.objects.filter(pk=due.pk).update, lease_token=uuid.uuid4())
    with while_somebody(orders.beat, taken_over):
        send_letter(due.pk)
    due.refresh_from_db()
    assert due.is_gathering
    assert mail.outbox == []


def one_told(seat: AccountManager, card: Product) -> tuple[Letter, OrderItem]:
    """A due digest about the first line, and the second line."""
    order = with_lines(seat, card, 4)
    first, second, *_others = order.items.all()
    arrives(first)
    later(15)
    return Letter.objects.get(kind=LetterKind.DIGEST), second
