"""The partner gives a transaction the number of another: neither counts until both keys were asked
again, and no call is repeated that might act twice.
"""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from accounts.models import User
from loyalty_portal.data.actor import Actor
from redemption.invariants.checks import check_against_ledger, check_invariants
from redemption.models import Incident, LoyaltyTransaction, RedemptionOrder
from redemption.orders.actions.cancelling import cancel
from redemption.orders.actions.transaction_decisions import confirm, propose
from redemption.saga.steps import RedemptionError
from redemption.saga.transactions import settle_transaction
from redemption.states import (
    Doubt,
    IncidentKind,
    IncidentStatus,
    OrderStatus,
    TransactionStatus,
    Verdict,
)
from tests.redemption.pages import now
from tests.redemption.world import World, make_all_due
from tests.support.stack import statement

pytestmark = pytest.mark.django_db(transaction=True)
LIE = "someone_elses_transaction_id"
LONG_AGO = "2020-01-01T00:00:00Z"


def tried(*orders: RedemptionOrder, rounds: int = 1) -> None:
    """Work the due rows of these orders in turn."""
    for _round in range(rounds):
        make_all_due()
        for order in orders:
            for transaction in order.transactions.order_by("created_at"):
                settle_transaction(transaction.pk)


def theirs(world: World, order: RedemptionOrder, kind: str = "debit") -> str:
    entries = world.partners.ledger(reference=order.order_number)["entries"]
    (number,) = [entry["transaction_id"] for entry in entries if entry["type"] == kind]
    return str(number)


def sent(world: World, operation: str = "debit") -> int:
    return len(world.partners.calls(operation=operation))


def incident() -> Incident:
    return Incident.objects.get(kind=IncidentKind.SWAPPED)


def all_is_right(world: World, *orders: RedemptionOrder) -> None:
    for order in orders:
        debit = world.debit(order)
        assert (debit.status, debit.doubt) == (TransactionStatus.SUCCEEDED, "")
        assert debit.external_transaction_id == theirs(world, order)
        assert debit.next_attempt_at is None
        assert world.ledger(order)[0] == 1_000
    assert not Incident.objects.unresolved().filter(kind=IncidentKind.SWAPPED).exists()
    assert check_invariants() == []
    assert check_against_ledger(statement(world.partners.ledger()["entries"])) == []


def owner_and_liar(world: World, *, company: Any = None) -> tuple[RedemptionOrder, RedemptionOrder]:
    """The owner's debit took place but its answer was lost; then the other one gets its number."""
    seat = world.new_seat("buyer", company) if company else None
    owner, liar = world.place((world.product(), 1)), world.place((world.product(), 1), seat=seat)
    world.partners.fault("debit", "error_500_after")
    tried(owner)
    world.partners.fault("debit", LIE)
    settle_transaction(world.debit(liar).pk)
    return owner, liar


# --- Asked again, and corrected ----------------------------------------------------------------


def test_a_liar_before_the_owner_is_recorded_is_put_right(world: World) -> None:
    owner, liar = owner_and_liar(world)
    assert world.debit(liar).external_transaction_id == theirs(world, owner)
    tried(owner)
    assert world.debit(owner).status == TransactionStatus.UNKNOWN
    assert {world.debit(each).doubt for each in (owner, liar)} == {Doubt.ASK}
    assert incident().order == owner
    assert liar.order_number in incident().what
    tried(owner, liar, rounds=2)
    all_is_right(world, owner, liar)
    assert now(owner).status == now(liar).status == OrderStatus.CONFIRMED
    assert incident().status == IncidentStatus.RESOLVED
    assert liar.order_number in incident().evidence
    notes = liar.events.filter(subject="NOTE").values_list("reason", flat=True)
    assert any(theirs(world, owner) in note for note in notes)


def test_a_liar_after_the_owner_is_put_right_and_the_owner_keeps_its_number(world: World) -> None:
    owner, liar = (world.place((world.product(), 1)) for _ in range(2))
    tried(owner)
    world.partners.fault("debit", LIE)
    tried(liar)
    assert world.debit(liar).status == TransactionStatus.UNKNOWN
    assert world.debit(owner).doubt == Doubt.ASK
    assert incident().order == liar
    tried(owner, liar, rounds=2)
    all_is_right(world, owner, liar)
    assert sent(world) == 4  # each of the two once more
    assert len({call["idempotency_key"] for call in world.partners.calls(operation="debit")}) == 2


def test_a_liar_of_another_company_is_put_right_too(world: World) -> None:
    owner, liar = owner_and_liar(world, company=world.new_company(points=5_000))
    tried(owner, liar, rounds=3)
    all_is_right(world, owner, liar)


def test_the_order_in_which_they_are_asked_again_does_not_matter(world: World) -> None:
    owner, liar = owner_and_liar(world)
    tried(owner)
    tried(liar, owner, rounds=3)
    all_is_right(world, owner, liar)


def test_a_question_without_an_answer_is_repeated(world: World) -> None:
    owner, liar = owner_and_liar(world)
    tried(owner)
    world.partners.fault("debit", "error_500_before", times=4)
    tried(owner, liar, rounds=4)
    all_is_right(world, owner, liar)


def test_a_credit_waits_for_its_debits_number_and_names_the_right_one(world: World) -> None:
    owner, liar = owner_and_liar(world, company=world.new_company(points=5_000))
    tried(owner)
    cancel(order=now(liar), by=Actor.in_seat(liar.account_manager), reason="")
    (credit,) = world.credits(liar)
    settle_transaction(credit.pk)
    assert sent(world, "credit") == 0
    tried(owner, liar, rounds=3)
    assert now(liar).status == OrderStatus.CANCELLED
    assert world.ledger(liar) == (1_000, 1_000)
    all_is_right(world, owner, liar)


@pytest.mark.usefixtures("no_statement")
def test_a_credit_that_was_refused_for_the_wrong_number_recovers_under_a_key_of_its_own(
    world: World,
) -> None:
    owner, liar = owner_and_liar(world, company=world.new_company(points=5_000))
    cancel(order=now(liar), by=Actor.in_seat(liar.account_manager), reason="")
    (credit,) = world.credits(liar)
    settle_transaction(credit.pk)
    assert world.credits(liar)[0].status == TransactionStatus.NEEDS_REVIEW
    tried(owner, liar, rounds=4)
    (after,) = world.credits(liar)
    assert after.status == TransactionStatus.SUCCEEDED
    assert after.key == f"credit:{credit.pk}:{theirs(world, liar)}"
    assert now(liar).status == OrderStatus.CANCELLED
    assert world.ledger(liar) == (1_000, 1_000)
    all_is_right(world, owner, liar)


@pytest.mark.usefixtures("no_statement")
def test_a_credit_that_is_being_asked_while_the_number_is_corrected_recovers_too(
    world: World,
) -> None:
    owner, liar = owner_and_liar(world, company=world.new_company(points=5_000))
    cancel(order=now(liar), by=Actor.in_seat(liar.account_manager), reason="")
    (credit,) = world.credits(liar)
    world.partners.fault("credit", "error_500_before")
    settle_transaction(credit.pk)  # it may have landed, so its bytes must not change
    tried(owner, rounds=1)
    settle_transaction(world.debit(liar).pk)
    assert world.debit(liar).external_transaction_id == theirs(world, liar)
    tried(owner, liar, rounds=3)
    assert world.ledger(liar) == (1_000, 1_000)
    assert {call["idempotency_key"] for call in world.partners.calls(operation="credit")} == {
        credit.key,
        f"credit:{credit.pk}:{theirs(world, liar)}",
    }


def test_two_credits_with_one_number_are_put_right(world: World) -> None:
    orders = [world.place((world.product(), 1)) for _ in range(2)]
    tried(*orders)
    for order in orders:
        cancel(order=now(order), by=Actor.in_seat(world.seat), reason="")
    tried(orders[0])
    world.partners.fault("credit", LIE)
    tried(orders[1])
    assert world.credits(orders[1])[0].status == TransactionStatus.UNKNOWN
    tried(*orders, rounds=3)
    for order in orders:
        assert now(order).status == OrderStatus.CANCELLED
        assert world.credits(order)[0].external_transaction_id == theirs(world, order, "credit")
    all_is_right(world, *orders)


# --- What must not be repeated is not -----------------------------------------------------------


def forgotten(*orders: RedemptionOrder) -> None:
    """Pass the horizon, after which the partner may have forgotten the orders' keys."""
    LoyaltyTransaction.objects.filter(order__in=orders).exclude(first_sent_at=None).update(
        first_sent_at=LONG_AGO
    )


def test_nothing_is_sent_once_the_partner_may_have_forgotten_the_keys(
    world: World, settings: Any
) -> None:
    settings.LOYALTY_API_STATEMENT = False
    owner, liar = owner_and_liar(world)
    tried(owner)
    forgotten(owner, liar)
    before = sent(world)
    tried(owner, liar, rounds=4)
    assert sent(world) == before
    assert world.debit(owner).status == TransactionStatus.NEEDS_REVIEW
    assert world.debit(liar).is_undecided
    assert world.ledger(owner) == world.ledger(liar) == (1_000, 0)


def test_nothing_is_sent_to_a_partner_that_ignores_keys(world: World, settings: Any) -> None:
    settings.LOYALTY_API_STATEMENT = settings.LOYALTY_API_IDEMPOTENT = False
    world.partners.dial(honour_keys=False)
    owner, liar = (world.place((world.product(), 1)) for _ in range(2))
    tried(owner)
    world.partners.fault("debit", LIE)
    tried(liar)
    tried(owner, liar, rounds=4)
    assert sent(world) == 2
    assert world.debit(liar).status == TransactionStatus.NEEDS_REVIEW
    assert world.debit(owner).is_undecided
    assert world.ledger(owner) == world.ledger(liar) == (1_000, 0)


def test_only_the_key_that_may_be_repeated_is_asked_and_then_believed(
    world: World, settings: Any
) -> None:
    settings.LOYALTY_API_STATEMENT = False
    owner, liar = owner_and_liar(world)
    tried(owner)
    forgotten(owner)
    before = sent(world)
    tried(owner, liar, rounds=3)
    assert sent(world) == before + 1
    all_is_right(world, owner, liar)


@pytest.mark.parametrize("keys", ["forgotten", "ignored"])
def test_the_statement_settles_what_may_not_be_asked(
    world: World, settings: Any, keys: str
) -> None:
    owner, liar = owner_and_liar(world, company=world.new_company(points=5_000))
    tried(owner)
    if keys == "forgotten":
        forgotten(owner, liar)
    else:
        settings.LOYALTY_API_IDEMPOTENT = False
    before = sent(world)
    tried(owner, liar, rounds=4)
    assert sent(world) == before
    all_is_right(world, owner, liar)


def test_the_statement_settles_what_the_partner_insists_on(world: World) -> None:
    owner, liar = owner_and_liar(world)
    world.partners.fault("debit", LIE, times=None, match=world.debit(liar).key)
    tried(owner, liar, rounds=6)
    all_is_right(world, owner, liar)


# --- Two people -------------------------------------------------------------------------------


def stuck(world: World, settings: Any) -> tuple[RedemptionOrder, RedemptionOrder]:
    """The partner insists that the liar's debit has the owner's number, and has no statement."""
    settings.LOYALTY_API_STATEMENT = False
    owner, liar = owner_and_liar(world)
    world.partners.fault("debit", LIE, times=None, match=world.debit(liar).key)
    tried(owner, liar, rounds=6)
    assert world.debit(owner).status == TransactionStatus.NEEDS_REVIEW
    assert world.debit(liar).is_undecided
    assert now(owner).needs_attention
    assert now(liar).needs_attention
    return owner, liar


def decide(order: RedemptionOrder, number: str, fay: User, gil: User) -> None:
    intent = order.transactions.get(transaction_type="DEBIT")
    told: dict[str, Any] = {
        "verdict": Verdict.TOOK_PLACE,
        "entry": number,
        "evidence": "Their statement.",
    }
    propose(intent=intent, by=Actor.person(fay), **told)
    confirm(intent=intent, by=Actor.person(gil))


def test_two_people_settle_both_numbers(world: World, settings: Any, fay: User, gil: User) -> None:
    owner, liar = stuck(world, settings)
    decide(owner, theirs(world, owner), fay, gil)
    assert now(owner).status == OrderStatus.CONFIRMED
    assert world.debit(liar).external_transaction_id == ""
    tried(owner, liar, rounds=4)
    assert world.debit(liar).is_undecided
    decide(liar, theirs(world, liar), fay, gil)
    all_is_right(world, owner, liar)


def test_two_people_may_begin_with_the_one_that_has_the_wrong_number(
    world: World, settings: Any, fay: User, gil: User
) -> None:
    owner, liar = stuck(world, settings)
    decide(liar, theirs(world, liar), fay, gil)
    decide(owner, theirs(world, owner), fay, gil)
    all_is_right(world, owner, liar)


def test_a_number_that_two_people_leave_where_it_is_is_known_to_who_was_given_it_too(
    world: World, settings: Any, fay: User, gil: User
) -> None:
    settings.LOYALTY_API_STATEMENT = False
    owner, liar = owner_and_liar(world)
    world.partners.fault("debit", LIE, times=None, match=world.debit(liar).key)
    tried(owner, rounds=2)
    tried(liar, rounds=2)
    assert world.debit(liar).is_undecided
    waits = owner.transactions.filter(status=TransactionStatus.UNKNOWN)
    assert waits.update(next_attempt_at=Now() + timedelta(hours=1)) == 1
    decide(liar, world.debit(liar).external_transaction_id, fay, gil)
    after = world.debit(liar)
    assert (after.external_transaction_id, after.doubt) == (theirs(world, owner), "")
    settle_transaction(world.debit(owner).pk)  # at once, and not in an hour
    assert world.debit(owner).status == TransactionStatus.NEEDS_REVIEW


def test_the_number_of_one_that_nobody_doubts_is_not_taken_from_it(
    world: World, settings: Any, fay: User, gil: User
) -> None:
    owner, _liar = stuck(world, settings)
    third = world.place((world.product(), 1))
    tried(third)
    with pytest.raises(RedemptionError, match="belongs to another transaction"):
        decide(owner, theirs(world, third), fay, gil)
    assert world.debit(third).external_transaction_id == theirs(world, third)


def test_what_took_place_cannot_be_said_not_to_have(world: World, settings: Any, fay: User) -> None:
    _owner, liar = stuck(world, settings)
    for verdict in (Verdict.DID_NOT, Verdict.ASK_AGAIN):
        with pytest.raises(RedemptionError, match="only its number is in question"):
            propose(
                intent=world.debit(liar),
                verdict=verdict,
                entry="",
                evidence="x",
                by=Actor.person(fay),
            )


# --- Two people, about a number that nobody has disputed yet --------------------------------------


def undisputed(world: World, settings: Any) -> tuple[RedemptionOrder, RedemptionOrder]:
    """The partner ignores keys, so the owner waits for people and never disputes its number."""
    settings.LOYALTY_API_IDEMPOTENT = False
    world.partners.dial(honour_keys=False)
    owner, liar = owner_and_liar(world)
    assert world.debit(owner).status == TransactionStatus.NEEDS_REVIEW
    assert world.debit(liar).external_transaction_id == theirs(world, owner)
    assert not Incident.objects.filter(kind=IncidentKind.SWAPPED).exists()
    return owner, liar


def contested(owner: RedemptionOrder, number: str, fay: User, gil: User) -> None:
    with pytest.raises(RedemptionError, match="whose number is being looked up now"):
        decide(owner, number, fay, gil)


@pytest.mark.parametrize("keys", ["forgotten", "ignored"])
def test_two_people_settle_a_number_that_was_never_disputed(
    world: World, settings: Any, fay: User, gil: User, keys: str
) -> None:
    settings.LOYALTY_API_STATEMENT = False
    if keys == "ignored":
        owner, liar = undisputed(world, settings)
    else:
        owner, liar = owner_and_liar(world)
        forgotten(owner, liar)
        tried(owner)
    before, number = sent(world), theirs(world, owner)
    contested(owner, number, fay, gil)
    confirming = world.debit(owner)
    with pytest.raises(RedemptionError, match="whose number is being looked up now"):
        confirm(
            intent=confirming, by=Actor.person(gil)
        )  # nobody decides what a worker is to look up
    tried(owner, liar, rounds=2)
    assert world.debit(liar).is_undecided
    assert incident().order == liar
    confirm(intent=confirming, by=Actor.person(gil))
    assert now(owner).status == OrderStatus.CONFIRMED
    tried(owner, liar, rounds=2)
    assert sent(world) == before  # nothing was sent to a partner that may not know the keys
    decide(liar, theirs(world, liar), fay, gil)
    all_is_right(world, owner, liar)


def test_the_statement_settles_a_number_that_two_people_contest(
    world: World, settings: Any, fay: User, gil: User
) -> None:
    owner, liar = undisputed(world, settings)
    before = sent(world)
    contested(owner, theirs(world, owner), fay, gil)
    tried(liar)
    assert world.debit(liar).external_transaction_id == theirs(world, liar)
    confirm(intent=world.debit(owner), by=Actor.person(gil))
    assert sent(world) == before
    all_is_right(world, owner, liar)


def test_a_number_that_its_owner_is_told_again_is_not_taken_from_it(
    world: World, settings: Any, fay: User, gil: User
) -> None:
    owner, liar = undisputed(world, settings)
    third = world.place((world.product(), 1))
    tried(third)
    contested(owner, theirs(world, third), fay, gil)
    tried(third)
    assert world.debit(third).doubt == ""
    with pytest.raises(RedemptionError, match="whose number is being looked up now"):
        confirm(intent=world.debit(owner), by=Actor.person(gil))
    assert world.debit(third).external_transaction_id == theirs(world, third)
    notes = third.events.filter(subject="NOTE").values_list("reason", flat=True)
    assert any(owner.order_number in note for note in notes)
    assert now(liar).status == OrderStatus.CONFIRMED


def test_what_two_people_want_asked_again_is_asked_though_its_number_is_disputed(
    world: World, settings: Any, fay: User, gil: User
) -> None:
    owner, liar = stuck(world, settings)
    world.partners.clear_faults()
    intent = world.debit(owner)
    propose(
        intent=intent,
        verdict=Verdict.ASK_AGAIN,
        entry="",
        evidence="Their clerk.",
        by=Actor.person(fay),
    )
    before = sent(world)
    confirm(intent=intent, by=Actor.person(gil))
    tried(owner, liar, rounds=4)
    assert sent(world) > before
