"""Points of some units go back although they were supplied: one person decides about few, two people
about many, and nothing goes back twice.
"""

from typing import Any

import pytest
from django.core import mail
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from fulfillment import services as desk
from loyalty_portal.data.actor import Actor
from redemption.messages.notifications import send_letter
from redemption.models import Decision, Letter, OrderItem, RedemptionOrder
from redemption.orders.actions import unit_credits
from redemption.orders.actions.cancelling import cancel
from redemption.saga.steps import RedemptionError
from redemption.saga.transactions import settle_transaction
from redemption.states import DecisionStatus, OrderStatus, Verdict
from tests.redemption.orders.actions.test_remedies import AGREED, holds, proposed, put_right
from tests.redemption.orders.actions.test_remedies import line as line_of
from tests.redemption.saga.test_virtual_news import accepted, answers, give_back
from tests.redemption.saga.test_webhooks import ended
from tests.redemption.world import World
from tests.support.orders.came_back import came_back, credited
from tests.support.staff import staff

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def a_limit(settings: Any) -> None:
    settings.CREDIT_LIMIT_POINTS = 2_000


@pytest.fixture
def sue(db: None) -> User:
    return staff("support")


@pytest.fixture
def fin(db: None) -> User:
    return staff("finance")


def at_the_desk(world: World, units: int = 5) -> RedemptionOrder:
    """A paid order of one line, of units of 1,000 points."""
    order = world.place((world.product(points=1_000, stocked=10), units))
    settle_transaction(world.debit(order).pk)
    order.refresh_from_db()
    return order


def delivered(world: World, units: int = 5) -> RedemptionOrder:
    order = at_the_desk(world, units)
    sent(world, order, units)
    order.refresh_from_db()
    return order


def sent(world: World, order: RedemptionOrder, units: int) -> None:
    """Ship and deliver so many units of the order's line."""
    by = Actor.in_seat(world.seat)
    parcel = desk.pack(fulfillment=world.fulfillment(order), by=by)
    shipment = desk.ship(
        fulfillment=parcel, quantity=units, carrier="DHL", tracking_number="", by=by
    )
    desk.deliver(shipment=shipment, by=by)


def credit(order: RedemptionOrder, units: int, by: User, seen: int | None = None) -> str:
    item = line_of(order)
    return unit_credits.credit_units(
        item=item,
        units=units,
        reason="Came late",
        by=Actor.person(by),
        seen=item.quantity_refunded if seen is None else seen,
    )


def counted(order: RedemptionOrder) -> tuple[int, int, int, int]:
    """The units of the order's line: delivered, refunded, of these credited all the same, and those
    that came back.
    """
    item = line_of(order)
    return (
        item.quantity_delivered,
        item.quantity_refunded,
        item.quantity_credited,
        item.quantity_returned,
    )


def test_one_person_credits_units_up_to_the_limit_and_the_company_reads_why(
    world: World, sue: User, client_for: Any
) -> None:
    order = delivered(world)
    assert credit(order, 2, sue) == "The points of 2 units go back: 2,000."
    assert counted(order) == (5, 2, 2, 0)
    [given] = world.credits(order)
    assert (given.units, given.points_amount, given.item) == (2, 2_000, line_of(order))
    give_back(world, order)
    assert world.ledger(order) == (5_000, 2_000)
    letter = Letter.objects.get(order=order, kind="refunded")
    send_letter(letter.pk)
    assert "Why: Came late" in mail.outbox[-1].body
    page = client_for(world.seat).get(order.get_absolute_url()).content.decode()
    assert "2,000 points given back to" in page
    assert "Came late." in page
    assert "5 of 5 arrived, points of 2 given back." in page
    decision = Decision.objects.get()
    assert (decision.status, decision.proposed_by, decision.decided_by) == ("CONFIRMED", sue, None)
    assert holds(world)


def test_above_the_limit_a_second_person_confirms_and_what_one_decided_before_counts(
    world: World, sue: User, fin: User
) -> None:
    order = delivered(world)
    credit(order, 1, sue)
    assert "a second person must confirm it" in credit(order, 2, sue)
    assert counted(order) == (5, 1, 1, 0)
    item = line_of(order)
    with pytest.raises(RedemptionError, match="does not include this"):
        unit_credits.confirm(item=item, by=Actor.person(sue))
    sue.groups.set(fin.groups.all())
    with pytest.raises(RedemptionError, match="a second person must decide"):
        unit_credits.confirm(item=item, by=Actor.person(User.objects.get(pk=sue.pk)))
    with pytest.raises(RedemptionError, match="Somebody has proposed something already"):
        credit(order, 1, fin)
    told = unit_credits.confirm(item=item, by=Actor.person(fin))
    assert told == "The points of 2 units go back: 2,000."
    assert counted(order) == (5, 3, 3, 0)
    give_back(world, order)
    assert world.ledger(order) == (5_000, 3_000)
    assert holds(world)


def test_what_is_rejected_gives_nothing_back(world: World, sue: User, fin: User) -> None:
    order = delivered(world)
    credit(order, 5, sue)
    unit_credits.reject(item=line_of(order), reason="Not our fault", by=Actor.person(fin))
    with pytest.raises(RedemptionError, match="Nothing is proposed"):
        unit_credits.confirm(item=line_of(order), by=Actor.person(fin))
    assert counted(order) == (5, 0, 0, 0)
    assert not world.credits(order)
    assert order.events.filter(reason__contains="Not our fault", by=fin).exists()


def test_no_more_units_than_are_left_and_none_before_the_points_were_taken(
    world: World, sue: User, client_for: Any
) -> None:
    pending = world.place((world.product(points=1_000), 1))
    with pytest.raises(RedemptionError, match="once they are taken; this order is “taking points”"):
        credit(pending, 1, sue)
    order = delivered(world, 3)
    for units in (0, 4):
        with pytest.raises(RedemptionError, match="Points of 3 units were not given back yet"):
            credit(order, units, sue)
    with pytest.raises(RedemptionError, match="went back since the page was made"):
        credit(order, 1, sue, seen=1)
    credit(order, 2, sue)
    with pytest.raises(RedemptionError, match="does not include this"):
        credit(order, 1, world.seat.user)
    credit(order, 1, sue)
    unit_credits.confirm(item=line_of(order), by=Actor.person(staff("finance")))
    with pytest.raises(RedemptionError, match="all units of this line went back already"):
        credit(order, 1, sue)
    assert holds(world, at_rest=False)


def test_units_that_were_credited_and_then_cannot_be_supplied_are_not_credited_again(
    world: World, sue: User
) -> None:
    order = at_the_desk(world)
    by = Actor.in_seat(world.seat)
    credit(order, 2, sue)
    sent(world, order, 2)
    desk.cannot_supply(fulfillment=world.fulfillment(order), quantity=1, reason="lost", by=by)
    assert counted(order) == (2, 3, 2, 0)
    desk.cannot_supply(fulfillment=world.fulfillment(order), quantity=2, reason="lost", by=by)
    assert counted(order) == (2, 5, 2, 0)
    give_back(world, order)
    assert world.ledger(order) == (5_000, 5_000)
    assert holds(world)


def test_an_order_that_is_cancelled_after_units_were_credited_gives_back_the_others(
    world: World, sue: User
) -> None:
    order = at_the_desk(world)
    credit(order, 2, sue)
    assert "3,000 points go back" in cancel(order=order, by=Actor.in_seat(world.seat), reason="")
    assert counted(order) == (0, 5, 0, 0)
    give_back(world, order)
    order.refresh_from_db()
    assert (order.status, world.ledger(order)) == (OrderStatus.CANCELLED, (5_000, 5_000))
    assert holds(world)


def test_a_card_that_was_credited_and_then_fails_is_credited_once(world: World, sue: User) -> None:
    order = accepted(world, cards=3)
    credit(order, 2, sue)
    answers(world, order, "failed")
    assert counted(order) == (0, 3, 0, 0)
    give_back(world, order)
    assert world.ledger(order) == (1_500, 1_500)
    assert holds(world)


def test_what_was_credited_all_the_same_is_neither_taken_again_nor_left_with_the_company(
    world: World, sue: User, fay: User, gil: User
) -> None:
    order = accepted(world, cards=2)
    answers(world, order, "delivered", "CARD-1")
    credit(order, 1, sue)
    assert counted(order) == (1, 2, 1, 0)
    give_back(world, order)
    ended(world, order, "delivered", codes=2)
    put_right(order, Verdict.CORRECTION, fay, gil, **AGREED)
    with pytest.raises(RedemptionError, match="being taken again"):
        credit(order, 1, sue)
    again = order.transactions.get(transaction_type="CORRECTION")
    assert (again.units, again.points_amount) == (1, 500)
    settle_transaction(again.pk)
    assert counted(order) == (2, 1, 1, 0)
    with pytest.raises(RedemptionError, match="does not go with a line"):
        proposed(order, Verdict.WRITE_OFF, fay)
    assert world.ledger(order) == (1_500, 1_000)
    assert credit(order, 1, sue) == "The points of 1 unit go back: 500."
    give_back(world, order)
    assert world.ledger(order) == (1_500, 1_500)
    assert holds(world, at_rest=False)


def test_a_card_that_was_credited_and_is_found_undelivered_is_not_credited_again(
    world: World, sue: User, fay: User, gil: User
) -> None:
    order = accepted(world, cards=2)
    answers(world, order, "delivered", "NEVER-1", "NEVER-2")
    credit(order, 1, sue)
    ended(world, order, "failed")
    put_right(order, Verdict.CREDIT, fay, gil)
    assert counted(order) == (0, 2, 0, 0)
    give_back(world, order)
    assert world.ledger(order) == (1_000, 1_000)
    assert holds(world)


# --- What came back ------------------------------------------------------------------------


def test_finance_decides_about_a_return_once_and_not_who_recorded_it(
    world: World, fin: User
) -> None:
    order = delivered(world)
    desk_and_finance = staff("fulfillment", "finance")
    returned = came_back(world.fulfillment(order), quantity=2, by=Actor.person(desk_and_finance))
    assert counted(order) == (5, 0, 0, 2)

    def decide(units: int, by: User) -> str:
        return unit_credits.decide_return(
            returned=returned, units=units, reason="As agreed", by=Actor.person(by)
        )

    with pytest.raises(RedemptionError, match="You recorded that it came back"):
        decide(2, desk_and_finance)
    with pytest.raises(RedemptionError, match="2 came back: give the points of 0 to 2 back"):
        decide(3, fin)
    with pytest.raises(RedemptionError, match="does not include this"):
        decide(1, staff("support"))
    assert decide(1, fin) == "The points of 1 unit go back: 1,000."
    with pytest.raises(RedemptionError, match="decided about this already"):
        decide(1, fin)
    returned.refresh_from_db()
    assert (returned.credited, returned.decided_at is not None) == (1, True)
    assert counted(order) == (5, 1, 1, 2)
    give_back(world, order)
    assert world.ledger(order) == (5_000, 1_000)
    assert holds(world)


def test_a_return_above_the_limit_needs_a_second_person_who_did_not_record_it(
    world: World, fin: User
) -> None:
    order = delivered(world)
    recorder = staff("fulfillment", "finance")
    returned = came_back(world.fulfillment(order), by=Actor.person(recorder))
    unit_credits.decide_return(returned=returned, units=5, reason="Broken", by=Actor.person(fin))
    item = line_of(order)
    for act in (
        lambda: unit_credits.confirm(item=item, by=Actor.person(recorder)),
        lambda: unit_credits.reject(item=item, reason="No", by=Actor.person(recorder)),
    ):
        with pytest.raises(RedemptionError, match="You recorded that it came back"):
            act()
    assert not world.credits(order)
    unit_credits.confirm(item=item, by=Actor.person(staff("finance")))
    assert counted(order) == (5, 5, 5, 5)
    give_back(world, order)
    order.refresh_from_db()
    assert (order.status, world.ledger(order)) == (OrderStatus.COMPLETED, (5_000, 5_000))
    assert holds(world)


def test_what_was_credited_before_it_came_back_is_not_credited_again(
    world: World, sue: User, fin: User
) -> None:
    order = delivered(world, 2)
    credit(order, 2, sue)
    returned = came_back(world.fulfillment(order), by=Actor.in_seat(world.seat))
    with pytest.raises(RedemptionError, match="all units of this line went back already"):
        credited(returned)
    credited(returned, 0, reason="They had the points already")
    assert counted(order) == (2, 2, 2, 2)
    give_back(world, order)
    assert world.ledger(order) == (2_000, 2_000)
    assert holds(world)


def test_a_proposal_that_is_overtaken_is_closed(world: World, sue: User, fin: User) -> None:
    order = at_the_desk(world, 3)
    credit(order, 3, sue)
    cancel(order=order, by=Actor.in_seat(world.seat), reason="")
    with pytest.raises(RedemptionError, match="It was settled otherwise before"):
        unit_credits.confirm(item=line_of(order), by=Actor.person(fin))
    assert Decision.objects.get().status == DecisionStatus.OVERTAKEN
    assert holds(world, at_rest=False)


# --- What the database refuses -------------------------------------------------------------


def test_the_database_lets_one_person_decide_only_within_the_limit_of_an_order(
    world: World, sue: User
) -> None:
    order = delivered(world)
    credit(order, 1, sue)
    facts = {
        "item": line_of(order),
        "verdict": Verdict.CREDIT_UNITS,
        "evidence": "x",
        "proposed_by": sue,
        "status": DecisionStatus.CONFIRMED,
        "decided_at": timezone.now(),
    }
    with pytest.raises(IntegrityError, match="credited_alone_within_limit"), transaction.atomic():
        Decision.objects.create(**facts, units=2, alone_up_to=2_000)
    with pytest.raises(IntegrityError, match="decided_by_somebody"), transaction.atomic():
        Decision.objects.create(**facts, units=1, alone_up_to=None)
    Decision.objects.create(**facts, units=1, alone_up_to=2_000)


def test_the_database_lets_a_return_be_decided_once_for_its_units_and_by_others(
    world: World, fin: User
) -> None:
    order = delivered(world)
    recorder = staff("fulfillment", "finance")
    returned = came_back(world.fulfillment(order), quantity=1, by=Actor.person(recorder))

    def decision(**changes: Any) -> Decision:
        return Decision.objects.create(
            **{
                "item": line_of(order),
                "verdict": Verdict.RETURNED,
                "returned": returned,
                "units": 1,
                "evidence": "x",
                "proposed_by": fin,
                "status": DecisionStatus.CONFIRMED,
                "decided_at": timezone.now(),
                "alone_up_to": 2_000,
                **changes,
            }
        )

    for wrong in ({"proposed_by": recorder}, {"decided_by": recorder}, {"units": 2}):
        with pytest.raises(IntegrityError, match="return_decided_by_others"), transaction.atomic():
            decision(**wrong)
    decision()
    with pytest.raises(IntegrityError, match="one_decision_a_return"), transaction.atomic():
        decision(units=0)


def test_the_database_credits_whole_units_of_a_line_and_each_once(world: World, sue: User) -> None:
    order = world.place((world.product(), 2), (world.product(), 2))
    settle_transaction(world.debit(order).pk)
    item = order.items.all()[0]
    unit_credits.credit_units(item=item, units=1, reason="x", by=Actor.person(sue), seen=0)
    [given] = world.credits(order)
    facts = {name: getattr(given, name) for name in ("order", "company", "item", "original")}

    def another(points: int, units: int) -> None:
        type(given).objects.create(
            **facts,
            transaction_type="CREDIT",
            key=f"credit:{points}",
            body="{}",
            points_amount=points,
            units=units,
        )

    with pytest.raises(IntegrityError, match="is not for units that it has"), transaction.atomic():
        another(999, 1)
    with pytest.raises(IntegrityError, match="is not for units that it has"), transaction.atomic():
        another(2_000, 2)
    another(1_000, 1)
    for name, wrong in (
        ("item_returned_of_delivered", {"quantity_returned": 1}),
        ("item_returned_of_delivered", {"quantity_credited": 2}),
        ("item_supplied_or_not", {"quantity_credited": 0, "quantity_delivered": 2}),
    ):
        with pytest.raises(IntegrityError, match=name), transaction.atomic():
            OrderItem.objects.filter(pk=item.pk).update(**wrong)
