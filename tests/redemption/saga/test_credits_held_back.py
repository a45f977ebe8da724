"""The partner gave a debit the number of another one of the company, and the order is cancelled
before anybody can know: no credit names the wrong debit, and none stays owed.
"""

from collections.abc import Callable
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client

from accounts.models import AccountManager
from loyalty_portal.data.actor import Actor
from redemption.incidents.causes import settle_gone
from redemption.invariants.checks import Invariant, check_against_ledger, check_invariants
from redemption.models import Incident, LoyaltyTransaction, RedemptionOrder
from redemption.models.points import HELD_BACK
from redemption.orders.actions.cancelling import cancel
from redemption.saga import doubts
from redemption.saga.transactions import settle_transaction
from redemption.states import Doubt, IncidentKind, OrderStatus, TransactionStatus
from tests.redemption.pages import now
from tests.redemption.saga.doubts.test_doubts import LIE, LONG_AGO, all_is_right, theirs, tried
from tests.redemption.world import World
from tests.support.stack import statement

pytestmark = pytest.mark.django_db(transaction=True)
POINTS = pytest.mark.parametrize(("hers", "his"), [(1_000, 1_000), (1_000, 700), (700, 1_000)])


@pytest.fixture
def unguarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send credits at once, even if their debit's number may belong to another debit."""
    # replaced: negative control, the guard taken away
    monkeypatch.setattr(doubts, "held_back_by", lambda _credit: None)


def swapped(
    world: World, hers: int, his: int, *, he_first: bool = True
) -> tuple[RedemptionOrder, RedemptionOrder]:
    """Her debit got the number of his debit, whose own answer was lost; then she cancels."""
    if he_first:
        his_order = world.place((world.product(points=his), 1))
        her_order = world.place((world.product(points=hers), 1))
    else:
        her_order = world.place((world.product(points=hers), 1))
        his_order = world.place((world.product(points=his), 1))
        world.partners.fault("debit", "error_500_after")
        tried(her_order)
    world.partners.fault("debit", "error_500_after")
    settle_transaction(world.debit(his_order).pk)
    world.partners.fault("debit", LIE)
    tried(her_order)
    assert world.debit(her_order).external_transaction_id == theirs(world, his_order)
    cancel(order=now(her_order), by=Actor.in_seat(world.seat), reason="")
    return her_order, his_order


def credit_of(world: World, order: RedemptionOrder) -> LoyaltyTransaction:
    (credit,) = world.credits(order)
    return credit


def booked_on(world: World, order: RedemptionOrder) -> str:
    (entry,) = [
        entry
        for entry in world.partners.ledger(reference=order.order_number)["entries"]
        if entry["type"] == "credit"
    ]
    return str(entry["original_transaction_id"])


def broken(world: World) -> set[Invariant]:
    found = check_against_ledger(statement(world.partners.ledger()["entries"]))
    return {violation.invariant for violation in found}


# --- Held back until it is known ---------------------------------------------------------------


@POINTS
@pytest.mark.parametrize("he_first", [True, False])
def test_a_credit_waits_until_no_other_debit_can_own_the_number_it_names(
    world: World,
    client_for: Callable[[AccountManager], Client],
    hers: int,
    his: int,
    he_first: bool,
) -> None:
    her_order, his_order = swapped(world, hers, his, he_first=he_first)
    tried(her_order)
    credit = credit_of(world, her_order)
    assert (credit.status, credit.answer_code) == (TransactionStatus.INTENDED, HELD_BACK)
    assert not world.partners.calls(operation="credit")
    page = client_for(world.seat).get(now(her_order).get_absolute_url())
    assert "so that these points cannot go to the wrong order" in page.content.decode()
    tried(his_order, her_order, rounds=4)
    cancel(order=now(his_order), by=Actor.in_seat(world.seat), reason="")
    tried(her_order, his_order)
    for order, points in ((her_order, hers), (his_order, his)):
        assert now(order).status == OrderStatus.CANCELLED
        assert world.ledger(order) == (points, points)
        assert booked_on(world, order) == theirs(world, order)
    assert not broken(world)
    assert not check_invariants(at_rest=True)
    assert not Incident.objects.unresolved().exists()


@pytest.mark.usefixtures("unguarded", "no_statement")
def test_without_waiting_it_is_booked_on_the_other_debit_and_the_other_is_refused(
    world: World,
) -> None:
    her_order, his_order = swapped(world, 1_000, 1_000)
    tried(her_order)
    tried(his_order, her_order, rounds=4)
    cancel(order=now(his_order), by=Actor.in_seat(world.seat), reason="")
    tried(his_order)
    assert booked_on(world, her_order) == theirs(world, his_order)
    assert credit_of(world, his_order).status == TransactionStatus.NEEDS_REVIEW
    assert Invariant.ENTRY_SAME in broken(world)
    (incident,) = Incident.objects.filter(kind=IncidentKind.CREDIT_REFUSED)
    assert her_order.order_number in incident.what  # why, and what to do
    assert theirs(world, her_order, "credit") in incident.what


def test_a_credit_waits_for_nothing_that_was_first_sent_after_its_debit_was_settled(
    world: World,
) -> None:
    early, late = (world.place((world.product(), 1)) for _ in range(2))
    settle_transaction(world.debit(early).pk)
    world.partners.fault("debit", "error_500_after")
    settle_transaction(world.debit(late).pk)
    cancel(order=now(early), by=Actor.in_seat(world.seat), reason="")
    settle_transaction(credit_of(world, early).pk)
    assert now(early).status == OrderStatus.CANCELLED
    assert world.debit(late).status == TransactionStatus.UNKNOWN


def test_a_credit_waits_for_what_was_sent_later_once_its_debits_number_was_corrected(
    world: World,
) -> None:
    """The partner lies a second time, with the number of an entry that is younger than her debit."""
    her_order, his_order = swapped(world, 1_000, 1_000)
    third = world.place((world.product(), 1))
    world.partners.fault("debit", "error_500_after")
    settle_transaction(world.debit(third).pk)
    tried(his_order)
    world.partners.fault("debit", LIE)
    settle_transaction(world.debit(her_order).pk)
    assert world.debit(her_order).external_transaction_id == theirs(world, third)
    tried(her_order)
    assert credit_of(world, her_order).answer_code == HELD_BACK
    tried(third, his_order, her_order, rounds=5)
    assert not world.partners.ledger(reference=third.order_number)["credit_points"]
    assert booked_on(world, her_order) == theirs(world, her_order)
    all_is_right(world, his_order, third)


def test_a_credit_does_not_wait_for_a_debit_that_was_asked_about_up_to_the_horizon(
    world: World,
) -> None:
    """Otherwise one debit that nobody decides would hold all refunds of its company."""
    undecided, order = (world.place((world.product(), 1)) for _ in range(2))
    world.partners.fault("debit", "error_500_after")
    settle_transaction(world.debit(undecided).pk)
    settle_transaction(world.debit(order).pk)
    cancel(order=now(order), by=Actor.in_seat(world.seat), reason="")
    tried(order)
    assert credit_of(world, order).answer_code == HELD_BACK
    debits = LoyaltyTransaction.objects.filter(order=undecided)
    debits.update(first_sent_at=LONG_AGO)
    tried(undecided)
    assert world.debit(undecided).status == TransactionStatus.NEEDS_REVIEW
    tried(order)
    assert now(order).status == OrderStatus.CANCELLED
    assert world.ledger(order) == (1_000, 1_000)


def test_a_credit_waits_for_nothing_of_another_company(world: World) -> None:
    seat = world.new_seat("buyer", world.new_company(points=5_000))
    theirs_open = world.place((world.product(), 1), seat=seat)
    world.partners.fault("debit", "error_500_after")
    settle_transaction(world.debit(theirs_open).pk)
    order = world.place((world.product(), 1))
    settle_transaction(world.debit(order).pk)
    cancel(order=now(order), by=Actor.in_seat(world.seat), reason="")
    settle_transaction(credit_of(world, order).pk)
    assert now(order).status == OrderStatus.CANCELLED


def test_a_credit_that_may_have_been_booked_is_asked_about_all_the_same(world: World) -> None:
    """Its bytes stay, and only the answer to them shows its outcome."""
    her_order, _his_order = swapped(world, 1_000, 1_000)
    held = LoyaltyTransaction.objects.filter(pk=credit_of(world, her_order).pk)
    held.update(first_sent_at=Now())
    tried(her_order)
    assert len(world.partners.calls(operation="credit")) == 1


def test_a_person_hears_once_of_a_credit_that_waits_for_people(world: World, settings: Any) -> None:
    settings.LOYALTY_API_IDEMPOTENT = False
    her_order, his_order = swapped(world, 1_000, 1_000)
    assert world.debit(his_order).status == TransactionStatus.NEEDS_REVIEW
    tried(her_order, rounds=3)
    (incident,) = Incident.objects.filter(kind=IncidentKind.CREDIT_LATE)
    assert incident.order == her_order
    assert his_order.order_number in incident.what
    assert incident.times_seen == 1
    assert now(her_order).needs_attention


def test_a_person_hears_of_a_credit_that_waits_for_long(world: World) -> None:
    her_order, his_order = swapped(world, 1_000, 1_000)
    tried(her_order)
    assert not Incident.objects.filter(kind=IncidentKind.CREDIT_LATE).exists()
    held = LoyaltyTransaction.objects.filter(pk=credit_of(world, her_order).pk)
    held.update(created_at=LONG_AGO)
    tried(her_order)
    incident = Incident.objects.get(kind=IncidentKind.CREDIT_LATE)
    assert incident.order == her_order
    tried(his_order, her_order, rounds=4)
    settle_gone()
    assert not Incident.objects.unresolved().exists()
    assert world.ledger(her_order) == (1_000, 1_000)


# --- Refused, since the debit it names is not its own --------------------------------------------


@pytest.mark.usefixtures("unguarded", "no_statement")
@pytest.mark.parametrize(("hers", "his"), [(1_000, 700), (1_500, 1_000)])
def test_a_credit_refused_as_more_than_the_debit_names_its_own_once_that_is_known(
    world: World, hers: int, his: int
) -> None:
    her_order, his_order = swapped(world, hers, his)
    settle_transaction(credit_of(world, her_order).pk)
    assert credit_of(world, her_order).answer_code == "refund_exceeds_debit"
    tried(his_order, her_order, rounds=4)
    all_settled(world, her_order, hers)
    assert credit_of(world, her_order).key.endswith(theirs(world, her_order))
    assert world.debit(his_order).external_transaction_id == theirs(world, his_order)


@pytest.mark.usefixtures("no_statement")
@pytest.mark.parametrize("refusal", ["refund_exceeds_debit", "transaction_not_found"])
def test_a_refused_credit_has_its_debit_asked_again_for_its_number(
    world: World, refusal: str
) -> None:
    """Also if the number belongs to no transaction here, so that nobody else would dispute it."""
    order, other = (world.place((world.product(), 1)) for _ in range(2))
    for each in (order, other):
        settle_transaction(world.debit(each).pk)
    rows = LoyaltyTransaction.objects.filter(order=order)
    rows.update(external_transaction_id="txn_of_a_stranger")
    cancel(order=now(order), by=Actor.in_seat(world.seat), reason="")
    world.partners.fault("credit", "refuse", code=refusal)
    tried(order)
    credit = credit_of(world, order)
    assert credit.status == TransactionStatus.NEEDS_REVIEW
    assert world.debit(order).doubt == Doubt.ASK
    assert world.debit(other).doubt == ""
    tried(order, rounds=2)
    all_settled(world, order, 1_000)
    assert credit_of(world, order).key == f"credit:{credit.pk}:{theirs(world, order)}"


def test_a_debit_that_has_its_own_number_keeps_it_and_its_refused_credit_waits_for_people(
    world: World,
) -> None:
    order = world.place((world.product(), 1))
    settle_transaction(world.debit(order).pk)
    cancel(order=now(order), by=Actor.in_seat(world.seat), reason="")
    world.partners.fault("credit", "refuse", code="refund_exceeds_debit")
    tried(order)
    tried(order, rounds=2)
    debit = world.debit(order)
    assert (debit.external_transaction_id, debit.doubt) == (theirs(world, order), "")
    assert credit_of(world, order).status == TransactionStatus.NEEDS_REVIEW
    assert len(world.partners.calls(operation="credit")) == 1


def test_a_settled_debit_is_not_asked_again_once_its_key_may_be_forgotten(world: World) -> None:
    order = world.place((world.product(), 1))
    settle_transaction(world.debit(order).pk)
    cancel(order=now(order), by=Actor.in_seat(world.seat), reason="")
    debits = LoyaltyTransaction.objects.filter(order=order, transaction_type="DEBIT")
    debits.update(first_sent_at=LONG_AGO)
    world.partners.fault("credit", "refuse", code="transaction_not_found")
    tried(order, rounds=3)
    assert len(world.partners.calls(operation="debit")) == 1
    assert world.debit(order).doubt == ""


def all_settled(world: World, order: RedemptionOrder, points: int) -> None:
    assert now(order).status == OrderStatus.CANCELLED
    assert world.ledger(order) == (points, points)
    assert booked_on(world, order) == theirs(world, order)
    assert not broken(world)
