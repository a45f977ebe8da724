"""Two people about the same units at once: each unit is counted, and its points go back, once."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pgtrigger
import pytest
from django.db import IntegrityError, connection

from accounts.models import User
from fulfillment import services as desk
from fulfillment.models import Fulfillment, Progress
from fulfillment.returning import return_units
from fulfillment.services import DeskError
from fulfillment.states import ReturnedTo, Withdrawal
from loyalty_portal.data.actor import Actor
from redemption.invariants.checks import Invariant, check_invariants
from redemption.models import OrderItem
from redemption.orders.actions import unit_credits
from redemption.orders.actions.cancelling import cancel_line
from redemption.saga.steps import RedemptionError
from tests.redemption.orders.actions.test_remedies import line as line_of
from tests.redemption.orders.actions.test_transaction_decisions_two_people import at_once
from tests.redemption.orders.actions.test_unit_credits import (
    at_the_desk,
    counted,
    credit,
    delivered,
)
from tests.redemption.saga.test_races import while_somebody
from tests.redemption.world import World
from tests.support.orders.came_back import came_back
from tests.support.staff import staff

pytestmark = pytest.mark.django_db(transaction=True)

GUARDS = ("redemption.LoyaltyTransaction:credits_within_debit",)
CHECKS = ("item_units_once", "item_returned_of_delivered", "item_supplied_or_not")


def without_checks() -> None:
    with connection.cursor() as cursor:
        for name in CHECKS:
            cursor.execute(f"ALTER TABLE order_item DROP CONSTRAINT {name}")


def with_checks_again() -> None:
    """Put the constraints back for the tests that follow; the rows break them until deleted."""
    model = OrderItem
    with connection.schema_editor() as editor, connection.cursor() as cursor:
        cursor.execute(
            "UPDATE order_item SET quantity_refunded = 0, quantity_credited = 0,"
            " quantity_returned = 0"
        )
        for constraint in model._meta.constraints:
            if constraint.name in CHECKS:
                editor.add_constraint(model, constraint)


def test_two_people_who_credit_the_same_units_at_once_credit_them_once(world: World) -> None:
    order = delivered(world, 3)
    people = [staff("support") for _ in range(4)]
    told = at_once([partial(credit, order, 3, person, 0) for person in people])
    assert told.count("The points of 3 units go back: 3,000.") == 1
    assert told.count("Points of this line went back since the page was made. Look again.") == 3
    assert counted(order) == (3, 3, 3, 0)
    assert sum(each.points_amount for each in world.credits(order)) == 3_000
    assert check_invariants() == []


def test_whoever_decides_on_what_they_read_before_the_lock_is_stopped_by_the_database(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative controls: without the lock the constraints refuse the second; without these, the
    points go back twice and the invariants say so.
    """
    order = delivered(world, 3)
    one, another = staff("support"), staff("support")
    seen = (order, line_of(order))
    # replaced: negative control, both read before either writes
    monkeypatch.setattr(unit_credits, "_held", lambda _item: seen)
    credit(order, 2, one, 0)
    with pytest.raises(IntegrityError, match="item_units_once"):
        credit(order, 2, another, 0)
    without_checks()
    try:
        with pytest.raises(IntegrityError, match="would exceed its debit"):
            credit(order, 2, another, 0)
        with pgtrigger.ignore(*GUARDS):
            credit(order, 2, another, 0)
        found = {each.invariant for each in check_invariants()}
        assert Invariant.WITHIN in found
    finally:
        with_checks_again()


def returned_by(parcel: Fulfillment, by: Actor) -> Fulfillment:
    return return_units(fulfillment=parcel, quantity=2, to=ReturnedTo.STOCK, reason="broken", by=by)


def test_units_that_come_back_while_others_are_credited_are_all_counted(world: World) -> None:
    order, sue, by = delivered(world), staff("support"), Actor.in_seat(world.seat)
    parcel = world.fulfillment(order)
    with while_somebody(partial(returned_by, parcel, by)):
        credit(order, 2, sue)
    assert counted(order) == (5, 2, 2, 2)
    with while_somebody(partial(credit, order, 1, sue)):
        returned_by(parcel, by)
    assert counted(order) == (5, 3, 3, 4)
    assert check_invariants() == []


def test_a_credit_that_does_not_lock_the_fulfillment_would_be_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: the news of the return counts from a line that it read before. The
    database notices.
    """
    order, sue, by = delivered(world), staff("support"), Actor.in_seat(world.seat)
    parcel = world.fulfillment(order)
    # replaced: negative control, the lock of the fulfillment taken away
    monkeypatch.setattr(desk, "find", lambda _line: None)
    with (
        pytest.raises(IntegrityError, match="item_returned_of_delivered"),
        while_somebody(partial(credit, order, 2, sue)),
    ):
        returned_by(parcel, by)


def test_two_people_who_decide_about_one_return_at_once_decide_once(world: World) -> None:
    order = delivered(world)
    returned = came_back(world.fulfillment(order), quantity=2, by=Actor.in_seat(world.seat))

    def decide(by: User) -> str:
        return unit_credits.decide_return(
            returned=returned, units=2, reason="broken", by=Actor.person(by)
        )

    told = at_once([partial(decide, staff("finance")) for _ in range(4)])
    assert sorted(told)[:3] == ["It was decided about this already."] * 3
    assert counted(order) == (5, 2, 2, 2)
    assert check_invariants() == []


def test_two_who_confirm_one_proposal_at_once_give_its_points_back_once(
    world: World, settings: Any
) -> None:
    settings.CREDIT_LIMIT_POINTS = 0
    order = delivered(world)
    credit(order, 2, staff("support"))
    item, people = line_of(order), [staff("finance") for _ in range(4)]
    acts: list[Callable[[], Any]] = [
        partial(unit_credits.confirm, item=item, by=Actor.person(person)) for person in people
    ]
    told = at_once(acts)
    assert told.count("Nothing is proposed here any more.") == 3
    assert counted(order) == (5, 2, 2, 0)
    assert check_invariants() == []


def test_a_line_that_is_claimed_at_this_moment_is_not_cancelled_and_the_other_way_round(
    world: World,
) -> None:
    order, by = at_the_desk(world), Actor.in_seat(world.seat)
    parcel = world.fulfillment(order)
    with (
        pytest.raises(RedemptionError, match="somebody at the desk is working on it"),
        while_somebody(partial(desk.claim, fulfillment=parcel, by=Actor.person(staff()))),
    ):
        cancel_line(item=line_of(order), by=by, reason="")
    Fulfillment.objects.update(claimed_by=None)
    with (
        pytest.raises(DeskError, match="not possible any more"),
        while_somebody(partial(cancel_line, item=line_of(order), by=by, reason="")),
    ):
        desk.claim(fulfillment=parcel, by=Actor.person(staff()))
    assert counted(order) == (0, 5, 0, 0)
    assert check_invariants() == []


def test_without_looking_at_the_claim_the_line_is_taken_out_of_somebodys_hands(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, by, ann = at_the_desk(world), Actor.in_seat(world.seat), staff()
    # replaced: negative control, the guard taken away
    monkeypatch.setattr(Progress, "withdrawal", lambda _held, _calls: Withdrawal.NOW)
    with while_somebody(
        partial(desk.claim, fulfillment=world.fulfillment(order), by=Actor.person(ann))
    ):
        cancel_line(item=line_of(order), by=by, reason="")
    parcel = world.fulfillment(order)
    assert (parcel.status, parcel.claimed_by) == ("CANCELLED", ann)
