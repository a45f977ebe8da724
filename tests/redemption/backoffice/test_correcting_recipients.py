"""“The address is wrong”: support corrects it before it is sent, and the company reads it."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Role
from fulfillment.desk import services as desk
from fulfillment.desk.selectors import state_of
from fulfillment.desk.services import Packing
from fulfillment.models import Fulfillment
from fulfillment.services import DeskError
from loyalty_portal.audit.models import TrailEntry, TrailKind
from loyalty_portal.data.actor import Actor
from redemption.invariants.checks import check_invariants
from redemption.models import OrderItem, RedemptionOrder
from redemption.orders.actions.recipients import correct_recipient
from redemption.saga.steps import RedemptionError
from redemption.saga.transactions import settle_transaction
from redemption.states import WaitsFor
from tests.redemption.pages import said, timeline
from tests.redemption.world import RECIPIENT, World
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db(transaction=True)
RIGHT = {**RECIPIENT, "address_line1": "Chausseestr. 5", "postcode": "10117"}


def clerk(group: str = "support") -> Actor:
    return Actor.person(staff(group))


def correct(item: OrderItem, by: Actor | None = None, **changes: Any) -> str:
    given: dict[str, Any] = {"recipient": RIGHT, "reason": "They moved.", "by": by or clerk()}
    return correct_recipient(item=item, **{**given, **changes})


def refused(item: OrderItem, by: Actor | None = None, **changes: Any) -> str:
    with pytest.raises(RedemptionError) as problem:
        correct(item, by, **changes)
    return str(problem.value)


def first(order: RedemptionOrder) -> OrderItem:
    return order.items.select_related("order", "product").order_by("pk")[0]


def confirmed(world: World, *wanted: Any) -> RedemptionOrder:
    world.partners.dial(mode="instant", delay=0)
    order = world.place(*wanted)
    settle_transaction(world.debit(order).pk)
    order.refresh_from_db()
    return order


def story(order: RedemptionOrder) -> str:
    return " ".join(f"{step.title}: {step.text}" for step in timeline(order))


def streets(order: RedemptionOrder) -> set[str]:
    return set(order.items.values_list("address_line1", flat=True))


def test_a_parcel_at_the_desk_gets_the_right_address_and_the_company_reads_why(
    world: World,
) -> None:
    order = confirmed(world, (world.product(), 1), (world.product(), 2))
    assert "Corrected" in correct(first(order))
    assert streets(order) == {"Chausseestr. 5"}
    parcels = Fulfillment.objects.filter(label=order.order_number)
    assert set(parcels.values_list("address_line1", flat=True)) == {"Chausseestr. 5"}
    assert "Recipient corrected (They moved.)" in story(order)
    assert "10115 → 10117" in story(order)
    assert check_invariants() == []


def test_what_was_made_for_the_wrong_address_cannot_be_shipped(world: World) -> None:
    order, ann = confirmed(world, (world.product(), 1)), clerk("fulfillment")
    parcel = world.fulfillment(order)
    desk.claim_parcel(parcel=parcel, by=ann)
    seen = Packing("DHL", "", state_of([parcel]))
    correct(first(order))
    with pytest.raises(DeskError, match="Look again"):
        desk.pack_and_ship(parcel=parcel, packing=seen, by=ann)
    parcel.refresh_from_db()
    desk.pack_and_ship(parcel=parcel, packing=seen._replace(seen=state_of([parcel])), by=ann)
    assert refused(first(order)) == "Nothing of it is left to send."
    assert refused(first(order), recipient=RECIPIENT) == "Nothing of it is left to send."


def test_what_a_colleague_has_packed_is_corrected_by_them_alone(world: World) -> None:
    order, ann = confirmed(world, (world.product(), 1)), clerk("fulfillment")
    desk.pack_parcel(parcel=world.fulfillment(order), by=ann)
    assert "has packed it already" in refused(first(order))
    assert "Corrected" in correct(first(order), ann)


def test_what_was_sent_stays_when_others_go_to_the_same_place(world: World) -> None:
    order, ann = confirmed(world, (world.product(), 1), (world.product(), 1)), clerk("warehouse")
    sent, other = Fulfillment.objects.filter(label=order.order_number).order_by("pk")
    packing = Packing("DHL", "", state_of([sent, other]), {sent.pk: 1})
    desk.pack_and_ship(parcel=sent, packing=packing, by=ann)
    item = OrderItem.objects.get(pk=sent.reference)
    assert refused(item) == "Nothing of it is left to send."
    correct(OrderItem.objects.get(pk=other.reference), ann)
    assert OrderItem.objects.get(pk=sent.reference).address_line1 == RECIPIENT["address_line1"]


@pytest.mark.parametrize("waits", ["approval", "points"])
def test_an_order_that_is_not_confirmed_is_corrected_with_all_its_lines(
    world: World, waits: str
) -> None:
    if waits == "approval":
        world.company.approval_threshold = 1
        world.company.save()
    order = world.place((world.product(), 1), (world.virtual(), 1))
    assert order.status == ("AWAITING_APPROVAL" if waits == "approval" else "PENDING")
    assert "for 2 lines" in correct(first(order))
    assert streets(order) == {"Chausseestr. 5"}
    assert "Recipient corrected (They moved.)" in story(order)
    if waits == "points":
        settle_transaction(world.debit(order).pk)
        parcels = Fulfillment.objects.filter(label=order.order_number)
        assert set(parcels.values_list("address_line1", flat=True)) == {"Chausseestr. 5"}
        assert check_invariants() == []


def test_a_card_for_a_date_goes_to_the_corrected_address(world: World) -> None:
    order = world.place((world.virtual(), 1))
    later = timezone.now() + timedelta(days=9)
    order.items.update(waits_for=WaitsFor.DATE, waits_until=later)
    settle_transaction(world.debit(order).pk)
    new = {**RECIPIENT, "recipient_email": "ada@elsewhere.example"}
    assert "for 1 line" in correct(first(order), recipient=new)
    assert first(order).recipient_email == "ada@elsewhere.example"
    missing = {**RECIPIENT, "recipient_email": ""}
    assert refused(first(order), recipient=missing) == "Something is missing: e-mail."


def test_codes_that_were_ordered_are_sent_again_instead(world: World) -> None:
    order = confirmed(world, (world.virtual(), 1))
    assert "Our partner has the address already." in refused(first(order))


def test_who_may_not_and_what_is_empty_is_refused(world: World) -> None:
    item = first(confirmed(world, (world.product(), 1)))
    buyer = Actor.in_seat(world.new_seat(Role.APPROVER))
    assert "You may not correct recipients" in refused(item, buyer)
    assert "You may not correct recipients" in refused(item, clerk("finance"))
    assert refused(item, reason="  ") == "Say why; the company reads it."
    assert refused(item, recipient=RECIPIENT) == "Nothing was changed."
    assert refused(item, recipient={**RIGHT, "city": ""}) == "Something is missing: city."
    assert streets(item.order) == {RECIPIENT["address_line1"]}


def test_support_corrects_it_from_the_page_of_the_order(world: World) -> None:
    order = confirmed(world, (world.product(), 1))
    client, item = browser(staff("support")), first(order)
    page = said(client.get(f"/admin/redemption/redemptionorder/{order.pk}/change/"))
    there = f"/admin/redemption/lineunits/{item.pk}/"
    assert f'href="{there}change/#recipient"' in page
    assert 'value="Invalidenstr. 43"' in said(client.get(f"{there}change/"))
    form = {**RIGHT, "reason": "They moved."}
    wrong = client.post(f"{there}do/correct/", {**form, "city": ""})
    assert wrong.status_code == 422
    assert "Something is missing: city." in said(wrong)
    assert "Corrected." in said(client.post(f"{there}do/correct/", form, follow=True))
    assert streets(order) == {"Chausseestr. 5"}
    assert browser(staff("finance")).post(f"{there}do/correct/", form).status_code == 403


def test_taking_a_parcel_over_is_in_the_trail(world: World) -> None:
    order, ann, bob = confirmed(world, (world.product(), 1)), clerk("warehouse"), clerk("warehouse")
    parcel = world.fulfillment(order)
    desk.claim_parcel(parcel=parcel, by=ann)
    desk.take_over_parcel(parcel=parcel, whose=ann.user_id, by=bob)
    entry = TrailEntry.objects.get(kind=TrailKind.TAKEN_OVER)
    assert (entry.by_id, entry.what) == (bob.user_id, order.order_number)
    assert entry.facts == {"from": str(ann.user_id)}
