"""A number that another transaction has: what several workers and people do about it at once, and
what the statement does not tell."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from accounts.models import User
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.lifecycle import StaleStatusError
from redemption.models import Incident, LoyaltyTransaction, RedemptionOrder
from redemption.orders.actions.cancelling import cancel
from redemption.points.doubting import doubt_number
from redemption.saga import transactions
from redemption.saga.steps import locked
from redemption.saga.transactions import settle_transaction
from redemption.states import Doubt, IncidentKind, TransactionStatus
from tests.redemption.pages import now
from tests.redemption.saga.doubts.test_doubts import (
    LIE,
    contested,
    forgotten,
    owner_and_liar,
    sent,
    theirs,
    tried,
    undisputed,
)
from tests.redemption.saga.test_credits_held_back import booked_on, credit_of
from tests.redemption.saga.test_races import while_somebody
from tests.redemption.world import World, make_all_due

pytestmark = pytest.mark.django_db(transaction=True)
Changes = Callable[[], object]
Stalled = tuple[RedemptionOrder, RedemptionOrder, LoyaltyTransaction]


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


# --- Between the moment that a number is read and the moment that it is written ------------------


@pytest.fixture
def unlocked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read transactions without locking them."""
    rows = type(LoyaltyTransaction.objects.all())
    # replaced: negative control, the lock taken away
    monkeypatch.setattr(rows, "select_for_update", lambda self, **_how: self)


def stalled(world: World) -> Stalled:
    """Her debit has the number of his debit, and she cancels. A worker reads her credit and stalls;
    then her debit's number is doubted. Returns both orders, and the credit as the worker read it.
    """
    her_order, his_order = (world.place((world.product(), 1)) for _ in range(2))
    tried(her_order, his_order)
    for order, number in ((his_order, "txn_unknown"), (her_order, theirs(world, his_order))):
        rows = LoyaltyTransaction.objects.filter(order=order)
        rows.update(external_transaction_id=number)
    cancel(order=now(her_order), by=Actor.in_seat(world.seat), reason="")
    credit = credit_of(world, her_order)
    read = LoyaltyTransaction.objects.select_related("original").get(pk=credit.pk)
    assert doubt_number(world.debit(her_order).pk, theirs(world, her_order))
    return her_order, his_order, read


def claimed_while_its_debit_is_corrected(world: World) -> tuple[int, int]:
    """The stalled worker claims the credit just as its debit gets the right number. The answer to
    the credit is lost, so it is sent again. Returns the points taken and given back at the partner.
    """
    her_order, _his_order, read = stalled(world)
    claims: list[Any] = []
    with while_somebody(lambda: claims.append(transactions._claimed(read))):
        settle_transaction(world.debit(her_order).pk)
    assert world.debit(her_order).external_transaction_id == theirs(world, her_order)
    world.partners.fault("credit", "error_500_after")
    transactions._record(claims[0].again(), transactions._answer(claims[0]))
    tried(her_order)
    return world.ledger(her_order)


@pytest.mark.usefixtures("no_statement")
def test_a_credit_that_is_claimed_as_its_debit_is_corrected_gives_points_back_once(
    world: World,
) -> None:
    assert claimed_while_its_debit_is_corrected(world) == (1_000, 1_000)


@pytest.mark.usefixtures("no_statement", "unlocked")
def test_without_the_lock_it_gives_them_back_twice(world: World) -> None:
    """The negative control."""
    assert claimed_while_its_debit_is_corrected(world) == (1_000, 2_000)


@pytest.mark.usefixtures("no_statement")
def test_a_worker_that_stalled_does_not_send_a_credit_that_names_the_number_of_before(
    world: World,
) -> None:
    her_order, _his_order, read = stalled(world)
    settle_transaction(world.debit(her_order).pk)
    with pytest.raises(StaleStatusError), transaction.atomic():
        transactions._claimed(read)
    tried(her_order)
    assert credit_of(world, her_order).status == TransactionStatus.SUCCEEDED
    assert booked_on(world, her_order) == theirs(world, her_order)


@pytest.mark.usefixtures("no_statement")
def test_without_comparing_the_key_it_is_booked_on_the_debit_of_another(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control."""
    # replaced: negative control, the key left out of the comparison
    monkeypatch.setattr(LoyaltyTransaction, "as_read", ("pk", "attempts"))
    her_order, his_order, read = stalled(world)
    settle_transaction(world.debit(her_order).pk)
    with transaction.atomic():
        claim = transactions._claimed(read)
    assert claim
    transactions._record(claim.again(), transactions._answer(claim))
    assert booked_on(world, her_order) == theirs(world, his_order)


def contested_while_it_is_doubted(
    world: World, settings: Any, fay: User, gil: User
) -> LoyaltyTransaction:
    """Two people contest a number just as the comparison finds another one for who has it. Returns
    the transaction that has it.
    """
    owner, liar = undisputed(world, settings)
    own = theirs(world, liar)
    with while_somebody(lambda: doubt_number(world.debit(liar).pk, own)):
        contested(owner, theirs(world, owner), fay, gil)
    holder = world.debit(liar)
    assert holder.doubt == Doubt.ASK
    return holder


def test_what_the_statement_says_as_two_people_contest_a_number_is_kept(
    world: World, settings: Any, fay: User, gil: User
) -> None:
    holder = contested_while_it_is_doubted(world, settings, fay, gil)
    assert holder.disputed_id == theirs(world, holder.order)


@pytest.mark.usefixtures("unlocked")
def test_without_the_lock_what_the_statement_says_is_lost(
    world: World, settings: Any, fay: User, gil: User
) -> None:
    """The negative control."""
    assert contested_while_it_is_doubted(world, settings, fay, gil).disputed_id == ""
