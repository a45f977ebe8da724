"""Orders of many lines: 500 lines need only a few statements more than one, and one action of a
person makes one credit.
"""

from collections.abc import Callable
from typing import Any

import pytest
from celery import Task
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.models import Product, ProductType
from fulfillment.models import Fulfillment, PartnerCall
from fulfillment.services import claim, unclaim
from fulfillment.virtual.saga import ask, poll
from inventory import services as stock
from loyalty_portal.data.actor import SYSTEM, Actor
from redemption.invariants.checks import check_invariants
from redemption.models import Callback, RedemptionOrder
from redemption.orders.actions.cancelling import cancel
from redemption.saga import tasks
from redemption.saga.steps import RedemptionError
from redemption.saga.transactions import settle_transaction
from redemption.states import OrderStatus
from tests.redemption.saga.test_webhooks import ended_parcel, send
from tests.redemption.world import World, make_all_due

pytestmark = pytest.mark.django_db(transaction=True)
MANY = 500


def place(world: World, product: Product, lines: int) -> RedemptionOrder:
    return world.place(*[(product, 1)] * lines)


def confirmed(
    world: World, lines: int, *, kind: str = ProductType.PHYSICAL, counted: bool = False
) -> RedemptionOrder:
    """An order whose points are taken. `counted`: its virtual product has a counted stock."""
    product = world.product(kind=kind, points=10, stocked=lines)
    if counted:
        stock.receive(product=product, quantity=lines, reason="bought codes", by=SYSTEM)
    order = place(world, product, lines)
    settle_transaction(world.debit(order).pk)
    return RedemptionOrder.objects.get(pk=order.pk)


def statements(act: Callable[..., Any], *args: Any, **named: Any) -> int:
    with CaptureQueriesContext(connection) as seen:
        act(*args, **named)
    return len(seen)


@pytest.mark.parametrize("kind", [ProductType.PHYSICAL, ProductType.VIRTUAL])
def test_the_steps_of_500_lines_cost_at_most_three_times_those_of_one(
    world: World, kind: str
) -> None:
    confirmed(world, 1, kind=kind)  # compiles what is compiled once
    figures: dict[str, list[int]] = {"place": [], "confirm": [], "cancel": []}
    for lines in (1, MANY):
        product = world.product(kind=kind, points=10, stocked=lines)
        # The test's own reading of each line's product is no statement of the step.
        figures["place"].append(statements(place, world, product, lines) - lines)
        order = RedemptionOrder.objects.latest("created_at")
        figures["confirm"].append(statements(settle_transaction, world.debit(order).pk))
        order.refresh_from_db()
        cancelling = {"order": order, "by": Actor.in_seat(world.seat), "reason": "not needed"}
        figures["cancel"].append(statements(cancel, **cancelling))
    for step, (one, many) in figures.items():
        assert many <= 3 * one, (step, one, many)


@pytest.mark.parametrize(
    ("lines", "counted", "most"), [(1, False, 12), (12, False, 11), (1, True, 13), (40, True, 12)]
)
def test_a_line_delivered_costs_twelve_statements_in_an_order_of_any_size(
    world: World,
    lines: int,
    counted: bool,
    most: int,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
) -> None:
    """From the claim of its call to the nudges: everything but BEGIN and COMMIT.

    A line alone has a letter of its own, and asks by itself whether the order has ended.
    """
    # replaced: Celery's sending; no worker runs here
    monkeypatch.setattr(Task, "apply_async", lambda *_args, **_options: None)
    settings.FASTPATH = True  # plain Django makes several statements of one
    world.partners.dial(mode="instant")
    # compiles what is compiled once
    deliver_all(confirmed(world, 2, kind=ProductType.VIRTUAL, counted=counted))
    order = confirmed(world, lines, kind=ProductType.VIRTUAL, counted=counted)
    counts = deliver_all(order)
    order.refresh_from_db()
    assert order.status == OrderStatus.COMPLETED
    # Of the order, once: it is in progress; its digest begins, and whether a line is left is asked
    # by itself; something came, it is complete, of several lines, and its last digest.
    begun, ended = 3 if lines > 1 else 1, 4 if lines > 1 else 3
    assert sum(counts) <= most * lines + begun + ended
    assert set(counts[1:-1]) <= {most}  # the others cost the same each
    assert check_invariants(at_rest=False) == []


def deliver_all(order: RedemptionOrder) -> list[int]:
    """Deliver an order's lines one by one. Returns the statements of each, without BEGIN and
    COMMIT.
    """
    counts = []
    for call in PartnerCall.objects.filter(fulfillment__label=order.order_number):
        with CaptureQueriesContext(connection) as seen:
            tasks.request_fulfillment(str(call.pk))
        counts.append(sum(each["sql"] not in {"BEGIN", "COMMIT"} for each in seen))
    return counts


def test_cancelling_500_lines_is_one_credit_and_all_stock_is_back(world: World) -> None:
    order = confirmed(world, MANY)
    cancel(order=order, by=Actor.in_seat(world.seat), reason="not needed")
    [credit] = world.credits(order)
    assert (credit.points_amount, credit.item, credit.reason) == (10 * MANY, None, "not needed")
    settle_transaction(credit.pk)
    order.refresh_from_db()
    assert order.status == OrderStatus.CANCELLED
    assert world.ledger(order) == (10 * MANY, 10 * MANY)
    shelf = order.items.all()[0].product.inventory
    assert (shelf.quantity_available, shelf.quantity_reserved) == (MANY, 0)
    assert check_invariants(at_rest=True) == []


def test_a_cancel_reaches_only_what_nobody_has_begun_and_credits_it_once(world: World) -> None:
    order = confirmed(world, 6)
    begun = list(Fulfillment.objects.filter(label=order.order_number))[:2]
    for parcel in begun:
        claim(fulfillment=parcel, by=Actor.in_seat(world.seat))
    told = cancel(order=order, by=Actor.in_seat(world.seat), reason="too many")
    assert "somebody at the desk is working on it" in told
    assert [credit.points_amount for credit in world.credits(order)] == [40]
    for parcel in begun:
        unclaim(fulfillment=parcel, by=Actor.in_seat(world.seat))
    cancel(order=order, by=Actor.in_seat(world.seat), reason="all of it")
    assert [credit.points_amount for credit in world.credits(order)] == [40, 20]
    for credit in world.credits(order):
        settle_transaction(credit.pk)
    order.refresh_from_db()
    assert order.status == OrderStatus.CANCELLED
    assert check_invariants(at_rest=True) == []


def test_a_cancel_while_half_of_the_lines_are_being_sent_gives_each_point_back_once(
    world: World,
) -> None:
    world.partners.dial(mode="accept", delay=3600)
    order = confirmed(world, 8, kind=ProductType.VIRTUAL)
    calls = PartnerCall.objects.filter(fulfillment__label=order.order_number)
    world.partners.fault("fulfill", "reset_after", times=4)  # they arrive; no answer does
    for call in calls[:4]:
        ask(call.pk)
    told = cancel(order=order, by=Actor.in_seat(world.seat), reason="not needed")
    assert "Our partner is asked to stop" in told
    assert [credit.points_amount for credit in world.credits(order)] == [40]
    for _round in range(3):  # each request again, then its cancel
        make_all_due()
        for call in PartnerCall.objects.due():
            ask(call.pk)
    credits_due = world.credits(order)
    assert [credit.points_amount for credit in credits_due] == [40, 10, 10, 10, 10]
    for credit in credits_due:
        settle_transaction(credit.pk)
    order.refresh_from_db()
    assert order.status == OrderStatus.CANCELLED
    assert world.ledger(order) == (80, 80)
    assert check_invariants(at_rest=True) == []


def test_a_product_with_stock_for_499_places_none_of_500(world: World) -> None:
    product = world.product(points=10, stocked=MANY - 1)
    with pytest.raises(RedemptionError, match="not enough pieces"):
        place(world, product, MANY)
    assert not RedemptionOrder.objects.exists()
    product.inventory.refresh_from_db()
    assert (product.inventory.quantity_available, product.inventory.quantity_reserved) == (499, 0)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the rows that were queued."""
    ids: list[str] = []

    def publish(task: Task, arguments: tuple[str], **_options: Any) -> None:
        ids.append(arguments[0])

    # replaced: Celery's sending; no worker runs here
    monkeypatch.setattr(Task, "apply_async", publish)
    return ids


def test_a_step_of_one_order_queues_no_rows_of_another(world: World, sent: list[str]) -> None:
    first, other = (place(world, world.virtual(points=10), 1) for _ in range(2))
    tasks.settle_transaction(str(world.debit(first).pk))
    sent.clear()
    with tasks.going_on(first.pk):
        settle_transaction(world.debit(other).pk)  # its letter and its partner call are due now
        place(world, world.product(), 1)  # its debit is due now
    assert sent == []
    tasks.request_fulfillment(str(world.fulfillment(first).calls.get().pk))
    make_all_due()
    tasks.ask_how_it_stands(str(world.fulfillment(first).pk))
    assert PartnerCall.objects.due().get().fulfillment == world.fulfillment(other)


def test_a_step_nudges_only_what_it_made_due(world: World, sent: list[str]) -> None:
    world.partners.dial(mode="instant")
    lines = 12
    order = place(world, world.virtual(points=10), lines)
    tasks.settle_transaction(str(world.debit(order).pk))
    calls = PartnerCall.objects.filter(fulfillment__label=order.order_number)
    assert {str(call.pk) for call in calls} < set(sent)
    for call in calls:
        tasks.request_fulfillment(str(call.pk))
    order.refresh_from_db()
    assert order.status == OrderStatus.COMPLETED
    assert len(sent) <= 2 * lines + 1  # a call and a letter each, and the letter of confirmation


def test_a_line_that_is_called_back_costs_two_nudges_and_few_statements(
    world: World, sent: list[str], settings: Any
) -> None:
    """One nudge to ask for it and one for its callback, whose task asks the partner at once."""
    settings.FASTPATH = True  # plain Django makes several statements of one
    world.partners.dial(mode="accept", delay=3600)
    lines = 3
    order = place(world, world.virtual(points=10), lines)
    tasks.settle_transaction(str(world.debit(order).pk))
    for call in PartnerCall.objects.filter(fulfillment__label=order.order_number):
        tasks.request_fulfillment(str(call.pk))
    for parcel in Fulfillment.objects.filter(label=order.order_number):
        send(ended_parcel(world, parcel, "delivered"))
    counts = []
    for callback in Callback.objects.all():
        with CaptureQueriesContext(connection) as seen:
            tasks.process_callback(str(callback.pk))
        counts.append(sum(each["sql"] not in {"BEGIN", "COMMIT"} for each in seen))
    # The callback is taken, the partner asked, and its answer settled: three steps with a lease each.
    assert set(counts[1:-1]) <= {18}
    assert sum(counts) <= 18 * lines + 6  # the first begins the order, the last ends it
    order.refresh_from_db()
    assert order.status == OrderStatus.COMPLETED
    letters = {str(key) for key in order.letters.values_list("pk", flat=True)}
    assert len([key for key in sent if key not in letters]) == 2 * lines
    assert len(sent) == 2 * lines + 2  # the letter of confirmation, and the digest


def test_a_partner_that_fails_every_third_line_owes_a_credit_for_each(world: World) -> None:
    world.partners.dial(mode="instant")
    order = confirmed(world, 9, kind=ProductType.VIRTUAL)
    calls = list(PartnerCall.objects.filter(fulfillment__label=order.order_number))
    for number, call in enumerate(calls):
        mode = "fail" if number % 3 == 0 else "instant"
        world.partners.dial(mode=mode, delay=0)
        ask(call.pk)
    make_all_due()
    for parcel in Fulfillment.objects.filter(status="REQUESTED"):
        poll(parcel.pk)
    credits_due = world.credits(order)
    assert [credit.points_amount for credit in credits_due] == [10, 10, 10]
    assert all(credit.item for credit in credits_due)
    for credit in credits_due:
        settle_transaction(credit.pk)
    order.refresh_from_db()
    assert order.status == OrderStatus.COMPLETED
    assert check_invariants(at_rest=True) == []
