"""One line of an order is cancelled by the rules of the whole order, and the others go on."""

import pytest

from accounts.models import Role
from fulfillment import services as desk
from fulfillment.models import Fulfillment, PartnerCall
from fulfillment.virtual import saga as virtual
from inventory.models import Inventory
from loyalty_portal.data.actor import Actor
from redemption.invariants.checks import check_invariants
from redemption.models import OrderItem, RedemptionOrder
from redemption.orders.actions.cancelling import cancel, cancel_line
from redemption.saga.steps import RedemptionError
from redemption.saga.transactions import settle_transaction
from redemption.states import LineStatus, OrderStatus
from tests.redemption.saga.test_virtual_news import give_back
from tests.redemption.saga.waiting.lines import confirmed, tomorrow
from tests.redemption.world import World
from tests.support.staff import staff

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def order(world: World) -> RedemptionOrder:
    """A paid order of a book (2 of 500 points), a lamp (1 of 700) and a card (1 of 900)."""
    placed = world.place(
        (world.product(points=500), 2),
        (world.product(points=700), 1),
        (world.virtual(points=900), 1),
    )
    settle_transaction(world.debit(placed).pk)
    placed.refresh_from_db()
    return placed


def lines(order: RedemptionOrder) -> list[OrderItem]:
    return list(order.items.order_by("points_per_item"))


def test_a_line_is_cancelled_alone_its_stock_is_free_and_its_points_go_back(
    world: World, order: RedemptionOrder
) -> None:
    book, lamp, card = lines(order)
    by = Actor.person(staff("support"))
    told = cancel_line(item=book, by=by, reason="They asked by phone")
    assert told == (
        f"Cancelled: 2 × {book.product_name}. 1,000 points go back to the company’s account."
    )
    assert [line.fulfillment_status for line in lines(order)] == [
        "CANCELLED",
        "QUEUED",
        "REQUESTED",
    ]
    assert Inventory.objects.get(product=book.product).quantity_available == 10
    [credit] = world.credits(order)
    assert (credit.item, credit.units, credit.reason) == (book, 2, "They asked by phone")
    with pytest.raises(RedemptionError, match="This line has ended already"):
        cancel_line(item=book, by=by, reason="")
    cancel_line(item=card, by=by, reason="")
    give_back(world, order)
    order.refresh_from_db()
    assert order.status == OrderStatus.CONFIRMED
    parcel = desk.pack(fulfillment=Fulfillment.objects.get(reference=lamp.pk), by=by)
    with pytest.raises(RedemptionError, match="cannot be cancelled any more: it is packed"):
        cancel_line(item=lamp, by=by, reason="")
    sent = desk.ship(fulfillment=parcel, quantity=1, carrier="DHL", tracking_number="", by=by)
    desk.deliver(shipment=sent, by=by)
    order.refresh_from_db()
    assert (order.status, world.ledger(order)) == (OrderStatus.COMPLETED, (2_600, 1_900))
    with pytest.raises(RedemptionError, match="it is “completed”"):
        cancel_line(item=lamp, by=by, reason="")
    assert check_invariants(at_rest=True) == []


def test_the_last_line_that_is_cancelled_ends_the_order_as_cancelled(
    world: World, order: RedemptionOrder
) -> None:
    by = Actor.in_seat(world.seat)
    for line in lines(order):
        cancel_line(item=line, by=by, reason="")
    give_back(world, order)
    order.refresh_from_db()
    assert (order.status, world.ledger(order)) == (OrderStatus.CANCELLED, (2_600, 2_600))
    assert check_invariants(at_rest=True) == []


def test_before_its_points_are_taken_a_line_is_cancelled_with_its_order_only(world: World) -> None:
    pending = world.place((world.product(), 1), (world.product(), 1))
    by = Actor.in_seat(world.seat)
    with pytest.raises(RedemptionError, match="only the whole order can be cancelled"):
        cancel_line(item=lines(pending)[0], by=by, reason="")
    cancel(order=pending, by=by, reason="")
    with pytest.raises(RedemptionError, match="it is “being cancelled”"):
        cancel_line(item=lines(pending)[0], by=by, reason="")


def test_of_a_line_that_the_partner_has_its_answer_decides(
    world: World, order: RedemptionOrder
) -> None:
    world.partners.dial(mode="accept", delay=3600)
    virtual.ask(PartnerCall.objects.get().pk)
    card = lines(order)[2]
    told = cancel_line(item=card, by=Actor.in_seat(world.seat), reason="")
    assert told.startswith(f"Our partner is asked to stop {card.product_name}.")
    assert lines(order)[2].fulfillment_status == LineStatus.REQUESTED
    virtual.ask(PartnerCall.objects.get(kind="CANCEL").pk)
    assert lines(order)[2].fulfillment_status == LineStatus.CANCELLED
    assert [line.fulfillment_status for line in lines(order)[:2]] == ["QUEUED"] * 2


def test_a_line_that_waits_is_cancelled_at_once(world: World) -> None:
    order = confirmed(
        world,
        (world.virtual(points=500), {"send_on": tomorrow()}),
        (world.product(points=900), {"recipient": None}),
    )
    by = Actor.in_seat(world.seat)
    cancel_line(item=lines(order)[1], by=by, reason="")
    assert [line.fulfillment_status for line in lines(order)] == ["WAITING", "CANCELLED"]
    assert check_invariants() == []


def test_whoever_may_not_cancel_the_order_cancels_no_line_of_it(
    world: World, order: RedemptionOrder
) -> None:
    for by in (
        Actor.in_seat(world.new_seat(Role.VIEWER)),
        Actor.in_seat(world.new_seat(Role.OWNER, world.new_company(points=1))),
        Actor.person(staff("finance")),
    ):
        with pytest.raises(RedemptionError, match="does not include this"):
            cancel_line(item=lines(order)[0], by=by, reason="")
