"""Two transactions have each other's numbers, and nobody disputes: the partner lied twice.

The comparison with the statement doubts both, the partner is asked again, and each gets its own.
"""

from typing import Any

import pytest

from accounts.models import User
from loyalty_portal.data.actor import Actor
from redemption.incidents.causes import settle_gone
from redemption.invariants.checks import Invariant
from redemption.models import Incident, LoyaltyTransaction, RedemptionOrder
from redemption.orders.actions.cancelling import cancel
from redemption.points.reconciliation import services as reconciling
from redemption.points.reconciliation.services import reconcile
from redemption.saga import numbers
from redemption.saga.transactions import settle_transaction
from redemption.states import IncidentKind, OrderStatus, TransactionStatus
from tests.redemption.pages import now
from tests.redemption.points.reconciliation.test_reconciliation import aged, at_partner
from tests.redemption.saga.doubts.test_doubts import (
    LIE,
    all_is_right,
    decide,
    forgotten,
    sent,
    theirs,
    tried,
)
from tests.redemption.saga.test_credits_held_back import booked_on, broken
from tests.redemption.world import World

pytestmark = pytest.mark.django_db(transaction=True)
Pair = tuple[RedemptionOrder, RedemptionOrder]


@pytest.fixture
def undoubted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the comparison tell of exchanged numbers without doubting them."""
    # replaced: negative control, the guard taken away
    monkeypatch.setattr(reconciling, "doubt_number", lambda _transaction, _number: None)


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send credits without looking for their debit's number in the statement."""
    # replaced: negative control, the guard taken away
    monkeypatch.setattr(numbers, "must_be_checked", lambda _credit: False)


def two_orders(world: World, *, company: Any = None, points: int = 1_000) -> Pair:
    seat = world.new_seat("buyer", company) if company else None
    first = world.place((world.product(points=points), 1))
    return first, world.place((world.product(points=points), 1), seat=seat)


def exchanged(world: World, **asked: Any) -> Pair:
    """The first answer about the one is lost. Then the partner gives each the other's number."""
    one, two = two_orders(world, **asked)
    world.partners.fault("debit", "error_500_after")
    tried(one)
    world.partners.fault("debit", LIE, times=2)
    tried(two)
    tried(one)
    return have_each_others(world, one, two)


def exchanged_when_asked_again(world: World, **asked: Any) -> Pair:
    """The one had its own number, until the partner lied about the other and then about both."""
    one, two = two_orders(world, **asked)
    tried(one)
    assert world.debit(one).external_transaction_id == theirs(world, one)
    world.partners.fault("debit", LIE, times=3)
    tried(two)
    tried(one)
    tried(two)
    return have_each_others(world, one, two)


def have_each_others(world: World, one: RedemptionOrder, two: RedemptionOrder) -> Pair:
    for order, other in ((one, two), (two, one)):
        debit = world.debit(order)
        assert (debit.status, debit.doubt) == (TransactionStatus.SUCCEEDED, "")
        assert debit.external_transaction_id == theirs(world, other)
    assert not Incident.objects.unresolved().exists()
    return one, two


def compared(world: World, *orders: RedemptionOrder) -> None:
    """An hour later the nightly comparison runs for the companies of these orders."""
    aged(world)
    for company in {order.company_id: order.company for order in orders}.values():
        reconcile(company=company)


def all_ended(world: World, *orders: RedemptionOrder) -> None:
    settle_gone()
    assert not Incident.objects.unresolved().exists()
    all_is_right(world, *orders)


@pytest.mark.parametrize("lies", [exchanged, exchanged_when_asked_again])
@pytest.mark.parametrize("companies", ["one", "two"])
def test_each_gets_its_own_number_after_the_comparison(
    world: World, lies: Any, companies: str
) -> None:
    other = world.new_company(points=5_000) if companies == "two" else None
    one, two = lies(world, company=other)
    before = sent(world)
    compared(world, one, two)
    tried(one, two, rounds=3)
    assert sent(world) > before
    all_ended(world, one, two)
    assert len({call["idempotency_key"] for call in world.partners.calls(operation="debit")}) == 2
    notes = one.events.filter(subject="NOTE").values_list("reason", flat=True)
    assert any(theirs(world, one) in note for note in notes)


def test_a_partner_that_keeps_to_one_lie_is_overruled_by_its_statement(world: World) -> None:
    """Only one company was compared yet, so the other debit is doubted by the first one's answer."""
    one, two = exchanged(world, company=world.new_company(points=5_000))
    compared(world, one)
    world.partners.fault("debit", LIE, times=None, match=world.debit(two).key)
    tried(one, two, rounds=4)
    all_ended(world, one, two)


@pytest.mark.usefixtures("undoubted")
def test_without_the_doubt_each_keeps_the_others_number(world: World) -> None:
    one, two = exchanged(world)
    compared(world, one, two)
    tried(one, two, rounds=3)
    assert Invariant.ENTRY_SAME in broken(world)
    have = [world.debit(order).external_transaction_id for order in (one, two)]
    assert have == [theirs(world, two), theirs(world, one)]


def test_three_in_a_circle_get_their_own_numbers(world: World) -> None:
    orders = [world.place((world.product(), 1)) for _ in range(3)]
    tried(*orders)
    own = [world.debit(order).external_transaction_id for order in orders]
    for order, number in zip(orders, ("-", *own[:2]), strict=True):
        rows = LoyaltyTransaction.objects.filter(order=order)
        rows.update(external_transaction_id=f"{number}?")
    for order, number in zip(orders, (own[2], *own[:2]), strict=True):
        LoyaltyTransaction.objects.filter(order=order).update(external_transaction_id=number)
    compared(world, *orders)
    tried(*orders, rounds=4)
    all_ended(world, *orders)


@pytest.mark.parametrize("keys", ["forgotten", "ignored", "insisted"])
def test_the_statement_gives_each_its_own_where_keys_do_not(
    world: World, settings: Any, keys: str
) -> None:
    """Nothing is sent once a key may be forgotten, or to a partner that ignores keys."""
    one, two = exchanged(world)
    if keys == "forgotten":
        aged(world)
        forgotten(one, two)
    elif keys == "ignored":
        settings.LOYALTY_API_IDEMPOTENT = False
    else:
        world.partners.fault("debit", LIE, times=None)
    before = sent(world)
    compared(world, one, two)
    tried(one, two, rounds=5)
    assert (sent(world) > before) == (keys == "insisted")
    all_ended(world, one, two)


def test_two_people_give_each_its_own_where_nobody_can_be_asked(
    world: World, settings: Any, fay: User, gil: User
) -> None:
    one, two = exchanged(world)
    forgotten(one, two)
    before = sent(world)
    compared(world, one, two)
    settings.LOYALTY_API_STATEMENT = False
    tried(one, two, rounds=3)
    assert sent(world) == before
    assert world.debit(one).is_undecided
    assert now(one).needs_attention
    decide(one, theirs(world, one), fay, gil)
    tried(one, two, rounds=2)
    if world.debit(two).is_undecided:
        decide(two, theirs(world, two), fay, gil)
    all_ended(world, one, two)


def test_a_number_that_the_partner_keeps_to_is_kept_and_told(world: World) -> None:
    """The statement is wrong, and its entry fits nothing when it is read again."""
    order = world.place((world.product(), 1))
    tried(order)
    number = world.debit(order).external_transaction_id
    at_partner(world, "UPDATE entry SET transaction_id = 'txn_typed_wrongly'")
    compared(world, order)
    assert world.debit(order).doubt
    at_partner(world, "UPDATE entry SET transaction_id = ?", number)
    tried(order, rounds=3)
    compared(world, order)
    all_ended(world, order)


# --- Before the comparison ----------------------------------------------------------------------


def refunded(world: World, *orders: RedemptionOrder) -> None:
    for order in orders:
        cancel(order=now(order), by=Actor.in_seat(order.account_manager), reason="")
    tried(*orders, rounds=6)


def test_a_credit_looks_for_its_debits_number_in_the_statement_before_it_is_sent(
    world: World,
) -> None:
    one, two = exchanged(world)
    refunded(world, one, two)
    for order in (one, two):
        assert now(order).status == OrderStatus.CANCELLED
        assert world.ledger(order) == (1_000, 1_000)
        assert booked_on(world, order) == theirs(world, order)
    assert not broken(world)
    all_ended(world, one, two)


@pytest.mark.usefixtures("unchecked")
def test_without_looking_the_credit_is_booked_on_the_others_debit(world: World) -> None:
    one, two = exchanged(world)
    refunded(world, one)
    assert booked_on(world, one) == theirs(world, two)
    assert Invariant.ENTRY_SAME in broken(world)


def test_a_debit_that_was_compared_needs_no_look_before_its_credit(world: World) -> None:
    order = world.place((world.product(), 1))
    tried(order)
    compared(world, order)
    before = len(world.partners.calls(operation="statement"))
    refunded(world, order)
    assert now(order).status == OrderStatus.CANCELLED
    assert len(world.partners.calls(operation="statement")) == before


def test_a_credit_waits_for_the_statement_for_ten_tries_and_then_goes(world: World) -> None:
    """A partner that takes credits but shows no statement must not hold refunds for good."""
    order = world.place((world.product(), 1))
    tried(order)
    world.partners.fault("statement", "error_500_before", times=None)
    cancel(order=now(order), by=Actor.in_seat(world.seat), reason="")
    tried(order, rounds=2)
    assert not world.partners.calls(operation="credit")
    tried(order, rounds=10)
    assert now(order).status == OrderStatus.CANCELLED
    assert not Incident.objects.unresolved().filter(kind=IncidentKind.SWAPPED).exists()


def test_a_credit_does_not_wait_for_a_statement_that_is_refused(world: World) -> None:
    order = world.place((world.product(), 1))
    settle_transaction(world.debit(order).pk)
    world.partners.fault("statement", "refuse", status=404, code="not_found", times=None)
    refunded(world, order)
    assert now(order).status == OrderStatus.CANCELLED
