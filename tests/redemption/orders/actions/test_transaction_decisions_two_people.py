"""Decisions about points are proposed and confirmed once, whoever else tries at the same time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.utils import timezone

from accounts.models import User
from loyalty_portal.data.actor import Actor
from redemption.invariants.checks import check_invariants
from redemption.models import (
    Decision,
)
from redemption.orders.actions.transaction_decisions import confirm, propose, reject
from redemption.saga.steps import RedemptionError
from redemption.saga.transactions import settle_transaction
from redemption.states import (
    DecisionStatus,
    OrderStatus,
    TransactionStatus,
    Verdict,
)
from tests.accounts.factories import UserFactory
from tests.redemption.orders.actions.test_transaction_decisions import (
    entry_of,
    fresh,
    it_took_place,
    said,
    undecided,
)
from tests.redemption.saga.test_races import while_somebody
from tests.redemption.world import World, make_all_due

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.usefixtures("ignores_keys")
def test_nobody_decides_on_their_own_proposal(world: World, fay: User) -> None:
    debit = undecided(world)
    it_took_place(world, debit, fay)
    with pytest.raises(RedemptionError, match="a second person must decide"):
        confirm(intent=debit, by=Actor.person(fay))
    with pytest.raises(RedemptionError, match="a second person must decide"):
        reject(intent=debit, reason="I was wrong.", by=Actor.person(fay))
    assert world.debit(debit.order).status == TransactionStatus.NEEDS_REVIEW


@pytest.mark.usefixtures("ignores_keys")
def test_what_is_rejected_changes_nothing_and_something_else_may_be_proposed(
    world: World, fay: User, gil: User
) -> None:
    debit = undecided(world)
    said(debit, Verdict.DID_NOT, fay)
    reject(intent=debit, reason="100 % there: line 4.", by=Actor.person(gil))
    assert debit.order.events.filter(by=gil, reason__contains="100 % there: line 4.").exists()
    assert fresh(debit.order).status == OrderStatus.PENDING
    with pytest.raises(RedemptionError, match="Nothing is proposed"):
        confirm(intent=debit, by=Actor.person(gil))
    it_took_place(world, debit, gil)
    confirm(intent=debit, by=Actor.person(fay))
    assert fresh(debit.order).status == OrderStatus.CONFIRMED


@pytest.mark.usefixtures("ignores_keys")
def test_one_thing_is_proposed_at_a_time(world: World, fay: User, gil: User) -> None:
    debit = undecided(world)
    said(debit, Verdict.DID_NOT, fay)
    with pytest.raises(RedemptionError, match="proposed something already"):
        it_took_place(world, debit, gil)


@pytest.mark.usefixtures("ignores_keys")
@pytest.mark.parametrize(
    ("verdict", "entry", "evidence", "why"),
    [
        (Verdict.TOOK_PLACE, " ", "Seen.", "number of the partner's entry"),
        (Verdict.DID_NOT, "", " \n", "Enter the evidence"),
    ],
)
def test_a_proposal_needs_its_evidence(
    world: World, fay: User, verdict: Verdict, entry: str, evidence: str, why: str
) -> None:
    debit = undecided(world)
    with pytest.raises(RedemptionError, match=why):
        propose(intent=debit, verdict=verdict, entry=entry, evidence=evidence, by=Actor.person(fay))


def test_there_is_nothing_to_decide_about_what_is_settled(world: World, fay: User) -> None:
    order = world.place((world.product(), 1))
    settle_transaction(world.debit(order).pk)
    with pytest.raises(RedemptionError, match="nothing to decide any more: it is “done”"):
        said(world.debit(order), Verdict.DID_NOT, fay)


@pytest.mark.usefixtures("ignores_keys")
def test_a_decision_that_was_overtaken_says_so_and_changes_nothing(
    world: World, fay: User, gil: User
) -> None:
    debit = undecided(world)
    decision = said(debit, Verdict.DID_NOT, fay)
    held = world.debit(debit.order)
    held.transition(
        TransactionStatus.SUCCEEDED,
        external_transaction_id=entry_of(world, debit),
        settled_at=timezone.now(),
    )
    with pytest.raises(RedemptionError, match="settled otherwise before"):
        confirm(intent=debit, by=Actor.person(gil))
    decision.refresh_from_db()
    assert decision.status == DecisionStatus.OVERTAKEN
    assert world.debit(debit.order).status == TransactionStatus.SUCCEEDED


@pytest.mark.usefixtures("ignores_keys")
def test_an_entry_that_is_another_transactions_is_refused(
    world: World, fay: User, gil: User
) -> None:
    debit = undecided(world)
    other = world.place((world.product(), 1))
    settle_transaction(world.debit(other).pk)
    propose(
        intent=debit,
        verdict=Verdict.TOOK_PLACE,
        entry=world.debit(other).external_transaction_id,
        evidence="Line 5.",
        by=Actor.person(fay),
    )
    with pytest.raises(RedemptionError, match="belongs to another transaction"):
        confirm(intent=debit, by=Actor.person(gil))
    assert fresh(debit.order).status == OrderStatus.PENDING
    reject(intent=debit, reason="Line 5 is the other order.", by=Actor.person(gil))


def at_once(acts: list[Callable[[], Any]]) -> list[Any]:
    """What each function returned, or the message of its refusal."""

    def one(act: Callable[[], Any]) -> Any:
        try:
            return act()
        except RedemptionError as error:
            return str(error)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(one, acts))


@pytest.mark.usefixtures("ignores_keys")
def test_confirmed_and_rejected_by_many_at_once_one_of_them_counts(
    world: World, fay: User, gil: User
) -> None:
    debit = undecided(world)
    it_took_place(world, debit, fay)
    acts: list[Callable[[], Any]] = [lambda: confirm(intent=debit, by=Actor.person(gil))] * 3
    acts += [lambda: reject(intent=debit, reason="No.", by=Actor.person(UserFactory.create()))] * 2
    answers = at_once(acts)
    assert answers.count("Nothing is proposed here any more.") == 4
    decision = Decision.objects.get()
    confirmed = decision.status == DecisionStatus.CONFIRMED
    assert (fresh(debit.order).status == OrderStatus.CONFIRMED) is confirmed
    assert check_invariants() == []


@pytest.mark.usefixtures("ignores_keys")
def test_proposed_by_many_at_once_it_is_one_proposal(world: World) -> None:
    debit = undecided(world)
    people = [UserFactory.create() for _ in range(4)]
    answers = at_once([partial(said, debit, Verdict.DID_NOT, by) for by in people])
    assert len([each for each in answers if isinstance(each, Decision)]) == 1
    assert Decision.objects.count() == 1


@pytest.mark.usefixtures("ignores_keys")
def test_a_decision_and_the_sweeper_at_once_move_the_points_once(
    world: World, fay: User, gil: User
) -> None:
    debit = undecided(world, "reset_before")
    said(debit, Verdict.ASK_AGAIN, fay)
    confirm(intent=debit, by=Actor.person(gil))
    at_once([lambda: settle_transaction(debit.pk)] * 3)
    make_all_due()
    assert world.ledger(debit.order) == (1_000, 0)
    assert check_invariants() == []


# --- Constraints of the database -----------------------------------------------------------


@pytest.mark.usefixtures("ignores_keys")
@pytest.mark.parametrize(
    ("constraint", "changes"),
    [
        ("decided_by_two_people", {"decided_by": F("proposed_by")}),
        ("decided_by_somebody", {"status": DecisionStatus.CONFIRMED}),
        ("decision_has_evidence", {"evidence": ""}),
        ("what_took_place_has_an_entry", {"verdict": Verdict.TOOK_PLACE}),
        ("decision_verdict_known", {"verdict": "PERHAPS"}),
        ("decision_status_known", {"status": "LOST"}),
    ],
)
def test_what_two_people_decide_is_held_by_the_database(
    world: World, fay: User, constraint: str, changes: dict[str, Any]
) -> None:
    said(undecided(world), Verdict.DID_NOT, fay)
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Decision.objects.update(**changes)


@pytest.mark.usefixtures("ignores_keys")
def test_the_database_has_one_open_proposal_a_transaction(world: World, fay: User) -> None:
    decision = said(undecided(world), Verdict.DID_NOT, fay)
    decision.pk = None
    with pytest.raises(IntegrityError, match="one_proposal_at_a_time"), transaction.atomic():
        Decision.objects.create(
            transaction=decision.transaction,
            verdict=Verdict.DID_NOT,
            evidence="Again.",
            proposed_by=fay,
        )


@pytest.mark.usefixtures("ignores_keys")
def test_one_entry_that_is_said_to_be_of_two_debits_at_once_is_of_the_first(
    world: World, fay: User, gil: User
) -> None:
    first, second = undecided(world), undecided(world)
    for debit in (first, second):
        propose(
            intent=debit,
            verdict=Verdict.TOOK_PLACE,
            entry=entry_of(world, first),
            evidence="Their statement.",
            by=Actor.person(fay),
        )
    with (
        while_somebody(lambda: confirm(intent=first, by=Actor.person(gil))),
        pytest.raises(RedemptionError, match="belongs to another transaction of ours"),
    ):
        confirm(intent=second, by=Actor.person(gil))
    assert world.debit(first.order).status == TransactionStatus.SUCCEEDED
    assert world.debit(second.order).status == TransactionStatus.NEEDS_REVIEW
    assert second.decisions.get().status == DecisionStatus.PROPOSED
