"""The desk's services: one person at a time, in parts, and never more than is open."""

from collections.abc import Callable

import pytest

from accounts.models import Role, User
from fulfillment import services as desk
from fulfillment.models import CodeReveal, Fulfillment
from fulfillment.services import DeskError
from fulfillment.states import FulfillmentStatus, ReturnedTo, Withdrawal
from fulfillment.withdrawing import withdraw
from inventory import services as stock
from inventory.models import Inventory, MovementKind, StockMovement
from loyalty_portal.data.actor import Actor
from redemption.invariants.checks import check_invariants
from redemption.models import OrderItem
from redemption.orders.actions.cancelling import cancel
from redemption.saga.transactions import settle_transaction
from redemption.states import OrderStatus
from tests.redemption.world import World
from tests.support.orders.came_back import came_back

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def parcel(world: World) -> Fulfillment:
    """Five pieces that wait at the desk."""
    order = world.place((world.product(stocked=10), 5))
    settle_transaction(world.debit(order).pk)
    return world.fulfillment(order)


@pytest.fixture
def ann(world: World) -> User:
    return world.new_seat(Role.VIEWER).user


@pytest.fixture
def bob(world: World) -> User:
    return world.new_seat(Role.VIEWER).user


def now(parcel: Fulfillment) -> Fulfillment:
    return Fulfillment.objects.get(pk=parcel.pk)


def test_a_second_person_is_told_who_works_on_it(parcel: Fulfillment, ann: User, bob: User) -> None:
    desk.claim(fulfillment=parcel, by=Actor.person(ann))
    desk.claim(fulfillment=parcel, by=Actor.person(ann))
    with pytest.raises(DeskError, match="Grace Hopper is working"):
        desk.claim(fulfillment=parcel, by=Actor.person(bob))
    desk.unclaim(fulfillment=parcel, by=Actor.person(ann))
    desk.unclaim(fulfillment=parcel, by=Actor.person(ann))
    assert desk.claim(fulfillment=parcel, by=Actor.person(bob)).claimed_by == bob


Verb = Callable[[Fulfillment, User], object]
VERBS: dict[str, Verb] = {
    "claim": lambda parcel, by: desk.claim(fulfillment=parcel, by=Actor.person(by)),
    "put back": lambda parcel, by: desk.unclaim(fulfillment=parcel, by=Actor.person(by)),
    "pack": lambda parcel, by: desk.pack(fulfillment=parcel, by=Actor.person(by)),
    "ship": lambda parcel, by: desk.ship(
        fulfillment=parcel, quantity=1, carrier="DHL", tracking_number="", by=Actor.person(by)
    ),
    "cannot supply": lambda parcel, by: desk.cannot_supply(
        fulfillment=parcel, quantity=1, reason="Broken", by=Actor.person(by)
    ),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_colleagues_work_is_left_alone_until_it_is_taken_over(
    parcel: Fulfillment, ann: User, bob: User, verb: str
) -> None:
    if verb == "ship":
        desk.pack(fulfillment=parcel, by=Actor.person(ann))
    else:
        desk.claim(fulfillment=parcel, by=Actor.person(ann))
    before = now(parcel)
    with pytest.raises(DeskError, match="Grace Hopper is working on this one"):
        VERBS[verb](parcel, bob)
    after = now(parcel)
    assert (after.status, after.open_quantity, after.claimed_by) == (before.status, 5, ann)
    desk.take_over(fulfillment=parcel, whose=ann.pk, by=Actor.person(bob))
    VERBS[verb](parcel, bob)


def test_taking_over_is_told_in_the_story_with_who_from_whom(
    parcel: Fulfillment, ann: User, bob: User
) -> None:
    desk.claim(fulfillment=parcel, by=Actor.person(ann))
    User.objects.filter(pk=ann.pk).update(name="Ann Other")
    desk.take_over(fulfillment=parcel, whose=ann.pk, by=Actor.person(bob))
    told = parcel.events.get(reason="Taken over from Ann Other")
    assert (told.by, now(parcel).claimed_by) == (bob, bob)
    with pytest.raises(DeskError, match="Take it over first"):
        desk.pack(fulfillment=parcel, by=Actor.person(ann))


def test_nothing_is_taken_over_but_what_one_saw(
    world: World, parcel: Fulfillment, ann: User, bob: User
) -> None:
    """Refused when the work is free, one's own, or somebody else's than the page said."""
    third = world.new_seat(Role.VIEWER).user
    for whose, by in ((None, bob), (ann.pk, ann), (third.pk, bob)):
        if whose:
            desk.claim(fulfillment=parcel, by=Actor.person(ann))
        with pytest.raises(DeskError, match="Look again"):
            desk.take_over(fulfillment=parcel, whose=whose, by=Actor.person(by))
    assert now(parcel).claimed_by == ann


def test_packing_claims_and_happens_once(parcel: Fulfillment, ann: User) -> None:
    desk.pack(fulfillment=parcel, by=Actor.person(ann))
    assert now(parcel).claimed_by == ann
    with pytest.raises(DeskError, match="packed already"):
        desk.pack(fulfillment=parcel, by=Actor.person(ann))


def test_shipping_in_parts_puts_the_rest_back_into_the_queue(
    parcel: Fulfillment, ann: User
) -> None:
    desk.pack(fulfillment=parcel, by=Actor.person(ann))
    first = desk.ship(
        fulfillment=parcel, quantity=2, carrier="DHL", tracking_number="A", by=Actor.person(ann)
    )
    assert (now(parcel).status, now(parcel).open_quantity) == (FulfillmentStatus.QUEUED, 3)
    desk.deliver(shipment=first, by=Actor.person(ann))
    assert now(parcel).status == FulfillmentStatus.QUEUED
    desk.pack(fulfillment=parcel, by=Actor.person(ann))
    second = desk.ship(
        fulfillment=parcel, quantity=3, carrier="DHL", tracking_number="B", by=Actor.person(ann)
    )
    assert now(parcel).status == FulfillmentStatus.SHIPPED
    desk.deliver(shipment=second, by=Actor.person(ann))
    assert now(parcel).status == FulfillmentStatus.DELIVERED


@pytest.mark.parametrize("quantity", [0, -1, 6])
def test_no_more_is_shipped_than_is_open(parcel: Fulfillment, ann: User, quantity: int) -> None:
    desk.pack(fulfillment=parcel, by=Actor.person(ann))
    with pytest.raises(DeskError, match="Between 1 and 5"):
        desk.ship(
            fulfillment=parcel,
            quantity=quantity,
            carrier="DHL",
            tracking_number="",
            by=Actor.person(ann),
        )


def test_a_parcel_has_a_carrier_and_is_packed_first(parcel: Fulfillment, ann: User) -> None:
    with pytest.raises(DeskError, match="in the queue"):
        desk.ship(
            fulfillment=parcel, quantity=1, carrier="DHL", tracking_number="", by=Actor.person(ann)
        )
    desk.pack(fulfillment=parcel, by=Actor.person(ann))
    with pytest.raises(DeskError, match="carrier"):
        desk.ship(
            fulfillment=parcel, quantity=1, carrier=" ", tracking_number="", by=Actor.person(ann)
        )


def test_a_parcel_arrives_once(parcel: Fulfillment, ann: User) -> None:
    desk.pack(fulfillment=parcel, by=Actor.person(ann))
    shipment = desk.ship(
        fulfillment=parcel, quantity=5, carrier="DHL", tracking_number="", by=Actor.person(ann)
    )
    desk.deliver(shipment=shipment, by=Actor.person(ann))
    with pytest.raises(DeskError, match="already"):
        desk.deliver(shipment=shipment, by=Actor.person(ann))


def test_giving_up_needs_a_reason_and_open_pieces(parcel: Fulfillment, ann: User) -> None:
    with pytest.raises(DeskError, match="Say why"):
        desk.cannot_supply(fulfillment=parcel, quantity=None, reason=" ", by=Actor.person(ann))
    with pytest.raises(DeskError, match="Between 1 and 5"):
        desk.cannot_supply(fulfillment=parcel, quantity=6, reason="lost", by=Actor.person(ann))
    desk.cannot_supply(fulfillment=parcel, quantity=2, reason="lost", by=Actor.person(ann))
    assert (now(parcel).status, now(parcel).open_quantity) == (FulfillmentStatus.QUEUED, 3)
    desk.cannot_supply(fulfillment=parcel, quantity=None, reason="lost", by=Actor.person(ann))
    assert now(parcel).status == FulfillmentStatus.FAILED


def test_giving_up_the_rest_of_what_has_arrived_ends_it_as_delivered(
    parcel: Fulfillment, ann: User
) -> None:
    desk.pack(fulfillment=parcel, by=Actor.person(ann))
    part = desk.ship(
        fulfillment=parcel, quantity=2, carrier="DHL", tracking_number="", by=Actor.person(ann)
    )
    desk.deliver(shipment=part, by=Actor.person(ann))
    desk.cannot_supply(fulfillment=parcel, quantity=None, reason="lost", by=Actor.person(ann))
    assert now(parcel).status == FulfillmentStatus.DELIVERED


def test_a_return_needs_a_reason_and_a_delivery(parcel: Fulfillment, ann: User) -> None:
    with pytest.raises(DeskError, match="Nothing of this is with its recipient"):
        came_back(parcel, quantity=1, by=Actor.person(ann))
    desk.pack(fulfillment=parcel, by=Actor.person(ann))
    shipment = desk.ship(
        fulfillment=parcel, quantity=5, carrier="DHL", tracking_number="", by=Actor.person(ann)
    )
    desk.deliver(shipment=shipment, by=Actor.person(ann))
    with pytest.raises(DeskError, match="Say why"):
        came_back(parcel, reason=" ", by=Actor.person(ann))
    for units in (0, 6):
        with pytest.raises(DeskError, match="5 pieces are with the recipient, so between 1 and 5"):
            came_back(parcel, quantity=units, by=Actor.person(ann))


def test_units_come_back_one_by_one_to_the_stock_or_not(
    world: World, parcel: Fulfillment, ann: User
) -> None:
    by, item = Actor.person(ann), OrderItem.objects.get(pk=parcel.reference)
    desk.pack(fulfillment=parcel, by=by)
    for units in (3, 2):
        sent = desk.ship(
            fulfillment=now(parcel), quantity=units, carrier="DHL", tracking_number="", by=by
        )
        if units == 3:
            desk.deliver(shipment=sent, by=by)
            came_back(parcel, quantity=1, by=by)
            desk.pack(fulfillment=now(parcel), by=by)
    desk.deliver(shipment=sent, by=by)
    before = stock_of(item)
    came_back(parcel, quantity=2, to=ReturnedTo.WRITTEN_OFF, by=by)
    assert (now(parcel).status, stock_of(item)) == (FulfillmentStatus.DELIVERED, before)
    came_back(parcel, quantity=2, reason="Too small", by=by)
    assert now(parcel).status == FulfillmentStatus.RETURNED
    assert stock_of(item) == before + 2
    moved = StockMovement.objects.filter(reference=item.pk, kind=MovementKind.RECEIVED)
    told = moved.order_by("created_at", "id").values_list("available_change", "reason", "by")
    assert list(told) == [(1, "broken", ann.pk), (2, "Too small", ann.pk)]
    assert list(item.returns.values_list("units", "to", "recorded_by")) == [
        (1, "STOCK", ann.pk),
        (2, "WRITTEN_OFF", ann.pk),
        (2, "STOCK", ann.pk),
    ]
    assert not world.credits(item.order)
    with pytest.raises(DeskError, match="it is “returned” now"):
        came_back(parcel, quantity=1, by=by)
    assert not check_invariants(at_rest=True)


def test_all_that_arrived_came_back_before_the_rest_is_given_up(
    world: World, parcel: Fulfillment, ann: User
) -> None:
    by = Actor.person(ann)
    desk.pack(fulfillment=parcel, by=by)
    sent = desk.ship(fulfillment=parcel, quantity=2, carrier="DHL", tracking_number="", by=by)
    desk.deliver(shipment=sent, by=by)
    came_back(parcel, by=by)
    assert now(parcel).status == FulfillmentStatus.QUEUED
    desk.cannot_supply(fulfillment=now(parcel), quantity=None, reason="lost", by=by)
    item = OrderItem.objects.get(pk=parcel.reference)
    assert (now(parcel).status, item.fulfillment_status) == ("RETURNED", "RETURNED")
    assert (item.quantity_delivered, item.quantity_returned, item.quantity_failed) == (2, 2, 3)
    assert item.order.status == OrderStatus.COMPLETED
    assert not check_invariants()


def test_what_cannot_be_supplied_is_never_available_again(
    world: World, parcel: Fulfillment, ann: User
) -> None:
    item = OrderItem.objects.get(pk=parcel.reference)
    before, by = stock_of(item), Actor.person(ann)
    desk.cannot_supply(fulfillment=parcel, quantity=2, reason="Wet", by=by)
    assert stock_of(item) == before
    moved = StockMovement.objects.filter(reference=item.pk, reason="Wet", by=ann)
    assert {(each.kind, each.available_change, each.reserved_change) for each in moved} == {
        ("RELEASED", 2, -2),
        ("ADJUSTED", -2, 0),
    }
    stock.stop_counting(product=item.product, reason="", by=by)
    desk.cannot_supply(fulfillment=parcel, quantity=1, reason="Lost", by=by)
    assert stock_of(item) == 0
    assert not check_invariants()


def stock_of(item: OrderItem) -> int:
    """The pieces that can be redeemed."""
    return int(Inventory.objects.get(product=item.product).quantity_available)


def test_what_the_partner_delivers_is_not_the_desks(world: World, ann: User) -> None:
    order = world.place((world.virtual(), 1))
    settle_transaction(world.debit(order).pk)
    with pytest.raises(DeskError, match="by the partner"):
        desk.claim(fulfillment=world.fulfillment(order), by=Actor.person(ann))


def test_what_somebody_has_claimed_is_not_withdrawn(parcel: Fulfillment, ann: User) -> None:
    desk.claim(fulfillment=parcel, by=Actor.person(ann))
    assert withdraw(references=[parcel.reference], by=Actor.person(ann), reason="") == {
        parcel.reference: (Withdrawal.CLAIMED, 5)
    }
    assert now(parcel).status == FulfillmentStatus.QUEUED


def test_what_is_withdrawn_after_a_piece_was_given_up_counts_every_piece(
    parcel: Fulfillment, ann: User
) -> None:
    desk.cannot_supply(fulfillment=parcel, quantity=1, reason="Broken", by=Actor.person(ann))
    withdraw(references=[parcel.reference], by=Actor.person(ann), reason="Called off")
    assert (now(parcel).status, now(parcel).quantity_failed) == (FulfillmentStatus.CANCELLED, 5)
    assert not check_invariants()


def test_an_order_is_cancelled_but_for_what_somebody_works_on(world: World, ann: User) -> None:
    taken, left = world.product(points=1_000), world.product(points=300)
    order = world.place((taken, 1), (left, 1))
    settle_transaction(world.debit(order).pk)
    line = order.items.get(product=taken)
    desk.claim(fulfillment=Fulfillment.objects.get(reference=line.pk), by=Actor.person(ann))
    told = cancel(order=order, by=Actor.in_seat(world.seat), reason="")
    assert told == (
        f"Cancelled: {left.name}. 300 points go back to the company’s account. "
        f"{taken.name} cannot be cancelled any more: somebody at the desk is working on it."
    )
    assert [credit.points_amount for credit in world.credits(order)] == [300]


def test_showing_no_codes_records_nothing(parcel: Fulfillment, ann: User) -> None:
    assert desk.reveal_codes(fulfillment=parcel, by=Actor.person(ann)) == []
    assert CodeReveal.objects.count() == 0
