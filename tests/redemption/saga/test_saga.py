"""The saga with the sandbox over HTTP: debits, deliveries, retries and credits."""

import uuid
from typing import Any

import pytest

from catalog.models import Product
from fulfillment import services as desk
from fulfillment.models import Fulfillment, PartnerCall, VirtualCode
from fulfillment.states import CallStatus, FulfillmentStatus
from fulfillment.virtual import saga as virtual
from inventory.models import Inventory, Reservation
from loyalty_portal.data.actor import Actor
from redemption.models import Letter, LoyaltyTransaction, RedemptionOrder
from redemption.orders.actions.cancelling import cancel
from redemption.saga.steps import RedemptionError
from redemption.saga.transactions import settle_transaction
from redemption.states import LineStatus, OrderStatus, TransactionStatus
from tests.redemption.world import World, make_all_due
from tests.support.orders.came_back import came_back, credited

pytestmark = pytest.mark.django_db(transaction=True)


def refreshed(order: RedemptionOrder) -> RedemptionOrder:
    return RedemptionOrder.objects.get(pk=order.pk)


def settle(world: World, order: RedemptionOrder) -> RedemptionOrder:
    settle_transaction(world.debit(order).pk)
    return refreshed(order)


def give_back(order: RedemptionOrder) -> RedemptionOrder:
    for credit in order.transactions.filter(transaction_type="CREDIT"):
        settle_transaction(credit.pk)
    return refreshed(order)


def numbers(product: Product) -> tuple[int, int]:
    stock = Inventory.objects.get(product=product)
    return stock.quantity_available, stock.quantity_reserved


def test_placing_reserves_the_stock_and_intends_the_debit(world: World) -> None:
    book = world.product(points=1_500, stocked=10)
    order = world.place((book, 3))
    assert order.status == OrderStatus.PENDING
    assert numbers(book) == (7, 3)
    debit = world.debit(order)
    assert (debit.status, debit.points_amount) == (TransactionStatus.INTENDED, 4_500)
    assert debit.key == f"debit:{order.id}"
    assert world.ledger(order) == (0, 0)


def test_a_physical_order_goes_from_debit_to_delivery(world: World) -> None:
    book = world.product(points=1_500, stocked=10)
    order = settle(world, world.place((book, 2)))
    assert order.status == OrderStatus.CONFIRMED
    assert world.ledger(order) == (3_000, 0)
    by = world.seat.user
    parcel = world.fulfillment(order)
    desk.claim(fulfillment=parcel, by=Actor.person(by))
    assert refreshed(order).status == OrderStatus.IN_FULFILLMENT
    desk.pack(fulfillment=parcel, by=Actor.person(by))
    shipment = desk.ship(
        fulfillment=parcel, quantity=2, carrier="DHL", tracking_number="JJD1", by=Actor.person(by)
    )
    assert numbers(book) == (8, 0)
    desk.deliver(shipment=shipment, by=Actor.person(by))
    order = refreshed(order)
    assert order.status == OrderStatus.COMPLETED
    assert order.completed_at is not None
    assert order.items.get().quantity_delivered == 2
    assert sorted(Letter.objects.filter(order=order).values_list("kind", flat=True)) == [
        "confirmed",
        "delivered",
        "shipped",
    ]


def test_a_virtual_order_is_delivered_with_exactly_its_codes(world: World) -> None:
    world.partners.dial(mode="instant")
    order = settle(world, world.place((world.virtual(points=500), 3)))
    assert order.items.get().fulfillment_status == LineStatus.REQUESTED
    virtual.ask(PartnerCall.objects.get().pk)
    order = refreshed(order)
    assert order.status == OrderStatus.COMPLETED
    assert VirtualCode.objects.filter(fulfillment=world.fulfillment(order)).count() == 3


def test_a_delivery_that_is_never_called_back_is_polled(world: World) -> None:
    world.partners.dial(mode="silent", delay=0)
    order = settle(world, world.place((world.virtual(), 1)))
    virtual.ask(PartnerCall.objects.get().pk)
    assert refreshed(order).status == OrderStatus.IN_FULFILLMENT
    fulfillment = world.fulfillment(order)
    for _ in range(20):
        make_all_due()
        virtual.poll(fulfillment.pk)
        if refreshed(order).status == OrderStatus.COMPLETED:
            break
    assert refreshed(order).status == OrderStatus.COMPLETED


def test_order_declined_by_the_partner_releases_its_stock(world: World) -> None:
    dear = world.product(points=200_000, stocked=5)
    order = settle(world, world.place((dear, 1)))
    assert order.status == OrderStatus.DECLINED
    assert order.items.get().fulfillment_status == LineStatus.CANCELLED
    assert numbers(dear) == (5, 0)
    assert world.ledger(order) == (0, 0)
    assert "insufficient_points" in order.events.get(to_status="DECLINED").reason


@pytest.mark.parametrize(
    "fault", ["timeout_after", "reset_after", "error_500_after", "malformed", "not_schema"]
)
def test_a_debit_of_unknown_outcome_is_asked_again_with_the_same_key_and_taken_once(
    world: World, fault: str
) -> None:
    world.partners.fault("debit", fault, seconds=3, times=10)
    order = settle(world, world.place((world.product(), 1)))
    assert order.status == OrderStatus.PENDING
    assert world.debit(order).status == TransactionStatus.UNKNOWN
    world.partners.clear_faults()
    assert settle_transaction(world.debit(order).pk) is None  # not due yet
    make_all_due()
    order = settle(world, order)
    assert order.status == OrderStatus.CONFIRMED
    assert world.ledger(order) == (1_000, 0)


@pytest.mark.parametrize(
    "fault", ["timeout_before", "reset_before", "error_500_before", "unavailable_503"]
)
def test_a_debit_that_did_not_land_is_asked_again_until_it_does(world: World, fault: str) -> None:
    world.partners.fault("debit", fault, seconds=3, times=10)
    order = settle(world, world.place((world.product(), 1)))
    assert world.debit(order).status == TransactionStatus.UNKNOWN
    world.partners.clear_faults()
    make_all_due()
    assert settle(world, order).status == OrderStatus.CONFIRMED
    assert world.ledger(order) == (1_000, 0)


def test_an_answer_about_another_amount_is_unknown_and_asks_for_a_person(world: World) -> None:
    world.partners.fault("debit", "mismatch", times=1)
    order = settle(world, world.place((world.product(), 1)))
    assert world.debit(order).status == TransactionStatus.UNKNOWN
    assert order.status == OrderStatus.PENDING
    assert order.needs_attention


def test_cancelling_while_the_outcome_is_unknown_settles_first_and_then_credits(
    world: World,
) -> None:
    world.partners.fault("debit", "reset_after", times=10)
    book = world.product(stocked=4)
    order = settle(world, world.place((book, 1)))
    cancel(order=order, by=Actor.in_seat(world.seat), reason="changed our mind")
    assert refreshed(order).status == OrderStatus.CANCELLING
    assert world.credits(order) == []
    world.partners.clear_faults()
    make_all_due()
    order = settle(world, order)
    assert order.status == OrderStatus.CANCELLING
    assert give_back(order).status == OrderStatus.CANCELLED
    assert world.ledger(order) == (1_000, 1_000)
    assert numbers(book) == (4, 0)


def test_cancelling_an_order_that_is_then_declined_owes_nothing(world: World) -> None:
    dear = world.product(points=200_000, stocked=5)
    order = world.place((dear, 1))
    cancel(order=order, by=Actor.in_seat(world.seat), reason="")
    order = settle(world, order)
    assert order.status == OrderStatus.CANCELLED
    assert world.ledger(order) == (0, 0)
    assert numbers(dear) == (5, 0)


def test_cancelling_a_confirmed_order_gives_everything_back(world: World) -> None:
    book, card = world.product(stocked=4), world.virtual(points=700)
    order = settle(world, world.place((book, 2), (card, 1)))
    cancel(order=order, by=Actor.in_seat(world.seat), reason="")
    order = give_back(order)
    assert order.status == OrderStatus.CANCELLED
    assert world.ledger(order) == (2_700, 2_700)
    assert numbers(book) == (4, 0)
    assert PartnerCall.objects.get().status == CallStatus.WITHDRAWN
    assert not virtual.ask(PartnerCall.objects.get().pk)


def test_a_delivery_the_partner_already_has_is_asked_back(world: World) -> None:
    world.partners.dial(mode="accept", delay=60)
    order = settle(world, world.place((world.virtual(), 1)))
    virtual.ask(PartnerCall.objects.get(kind="REQUEST").pk)
    cancel(order=order, by=Actor.in_seat(world.seat), reason="")
    virtual.ask(PartnerCall.objects.get(kind="CANCEL").pk)
    order = give_back(order)
    assert order.status == OrderStatus.CANCELLED
    assert world.ledger(order) == (1_000, 1_000)


def test_cancelling_too_late_changes_nothing(world: World) -> None:
    world.partners.dial(mode="silent", delay=0)
    order = settle(world, world.place((world.virtual(), 1)))
    virtual.ask(PartnerCall.objects.get(kind="REQUEST").pk)
    cancel(order=order, by=Actor.in_seat(world.seat), reason="")
    virtual.ask(PartnerCall.objects.get(kind="CANCEL").pk)
    order = refreshed(order)
    assert order.status == OrderStatus.COMPLETED
    assert world.ledger(order) == (1_000, 0)
    with pytest.raises(RedemptionError, match="cannot be cancelled any more"):
        cancel(order=order, by=Actor.in_seat(world.seat), reason="")


def test_a_refused_delivery_gives_its_points_back(world: World) -> None:
    world.partners.fault("fulfill", "refuse", code="invalid_recipient", times=1)
    order = settle(world, world.place((world.virtual(points=800), 1)))
    virtual.ask(PartnerCall.objects.get().pk)
    order = give_back(order)
    assert order.status == OrderStatus.CANCELLED
    assert world.ledger(order) == (800, 800)


def test_one_failed_line_is_credited_alone_and_the_rest_completes(world: World) -> None:
    book, other = world.product(points=900, stocked=5), world.product(points=100, stocked=5)
    order = settle(world, world.place((book, 1), (other, 5)))
    by = world.seat.user
    first, second = Fulfillment.objects.order_by("-sku")[1], Fulfillment.objects.order_by("-sku")[0]
    desk.cannot_supply(fulfillment=first, quantity=None, reason="damaged", by=Actor.person(by))
    desk.pack(fulfillment=second, by=Actor.person(by))
    part = desk.ship(
        fulfillment=second, quantity=2, carrier="DHL", tracking_number="1", by=Actor.person(by)
    )
    desk.cannot_supply(fulfillment=second, quantity=3, reason="lost", by=Actor.person(by))
    assert Fulfillment.objects.get(pk=second.pk).status == FulfillmentStatus.SHIPPED
    desk.deliver(shipment=part, by=Actor.person(by))
    order = give_back(order)
    assert order.status == OrderStatus.COMPLETED
    assert world.ledger(order) == (1_400, 900 + 300)
    assert numbers(book) == (4, 0)
    assert numbers(other) == (0, 0)
    assert not Reservation.objects.filter(quantity__gt=0, released=0, consumed=0).exists()


def test_a_return_is_credited_once_finance_says_so_and_leaves_the_order_completed(
    world: World,
) -> None:
    order = settle(world, world.place((world.product(), 1)))
    by, parcel = world.seat.user, world.fulfillment(order)
    desk.pack(fulfillment=parcel, by=Actor.person(by))
    desk.deliver(
        shipment=desk.ship(
            fulfillment=parcel, quantity=1, carrier="DHL", tracking_number="", by=Actor.person(by)
        ),
        by=Actor.person(by),
    )
    returned = came_back(parcel, reason="wrong size", by=Actor.person(by))
    assert not world.credits(order)
    credited(returned)
    order = give_back(order)
    assert order.status == OrderStatus.COMPLETED
    assert order.items.get().fulfillment_status == LineStatus.RETURNED
    assert world.ledger(order) == (1_000, 1_000)


def test_a_refused_credit_waits_for_a_person_and_is_not_dropped(world: World) -> None:
    order = settle(world, world.place((world.product(), 1)))
    cancel(order=order, by=Actor.in_seat(world.seat), reason="")
    world.partners.fault("credit", "refuse", code="account_blocked", times=1)
    order = give_back(order)
    assert order.status == OrderStatus.CONFIRMED
    assert order.needs_attention
    assert world.credits(order)[0].status == TransactionStatus.NEEDS_REVIEW


def test_an_unknown_debit_past_the_partners_memory_waits_for_a_person(
    world: World, settings: Any
) -> None:
    world.partners.fault("debit", "reset_after", times=10)
    order = settle(world, world.place((world.product(), 1)))
    LoyaltyTransaction.objects.update(first_sent_at="2020-01-01T00:00:00Z")
    make_all_due()
    order = settle(world, order)
    assert world.debit(order).status == TransactionStatus.NEEDS_REVIEW
    assert order.status == OrderStatus.PENDING
    assert order.needs_attention


def test_a_partner_that_ignores_keys_is_never_asked_twice(world: World, settings: Any) -> None:
    settings.LOYALTY_API_IDEMPOTENT = False
    world.partners.fault("debit", "reset_after", times=1)
    order = settle(world, world.place((world.product(), 1)))
    assert world.debit(order).status == TransactionStatus.NEEDS_REVIEW
    make_all_due()
    assert settle_transaction(world.debit(order).pk) is None
    assert world.ledger(order) == (1_000, 0)


def test_the_same_form_shows_the_same_order(world: World) -> None:
    book, token = world.product(stocked=5), uuid.uuid4()
    first = world.place((book, 1), token=token)
    again = world.place((book, 1), token=token)
    assert first.pk == again.pk
    assert numbers(book) == (4, 1)
