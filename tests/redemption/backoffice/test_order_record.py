"""“Where is it”: the one page of an order shows everything, for any number of lines; notes; letters."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from fulfillment.models import PartnerCall, VirtualCode
from fulfillment.states import CallStatus
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.ids import uuid7
from redemption.backoffice.bodies import HIDDEN, masked
from redemption.messages import digests
from redemption.messages.notifications import send_letter
from redemption.models import Callback, Letter, OrderItem, OrderNote, RedemptionOrder
from redemption.orders.actions import letters
from redemption.orders.actions import services as aftercare
from redemption.saga.steps import RedemptionError
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import ProductFactory
from tests.redemption.factories import letters_sent
from tests.redemption.pages import said
from tests.support.orders.order_kinds import confirmed_order, parcel_of
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db


def page_of(order: RedemptionOrder, query: str = "") -> str:
    return reverse("admin:redemption_redemptionorder_change", args=[order.pk]) + query


def address(order: RedemptionOrder, verb: str) -> str:
    return reverse("admin:redemption_redemptionorder_do", args=[order.pk, verb])


def cards(number: int) -> RedemptionOrder:
    """An order of so many virtual lines, each with a call to the partner."""
    return confirmed_order(*[(ProductFactory.create(virtual=True), 1) for _ in range(number)])


def asked(order: RedemptionOrder) -> PartnerCall:
    """The first call of an order, tried once without a clear answer."""
    call = PartnerCall.objects.filter(fulfillment__label=order.order_number)[0]
    call.transition(CallStatus.SENT, attempts=1)
    call.transition(
        CallStatus.UNKNOWN, answer_detail="no answer in time", reason="no answer in time"
    )
    return call


# --- Where is it ---------------------------------------------------------------------------------


def test_a_line_shows_each_try_of_its_call_and_each_callback_about_it() -> None:
    order = cards(1)
    call = asked(order)
    Callback.objects.create(
        webhook_id="msg_7", event_type="fulfillment.processing", reference=str(call.fulfillment_id),
        body="SECRET", problem="too early",
    )  # fmt: skip
    page = said(browser(staff("support")).get(page_of(order)))
    for shown in ("Asking", "No clear answer yet", "no answer in time", "msg_7", "too early"):
        assert shown in page
    assert "SECRET" not in page


def test_people_in_a_call_are_read_by_who_works_with_deliveries_and_codes_by_nobody() -> None:
    order = cards(1)
    OrderItem.objects.update(recipient_phone="")
    PartnerCall.objects.update(body='{"recipient":{"phone":"+49 1"},"sku":"GC","code":"CODE-1"}')
    for group, read in (("support", "+49 1"), ("finance", HIDDEN)):
        page = said(browser(staff(group)).get(page_of(order)))
        assert read in page
        assert "&quot;sku&quot;: &quot;GC&quot;" in page
        assert "CODE-1" not in page
    assert "+49 1" not in said(browser(staff("finance")).get(page_of(order)))
    assert masked("{broken", people=True) == HIDDEN


def test_the_first_lines_of_many_are_shown_and_the_others_on_request_or_by_status() -> None:
    order = cards(25)
    last = order.items.last()
    assert last
    OrderItem.objects.filter(pk=last.pk).update(fulfillment_status="FAILED")
    client = browser(staff("support"))
    short, whole = said(client.get(page_of(order))), said(client.get(page_of(order, "?all")))
    failed = said(client.get(page_of(order, "?lines=FAILED")))
    assert [text.count('class="line"') for text in (short, whole, failed)] == [20, 25, 1]
    assert "Show everything: 5 more lines" in short
    assert f"line-{last.pk}" in failed
    assert said(client.get(page_of(order, "?lines=%00nonsense"))).count('class="line"') == 20


def test_an_order_of_many_lines_takes_as_many_queries_as_one_of_one_line() -> None:
    one, many, client = cards(1), cards(40), browser(staff("support"))
    client.get(page_of(one))
    taken = []
    for order in (one, many):
        asked(order)
        with CaptureQueriesContext(connection) as queries:
            client.get(page_of(order, "?all"))
        taken.append(len(queries))
    assert taken[0] == taken[1] <= 19  # 7 of them are who it is and the menu


# --- Notes ---------------------------------------------------------------------------------------


def test_a_note_is_read_by_staff_with_its_author_and_never_by_the_company(client_for: Any) -> None:
    order, clerk = cards(1), staff("support")
    page = said(
        browser(clerk).post(
            address(order, "note"), {"text": "Called: is away till May."}, follow=True
        )
    )
    assert "Noted." in page
    page = said(browser(staff("finance")).get(page_of(order)))
    assert "Called: is away till May." in page
    assert str(clerk) in page
    theirs = said(client_for(order.account_manager).get(order.get_absolute_url() + "?all"))
    assert "till May" not in theirs
    assert "till May" not in said(browser(staff("catalogue")).get(page_of(order)))


def test_a_note_cannot_be_empty_too_long_or_invisible() -> None:
    order, client = cards(1), browser(staff("support"))
    for text in ("", "  ", "\u200b", "x" * 2001):
        answer = client.post(address(order, "note"), {"text": text})
        assert answer.status_code == 422
    by = Actor.person(staff("support"))
    for text in (" ", "x" * 2001):
        with pytest.raises(RedemptionError):
            aftercare.write_note(order=order, text=text, token=uuid7(), by=by)
    assert not OrderNote.objects.exists()


def test_a_note_is_written_once_and_stays() -> None:
    order = cards(1)
    by = Actor.person(staff("support"))
    note = aftercare.write_note(order=order, text="x" * 2000, token=uuid7(), by=by)
    for change in (lambda: OrderNote.objects.update(text="y"), note.delete):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
    for text in ("", "x" * 2001):
        with pytest.raises(DatabaseError), transaction.atomic():
            OrderNote.objects.create(order=order, text=text, by=note.by)


@pytest.mark.parametrize("group", ["auditor", "warehouse", "fulfillment"])
def test_who_may_not_write_a_note_or_send_a_letter_is_refused(group: str) -> None:
    order, who = cards(1), staff(group)
    letter = order.letters.get()
    assert browser(who).post(address(order, "note"), {"text": "x"}).status_code == 403
    assert browser(who).post(address(order, "letter"), {"letter": letter.pk}).status_code == 403
    with pytest.raises(RedemptionError, match="You may not write notes"):
        aftercare.write_note(order=order, text="x", token=uuid7(), by=Actor.person(who))
    with pytest.raises(RedemptionError, match="You may not send letters again"):
        letters.send_again(order=order, letter_id=letter.pk, by=Actor.person(who))


# --- Letters -------------------------------------------------------------------------------------


def test_a_letter_is_sent_once_more_and_the_order_says_who_asked(mailoutbox: Any) -> None:
    order, clerk = cards(1), staff("support")
    first = order.letters.get()
    send_letter(first.pk)
    page = said(browser(clerk).post(address(order, "letter"), {"letter": first.pk}, follow=True))
    assert "It is sent once more" in page
    assert "Had the letter “Order confirmed” sent again." in page
    again = order.letters.get(again_of=first)
    send_letter(again.pk)
    one, other = mailoutbox
    assert (one.subject, one.to, one.body) == (other.subject, other.to, other.body)
    assert one.extra_headers["Message-ID"] != other.extra_headers["Message-ID"]


def test_a_letter_that_waits_was_just_repeated_or_is_of_another_order_is_not_sent_again() -> None:
    order, other = cards(1), cards(1)
    by, first = Actor.person(staff("support")), order.letters.get()

    def refused(letter: Letter) -> str:
        with pytest.raises(RedemptionError) as problem:
            letters.send_again(order=order, letter_id=letter.pk, by=by)
        return str(problem.value)

    assert "was not sent yet" in refused(first)
    assert "has no such letter" in refused(other.letters.get())
    letters_sent(order)
    again = letters.send_again(order=order, letter_id=first.pk, by=by)
    letters_sent(order)
    assert "less than five minutes ago" in refused(first)
    assert "less than five minutes ago" in refused(again)
    client = browser(staff("support"))
    for posted in ({}, {"letter": "nonsense"}, {"letter": str(other.letters.get().pk)}):
        told = said(client.post(address(order, "letter"), posted, follow=True))
        assert "on the order's page" in told or "no such letter" in told


def test_a_copy_of_a_digest_does_not_hide_news_from_the_next_one() -> None:
    order = confirmed_order(*[(ProductFactory.create(virtual=True), 1) for _ in range(2)])
    first, second = order.items.all()
    Letter.objects.create(
        order=order, kind="digest", key="d", to="a@b.example", sent_at=timezone.now() - timedelta(hours=1),
        next_attempt_at=None, facts={"lines": {str(first.pk): [0, 1, 0]}, "back": 0, "whole": False},
    )  # fmt: skip
    letters.send_again(
        order=order, letter_id=order.letters.get(key="d").pk, by=Actor.person(staff("support"))
    )
    OrderItem.objects.filter(pk=first.pk).update(quantity_delivered=1)
    OrderItem.objects.filter(pk=second.pk).update(quantity_delivered=1)
    digests.gather(order)
    gathering = order.letters.get(key=Letter.gathering_key(order.pk))
    Letter.objects.filter(pk=gathering.pk).update(
        next_attempt_at=timezone.now() - timedelta(minutes=1)
    )
    token = Letter.objects.lease(gathering.pk, seconds=60)
    assert token
    assert digests.close(gathering.pk, token)
    gathering.refresh_from_db()
    assert list(gathering.facts["lines"]) == [str(second.pk)]


def test_a_letter_is_looked_at_in_a_sandbox_and_holds_no_code() -> None:
    order = cards(1)
    VirtualCode.objects.create(
        fulfillment=parcel_of(order), position=1, code="SECRET-CODE", pin="SECRET-PIN"
    )
    letter = order.letters.get()
    there = reverse("admin:redemption_letter_preview", args=[letter.pk])
    answer = browser(staff("support")).get(there)
    assert answer.status_code == 200
    assert order.order_number in said(answer)
    assert "SECRET" not in said(answer)
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-popups; default-src 'none'")
    assert "script" not in policy
    assert browser(staff("finance")).get(there).status_code == 403
    Letter.objects.update(kind="of no kind")
    assert browser(staff("support")).get(there).status_code == 404


def test_the_record_names_the_two_people_of_a_decision_and_their_evidence() -> None:
    seat = SeatFactory.create()
    order = confirmed_order((ProductFactory.create(virtual=True), 1), seat=seat)
    fay, gil = staff("finance"), staff("finance")
    order.items.get().decisions.create(
        verdict="UNDELIVERED", evidence="Ticket 4711.", status="CONFIRMED", proposed_by=fay,
        decided_by=gil, decided_at=timezone.now(),
    )  # fmt: skip
    page = said(browser(staff("support")).get(page_of(order)))
    for shown in ("Ticket 4711.", f"proposed by {fay}", f"decided by {gil}"):
        assert shown in " ".join(page.split())
