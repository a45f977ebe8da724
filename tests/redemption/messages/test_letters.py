"""The letters' contents: HTML and text, no markup in the text, and no code in either."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.db import OperationalError, connection

from accounts.models import AccountManager, CopyTo, LetterCopy, LetterOff, LetterTopic
from catalog.models import Product
from fulfillment import services as desk
from fulfillment.models import Fulfillment
from fulfillment.withdrawing import withdraw
from loyalty_portal.data.actor import Actor
from redemption.messages import notifications
from redemption.messages.notifications import compose, send_letter
from redemption.models import Letter, LetterKind, RedemptionOrder
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import ProductFactory
from tests.redemption.factories import delivered_by_mail, paid, placed, settle, shipped

pytestmark = pytest.mark.django_db


@pytest.fixture
def seat() -> AccountManager:
    return SeatFactory.create(company__name="Smith & Sons")


@pytest.fixture
def book() -> Product:
    return ProductFactory.create(name="Tom & Jerry's <Guide>", points_cost=1_500)


def letter(order: RedemptionOrder, kind: LetterKind) -> Any:
    found = Letter.objects.select_related("order__company", "order__account_manager__user", "item")
    return compose(found.get(order=order, kind=kind))


def checked(message: Any, *facts: str) -> str:
    """Check that the message is complete and has the facts in both forms. Returns the text."""
    html = str(message.alternatives[0][0])
    for fact in facts:
        assert fact in message.body
    for part in (message.body, html):
        assert "{{" not in part
        assert "{%" not in part
    assert "&amp;" not in message.body
    assert "<" not in message.body.replace("<Guide>", "")
    assert "<Guide>" not in html
    assert "http" in message.body
    assert "\n" not in message.subject
    return str(message.body)


def test_a_confirmation_names_the_points_the_things_and_who_gets_them(
    seat: AccountManager, book: Product
) -> None:
    order = paid(seat, (book, 2), reference="Q4")
    message = letter(order, LetterKind.CONFIRMED)
    assert message.to == [seat.user.email]
    assert message.subject == f"Order {order.order_number} is confirmed"
    things = ("2 × Tom & Jerry's <Guide>", "3,000 points", "Ada Byron", "Smith & Sons", "Q4")
    checked(message, *things, order.get_absolute_url())
    assert "Points taken" in message.alternatives[0][0]


def test_a_shipping_letter_names_carrier_and_tracking_number(
    seat: AccountManager, book: Product
) -> None:
    order = paid(seat, (book, 2))
    shipped(order)
    message = letter(order, LetterKind.SHIPPED)
    assert message.subject == "On its way: Tom & Jerry's <Guide>"
    checked(message, "DHL", "JJD1", "Invalidenstr. 43")
    checked(message, "dhl.de/de/privatkunden/pakete-empfangen/verfolgen.html?piececode=JJD1")


def test_a_delivery_letter_for_a_parcel_names_who_got_it(
    seat: AccountManager, book: Product
) -> None:
    order = paid(seat, (book, 2))
    desk.deliver(shipment=shipped(order), by=Actor.in_seat(seat))
    checked(letter(order, LetterKind.DELIVERED), "2 ×", "reached Ada Byron")


def test_a_delivery_letter_for_codes_holds_no_code_but_the_way_to_it(seat: AccountManager) -> None:
    order = paid(seat, (ProductFactory.create(virtual=True), 1))
    delivered_by_mail(order, "SECRET-CODE")
    message = letter(order, LetterKind.DELIVERED)
    text = checked(message, "ada@northwind.example", order.get_absolute_url())
    assert "SECRET-CODE" not in text + str(message.alternatives[0][0])


def test_a_cancellation_says_that_nothing_is_owed(seat: AccountManager, book: Product) -> None:
    order = paid(seat, (book, 1))
    withdraw(references=[order.items.get().pk], by=Actor.in_seat(seat), reason="Ordered twice")
    settle(order.transactions.get(transaction_type="CREDIT"))
    message = letter(order, LetterKind.CANCELLED)
    checked(message, "nothing is owed")
    assert "Points taken" not in message.alternatives[0][0]


def test_a_refund_names_points_product_and_reason(seat: AccountManager, book: Product) -> None:
    order = paid(seat, (book, 3))
    parcel = Fulfillment.objects.get(label=order.order_number)
    desk.claim(fulfillment=parcel, by=Actor.in_seat(seat))
    desk.cannot_supply(
        fulfillment=parcel, quantity=1, reason="Water damage", by=Actor.in_seat(seat)
    )
    settle(order.transactions.get(transaction_type="CREDIT"))
    message = letter(order, LetterKind.REFUNDED)
    assert message.subject == "1,500 points are back"
    checked(message, "Tom & Jerry's <Guide>", "Water damage")


def test_a_declined_order_says_why_in_plain_words(seat: AccountManager, book: Product) -> None:
    order = placed(seat, (book, 1))
    settle(order.transactions.get(), refused="insufficient_points")
    message = letter(order, LetterKind.DECLINED)
    assert "insufficient_points" not in checked(message, "There were not enough points")
    assert "Points taken" not in message.alternatives[0][0]


def test_what_somebody_typed_begins_no_line_of_a_plain_letter(
    seat: AccountManager, book: Product
) -> None:
    forged = "Q4\r\n\r\nYour points expire today, sign in at http://evil.example\u2028now"
    order = paid(seat, (book, 2), reference=forged)
    type(seat.company).objects.update(name=f"Smith{forged}")
    order.items.update(
        product_name=forged, recipient_name=forged, address_line2=forged, city=f"{forged}!"
    )
    shipped(order)
    for kind in (LetterKind.CONFIRMED, LetterKind.SHIPPED):
        message = letter(order, kind)
        for line in (*message.body.splitlines(), message.subject):
            assert not line.startswith(("Your points", "now"))
        assert "Q4 Your points expire today" in message.body


def test_a_reason_and_a_carrier_begin_no_line_of_a_plain_letter(
    seat: AccountManager, book: Product
) -> None:
    order = paid(seat, (book, 3))
    parcel = Fulfillment.objects.get(label=order.order_number)
    desk.claim(fulfillment=parcel, by=Actor.in_seat(seat))
    desk.cannot_supply(fulfillment=parcel, quantity=1, reason="Wet\nForged", by=Actor.in_seat(seat))
    settle(order.transactions.get(transaction_type="CREDIT"))
    assert "Wet Forged" in letter(order, LetterKind.REFUNDED).body


@pytest.mark.django_db(transaction=True)
def test_a_letter_goes_out_once_and_its_row_says_when(seat: AccountManager, book: Product) -> None:
    order = paid(seat, (book, 1))
    due = order.letters.get()
    assert send_letter(due.pk)
    assert not send_letter(due.pk)
    [sent] = mail.outbox
    assert isinstance(sent, mail.EmailMultiAlternatives)
    assert sent.alternatives[0][1] == "text/html"
    due.refresh_from_db()
    assert due.sent_at is not None


@contextmanager
def somebody_holds(order: RedemptionOrder) -> Iterator[None]:
    """Another connection locks the order, and this one soon gives up waiting for locks."""
    somebody = connection.copy()
    somebody.set_autocommit(False)
    with connection.cursor() as cursor, somebody.cursor() as other:
        other.execute("SELECT 1 FROM redemption_order WHERE id = %s FOR UPDATE", [order.pk])
        cursor.execute("SET lock_timeout = '50ms'")
        try:
            yield
        finally:
            cursor.execute("SET lock_timeout = '5s'")
            somebody.rollback()
            somebody.close()


def sent_while_its_order_is_locked(order: RedemptionOrder) -> Letter:
    """Send the order's letter while its order is locked, and again when its lease has run out."""
    due = order.letters.get()
    with somebody_holds(order), pytest.raises(OperationalError, match="lock timeout"):
        send_letter(due.pk)
    Letter.objects.update(lease_until="2020-01-01T00:00:00Z")
    assert send_letter(due.pk)
    due.refresh_from_db()
    return due


@pytest.mark.django_db(transaction=True)
def test_a_letter_is_recorded_as_sent_while_its_order_is_locked_and_is_not_sent_again(
    seat: AccountManager, book: Product
) -> None:
    order = paid(seat, (book, 1))
    pulse = RedemptionOrder.objects.get(pk=order.pk).pulse
    due = sent_while_its_order_is_locked(order)
    assert len(mail.outbox) == 1
    assert due.sent_at is not None
    assert due.next_attempt_at is None
    # An open page of the order hears of it as soon as the order is free.
    assert RedemptionOrder.objects.get(pk=order.pk).pulse == pulse + 1


@pytest.mark.django_db(transaction=True)
def test_recorded_only_with_the_orders_lock_it_is_sent_twice(
    seat: AccountManager, book: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control."""
    # replaced: negative control, the record of its own taken away
    monkeypatch.setattr(notifications, "_went_out", lambda _letter, _token, _facts: None)
    sent_while_its_order_is_locked(paid(seat, (book, 1)))
    assert len({message.extra_headers["Message-ID"] for message in mail.outbox}) == 1
    assert len(mail.outbox) == 2


# --- Who gets them -------------------------------------------------------------------------------


def due(order: RedemptionOrder) -> Letter:
    return Letter.objects.get(order=order, kind=LetterKind.CONFIRMED)


def test_who_switched_letters_of_a_topic_off_gets_none_but_those_that_must_be_read(
    seat: AccountManager, book: Product
) -> None:
    LetterOff.objects.create(user=seat.user, topic=LetterTopic.PROGRESS)
    order = paid(seat, (book, 1))
    assert send_letter(due(order).pk)
    assert mail.outbox == []
    kept = due(order)
    assert (kept.sent_at, kept.next_attempt_at, kept.problem) == (None, None, "")
    assert kept.facts["not_wanted"]
    LetterOff.objects.create(user=seat.user, topic=LetterTopic.POINTS_BACK)
    refused = placed(seat, (book, 1))
    settle(refused.transactions.get(), refused="insufficient_points")
    assert send_letter(Letter.objects.get(order=refused).pk)
    assert [each.to for each in mail.outbox] == [[seat.email]]


def test_copies_go_to_each_reader_once_in_their_language(
    seat: AccountManager, book: Product
) -> None:
    """To owners and the mailbox; not to those who switched copies off, left, or ordered."""
    company = seat.company
    owner = SeatFactory.create(company=company, owner=True, user__language="de")
    SeatFactory.create(company=company, owner=True, is_active=False)
    quiet = SeatFactory.create(company=company, owner=True)
    LetterOff.objects.create(user=quiet.user, topic=LetterTopic.COPIES)
    SeatFactory.create(company=company, approver=True)
    topic = LetterTopic.PROGRESS
    LetterCopy.objects.create(company=company, topic=topic, to=CopyTo.OWNERS)
    LetterCopy.objects.create(
        company=company, topic=topic, to=CopyTo.MAILBOX, email="books@smith.example"
    )
    order = paid(seat, (book, 1))
    assert send_letter(due(order).pk)
    assert [each.to for each in mail.outbox] == [
        [seat.email], [owner.email], ["books@smith.example"],
    ]  # fmt: skip
    mine, german, mailbox = mail.outbox
    assert "This is a copy" not in mine.body
    assert "This is a copy" in mailbox.body
    assert "Bestellung" in german.subject
    assert len({each.extra_headers["Message-ID"] for each in mail.outbox}) == 3
    assert due(order).sent_at
    other = paid(SeatFactory.create(), (book, 1))
    send_letter(due(other).pk)
    assert len(mail.outbox) == 4  # copies of one company's letters are no other's


def test_a_copy_that_failed_is_tried_again_alone(
    seat: AccountManager, book: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    LetterCopy.objects.create(
        company=seat.company, topic=LetterTopic.PROGRESS, to=CopyTo.MAILBOX, email="b@smith.example"
    )
    order = paid(seat, (book, 1))
    true_send = EmailMessage.send

    def refused_for_copies(message: EmailMessage, *args: Any, **kwargs: Any) -> int:
        if message.to == ["b@smith.example"]:
            raise OSError("no such server")
        return true_send(message, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(EmailMessage, "send", refused_for_copies)  # replaced: a server that fails
        assert send_letter(due(order).pk)
    assert due(order).problem == "OSError"
    Letter.objects.update(next_attempt_at="2020-01-01T00:00:00Z")
    assert send_letter(due(order).pk)
    assert [each.to for each in mail.outbox] == [[seat.email], ["b@smith.example"]]
    assert due(order).sent_at
