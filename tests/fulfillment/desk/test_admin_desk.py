"""The desk in the admin: from the queue to the recipient, one person at a time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from fulfillment.models import Fulfillment, Shipment
from fulfillment.states import FulfillmentStatus
from inventory.models import Inventory
from redemption.models import TransactionType
from redemption.states import LineStatus, OrderStatus
from tests.catalog.factories import ProductFactory
from tests.support.orders.order_kinds import confirmed_order, parcel_of
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db
QUEUE = "/admin/fulfillment/fulfillment/"


def queued(quantity: int = 1, **fields: Any) -> Fulfillment:
    """A parcel of `quantity` pieces that waits at the desk."""
    return parcel_of(confirmed_order((ProductFactory.create(**fields), quantity)))


def address(parcel: Fulfillment, verb: str) -> str:
    return reverse("admin:fulfillment_fulfillment_do", args=[parcel.pk, verb])


def page_of(parcel: Fulfillment) -> str:
    return reverse("admin:fulfillment_fulfillment_change", args=[parcel.pk])


def read(client: Client, parcel: Fulfillment) -> str:
    return client.get(page_of(parcel)).content.decode()


def said(client: Client, parcel: Fulfillment, verb: str, **data: Any) -> str:
    """Press a button. Returns the text of the next page."""
    return client.post(address(parcel, verb), data, follow=True).content.decode()


def promise_in(parcel: Fulfillment, **time: int) -> None:
    when = timezone.now() + timedelta(**time)
    Fulfillment.objects.filter(pk=parcel.pk).update(promised_by=when)


def at_once(user: User, press: Callable[[Client], int], people: int = 8) -> list[int]:
    """The sorted statuses when many people press at the same time."""
    start = Barrier(people)

    def one(_number: int) -> int:
        client = browser(user)
        start.wait()
        try:
            return press(client)
        finally:
            connection.close()

    with ThreadPoolExecutor(people) as pool:
        return sorted(pool.map(one, range(people)))


def test_a_parcel_goes_from_the_queue_to_its_recipient() -> None:
    parcel, packer = queued(2), staff("fulfillment")
    client = browser(packer)
    assert "You are working on this one." in said(client, parcel, "claim")
    assert "Packed." in said(client, parcel, "pack")
    shipped = said(
        client, parcel, "ship", seen=2, quantity=2, carrier="DHL", tracking_number="0034"
    )
    assert "2 pieces shipped with DHL." in shipped
    assert "0034" in shipped
    shipment = Shipment.objects.get()
    assert "The parcel has arrived." in said(client, parcel, "deliver", shipment=shipment.pk)
    parcel.refresh_from_db()
    assert parcel.status == FulfillmentStatus.DELIVERED
    assert [event.by for event in parcel.events.exclude(from_status="")] == [packer] * 4


def test_a_line_ships_in_parts_and_only_what_is_missing_is_given_back() -> None:
    order = confirmed_order((ProductFactory.create(points_cost=100), 5))
    parcel, client = parcel_of(order), browser(staff("warehouse"))
    said(client, parcel, "pack")
    said(client, parcel, "ship", seen=5, quantity=3, carrier="UPS")
    page = said(client, parcel, "cannot_supply", seen=2, quantity=2, reason="Broken in the store")
    assert "2 pieces given up; their points go back." in page
    page = said(client, parcel, "deliver", shipment=Shipment.objects.get().pk)
    story = page.partition("What happened")[2]
    assert "<b>Shipped in part</b>" in story
    assert "3 of 5 shipped: UPS" in story
    assert "2 of 5 cannot be supplied: Broken in the store" in story
    assert "3 of 5 arrived: UPS" in story
    order.refresh_from_db()
    assert order.status == OrderStatus.COMPLETED
    credit = order.transactions.get(transaction_type=TransactionType.CREDIT)
    assert (credit.points_amount, credit.reason) == (200, "Broken in the store")


def test_the_story_tells_each_parcel_and_each_piece_while_the_line_stays_open() -> None:
    parcel, client = queued(5), browser(staff("warehouse"))
    said(client, parcel, "pack")
    said(client, parcel, "ship", seen=5, quantity=2, carrier="UPS", tracking_number="1Z")
    page = said(client, parcel, "deliver", shipment=Shipment.objects.get().pk)
    assert "2 of 5 shipped: UPS 1Z" in page
    assert "<b>2 of 5 arrived: UPS 1Z</b>" in page
    page = said(client, parcel, "cannot_supply", seen=3, quantity=1, reason="Broken")
    assert "<b>1 of 5 cannot be supplied: Broken</b>" in page
    parcel.refresh_from_db()
    assert parcel.status == FulfillmentStatus.QUEUED


def test_what_came_back_is_recorded_in_units_and_nothing_is_credited_yet() -> None:
    order = confirmed_order((ProductFactory.create(points_cost=100), 3))
    parcel, client = parcel_of(order), browser(staff("fulfillment"))
    said(client, parcel, "pack")
    said(client, parcel, "ship", seen=3, quantity=3, carrier="UPS")
    said(client, parcel, "deliver", shipment=Shipment.objects.get().pk)
    form = {"with_recipient": 3, "returned": 2, "to": "WRITTEN_OFF", "reason": "Wrong colour"}
    page = said(client, parcel, "return", **form)
    assert "Taken back. Finance decides about the points." in page
    assert "2 of 3 came back: Wrong colour (Written off)" in page
    assert order.items.get().fulfillment_status == LineStatus.DELIVERED
    assert "Somebody has worked on this" in said(client, parcel, "return", **form)
    said(client, parcel, "return", **form | {"with_recipient": 1, "returned": 1})
    assert order.items.get().fulfillment_status == LineStatus.RETURNED
    assert order.items.get().quantity_returned == 3
    assert not order.transactions.filter(transaction_type=TransactionType.CREDIT).exists()


def test_the_second_to_claim_reads_who_was_first() -> None:
    parcel, first = queued(), staff("fulfillment")
    said(browser(first), parcel, "claim")
    page = said(browser(staff("warehouse")), parcel, "claim")
    assert f"{first.name} is working on this one." in page
    parcel.refresh_from_db()
    assert parcel.claimed_by == first


def test_a_claim_can_be_put_back_for_anyone() -> None:
    parcel, client = queued(), browser(staff("fulfillment"))
    said(client, parcel, "claim")
    assert "Put back for anyone." in said(client, parcel, "unclaim")
    parcel.refresh_from_db()
    assert parcel.claimed_by is None


def test_shipping_what_is_not_packed_is_refused_and_keeps_what_was_typed() -> None:
    parcel = queued(2)
    page = browser(staff("fulfillment")).post(
        address(parcel, "ship"),
        {"seen": 2, "quantity": 1, "carrier": "DHL", "tracking_number": "77"},
    )
    assert page.status_code == 422
    assert "This is not possible any more" in str(page.context["acts"]["ship"].form.errors)
    assert not Shipment.objects.exists()


@pytest.mark.parametrize("number", ["0", "-1", "3", "1.5", "abc", "1e18", "9" * 30, ""])
def test_no_such_number_of_pieces_can_be_shipped(number: str) -> None:
    parcel, client = queued(2), browser(staff("fulfillment"))
    said(client, parcel, "pack")
    page = client.post(
        address(parcel, "ship"), {"seen": 2, "quantity": number, "carrier": "Post & Co"}
    )
    assert page.status_code == 422
    assert 'value="Post &amp; Co"' in page.content.decode()
    assert not Shipment.objects.exists()


def test_a_parcel_of_another_fulfillment_cannot_be_delivered_here() -> None:
    mine, other = queued(), queued()
    client = browser(staff("fulfillment"))
    said(client, other, "pack")
    said(client, other, "ship", seen=1, quantity=1, carrier="UPS")
    page = client.post(address(mine, "deliver"), {"shipment": Shipment.objects.get().pk})
    assert page.status_code == 422
    assert Shipment.objects.get().delivered_at is None


@pytest.mark.django_db(transaction=True)
def test_eight_people_who_ship_the_same_piece_at_once_send_one_parcel() -> None:
    parcel, user = queued(3), staff("fulfillment")
    said(browser(user), parcel, "pack")
    form = {"seen": 3, "quantity": 1, "carrier": "DHL", "tracking_number": ""}
    answers = at_once(user, lambda client: client.post(address(parcel, "ship"), form).status_code)
    assert answers == [303] + [422] * 7
    assert Shipment.objects.get().lines.get().quantity == 1
    stock = Inventory.objects.get()
    assert (stock.quantity_available, stock.quantity_reserved) == (97, 2)


@pytest.mark.django_db(transaction=True)
def test_eight_people_who_pack_at_once_pack_once() -> None:
    parcel, user = queued(), staff("fulfillment")
    answers = at_once(user, lambda client: client.post(address(parcel, "pack")).status_code)
    assert answers == [303] * 8
    assert parcel.events.filter(to_status=FulfillmentStatus.PACKED).count() == 1


def test_the_queue_shows_the_most_pressing_promise_first_with_its_age_in_words() -> None:
    later, late, soon = queued(), queued(), queued()
    promise_in(later, days=3, minutes=1)
    promise_in(late, hours=-5)
    promise_in(soon, hours=5, minutes=1)
    page = browser(staff("fulfillment")).get(QUEUE)
    assert list(page.context["cl"].result_list) == [late, soon, later]
    text = page.content.decode().replace("\xa0", " ")
    for tone, word in (("bad", "5 hours late"), ("warn", "in 5 hours"), ("ok", "in 3 days")):
        assert f'badge--{tone}"' in text
        assert word in text


def test_the_queue_holds_what_is_to_be_sent_until_asked_for_something_else() -> None:
    waiting, sent = queued(), queued()
    client = browser(staff("fulfillment"))
    said(client, sent, "pack")
    said(client, sent, "ship", seen=1, quantity=1, carrier="UPS")
    for stage, found in (("", [waiting]), ("way", [sent]), ("settled", [])):
        page = client.get(QUEUE, {"stage": stage} if stage else {})
        assert list(page.context["cl"].result_list) == found
    assert client.get(QUEUE, {"claim": "mine", "stage": "all"}).context["cl"].result_count == 1


def test_virtual_deliveries_are_not_the_desks() -> None:
    order = confirmed_order((ProductFactory.create(virtual=True), 1))
    parcel = parcel_of(order)
    client = browser(staff("fulfillment"))
    assert client.get(QUEUE, {"stage": "all"}).context["cl"].result_count == 0
    assert client.get(page_of(parcel)).status_code == 404
    assert client.post(address(parcel, "claim")).status_code == 404


def test_many_are_claimed_and_packed_from_the_list_and_one_obstacle_stops_no_other() -> None:
    mine, taken, also_mine = queued(), queued(), queued()
    other, me = staff("warehouse"), staff("fulfillment")
    said(browser(other), taken, "claim")
    client = browser(me)
    chosen = [str(parcel.pk) for parcel in (mine, taken, also_mine)]
    page = client.post(QUEUE, {"action": "pack_rows", "_selected_action": chosen}, follow=True)
    text = page.content.decode()
    assert "2 packed." in text
    assert f"{taken.label}: {other.name} is working on this one." in text
    packed = Fulfillment.objects.filter(status=FulfillmentStatus.PACKED, claimed_by=me)
    assert set(packed) == {mine, also_mine}


def test_parcels_are_marked_as_delivered_from_their_list() -> None:
    parcel, client = queued(), browser(staff("fulfillment"))
    said(client, parcel, "pack")
    said(client, parcel, "ship", seen=1, quantity=1, carrier="UPS", tracking_number="1Z999")
    shipment = Shipment.objects.get()
    there = reverse("admin:fulfillment_shipment_changelist")
    data = {"action": "deliver_rows", "_selected_action": [str(shipment.pk)]}
    assert "1 delivered." in client.post(there, data, follow=True).content.decode()
    assert "marked as delivered already" in client.post(there, data, follow=True).content.decode()


def test_who_may_only_look_sees_no_buttons_and_is_refused() -> None:
    parcel = queued()
    for group in ("auditor", "support"):
        client = browser(staff(group))
        assert "/do/" not in read(client, parcel)
        assert "Claim</option>" not in client.get(QUEUE).content.decode()
        assert client.post(address(parcel, "claim")).status_code == 403
        data = {"action": "pack_rows", "_selected_action": [str(parcel.pk)]}
        client.post(QUEUE, data)
    parcel.refresh_from_db()
    assert (parcel.status, parcel.claimed_by) == (FulfillmentStatus.QUEUED, None)


def test_the_buttons_answer_to_posts_with_a_token_only() -> None:
    parcel, user = queued(), staff("fulfillment")
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    assert strict.post(address(parcel, "pack")).status_code == 403
    assert browser(user).get(address(parcel, "pack"))["Location"] == page_of(parcel)
    assert browser(user).post(address(parcel, "explode")).status_code == 404
    parcel.refresh_from_db()
    assert parcel.status == FulfillmentStatus.QUEUED


def test_the_desks_pages_take_few_queries(django_assert_max_num_queries: Any) -> None:
    product = ProductFactory.create(in_stock=200)
    parcels = [parcel_of(confirmed_order((product, 1))) for _number in range(50)]
    client = browser(staff("warehouse"))
    client.get(QUEUE)
    with django_assert_max_num_queries(12):
        assert client.get(QUEUE).context["cl"].result_count == 50
    with django_assert_max_num_queries(12):
        assert client.get(page_of(parcels[0])).status_code == 200


def test_a_colleagues_parcel_offers_only_to_take_it_over() -> None:
    parcel, ann, bob = queued(), staff("fulfillment"), staff("fulfillment")
    said(browser(ann), parcel, "pack")
    other = browser(bob)
    page = read(other, parcel)
    for verb in ("ship", "pack", "unclaim", "cannot_supply", "claim"):
        assert address(parcel, verb) not in page
    assert address(parcel, "take_over") in page
    said(other, parcel, "take_over", whose=ann.pk)
    page = read(other, parcel)
    assert f"Taken over from {ann}" in page
    assert address(parcel, "ship") in page
    refused = browser(ann).post(
        address(parcel, "cannot_supply"), {"seen": 1, "quantity": 1, "reason": "Lost"}
    )
    assert "Take it over first" in refused.content.decode()
    assert Fulfillment.objects.get().status == FulfillmentStatus.PACKED


def test_taking_over_is_a_permission_of_its_own() -> None:
    parcel, ann, bob = queued(), staff("fulfillment"), staff("fulfillment")
    said(browser(ann), parcel, "claim")
    Group.objects.get(name="fulfillment").permissions.through.objects.filter(
        permission__codename="take_over_work"
    ).delete()
    other = browser(bob)
    assert address(parcel, "take_over") not in read(other, parcel)
    assert other.post(address(parcel, "take_over"), {"whose": ann.pk}).status_code == 403
    assert Fulfillment.objects.get().claimed_by == ann
