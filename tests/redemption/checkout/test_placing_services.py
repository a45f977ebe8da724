"""Placing and deciding orders: a refusal has a message and changes nothing."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.utils import timezone

from accounts.models import AccountManager, Role
from catalog.models import Product
from inventory.models import Inventory
from loyalty_portal.data.actor import Actor
from redemption.checkout import services as placing
from redemption.checkout.approvals.deciding import approve, expire_approvals, reject
from redemption.checkout.services import CheckoutInput, Line, place_order
from redemption.models import Letter, LetterKind, LoyaltyTransaction, RedemptionOrder
from redemption.orders.actions.cancelling import cancel
from redemption.orders.actions.services import retry_now, reveal_codes, unflag
from redemption.saga.steps import RedemptionError, flag, flag_overdue, write_letter
from redemption.saga.transactions import settle_transaction
from redemption.states import IncidentKind, OrderStatus
from tests.redemption.world import RECIPIENT, World
from tests.support.orders.ageing import make_orders_older

pytestmark = pytest.mark.django_db(transaction=True)


def lines(product: Product, quantity: int = 1) -> list[Line]:
    return [
        Line(Product.objects.select_related("inventory").get(pk=product.pk), quantity, RECIPIENT)
    ]


def entered(points: int) -> CheckoutInput:
    return CheckoutInput(token=uuid.uuid4(), seen_points=points)


def test_a_total_that_was_not_shown_is_not_taken(world: World) -> None:
    book = world.product(points=1_000)
    with pytest.raises(RedemptionError, match="points have changed"):
        place_order(
            seat=world.seat, lines=lines(book), entered=entered(1), by=Actor.in_seat(world.seat)
        )
    assert not RedemptionOrder.objects.exists()


def test_an_empty_order_is_none(world: World) -> None:
    with pytest.raises(RedemptionError, match="empty"):
        place_order(seat=world.seat, lines=[], entered=entered(0), by=Actor.in_seat(world.seat))


@pytest.mark.parametrize("who", ["seat", "person", "company"])
def test_a_seat_that_was_switched_off_since_the_page_was_read_orders_nothing(
    world: World, who: str
) -> None:
    book = world.product(points=1_000)
    world.company.approval_threshold = 5_000  # then the seat is locked, and looked at again
    world.company.save()
    seat = AccountManager.objects.select_related("company").get(pk=world.seat.pk)
    parts: dict[str, Any] = {
        "seat": world.seat, "person": world.seat.user, "company": world.company,
    }  # fmt: skip
    off = parts[who]
    off.is_active = False
    off.save()
    with pytest.raises(RedemptionError, match="switched off"):
        place_order(seat=seat, lines=lines(book), entered=entered(1_000), by=Actor.in_seat(seat))
    assert not RedemptionOrder.objects.exists()


def test_more_points_than_an_order_may_have_are_refused(world: World) -> None:
    dear = world.product(points=2_000_000_000)
    with pytest.raises(RedemptionError, match="more points than one order"):
        place_order(
            seat=world.seat,
            lines=lines(dear, 2),
            entered=entered(4_000_000_000),
            by=Actor.in_seat(world.seat),
        )


@pytest.mark.parametrize(
    "change",
    [
        {"is_active": False},
        {"minimum_tier": "PLATINUM"},
        {"available_until": timezone.now() - timedelta(days=1)},
        {"available_from": timezone.now() + timedelta(days=1)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_is_not_on_offer_cannot_be_redeemed(world: World, change: dict[str, object]) -> None:
    book = world.product(points=1_000)
    Product.objects.filter(pk=book.pk).update(**change)
    with pytest.raises(RedemptionError, match="not on offer"):
        place_order(
            seat=world.seat, lines=lines(book), entered=entered(1_000), by=Actor.in_seat(world.seat)
        )


def test_a_thing_without_stock_cannot_be_redeemed(world: World) -> None:
    bare = world.product(points=1_000, stocked=None)
    with pytest.raises(RedemptionError, match="not enough pieces"):
        place_order(
            seat=world.seat, lines=lines(bare), entered=entered(1_000), by=Actor.in_seat(world.seat)
        )
    few = world.product(points=1_000, stocked=2)
    with pytest.raises(RedemptionError, match="not enough pieces"):
        place_order(
            seat=world.seat,
            lines=lines(few, 3),
            entered=entered(3_000),
            by=Actor.in_seat(world.seat),
        )
    assert not RedemptionOrder.objects.exists()


def test_twenty_times_the_same_form_at_once_is_one_order(world: World) -> None:
    book, token = world.product(stocked=50), uuid.uuid4()

    def click(_number: int) -> uuid.UUID:
        try:
            return world.place((book, 1), token=token).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as tabs:
        assert len(set(tabs.map(click, range(20)))) == 1
    assert LoyaltyTransaction.objects.count() == 1
    assert Inventory.objects.get(product=book).quantity_reserved == 1


def test_another_seats_token_shows_nothing_of_its_order(world: World) -> None:
    book, token = world.product(), uuid.uuid4()
    world.place((book, 1), token=token)
    stranger = world.new_seat(Role.BUYER, world.new_company(points=100))
    with pytest.raises(IntegrityError):
        world.place((book, 1), seat=stranger, token=token)


@pytest.fixture
def approver(world: World) -> AccountManager:
    world.company.approval_threshold = 5_000
    world.company.save()
    return world.new_seat(Role.APPROVER)


@pytest.fixture
def big(world: World, approver: AccountManager) -> RedemptionOrder:
    return world.place((world.product(points=6_000, stocked=3), 1))


def test_an_order_at_the_threshold_needs_no_approval(
    world: World, approver: AccountManager
) -> None:
    assert world.place((world.product(points=5_000), 1)).status == OrderStatus.PENDING


def test_an_order_above_the_threshold_waits_and_takes_nothing(big: RedemptionOrder) -> None:
    assert big.status == OrderStatus.AWAITING_APPROVAL
    assert big.approve_by is not None
    assert abs(big.approve_by - big.created_at - timedelta(hours=72)) < timedelta(minutes=30)
    assert not big.transactions.exists()
    assert Inventory.objects.get().quantity_reserved == 1


def test_an_approved_order_goes_on(
    world: World, big: RedemptionOrder, approver: AccountManager
) -> None:
    approve(order=big, by=Actor.in_seat(approver))
    settle_transaction(world.debit(big).pk)
    big.refresh_from_db()
    assert (big.status, big.decided_by) == (OrderStatus.CONFIRMED, approver.user)
    with pytest.raises(RedemptionError, match="no longer waiting for approval"):
        reject(order=big, by=Actor.in_seat(approver), reason="too late")


def test_whoever_decides_too_late_reads_what_became_of_the_order(
    world: World, big: RedemptionOrder, approver: AccountManager
) -> None:
    by = Actor.in_seat(approver)
    never_held = world.place((world.product(points=10), 1))
    with pytest.raises(RedemptionError, match=r"no longer waiting for approval\.$"):
        approve(order=never_held, by=by)
    withdrawn = world.place((world.product(points=6_000), 1))
    cancel(order=withdrawn, by=Actor.in_seat(world.seat), reason="")
    with pytest.raises(RedemptionError, match=f"{world.seat.user} withdrew it"):
        approve(order=withdrawn, by=by)
    RedemptionOrder.objects.filter(pk=big.pk).update(
        approve_by=timezone.now() - timedelta(minutes=1)
    )
    assert expire_approvals() == 1
    with pytest.raises(RedemptionError, match="Nobody decided in time"):
        approve(order=big, by=by)


def test_a_rejected_order_says_why_and_frees_its_stock(
    big: RedemptionOrder, approver: AccountManager
) -> None:
    with pytest.raises(RedemptionError, match="reason"):
        reject(order=big, by=Actor.in_seat(approver), reason=" ")
    reason = "not this quarter " + "because " * 100
    reject(order=big, by=Actor.in_seat(approver), reason=reason)
    big.refresh_from_db()
    assert (big.status, big.decision_reason) == (OrderStatus.REJECTED, reason[:255])
    assert Inventory.objects.get().quantity_reserved == 0


def test_nobody_approves_their_own_order(world: World, approver: AccountManager) -> None:
    own = world.place((world.product(points=6_000), 1), seat=approver)
    with pytest.raises(RedemptionError, match="their own"):
        approve(order=own, by=Actor.in_seat(approver))


def test_an_approval_that_nobody_gives_runs_out(big: RedemptionOrder) -> None:
    assert expire_approvals() == 0
    RedemptionOrder.objects.update(approve_by=timezone.now() - timedelta(minutes=1))
    assert expire_approvals() == 1
    big.refresh_from_db()
    assert big.status == OrderStatus.EXPIRED
    assert Inventory.objects.get().quantity_reserved == 0


def test_a_waiting_order_can_be_withdrawn(world: World, big: RedemptionOrder) -> None:
    assert "withdrawn" in cancel(order=big, by=Actor.in_seat(world.seat), reason="")
    big.refresh_from_db()
    assert big.status == OrderStatus.REJECTED


def test_an_order_that_stays_too_long_is_marked_once(world: World) -> None:
    order = world.place((world.product(), 1))
    assert flag_overdue() == 0
    make_orders_older(timedelta(hours=1))
    assert flag_overdue() == 1
    order.refresh_from_db()
    assert order.needs_attention
    unflag(order=order, by=Actor.in_seat(world.seat))
    unflag(order=order, by=Actor.in_seat(world.seat))
    order.refresh_from_db()
    assert not order.needs_attention
    assert flag_overdue() == 0  # a person has looked at it


def test_the_same_reason_marks_an_order_once(world: World) -> None:
    order = world.place((world.product(), 1))
    for why in ("something odd", "something odder " * 30):
        flag(order, why, kind=IncidentKind.CONTRADICTION)
        flag(order, why, kind=IncidentKind.CONTRADICTION)
        assert order.events.filter(reason=why[:255]).count() == 1
        assert order.attention_reason == why[:255]


def test_retrying_now_makes_open_calls_due(world: World) -> None:
    world.partners.fault("debit", "unavailable_503", times=10)
    order = world.place((world.product(), 1))
    settle_transaction(world.debit(order).pk)
    world.partners.clear_faults()
    assert settle_transaction(world.debit(order).pk) is None
    assert retry_now(order=order, by=Actor.in_seat(world.seat)) == 1
    settle_transaction(world.debit(order).pk)
    assert RedemptionOrder.objects.get().status == OrderStatus.CONFIRMED


def test_cancelling_twice_says_that_it_is_being_cancelled(world: World) -> None:
    order = world.place((world.product(), 1))
    first = cancel(order=order, by=Actor.in_seat(world.seat), reason="")
    assert cancel(order=order, by=Actor.in_seat(world.seat), reason="") == first
    assert order.events.filter(to_status="CANCELLING").count() == 1


def test_codes_are_shown_on_request_and_that_is_recorded(world: World) -> None:
    order = world.place((world.product(), 1))
    assert reveal_codes(item=order.items.get(), by=Actor.in_seat(world.seat)) == []
    assert not order.events.filter(subject="NOTE").exists()


def test_a_declined_order_writes_one_letter(world: World) -> None:
    order = world.place((world.product(points=200_000), 1))
    settle_transaction(world.debit(order).pk)
    assert Letter.objects.get().kind == "declined"
    write_letter(order, LetterKind.DECLINED, occasion=order.id)  # the same occasion again
    assert Letter.objects.count() == 1
    assert placing.placed_with(seat=world.seat, token=order.token) == order
