"""A number that another transaction has: what several workers and people do about it at once, and
what the statement does not tell."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.db.models import F
from django.db.models.functions import Now

from loyalty_portal.data.actor import Actor
from redemption.models import Incident, LoyaltyTransaction, RedemptionOrder
from redemption.orders.actions.cancelling import cancel
from redemption.saga import transactions
from redemption.saga.steps import locked
from redemption.saga.transactions import settle_transaction
from redemption.states import Doubt, IncidentKind, TransactionStatus
from tests.redemption.pages import now
from tests.redemption.saga.test_doubts import (
    LIE,
    forgotten,
    owner_and_liar,
    sent,
    theirs,
    tried,
)
from tests.redemption.saga.test_races import while_somebody
from tests.redemption.world import World, make_all_due

pytestmark = pytest.mark.django_db(transaction=True)
Changes = Callable[[], object]


def rows_of(world: World, order: RedemptionOrder) -> Any:
    return LoyaltyTransaction.objects.filter(pk=world.debit(order).pk)


def loses_its_lease(world: World, order: RedemptionOrder) -> Changes:
    return lambda: rows_of(world, order).update(lease_token=None)


def test_as_soon_as_the_owner_is_told_its_number_again_the_other_is_asked(world: World) -> None:
    owner, liar = (world.place((world.product(), 1)) for _ in range(2))
    tried(owner)
    world.partners.fault("debit", LIE)
    tried(liar)
    rows_of(world, liar).update(next_attempt_at=Now() + timedelta(hours=1))
    settle_transaction(world.debit(owner).pk)
    assert settle_transaction(world.debit(liar).pk) == liar.pk
    assert world.debit(liar).external_transaction_id == theirs(world, liar)


def test_as_soon_as_a_number_is_corrected_the_one_that_was_given_it_too_is_asked(
    world: World,
) -> None:
    owner, liar = owner_and_liar(world)
    tried(owner)
    rows_of(world, owner).update(next_attempt_at=Now() + timedelta(hours=1))
    settle_transaction(world.debit(liar).pk)
    assert world.debit(liar).external_transaction_id == theirs(world, liar)
    assert settle_transaction(world.debit(owner).pk) == owner.pk
    assert world.debit(owner).external_transaction_id == theirs(world, owner)


def test_two_who_would_ask_for_the_same_number_at_once_ask_once(world: World) -> None:
    owner, liar = owner_and_liar(world)
    tried(owner)
    before, debit = sent(world), world.debit(liar)
    with while_somebody(lambda: transactions._claim(debit.pk)):
        assert settle_transaction(debit.pk) is None
    assert sent(world) == before


def test_two_who_would_put_the_same_number_to_people_at_once_do_it_once(
    world: World, settings: Any
) -> None:
    settings.LOYALTY_API_STATEMENT = False
    owner, liar = owner_and_liar(world)
    tried(owner)
    forgotten(owner, liar)
    rows = rows_of(world, liar)
    with while_somebody(lambda: rows.update(attempts=F("attempts") + 1)):
        assert settle_transaction(rows.get().pk) is None
    assert rows.get().doubt == Doubt.ASK
    assert not now(liar).needs_attention
    tried(liar)
    assert rows.get().is_undecided


def test_a_number_that_is_given_up_at_that_moment_is_recorded(world: World) -> None:
    owner, liar = owner_and_liar(world)
    number = theirs(world, owner)
    lost = {"external_transaction_id": "", "doubt": Doubt.ASK, "disputed_id": number}
    make_all_due()
    with while_somebody(lambda: locked(liar.pk), lambda: rows_of(world, liar).update(**lost)):
        settle_transaction(world.debit(owner).pk)
    debit = world.debit(owner)
    assert (debit.status, debit.doubt) == (TransactionStatus.SUCCEEDED, "")
    assert debit.external_transaction_id == number


def test_who_has_lost_the_lease_disputes_nothing(world: World) -> None:
    owner, liar = owner_and_liar(world)
    make_all_due()
    with while_somebody(lambda: locked(liar.pk), loses_its_lease(world, owner)):
        settle_transaction(world.debit(owner).pk)
    assert world.debit(owner).disputed_id == ""
    assert not Incident.objects.filter(kind=IncidentKind.SWAPPED).exists()


@pytest.mark.parametrize("answer", ["its own", "the same", "nothing"])
def test_who_has_lost_the_lease_records_no_number(world: World, settings: Any, answer: str) -> None:
    owner, liar = owner_and_liar(world)
    tried(owner)
    before = world.debit(liar)
    if answer == "the same":
        world.partners.fault("debit", LIE)
    if answer == "nothing":
        forgotten(owner, liar)
        world.partners.dial(slips=["statement_gap"])
    with while_somebody(lambda: locked(liar.pk), loses_its_lease(world, liar)):
        settle_transaction(before.pk)
    after = world.debit(liar)
    assert (after.external_transaction_id, after.doubt) == (theirs(world, owner), Doubt.ASK)


@pytest.mark.parametrize("who_first", ["owner", "liar"])
def test_what_the_statement_does_not_tell_is_for_people(world: World, who_first: str) -> None:
    """It lacks its newest entry, which is that of the liar."""
    if who_first == "owner":
        owner, liar = (world.place((world.product(), 1)) for _ in range(2))
        tried(owner)
        world.partners.fault("debit", LIE)
        tried(liar)
    else:
        owner, liar = owner_and_liar(world)
        tried(owner)
    forgotten(owner, liar)
    before = sent(world)
    world.partners.fault("statement", "error_500_before", times=None)
    tried(owner, liar)
    assert not any(world.debit(each).is_undecided for each in (owner, liar))
    world.partners.clear_faults()
    world.partners.dial(slips=["statement_gap"])
    tried(owner, liar, rounds=4)
    assert world.debit(liar).is_undecided
    assert world.debit(owner).is_undecided == (who_first == "liar")
    assert sent(world) == before


def test_what_the_database_refuses_for_another_reason_is_no_dispute(world: World) -> None:
    """It is a mistake of ours: whoever worked at it finds out (redemption/saga/queues.py)."""
    order = world.place((world.product(), 1))
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE loyalty_transaction ADD CONSTRAINT none_succeeds"
            " CHECK (status <> 'SUCCEEDED') NOT VALID"
        )
        try:
            with pytest.raises(IntegrityError, match="none_succeeds"):
                settle_transaction(world.debit(order).pk)
        finally:
            cursor.execute("ALTER TABLE loyalty_transaction DROP CONSTRAINT none_succeeds")
    assert world.debit(order).status == TransactionStatus.SENT
    assert world.ledger(order) == (1_000, 0)
    tried(order)
    assert world.debit(order).status == TransactionStatus.SUCCEEDED


def test_who_has_lost_the_lease_records_no_answer(world: World) -> None:
    order = world.place((world.product(), 1))
    with while_somebody(lambda: locked(order.pk), loses_its_lease(world, order)):
        settle_transaction(world.debit(order).pk)
    assert world.debit(order).status == TransactionStatus.SENT
    tried(order)
    assert world.debit(order).status == TransactionStatus.SUCCEEDED
    assert world.ledger(order) == (1_000, 0)


def test_a_credit_that_is_refused_while_its_debit_is_doubted_waits_for_people(
    world: World, settings: Any
) -> None:
    """Then its debit can be asked no more, and no other order has the number."""
    settings.LOYALTY_API_STATEMENT = False
    order = world.place((world.product(), 1))
    tried(order)
    cancel(order=now(order), by=Actor.in_seat(world.seat), reason="")
    world.partners.fault("credit", "refuse", code="refund_exceeds_debit")
    (credit,) = world.credits(order)
    doubted = {"doubt": Doubt.ASK, "next_attempt_at": Now()}
    with while_somebody(lambda: locked(order.pk), lambda: rows_of(world, order).update(**doubted)):
        settle_transaction(credit.pk)
    assert world.credits(order)[0].status == TransactionStatus.NEEDS_REVIEW
    forgotten(order)
    settle_transaction(world.debit(order).pk)
    assert world.debit(order).is_undecided
    told = Incident.objects.get(kind=IncidentKind.SWAPPED).what
    assert f"does not tell whether {theirs(world, order)} is the number" in told
