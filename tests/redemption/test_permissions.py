"""Who may do what with an order: the functions and the database conditions agree."""

import pytest
from django.utils import timezone

from accounts.access.keys import rotate_key
from accounts.models import AccountManager, Role
from catalog.models import Product
from loyalty_portal.data.actor import SYSTEM, Actor
from redemption.checkout.approvals import deciding
from redemption.models import Decision, RedemptionOrder
from redemption.orders.actions import cancelling
from redemption.orders.actions import services as actions
from redemption.orders.approvals.selectors import approvals
from redemption.permissions import (
    decidable,
    may_cancel,
    may_decide,
    may_reveal,
    may_second,
    may_see,
    seen_by,
)
from redemption.points.header.providers import header_figures
from redemption.saga.steps import RedemptionError
from redemption.states import OrderStatus
from tests.accounts.access.making import new_key
from tests.accounts.factories import CompanyFactory, SeatFactory, UserFactory
from tests.catalog.factories import ProductFactory
from tests.redemption.factories import placed
from tests.support.staff import staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def seats() -> list[AccountManager]:
    """A seat of each role in two companies. One person approves in one and owns the other."""
    first, second = (CompanyFactory.create(approval_threshold=0) for _ in range(2))
    both = UserFactory.create()
    return [
        *(SeatFactory.create(company=first, role=role) for role in Role),
        SeatFactory.create(company=first, user=both, role=Role.APPROVER),
        SeatFactory.create(company=second, user=both, role=Role.OWNER),
        SeatFactory.create(company=second, role=Role.APPROVER),
    ]


@pytest.fixture
def orders(seats: list[AccountManager]) -> list[RedemptionOrder]:
    """An order of each person who may order. All wait for approval."""
    book: Product = ProductFactory.create(in_stock=20)
    made = [placed(seat, (book, 1)) for seat in seats if seat.role != Role.VIEWER]
    assert {order.status for order in made} == {OrderStatus.AWAITING_APPROVAL}
    return made


def test_nobody_decides_on_their_own_order_wherever_it_is_asked(
    seats: list[AccountManager], orders: list[RedemptionOrder]
) -> None:
    every = RedemptionOrder.objects.filter(status=OrderStatus.AWAITING_APPROVAL)
    for seat in seats:
        actor = Actor.in_seat(seat)
        expected = {
            order.pk
            for order in orders
            if seat.role in {Role.OWNER, Role.APPROVER}
            and order.company_id == seat.company_id
            and order.account_manager.user_id != seat.user_id
        }
        one_by_one = {order.pk for order in orders if may_decide(actor, order)}
        assert one_by_one == expected
        offered = {each.order.pk for each in approvals(actor, None) if each.decidable}
        assert offered == expected
        assert header_figures(seat, timezone.now())["approvals_count"] == len(expected)
        if seat.role in {Role.OWNER, Role.APPROVER}:
            condition = decidable(company_id=seat.company_id, user_id=seat.user_id)
            assert set(every.filter(condition).values_list("pk", flat=True)) == expected
    assert not any(may_decide(actor, order) for actor in nobody() for order in orders)


def test_who_made_or_rotated_a_key_decides_on_none_of_its_orders() -> None:
    """Otherwise making a key would be a way around the second person. A key decides on nothing."""
    company = CompanyFactory.create(approval_threshold=0)
    ada, bob, kim = (SeatFactory.create(company=company, owner=True) for _ in range(3))
    book = ProductFactory.create(in_stock=20)
    made = new_key(company, by=ada, role=Role.OWNER).key
    order = placed(made.seat, (book, 1))
    rotate_key(key=made, by=Actor.in_seat(bob))
    other = placed(new_key(company, by=kim).key.seat, (book, 1))
    expected = {ada: {other.pk}, bob: {other.pk}, kim: {order.pk}, made.seat: set()}
    for seat, may in expected.items():
        actor = Actor.in_seat(seat)
        fresh = RedemptionOrder.objects.select_related("account_manager__user")
        assert {each.pk for each in fresh if may_decide(actor, each)} == may
        assert {each.order.pk for each in approvals(actor, None) if each.decidable} == may
        assert header_figures(seat, timezone.now())["approvals_count"] == len(may)
    for seat in (ada, bob):
        with pytest.raises(RedemptionError, match="An API key that you made or rotated"):
            deciding.approve(order=order, by=Actor.in_seat(seat))
        with pytest.raises(RedemptionError, match="An API key that you made or rotated"):
            deciding.reject(order=order, by=Actor.in_seat(seat), reason="no")
    with pytest.raises(RedemptionError):
        deciding.approve(order=other, by=Actor.in_seat(made.seat))
    assert deciding.approve(order=order, by=Actor.in_seat(kim)).status == OrderStatus.PENDING


def nobody() -> list[Actor]:
    """Actors without a company: the portal, a person without a seat, an administrator."""
    root = UserFactory.create(superuser=True)
    return [SYSTEM, Actor.person(UserFactory.create()), Actor.person(root)]


def test_what_is_not_offered_is_not_done_either(
    seats: list[AccountManager], orders: list[RedemptionOrder]
) -> None:
    actors = [*(Actor.in_seat(seat) for seat in seats), *nobody()]
    for actor in actors:
        for order in orders:
            if not may_decide(actor, order):
                with pytest.raises(RedemptionError):
                    deciding.approve(order=order, by=actor)
                with pytest.raises(RedemptionError):
                    deciding.reject(order=order, by=actor, reason="No.")
            if not may_cancel(actor, order):
                with pytest.raises(RedemptionError):
                    cancelling.cancel(order=order, by=actor, reason="")
            if not may_reveal(actor, order):
                with pytest.raises(RedemptionError):
                    actions.reveal_codes(item=order.items.get(), by=actor)
    assert {order.status for order in RedemptionOrder.objects.all()} == {
        OrderStatus.AWAITING_APPROVAL
    }


def test_an_order_is_seen_by_its_company_alone(
    seats: list[AccountManager], orders: list[RedemptionOrder]
) -> None:
    for actor in [*(Actor.in_seat(seat) for seat in seats), *nobody()]:
        one_by_one = {order.pk for order in orders if may_see(actor, order)}
        assert set(seen_by(actor).values_list("pk", flat=True)) == one_by_one
        assert {order.company_id for order in orders if may_see(actor, order)} == (
            {actor.seat.company_id} if actor.seat else set()
        )


@pytest.mark.parametrize(
    ("role", "own", "cancel", "reveal"),
    [
        (Role.OWNER, False, True, True),
        (Role.APPROVER, False, True, True),
        (Role.BUYER, True, True, True),
        (Role.BUYER, False, False, False),
        (Role.VIEWER, True, False, False),
        (Role.VIEWER, False, False, False),
    ],
)
def test_codes_and_cancelling_are_for_who_ordered_and_for_approvers(
    role: Role, own: bool, cancel: bool, reveal: bool
) -> None:
    seat = SeatFactory.create(role=role)
    whose = seat if own else SeatFactory.create(company=seat.company)
    order = RedemptionOrder(company=seat.company, account_manager=whose)
    actor = Actor.in_seat(seat)
    assert (may_cancel(actor, order), may_reveal(actor, order)) == (cancel, reveal)
    elsewhere = Actor.in_seat(SeatFactory.create(user=seat.user, owner=True))
    assert (may_cancel(elsewhere, order), may_reveal(elsewhere, order)) == (False, False)


def test_staff_cancel_by_permission_and_only_as_staff() -> None:
    order = RedemptionOrder(company=CompanyFactory.create(), account_manager=SeatFactory.create())
    support = staff("support")
    assert may_cancel(Actor.person(support), order)
    assert not may_cancel(Actor.person(staff("warehouse")), order)
    # in a seat of another company the same person acts for that company
    assert not may_cancel(Actor.in_seat(SeatFactory.create(user=support, owner=True)), order)
    assert not may_reveal(Actor.person(support), order)


def test_a_second_person_decides_on_a_proposal() -> None:
    fay, gil = UserFactory.create(), UserFactory.create()
    proposal = Decision(proposed_by=fay)
    assert may_second(Actor.person(gil), proposal)
    assert not may_second(Actor.person(fay), proposal)
    assert not may_second(Actor.in_seat(SeatFactory.create(user=fay)), proposal)
    assert not may_second(SYSTEM, proposal)
