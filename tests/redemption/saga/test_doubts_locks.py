"""What happens to a transaction between the moment that its number is put in question or right, and
the moment that this is written: rows are locked, and a stalled worker sends no outdated bytes."""

from typing import Any

import pytest
from django.db import transaction

from accounts.models import User
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.lifecycle import StaleStatusError
from redemption.models import LoyaltyTransaction, RedemptionOrder
from redemption.orders.actions.cancelling import cancel
from redemption.points.doubting import doubt_number
from redemption.saga import transactions
from redemption.saga.transactions import settle_transaction
from redemption.states import Doubt, TransactionStatus
from tests.redemption.pages import now
from tests.redemption.saga.test_credits_held_back import booked_on, credit_of
from tests.redemption.saga.test_doubts import contested, theirs, tried, undisputed
from tests.redemption.saga.test_races import while_somebody
from tests.redemption.world import World

pytestmark = pytest.mark.django_db(transaction=True)
Stalled = tuple[RedemptionOrder, RedemptionOrder, LoyaltyTransaction]


@pytest.fixture
def unlocked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read transactions without locking them."""
    # replaced: negative control, the lock taken away
    rows = type(LoyaltyTransaction.objects.all())
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
