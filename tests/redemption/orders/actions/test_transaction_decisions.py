"""Decisions about a transaction without a clear answer: proposed with evidence, then confirmed."""

import pytest

from accounts.models import User
from loyalty_portal.data.actor import Actor
from redemption.invariants.checks import check_against_ledger, check_invariants
from redemption.models import (
    Decision,
    EventSubject,
    Incident,
    Letter,
    LoyaltyTransaction,
    RedemptionOrder,
)
from redemption.orders.actions.cancelling import cancel
from redemption.orders.actions.transaction_decisions import confirm, propose
from redemption.saga.steps import RedemptionError
from redemption.saga.transactions import settle_transaction
from redemption.states import (
    IncidentKind,
    OrderStatus,
    TransactionStatus,
    Verdict,
)
from tests.redemption.world import World, make_all_due

pytestmark = pytest.mark.django_db(transaction=True)


def undecided(world: World, fault: str = "reset_after") -> LoyaltyTransaction:
    """A debit of 1,000 points that people must decide about. With reset_after it took place."""
    world.partners.fault("debit", fault)
    order = world.place((world.product(points=1_000), 1))
    settle_transaction(world.debit(order).pk)
    debit = world.debit(order)
    assert debit.status == TransactionStatus.NEEDS_REVIEW
    return debit


def entry_of(world: World, intent: LoyaltyTransaction) -> str:
    entries = world.partners.ledger(reference=intent.order.order_number)["entries"]
    number: str = entries[0]["transaction_id"]
    return number


def it_took_place(world: World, intent: LoyaltyTransaction, by: User) -> Decision:
    return propose(
        intent=intent,
        verdict=Verdict.TOOK_PLACE,
        entry=entry_of(world, intent),
        evidence="Their statement of today, line 4.",
        by=Actor.person(by),
    )


def said(intent: LoyaltyTransaction, verdict: Verdict, by: User) -> Decision:
    return propose(
        intent=intent,
        verdict=verdict,
        entry="",
        evidence="Not in their statement.",
        by=Actor.person(by),
    )


def fresh(order: RedemptionOrder) -> RedemptionOrder:
    return RedemptionOrder.objects.get(pk=order.pk)


@pytest.mark.usefixtures("ignores_keys")
def test_a_debit_that_took_place_confirms_its_order(world: World, fay: User, gil: User) -> None:
    debit = undecided(world)
    it_took_place(world, debit, fay)
    assert fresh(debit.order).status == OrderStatus.PENDING  # one person is not enough
    assert "goes on" in confirm(intent=debit, by=Actor.person(gil))
    order, debit = fresh(debit.order), world.debit(debit.order)
    assert order.status == OrderStatus.CONFIRMED
    assert debit.status == TransactionStatus.SUCCEEDED
    assert debit.external_transaction_id == entry_of(world, debit)
    assert world.fulfillment(order).quantity == 1
    assert Letter.objects.filter(order=order, kind="confirmed").exists()
    assert check_invariants() == []


@pytest.mark.usefixtures("ignores_keys")
def test_the_orders_history_says_who_proposed_what_and_who_agreed(
    world: World, fay: User, gil: User
) -> None:
    debit = undecided(world)
    it_took_place(world, debit, fay)
    confirm(intent=debit, by=Actor.person(gil))
    notes = debit.order.events.filter(subject=EventSubject.NOTE, by__isnull=False)[:2]
    (proposed, by_whom), (confirmed, by_other) = notes.values_list("reason", "by")
    named = f"It took place, as {entry_of(world, debit)} at the partner."
    assert proposed.startswith(f"Proposed: {named}")
    assert "Their statement of today, line 4." in proposed
    assert confirmed == f"Confirmed: {named}"
    assert (by_whom, by_other) == (fay.pk, gil.pk)
    step = debit.order.events.get(subject=EventSubject.TRANSACTION, to_status="SUCCEEDED")
    assert step.by == gil
    assert step.reason == f"Decided by two people: {named}"


@pytest.mark.usefixtures("ignores_keys")
def test_a_decision_ends_its_incident_and_the_orders_mark(
    world: World, fay: User, gil: User
) -> None:
    debit = undecided(world)
    incident = Incident.objects.get(kind=IncidentKind.HORIZON, transaction=debit)
    it_took_place(world, debit, fay)
    confirm(intent=debit, by=Actor.person(gil))
    incident.refresh_from_db()
    assert (incident.resolved_by, incident.evidence) == (gil, "Their statement of today, line 4.")
    assert not fresh(debit.order).needs_attention


@pytest.mark.usefixtures("ignores_keys")
def test_a_debit_that_did_not_take_place_declines_its_order(
    world: World, fay: User, gil: User
) -> None:
    debit = undecided(world, "reset_before")
    said(debit, Verdict.DID_NOT, fay)
    confirm(intent=debit, by=Actor.person(gil))
    order = fresh(debit.order)
    assert order.status == OrderStatus.DECLINED
    assert order.items.get().product.inventory.quantity_reserved == 0
    assert world.ledger(order) == (0, 0)
    assert check_invariants() == []


@pytest.mark.usefixtures("ignores_keys")
def test_a_debit_may_be_asked_about_again_and_then_goes_its_way(
    world: World, fay: User, gil: User
) -> None:
    debit = undecided(world, "reset_before")
    said(debit, Verdict.ASK_AGAIN, fay)
    assert "asked again" in confirm(intent=debit, by=Actor.person(gil))
    assert check_invariants() == []
    settle_transaction(debit.pk)
    assert fresh(debit.order).status == OrderStatus.CONFIRMED
    assert world.ledger(debit.order) == (1_000, 0)


@pytest.mark.usefixtures("ignores_keys")
def test_an_order_cancelled_meanwhile_gets_back_what_was_taken(
    world: World, fay: User, gil: User
) -> None:
    debit = undecided(world)
    cancel(order=debit.order, by=Actor.in_seat(world.seat), reason="")
    it_took_place(world, debit, fay)
    confirm(intent=debit, by=Actor.person(gil))
    for credit in world.credits(debit.order):
        settle_transaction(credit.pk)
    assert fresh(debit.order).status == OrderStatus.CANCELLED
    assert world.ledger(debit.order) == (1_000, 1_000)


def refused_credit(world: World) -> LoyaltyTransaction:
    order = world.place((world.product(points=1_000), 1))
    settle_transaction(world.debit(order).pk)
    cancel(order=order, by=Actor.in_seat(world.seat), reason="")
    world.partners.fault("credit", "refuse", code="account_blocked", times=1)
    settle_transaction(world.credits(order)[0].pk)
    return world.credits(order)[0]


def test_a_refused_credit_is_asked_for_again_and_never_given_up(
    world: World, fay: User, gil: User
) -> None:
    credit = refused_credit(world)
    incident = Incident.objects.get(kind=IncidentKind.CREDIT_REFUSED)
    with pytest.raises(RedemptionError, match="owed; they cannot be given up"):
        said(credit, Verdict.DID_NOT, fay)
    said(credit, Verdict.ASK_AGAIN, fay)
    assert "until then it repeats its refusal" in confirm(intent=credit, by=Actor.person(gil))
    incident.refresh_from_db()
    assert not incident.is_over  # the points are not back yet
    assert settle_transaction(credit.pk) is None  # not due yet
    assert check_invariants() == []
    world.partners.dial(honour_keys=False)  # as after the partner has forgotten the key
    make_all_due()
    settle_transaction(credit.pk)
    assert fresh(credit.order).status == OrderStatus.CANCELLED
    assert world.ledger(credit.order) == (1_000, 1_000)


def test_a_credit_whose_refusal_the_partner_has_forgotten_is_asked_for_at_once(
    world: World, fay: User, gil: User
) -> None:
    credit = refused_credit(world)
    said(credit, Verdict.ASK_AGAIN, fay)
    LoyaltyTransaction.objects.filter(pk=credit.pk).update(first_sent_at="2020-01-01T00:00:00Z")
    told = confirm(intent=credit, by=Actor.person(gil))
    assert told == "Confirmed. The partner is asked again."
    world.partners.dial(honour_keys=False)
    settle_transaction(credit.pk)
    assert fresh(credit.order).status == OrderStatus.CANCELLED
    assert world.ledger(credit.order) == (1_000, 1_000)


def test_a_credit_that_the_partner_booked_by_hand_ends_its_order(
    world: World, fay: User, gil: User
) -> None:
    credit = refused_credit(world)
    propose(
        intent=credit,
        verdict=Verdict.TOOK_PLACE,
        entry="by-hand-1",
        evidence="Ticket 77: booked by hand.",
        by=Actor.person(fay),
    )
    confirm(intent=credit, by=Actor.person(gil))
    assert fresh(credit.order).status == OrderStatus.CANCELLED
    assert check_invariants() == []
    assert check_against_ledger([]) != []  # decisions are compared with the statement too
