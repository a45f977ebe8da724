"""Waiting lines when two things happen at once, or when the process dies: each is passed on once."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.db import connection

from fulfillment import services as fulfillments
from fulfillment.models import Fulfillment
from fulfillment.news import News
from fulfillment.services import Parcel
from loyalty_portal.data.actor import SYSTEM, Actor
from loyalty_portal.data.leases import MOST_RAISED
from loyalty_portal.data.lifecycle import StaleStatusError
from redemption.invariants.checks import Invariant, check_invariants
from redemption.models import Incident, LineWait, OrderItem, RedemptionOrder
from redemption.orders.actions import cancelling
from redemption.orders.actions.cancelling import cancel
from redemption.orders.actions.incidents import try_again
from redemption.saga import steps, waiting
from redemption.saga.queues import work
from redemption.saga.steps import RedemptionError
from redemption.saga.waits import news_of_end
from redemption.states import IncidentKind
from tests.accounts.factories import UserFactory
from tests.redemption.saga.test_races import while_somebody
from tests.redemption.saga.waiting.lines import asking, dated, line, time_comes
from tests.redemption.world import RECIPIENT, World
from tests.support.waiting import all_at_once

pytestmark = pytest.mark.django_db(transaction=True)


def broken() -> set[Invariant]:
    return {violation.invariant for violation in check_invariants()}


def statuses() -> list[str]:
    return sorted(OrderItem.objects.values_list("fulfillment_status", flat=True))


def test_workers_who_find_the_same_lines_due_pass_each_on_once(world: World) -> None:
    order = dated(world, lines=3)
    time_comes(order)

    def one(item: OrderItem) -> Callable[[], bool]:
        def look() -> bool:
            try:
                return waiting.end_wait(item.pk)
            finally:
                connection.close()

        return look

    done = all_at_once([one(item) for item in order.items.all() for _ in range(2)])
    assert done.count(True) == 1
    assert statuses() == ["REQUESTED"] * 3
    assert Fulfillment.objects.count() == 3
    assert check_invariants() == []


def cancels(order: RedemptionOrder, world: World) -> None:
    cancel(order=order, by=Actor.in_seat(world.seat), reason="not needed")


def test_a_line_that_is_passed_on_as_it_is_cancelled_is_cancelled_as_what_it_is_by_then(
    world: World,
) -> None:
    order = dated(world)
    time_comes(order)
    with while_somebody(lambda: waiting.end_wait(line(order).pk)):
        cancels(order, world)
    assert statuses() == ["CANCELLED"]
    assert Fulfillment.objects.get().status == "CANCELLED"
    assert len(world.credits(order)) == 1
    assert check_invariants() == []


def test_without_a_look_at_the_status_the_line_is_sent_and_its_points_go_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control."""
    guarded = news_of_end

    def unguarded(item: OrderItem, **why: Any) -> News:
        told = guarded(item, **why)
        return News(reference=told.reference, status=told.status, lost=told.lost, **why)

    # replaced: the news without the status that the line must still have
    monkeypatch.setattr(cancelling, "news_of_end", unguarded)
    order = dated(world, lines=2)  # a line alone is read with the lock, and its step finds it stale
    time_comes(order)
    with while_somebody(lambda: waiting.end_wait(order.items.all()[0].pk)):
        cancels(order, world)
    assert len(world.credits(order)) == 1
    assert Invariant.AGREED in broken()


def answers(item: OrderItem, name: str = "Ada Byron") -> None:
    waiting.answer(item=item, recipient=RECIPIENT | {"recipient_name": name}, by=SYSTEM)


def test_of_two_answers_at_once_the_first_counts_and_the_second_reads_why_not(
    world: World,
) -> None:
    order = asking(world)
    item = line(order)
    with (
        while_somebody(lambda: answers(item)),
        pytest.raises(RedemptionError, match="answered already"),
    ):
        answers(item, "Somebody Else")
    assert line(order).recipient_name == world.fulfillment(order).recipient_name == "Ada Byron"
    assert check_invariants() == []


def test_without_the_lock_the_second_answer_reads_no_reason(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control. That nothing is sent twice holds even so: the status guards it."""
    order = asking(world)
    item = line(order)

    def unlocked() -> None:
        # replaced: the lock of the order, for the second answer only
        monkeypatch.setattr(steps, "locked", lambda key: RedemptionOrder.objects.get(pk=key))
        answers(item, "Somebody Else")

    with while_somebody(lambda: answers(item)), pytest.raises(StaleStatusError):
        unlocked()
    assert Fulfillment.objects.count() == 1


def test_an_answer_as_the_time_runs_out_reads_that_it_has_ended(world: World) -> None:
    order = asking(world)
    item = line(order)
    time_comes(order)
    with (
        while_somebody(lambda: waiting.end_wait(item.pk)),
        pytest.raises(RedemptionError, match="has ended"),
    ):
        answers(item)
    assert statuses() == ["CANCELLED"]
    assert check_invariants() == []


def die(**_parcels: Any) -> None:
    raise RuntimeError("the process dies here")


def test_a_worker_that_dies_in_the_middle_has_sent_nothing_and_the_next_one_sends_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = dated(world)
    time_comes(order)
    with monkeypatch.context() as midway:
        # replaced: the step after the line has its new status
        midway.setattr(fulfillments, "open_fulfillments", die)
        assert work("waiting lines", line(order).pk) is None
    assert statuses() == ["WAITING"]
    assert check_invariants() == []
    assert LineWait.objects.get().raised == 1
    LineWait.objects.update(next_attempt_at="2020-01-01T00:00:00Z")
    assert work("waiting lines", line(order).pk) is True
    assert statuses() == ["REQUESTED"]
    assert check_invariants() == []


def test_without_one_transaction_it_would_be_sent_to_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control."""
    order = dated(world)
    time_comes(order)
    # replaced: the step after the line has its new status, and the transaction around the step
    monkeypatch.setattr(fulfillments, "open_fulfillments", die)
    monkeypatch.setattr(steps, "locked", lambda key: RedemptionOrder.objects.get(pk=key))
    with pytest.raises(RuntimeError):
        waiting.end_wait.__wrapped__(line(order).pk)  # type: ignore[attr-defined]
    assert broken() >= {Invariant.ROUTED}


def test_a_line_that_cannot_be_passed_on_holds_up_no_other_and_waits_for_a_person(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = dated(world, lines=3)
    time_comes(order)
    poisoned = order.items.all()[1]
    guarded = fulfillments.open_fulfillments

    def raises_at_one(*, parcels: Sequence[Parcel]) -> list[Fulfillment]:
        if any(parcel.reference == poisoned.pk for parcel in parcels):
            raise ValueError("bad data")
        return guarded(parcels=parcels)

    with monkeypatch.context() as bad:
        # replaced: passing on, which fails for one line
        bad.setattr(fulfillments, "open_fulfillments", raises_at_one)
        for _ in range(MOST_RAISED + 1):
            for item in order.items.all():
                work("waiting lines", item.pk)
            LineWait.objects.filter(next_attempt_at__isnull=False).update(
                next_attempt_at="2020-01-01T00:00:00Z"
            )
    assert statuses() == ["REQUESTED", "REQUESTED", "WAITING"]
    incident = Incident.objects.get(kind=IncidentKind.POISON_ROW)
    assert check_invariants() == []
    try_again(incident=incident, by=Actor.person(UserFactory.create(superuser=True)))
    work("waiting lines", poisoned.pk)
    assert statuses() == ["REQUESTED"] * 3
