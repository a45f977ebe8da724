"""A parcel is all open lines of one order for one recipient: it is claimed, sent and told as one."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from fulfillment.desk import services as parcels
from fulfillment.desk.selectors import lines_of, queue_page, state_of, to_do
from fulfillment.desk.services import Packing
from fulfillment.models import Fulfillment, FulfillmentEvent, Shipment, ShipmentLine
from fulfillment.permissions import FREE, claimed, has_claimed, may_work_on, to_take_over
from fulfillment.services import DeskError, deliver, ship, ship_together
from fulfillment.states import FulfillmentStatus
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.ids import uuid7
from loyalty_portal.data.recipient import FIELDS, parcel_key
from loyalty_portal.data.zones import next_working_day
from redemption.invariants.checks import check_invariants
from redemption.messages.notifications import compose
from redemption.models import EventSubject, Letter, LetterKind, RedemptionOrder
from redemption.orders.actions.cancelling import cancel
from redemption.orders.facts import facts_of
from redemption.orders.timeline import timeline_of
from redemption.saga.transactions import settle_transaction
from tests.redemption.world import World
from tests.support.staff import staff

pytestmark = pytest.mark.django_db(transaction=True)


def ordered(world: World, *quantities: int) -> RedemptionOrder:
    """A confirmed order with a line for each quantity, all for one recipient."""
    order = world.place(*((world.product(stocked=20), quantity) for quantity in quantities))
    settle_transaction(world.debit(order).pk)
    order.refresh_from_db()
    return order


def head(order: RedemptionOrder) -> Fulfillment:
    return Fulfillment.objects.filter(label=order.order_number)[0]


@pytest.fixture
def ann() -> Actor:
    return Actor.person(staff("fulfillment"))


@pytest.fixture
def bob() -> Actor:
    return Actor.person(staff("fulfillment"))


def sent(parcel: Fulfillment, by: Actor, tracking: str = "A-1") -> Shipment:
    packing = Packing("DHL", tracking, state_of(lines_of(parcel)))
    return parcels.pack_and_ship(parcel=parcel, packing=packing, by=by)


def test_lines_of_one_order_for_one_recipient_are_one_parcel_with_one_letter(
    world: World, ann: Actor
) -> None:
    order = ordered(world, 2, 3)
    other = ordered(world, 1)
    assert [(row.lines, row.pieces) for row in queue_page(ann, "all").rows] == [(2, 5), (1, 1)]
    shipment = sent(head(order), ann)
    assert sorted(shipment.lines.values_list("quantity", flat=True)) == [2, 3]
    letter = Letter.objects.get(order=order, kind=LetterKind.SHIPPED)
    told = compose(letter)
    names = [item.product_name for item in order.items.all()]
    assert f"2 × {names[0]}, 3 × {names[1]}" in told.body
    assert all(name in told.subject for name in names)
    assert not Letter.objects.filter(order=order, kind=LetterKind.DIGEST).exists()
    steps = [step for step in timeline_of(facts_of(order)) if step.title == "Sent with DHL"]
    assert [step.text for step in steps] == [
        f"2 × {names[0]}, 3 × {names[1]}. Tracking number A-1."
    ]
    deliver(shipment=shipment, by=ann)
    assert "One parcel reached" in compose(order.letters.get(kind=LetterKind.DELIVERED)).body
    assert [row.head for row in queue_page(ann, "all").rows] == [head(other)]
    assert not check_invariants()


def test_a_parcel_that_is_a_part_of_the_order_is_told_in_a_digest_once(
    world: World, ann: Actor
) -> None:
    order = ordered(world, 2, 3)
    one, two = Fulfillment.objects.filter(label=order.order_number)
    packing = Packing("DHL", "", state_of([one, two]), {one.pk: 2, two.pk: 1})
    parcels.pack_and_ship(parcel=one, packing=packing, by=ann)
    sent(two, ann)
    letters = order.letters.filter(kind=LetterKind.SHIPPED)
    told = [letter.facts.get("units") or letter.facts["quantity"] for letter in letters]
    assert told == [{str(one.reference): 2, str(two.reference): 1}]
    digest = order.letters.get(kind=LetterKind.DIGEST)
    assert digest.is_gathering
    assert not check_invariants()


def test_one_parcel_goes_to_one_recipient_of_one_order(world: World, ann: Actor) -> None:
    one, other = head(ordered(world, 1)), head(ordered(world, 1))
    for parcel in (one, other):
        parcels.pack_parcel(parcel=parcel, by=ann)
    with pytest.raises(DeskError, match="one recipient of one order"):
        ship_together(units={one.pk: 1, other.pk: 1}, carrier="DHL", tracking_number="", by=ann)
    with pytest.raises(DeskError, match="nothing to ship"):
        ship_together(units={}, carrier="DHL", tracking_number="", by=ann)


def test_a_form_older_than_the_parcel_ships_nothing(world: World, ann: Actor) -> None:
    order = ordered(world, 2)
    parcel, packing = head(order), Packing("DHL", "", state_of([head(order)]), None)
    part = packing._replace(units={parcel.pk: 1})
    parcels.pack_and_ship(parcel=parcel, packing=part, by=ann)
    with pytest.raises(DeskError, match="Look again"):
        parcels.pack_and_ship(parcel=parcel, packing=part, by=ann)
    assert ShipmentLine.objects.get().quantity == 1


def test_a_claim_ends_by_itself_after_a_working_day(world: World, ann: Actor, bob: Actor) -> None:
    order = ordered(world, 1, 1)
    parcel = head(order)
    parcels.claim_parcel(parcel=parcel, by=ann)
    with pytest.raises(DeskError, match="is working on this one"):
        parcels.claim_parcel(parcel=parcel, by=bob)
    rows = Fulfillment.objects.filter(label=order.order_number)
    ends = [row.claimed_until for row in rows if row.claimed_until]
    assert len(ends) == 2
    assert all(timedelta(0) < end - timezone.now() < timedelta(days=4) for end in ends)
    rows.update(claimed_until=timezone.now() - timedelta(seconds=1))
    for row in rows:
        assert (row.is_claimed, has_claimed(ann, row), may_work_on(bob, row)) == (
            False,
            False,
            True,
        )
    assert [list(rows.filter(which)) for which in (FREE, claimed(ann), to_take_over(bob))] == [
        list(rows), [], [],
    ]  # fmt: skip
    # What a company may cancel follows.
    assert "go back" in cancel(order=order, by=Actor.in_seat(world.seat), reason="")


@pytest.mark.parametrize(
    ("claimed_at", "ends"),
    [
        (datetime(2026, 11, 26, 14, 0, tzinfo=UTC), datetime(2026, 11, 27, 14, 0, tzinfo=UTC)),
        # From a Friday to the Monday.
        (datetime(2026, 11, 27, 14, 0, tzinfo=UTC), datetime(2026, 11, 30, 14, 0, tzinfo=UTC)),
        # Over the end of summer time: at 14:00 of local time again.
        (datetime(2026, 10, 23, 12, 0, tzinfo=UTC), datetime(2026, 10, 26, 13, 0, tzinfo=UTC)),
    ],
)
def test_a_working_day_is_one_of_the_programmes_zone(claimed_at: datetime, ends: datetime) -> None:
    assert next_working_day(claimed_at, "Europe/Berlin") == ends


def test_taking_over_and_giving_are_recorded_with_both_names(
    world: World, ann: Actor, bob: Actor
) -> None:
    parcel = head(ordered(world, 1))
    parcels.claim_parcel(parcel=parcel, by=ann)
    with pytest.raises(DeskError, match="Take it over first"):
        parcels.assign_parcel(parcel=parcel, to=_person(bob), by=bob)
    parcels.take_over_parcel(parcel=parcel, whose=ann.user_id, by=bob)
    with pytest.raises(DeskError, match="Look again"):
        parcels.take_over_parcel(parcel=parcel, whose=bob.user_id, by=bob)
    parcels.assign_parcel(parcel=parcel, to=_person(ann), by=bob)
    parcel.refresh_from_db()
    assert parcel.claimed_by_id == ann.user_id
    told = {event.reason: event.by for event in parcel.events.exclude(from_status="")}
    assert told[f"Taken over from {ann}"] == bob.user
    assert told[f"Given to {ann}"] == bob.user
    with pytest.raises(DeskError, match="may not work at the desk"):
        parcels.assign_parcel(parcel=parcel, to=_person(Actor.person(staff("finance"))), by=ann)


def _person(actor: Actor) -> User:
    return User.objects.get(pk=actor.person_id)


def test_a_parcel_on_hold_is_out_of_the_queue_until_it_is_released(
    world: World, ann: Actor, bob: Actor
) -> None:
    parcel = head(ordered(world, 1))
    parcels.hold_parcel(parcel=parcel, reason="Waits for a box", by=ann)
    assert (list(to_do(bob)), queue_page(bob, "all").rows) == ([], [])
    assert [row.head.hold_reason for row in queue_page(bob, "held").rows] == ["Waits for a box"]
    for verb in (parcels.claim_parcel, parcels.pack_parcel):
        with pytest.raises(DeskError, match="on hold: Waits for a box"):
            verb(parcel=parcel, by=bob)
    with pytest.raises(DeskError, match="on hold"):
        sent(parcel, bob)
    parcels.release_parcel(parcel=parcel, by=bob)
    with pytest.raises(DeskError, match="not on hold"):
        parcels.release_parcel(parcel=parcel, by=bob)
    sent(parcel, bob)
    assert [event.reason for event in parcel.events.all()][1:3] == [
        "On hold: Waits for a box",
        "Released",
    ]


def test_a_corrected_address_is_told_to_the_company_from_old_to_new(
    world: World, ann: Actor, caplog: pytest.LogCaptureFixture
) -> None:
    order = ordered(world, 1, 1)
    parcel = head(order)
    said = {name: getattr(parcel, name) for name in FIELDS}
    with pytest.raises(DeskError, match="Nothing was changed"):
        parcels.correct_recipient(parcel=parcel, recipient=said, by=ann)
    with pytest.raises(DeskError, match="Something is missing"):
        parcels.correct_recipient(parcel=parcel, recipient={**said, "city": ""}, by=ann)
    new = {**said, "address_line1": "Chausseestr. 5", "postcode": "10117"}
    parcels.correct_recipient(parcel=parcel, recipient=new, by=ann)
    lines = Fulfillment.objects.filter(label=order.order_number)
    assert {row.parcel_key for row in lines} == {parcel_key(order.order_number, new)}
    assert {item.address_line1 for item in order.items.all()} == {"Chausseestr. 5"}
    word = (
        "Recipient corrected. address: Invalidenstr. 43 → Chausseestr. 5; postcode: 10115 → 10117"
    )
    assert parcel.events.latest("at").reason == word
    step = next(s for s in timeline_of(facts_of(order)) if s.title == "The fulfillment desk")
    assert step.text == f"{word}."
    assert "Chausseestr" not in caplog.text
    sent(lines[0], ann)
    with pytest.raises(DeskError, match="Nothing of this parcel is left"):
        parcels.correct_recipient(parcel=parcel, recipient=said, by=ann)
    assert not check_invariants()


def test_a_note_is_read_by_the_company_in_the_orders_story(world: World, ann: Actor) -> None:
    order = ordered(world, 1)
    pulse = RedemptionOrder.objects.get(pk=order.pk).pulse
    text, token = "The blue one comes on Monday", uuid7()
    for _each in range(2):  # the form is sent twice
        parcels.tell_company(parcel=head(order), text=text, token=token, by=ann)
    event = order.events.get(subject=EventSubject.TOLD)
    assert (event.reason, event.by_id) == ("The blue one comes on Monday", ann.user_id)
    assert RedemptionOrder.objects.get(pk=order.pk).pulse > pulse
    assert any("comes on Monday" in step.text for step in timeline_of(facts_of(order)))
    assert not check_invariants()


def test_picking_marks_the_lines_units_and_claims_the_parcel(world: World, ann: Actor) -> None:
    order = ordered(world, 2, 3)
    one, two = Fulfillment.objects.filter(label=order.order_number)
    assert parcels.pick(parcel=one, keys=[two.pk], by=ann) == 1
    assert parcels.pick(parcel=one, keys=[two.pk], by=ann) == 0
    rows = Fulfillment.objects.filter(label=order.order_number)
    assert [row.quantity_picked for row in rows] == [0, 3]
    assert {row.claimed_by_id for row in rows} == {ann.user_id}
    packing = Packing("DHL", "", state_of(rows), {two.pk: 2})
    parcels.pack_and_ship(parcel=one, packing=packing, by=ann)
    two.refresh_from_db()
    assert (two.quantity_picked, two.open_quantity) == (1, 1)


VERBS: dict[str, Callable[[Fulfillment, Actor], object]] = {
    "claim": lambda parcel, by: parcels.claim_parcel(parcel=parcel, by=by),
    "put back": lambda parcel, by: parcels.put_back(parcel=parcel, by=by),
    "take over": lambda parcel, by: parcels.take_over_parcel(parcel=parcel, whose=None, by=by),
    "hold": lambda parcel, by: parcels.hold_parcel(parcel=parcel, reason="Wait", by=by),
    "release": lambda parcel, by: parcels.release_parcel(parcel=parcel, by=by),
    "pick": lambda parcel, by: parcels.pick(parcel=parcel, keys=[parcel.pk], by=by),
    "ship": sent,
    "tell": lambda parcel, by: parcels.tell_company(
        parcel=parcel, text="Hello", token=uuid7(), by=by
    ),
    "correct": lambda parcel, by: parcels.correct_recipient(parcel=parcel, recipient={}, by=by),
}


@pytest.mark.parametrize("verb", VERBS)
def test_who_may_not_work_at_the_desk_is_told_who_may(world: World, verb: str) -> None:
    parcel = head(ordered(world, 1))
    events = FulfillmentEvent.objects.count()
    with pytest.raises(DeskError, match=r"The groups fulfillment(, support)? and warehouse may"):
        VERBS[verb](parcel, Actor.person(staff("catalogue")))
    assert FulfillmentEvent.objects.count() == events


def _both_claim(world: World, ann: Actor, bob: Actor) -> tuple[int, set[int]]:
    """How many of two people got the same parcel at the same moment, and who has its lines."""
    order = ordered(world, 1, 1, 1)
    parcel, start = head(order), Barrier(2)

    def one(by: Actor) -> int:
        start.wait()
        try:
            parcels.claim_parcel(parcel=parcel, by=by)
        except DeskError:
            return 0
        finally:
            connection.close()
        return 1

    with ThreadPoolExecutor(2) as pool:
        won = sum(pool.map(one, (ann, bob)))
    whose = Fulfillment.objects.filter(label=order.order_number).values_list("claimed_by")
    return won, {by for (by,) in whose}  # type: ignore[misc]


def test_two_people_at_once_never_take_the_same_parcel(
    world: World, ann: Actor, bob: Actor
) -> None:
    for _attempt in range(5):
        won, whose = _both_claim(world, ann, bob)
        assert (won, len(whose)) == (1, 1)


def test_without_the_lock_both_take_it(
    world: World, ann: Actor, bob: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = Barrier(2, timeout=20)

    class Unlocked:
        """The lines as both read them before either writes."""

        def __init__(self, parcel: Fulfillment) -> None:
            self.rows = list(lines_of(parcel))

        def held(self) -> list[Fulfillment]:
            both.wait()
            return self.rows

    # replaced: negative control, the lock taken away
    monkeypatch.setattr("fulfillment.desk.services.lines_of", Unlocked)
    won, _whose = _both_claim(world, ann, bob)
    assert won == 2


def test_two_people_who_ship_the_same_parcel_at_once_ship_it_once(
    world: World, ann: Actor, bob: Actor
) -> None:
    for _attempt in range(5):
        parcel, start = head(ordered(world, 1, 1)), Barrier(2)
        seen = state_of(lines_of(parcel))

        def one(
            by: Actor, number: str, parcel: Any = parcel, seen: str = seen, start: Any = start
        ) -> int:
            start.wait()
            try:
                packing = parcels.Packing("UPS", number, seen)
                parcels.pack_and_ship(parcel=parcel, packing=packing, by=by)
            except DeskError:
                return 0
            finally:
                connection.close()
            return 1

        before = Shipment.objects.count()
        with ThreadPoolExecutor(2) as pool:
            won = sum(pool.map(one, (ann, bob), ("1Z5R89390357567127", "1Z999AA10123456784")))
        assert (won, Shipment.objects.count() - before) == (1, 1)


def test_next_gives_two_people_different_parcels(world: World, ann: Actor, bob: Actor) -> None:
    for _number in range(6):
        ordered(world, 1)
    start = Barrier(2)

    def three(by: Actor) -> list[Fulfillment | None]:
        start.wait()
        got: list[Fulfillment | None] = []
        for _number in range(3):
            parcel = parcels.claim_next(by=by)
            assert parcel is not None
            sent(parcel, by)
            got.append(parcel)
        connection.close()
        return got

    with ThreadPoolExecutor(2) as pool:
        anns, bobs = pool.map(three, (ann, bob))
    assert len({parcel.pk for parcel in [*anns, *bobs] if parcel}) == 6
    assert Shipment.objects.count() == 6
    assert parcels.claim_next(by=ann) is None


def test_the_version_before_goes_on_beside_it(world: World, ann: Actor) -> None:
    """It opens lines without a parcel, and sends parcels of one line that it names itself."""
    order = ordered(world, 2, 1)
    lines = Fulfillment.objects.filter(label=order.order_number)
    lines.update(parcel_key="")
    assert [row.lines for row in queue_page(ann, "all").rows] == [1, 1]
    one, two = lines
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO fulfillment_shipment (id, fulfillment_id, quantity, carrier,"
            " tracking_number, shipped_at) VALUES (gen_random_uuid(), %s, 2, 'DHL', '', now())",
            [one.pk],
        )
    assert ShipmentLine.objects.get().fulfillment_id == one.pk
    assert ShipmentLine.objects.get().quantity == 2
    parcels.pack_parcel(parcel=two, by=ann)
    ship(fulfillment=two, quantity=1, carrier="DHL", tracking_number="", by=ann)
    two.refresh_from_db()
    assert two.status == FulfillmentStatus.SHIPPED
