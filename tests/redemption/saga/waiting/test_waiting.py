"""Lines that wait for a date, or for their recipient's answer."""

from collections.abc import Callable
from datetime import timedelta

import orjson
import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from fulfillment.models import Fulfillment, PartnerCall
from loyalty_portal.data.actor import SYSTEM, Actor
from redemption.checkout.approvals.deciding import approve
from redemption.incidents.causes import settle_gone
from redemption.invariants.checks import check_deadlines, check_invariants
from redemption.models import IncidentCase, LineWait, OrderItem, RedemptionOrder
from redemption.orders.actions.cancelling import cancel, cancellation
from redemption.orders.actions.services import retry_now
from redemption.saga import waiting
from redemption.saga.steps import RedemptionError, flag_overdue
from redemption.saga.transactions import settle_transaction
from redemption.states import LineStatus, OrderStatus
from tests.redemption.saga.test_sweep import sweep
from tests.redemption.saga.waiting.lines import (
    asking,
    confirmed,
    dated,
    line,
    placed,
    time_comes,
    tomorrow,
)
from tests.redemption.world import RECIPIENT, World
from tests.support.orders.ageing import make_orders_older

pytestmark = pytest.mark.django_db(transaction=True)


def statuses(order: RedemptionOrder) -> list[str]:
    return list(order.items.values_list("fulfillment_status", flat=True))


def now(order: RedemptionOrder) -> RedemptionOrder:
    return RedemptionOrder.objects.get(pk=order.pk)


def test_a_line_for_a_date_is_sent_when_the_date_comes_and_the_others_at_once(
    world: World,
) -> None:
    world.partners.dial(mode="instant")
    card, book = world.virtual(points=500), world.product(points=1_000)
    later = {"send_on": tomorrow(), "message": "Well done!"}
    order = confirmed(world, (card, later), (card, {}), (book, {}))
    assert sorted(statuses(order)) == ["QUEUED", "REQUESTED", "WAITING"]
    for _ in range(3):
        sweep()
    assert sorted(statuses(order)) == ["DELIVERED", "QUEUED", "WAITING"]
    assert check_invariants() == []
    time_comes(order)
    assert "1 waiting lines" in sweep()
    waited = order.items.get(waits_for="DATE")
    call = PartnerCall.objects.get(fulfillment__reference=waited.pk)
    assert orjson.loads(call.body)["message"] == f"Well done!\n— Grace Hopper, {world.company.name}"
    sweep()
    assert sorted(statuses(order)) == ["DELIVERED", "DELIVERED", "QUEUED"]
    assert check_invariants() == []


def test_an_order_is_not_complete_while_a_line_waits(world: World) -> None:
    world.partners.dial(mode="instant")
    card = world.virtual(points=500)
    order = confirmed(world, (card, {"send_on": tomorrow()}), (card, {}))
    sweep()
    assert now(order).status == OrderStatus.IN_FULFILLMENT
    time_comes(order)
    for _ in range(2):
        sweep()
    assert now(order).status == OrderStatus.COMPLETED
    assert check_invariants(at_rest=True) == []


def test_a_date_that_passed_while_approval_waited_is_no_reason_to_wait_longer(
    world: World,
) -> None:
    world.company.approval_threshold = 1
    world.company.save()
    order = placed(world, (world.virtual(points=500), {"send_on": tomorrow()}))
    OrderItem.objects.update(waits_until=timezone.now() - timedelta(hours=1))
    sweep()
    assert statuses(order) == ["WAITING"]  # nothing is sent before it is approved
    approve(order=order, by=Actor.in_seat(world.new_seat("approver")))
    settle_transaction(world.debit(order).pk)
    assert "1 waiting lines" in sweep()
    assert statuses(order) == ["REQUESTED"]
    assert check_invariants() == []


def test_a_physical_line_is_no_work_of_the_desk_before_its_recipient_has_answered(
    world: World,
) -> None:
    order = asking(world)
    assert not Fulfillment.objects.exists()
    item = line(order)
    book = item.product.inventory
    assert (book.quantity_available, book.quantity_reserved) == (9, 1)  # it is held meanwhile
    assert item.waits_until is not None
    assert timedelta(days=13) < item.waits_until - timezone.now() <= timedelta(days=14)
    answered = waiting.answer(item=item, recipient=RECIPIENT, by=SYSTEM)
    assert answered.recipient_name == RECIPIENT["recipient_name"]
    parcel = world.fulfillment(order)
    assert (parcel.status, parcel.recipient_name) == ("QUEUED", "Ada Byron")
    event = order.events.get(to_status=LineStatus.QUEUED)
    assert event.reason == "The recipient answered."
    assert check_invariants() == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"recipient_name": " "}, "Something is missing: name"),
        ({"city": ""}, "Something is missing: city"),
        ({"postcode": "0815"}, "postcode of Germany looks like"),
        ({"recipient_email": "nowhere"}, "valid e-mail address"),
        ({"recipient_name": "n" * 256}, "at most 255 characters"),
    ],
)
def test_an_answer_that_is_not_enough_is_refused_and_the_line_waits_on(
    world: World, change: dict[str, str], told: str
) -> None:
    order = asking(world)
    with pytest.raises(RedemptionError, match=told):
        waiting.answer(item=line(order), recipient=RECIPIENT | change, by=SYSTEM)
    assert statuses(order) == ["WAITING"]
    assert line(order).recipient_name == ""


def test_whoever_confirms_an_e_mail_address_gets_the_code_there(world: World) -> None:
    order = confirmed(world, (world.virtual(), {"recipient": None, "message": "For you"}))
    item, who = line(order), {"recipient_name": "Ada", "recipient_email": " ada@home.example "}
    with pytest.raises(RedemptionError, match="Something is missing: e-mail"):
        waiting.answer(item=item, recipient={"recipient_name": "Ada"}, by=SYSTEM)
    waiting.answer(item=item, recipient=who, by=SYSTEM)
    body = orjson.loads(PartnerCall.objects.get().body)
    assert body["recipient"]["email"] == "ada@home.example"
    assert body["message"] == f"For you\n— Grace Hopper, {world.company.name}"
    assert check_invariants() == []


def test_an_answer_counts_once_and_only_while_it_is_waited_for(world: World) -> None:
    def refused(order: RedemptionOrder, told: str) -> None:
        with pytest.raises(RedemptionError, match=told):
            waiting.answer(item=line(order), recipient=RECIPIENT, by=SYSTEM)

    answered = asking(world)
    waiting.answer(item=line(answered), recipient=RECIPIENT, by=SYSTEM)
    refused(answered, "answered already")
    cancelled = asking(world)
    cancel(order=cancelled, by=Actor.in_seat(world.seat), reason="not needed")
    refused(cancelled, "has ended")
    silent = asking(world)
    time_comes(silent)
    refused(silent, "time for an answer is over")
    sweep()
    refused(silent, "has ended")
    refused(dated(world), "nobody is asked")
    refused(placed(world, (world.product(), {"recipient": None})), "not confirmed")
    assert Fulfillment.objects.count() == 1


def test_lines_without_an_answer_end_and_their_points_and_stock_are_back(world: World) -> None:
    book = world.product(points=1_000)
    order = confirmed(world, (book, {"recipient": None}), (book, {"recipient": None}), (book, {}))
    time_comes(order)
    sweep()
    assert sorted(statuses(order)) == ["CANCELLED", "CANCELLED", "QUEUED"]
    [credit] = world.credits(order)
    assert (credit.points_amount, credit.reason) == (2_000, "The recipient did not answer in time.")
    settle_transaction(credit.pk)
    assert world.ledger(order) == (3_000, 2_000)
    book.inventory.refresh_from_db()
    assert (book.inventory.quantity_available, book.inventory.quantity_reserved) == (9, 1)
    assert check_invariants() == []


def test_an_order_of_which_nobody_answered_ends_cancelled(world: World) -> None:
    order = asking(world)
    time_comes(order)
    for _ in range(3):
        sweep()
    assert now(order).status == OrderStatus.CANCELLED
    assert world.ledger(order) == (100, 100)
    assert check_invariants(at_rest=True) == []


def test_cancelling_reaches_a_waiting_line_at_once_with_one_credit_for_all(world: World) -> None:
    card, book = world.virtual(points=500), world.product(points=1_000)
    order = confirmed(
        world,
        (card, {"send_on": tomorrow()}),
        (book, {"recipient": None}),
        (card, {}),
        (book, {}),
    )
    lines = [(item, None, ()) for item in order.items.all() if item.is_waiting]
    assert cancellation(order, lines).possible
    told = cancel(order=order, by=Actor.in_seat(world.seat), reason="not needed")
    assert told == "The whole order is cancelled. 3,000 points go back to the company’s account."
    [credit] = world.credits(order)
    assert (credit.points_amount, credit.item) == (3_000, None)
    assert not LineWait.objects.exclude(next_attempt_at=None).exists()
    settle_transaction(credit.pk)
    assert now(order).status == OrderStatus.CANCELLED
    assert check_invariants(at_rest=True) == []
    time_comes(order)
    assert "0 waiting lines" in sweep()


def test_nothing_hurries_a_waiting_line(world: World) -> None:
    order = dated(world)
    due = LineWait.objects.get().next_attempt_at
    retry_now(order=order, by=SYSTEM)
    assert LineWait.objects.get().next_attempt_at == due
    # Not even somebody who makes every row of every queue due.
    LineWait.objects.update(next_attempt_at="2020-01-01T00:00:00Z")
    sweep()
    assert statuses(order) == ["WAITING"]
    assert LineWait.objects.get().next_attempt_at == due
    assert check_invariants() == []


def aged(order: RedemptionOrder, days: int) -> None:
    make_orders_older(timedelta(days=days), which=f"id = '{order.pk}'")


def test_the_deadline_of_a_line_for_a_date_counts_from_the_date(world: World) -> None:
    order = dated(world)
    aged(order, 100)
    assert flag_overdue() == 0
    assert check_deadlines() == []
    time_comes(order)
    sweep()
    OrderItem.objects.update(waits_until=timezone.now() - timedelta(days=13))
    assert flag_overdue() == 0
    assert check_deadlines() == []
    OrderItem.objects.update(waits_until=timezone.now() - timedelta(days=15))
    assert [found.subject for found in check_deadlines()] == [order.order_number]
    assert flag_overdue() == 1
    assert check_deadlines() == []


def test_a_line_that_waits_hides_no_other_that_is_late(world: World) -> None:
    order = confirmed(
        world, (world.virtual(points=500), {"send_on": tomorrow()}), (world.product(), {})
    )
    aged(order, 15)
    assert [found.subject for found in check_deadlines()] == [order.order_number]
    assert flag_overdue() == 1
    assert settle_gone() == 0
    assert IncidentCase.objects.get().order == order


def test_an_order_whose_waiting_lines_have_ended_counts_from_their_end(world: World) -> None:
    order = asking(world)
    aged(order, 100)
    cancel(order=order, by=Actor.in_seat(world.seat), reason="not needed")
    assert now(order).status == OrderStatus.CONFIRMED  # the credit is still on its way
    assert (flag_overdue(), check_deadlines()) == (0, [])
    OrderItem.objects.update(waits_until=timezone.now() - timedelta(days=15))
    assert [found.subject for found in check_deadlines()] == [order.order_number]
    assert flag_overdue() == 1


def test_points_that_are_not_taken_yet_are_late_whatever_waits(world: World) -> None:
    order = placed(world, (world.virtual(points=500), {"send_on": tomorrow()}))
    aged(order, 1)
    assert [found.subject for found in check_deadlines()] == [order.order_number]
    assert flag_overdue() == 1


def test_a_line_that_nobody_sends_when_it_is_due_is_found(world: World) -> None:
    order = dated(world)
    time_comes(order)
    assert [found.subject for found in check_deadlines()] == [order.order_number]
    sweep()
    assert check_deadlines() == []


@pytest.mark.parametrize("make", [dated, asking])
def test_the_time_of_500_lines_comes_in_a_few_statements(
    world: World, make: Callable[[World, int], RedemptionOrder]
) -> None:
    figures = []
    for lines in (1, 500):
        order = make(world, lines)
        time_comes(order)
        with CaptureQueriesContext(connection) as seen:
            assert waiting.end_wait(order.items.all()[0].pk)
        figures.append(len(seen))
        assert set(statuses(order)).isdisjoint({"WAITING"})
    assert figures[1] <= 3 * figures[0], figures


def test_the_database_refuses_to_pass_a_line_on_before_its_time(world: World) -> None:
    """A process of the version before, which knows no waits, would send it at once."""
    order = dated(world)
    with pytest.raises(DatabaseError, match="waits until"):
        line(order).transition(LineStatus.REQUESTED)
