"""What only people can find out: one proposes it with evidence, another confirms, once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.utils import timezone

from accounts.models import User
from redemption.aftercare.decisions import confirm, propose, reject
from redemption.aftercare.services import cancel
from redemption.models import (
    Decision,
    EventSubject,
    Incident,
    Letter,
    LoyaltyTransaction,
    RedemptionOrder,
)
from redemption.reports.invariants import check_against_ledger, check_invariants
from redemption.saga import settle_transaction
from redemption.services import RedemptionError
from redemption.states import (
    DecisionStatus,
    IncidentKind,
    OrderStatus,
    TransactionStatus,
    Verdict,
)
from tests.accounts.factories import UserFactory
from tests.redemption.world import World, make_all_due

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def fay(db: None) -> User:
    user: User = UserFactory(name="Fay Finance", is_staff=True)
    return user


@pytest.fixture
def gil(db: None) -> User:
    user: User = UserFactory(name="Gil Finance", is_staff=True)
    return user


@pytest.fixture
def ignores_keys(settings: Any) -> None:
    """So that a debit without a clear answer waits for people at once."""
    settings.LOYALTY_API_IDEMPOTENT = False


def undecided(world: World, fault: str = "reset_after") -> LoyaltyTransaction:
    """A debit of 1,000 points that people must decide about; reset_after: it took place."""
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
        by=by,
    )


def said(intent: LoyaltyTransaction, verdict: Verdict, by: User) -> Decision:
    return propose(
        intent=intent, verdict=verdict, entry="", evidence="Not in their statement.", by=by
    )


def fresh(order: RedemptionOrder) -> RedemptionOrder:
    return RedemptionOrder.objects.get(pk=order.pk)


@pytest.mark.usefixtures("ignores_keys")
def test_a_debit_that_took_place_confirms_its_order(world: World, fay: User, gil: User) -> None:
    debit = undecided(world)
    it_took_place(world, debit, fay)
    assert fresh(debit.order).status == OrderStatus.PENDING  # one person is not enough
    assert "goes on" in confirm(intent=debit, by=gil)
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
    confirm(intent=debit, by=gil)
    notes = debit.order.events.filter(subject=EventSubject.NOTE, by__isnull=False)[:2]
    (proposed, by_whom), (confirmed, by_other) = notes.values_list("reason", "by")
    assert proposed.startswith("Proposed: It took place")
    assert "Their statement of today, line 4." in proposed
    assert confirmed.startswith("Confirmed: It took place")
    assert (by_whom, by_other) == (fay.pk, gil.pk)
    step = debit.order.events.get(subject=EventSubject.TRANSACTION, to_status="SUCCEEDED")
    assert step.by == gil


@pytest.mark.usefixtures("ignores_keys")
def test_a_decision_ends_its_incident_and_the_orders_mark(
    world: World, fay: User, gil: User
) -> None:
    debit = undecided(world)
    incident = Incident.objects.get(kind=IncidentKind.HORIZON, transaction=debit)
    it_took_place(world, debit, fay)
    confirm(intent=debit, by=gil)
    incident.refresh_from_db()
    assert (incident.resolved_by, incident.evidence) == (gil, "Their statement of today, line 4.")
    assert not fresh(debit.order).needs_attention


@pytest.mark.usefixtures("ignores_keys")
def test_a_debit_that_did_not_take_place_declines_its_order(
    world: World, fay: User, gil: User
) -> None:
    debit = undecided(world, "reset_before")
    said(debit, Verdict.DID_NOT, fay)
    confirm(intent=debit, by=gil)
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
    assert "asked again" in confirm(intent=debit, by=gil)
    assert check_invariants() == []
    settle_transaction(debit.pk)
    assert fresh(debit.order).status == OrderStatus.CONFIRMED
    assert world.ledger(debit.order) == (1_000, 0)


@pytest.mark.usefixtures("ignores_keys")
def test_an_order_cancelled_meanwhile_gets_back_what_was_taken(
    world: World, fay: User, gil: User
) -> None:
    debit = undecided(world)
    cancel(order=debit.order, by=world.seat.user, reason="")
    it_took_place(world, debit, fay)
    confirm(intent=debit, by=gil)
    for credit in world.credits(debit.order):
        settle_transaction(credit.pk)
    assert fresh(debit.order).status == OrderStatus.CANCELLED
    assert world.ledger(debit.order) == (1_000, 1_000)


def refused_credit(world: World) -> LoyaltyTransaction:
    order = world.place((world.product(points=1_000), 1))
    settle_transaction(world.debit(order).pk)
    cancel(order=order, by=world.seat.user, reason="")
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
    assert "until then it repeats its refusal" in confirm(intent=credit, by=gil)
    incident.refresh_from_db()
    assert not incident.is_final  # not before the points are back
    assert settle_transaction(credit.pk) is None  # it is not time yet
    assert check_invariants() == []
    world.partners.dial(honour_keys=False)  # as one that has forgotten the key
    make_all_due()
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
        by=fay,
    )
    confirm(intent=credit, by=gil)
    assert fresh(credit.order).status == OrderStatus.CANCELLED
    assert check_invariants() == []
    assert check_against_ledger([]) != []  # what people say is compared with the statement too


# --- Two people, once ----------------------------------------------------------------------


@pytest.mark.usefixtures("ignores_keys")
def test_nobody_decides_on_their_own_proposal(world: World, fay: User) -> None:
    debit = undecided(world)
    it_took_place(world, debit, fay)
    with pytest.raises(RedemptionError, match="a second person must decide"):
        confirm(intent=debit, by=fay)
    with pytest.raises(RedemptionError, match="a second person must decide"):
        reject(intent=debit, reason="I was wrong.", by=fay)
    assert world.debit(debit.order).status == TransactionStatus.NEEDS_REVIEW


@pytest.mark.usefixtures("ignores_keys")
def test_what_is_rejected_changes_nothing_and_something_else_may_be_proposed(
    world: World, fay: User, gil: User
) -> None:
    debit = undecided(world)
    said(debit, Verdict.DID_NOT, fay)
    reject(intent=debit, reason="100 % there: line 4.", by=gil)
    assert debit.order.events.filter(by=gil, reason__contains="100 % there: line 4.").exists()
    assert fresh(debit.order).status == OrderStatus.PENDING
    with pytest.raises(RedemptionError, match="Nothing is proposed"):
        confirm(intent=debit, by=gil)
    it_took_place(world, debit, gil)
    confirm(intent=debit, by=fay)
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
        (Verdict.DID_NOT, "", " \n", "Say what shows it"),
    ],
)
def test_a_proposal_needs_its_evidence(
    world: World, fay: User, verdict: Verdict, entry: str, evidence: str, why: str
) -> None:
    debit = undecided(world)
    with pytest.raises(RedemptionError, match=why):
        propose(intent=debit, verdict=verdict, entry=entry, evidence=evidence, by=fay)


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
        confirm(intent=debit, by=gil)
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
        by=fay,
    )
    with pytest.raises(RedemptionError, match="belongs to another transaction"):
        confirm(intent=debit, by=gil)
    assert fresh(debit.order).status == OrderStatus.PENDING
    reject(intent=debit, reason="Line 5 is the other order.", by=gil)


def at_once(acts: list[Callable[[], Any]]) -> list[Any]:
    """What each returned, or the sentence it was refused with."""

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
    acts: list[Callable[[], Any]] = [lambda: confirm(intent=debit, by=gil)] * 3
    acts += [lambda: reject(intent=debit, reason="No.", by=UserFactory())] * 2
    answers = at_once(acts)
    assert answers.count("Nothing is proposed here any more.") == 4
    decision = Decision.objects.get()
    confirmed = decision.status == DecisionStatus.CONFIRMED
    assert (fresh(debit.order).status == OrderStatus.CONFIRMED) is confirmed
    assert check_invariants() == []


@pytest.mark.usefixtures("ignores_keys")
def test_proposed_by_many_at_once_it_is_one_proposal(world: World) -> None:
    debit = undecided(world)
    people = [UserFactory() for _ in range(4)]
    answers = at_once([lambda by=by: said(debit, Verdict.DID_NOT, by) for by in people])
    assert len([each for each in answers if isinstance(each, Decision)]) == 1
    assert Decision.objects.count() == 1


@pytest.mark.usefixtures("ignores_keys")
def test_a_decision_and_the_sweeper_at_once_move_the_points_once(
    world: World, fay: User, gil: User
) -> None:
    debit = undecided(world, "reset_before")
    said(debit, Verdict.ASK_AGAIN, fay)
    confirm(intent=debit, by=gil)
    at_once([lambda: settle_transaction(debit.pk)] * 3)
    make_all_due()
    assert world.ledger(debit.order) == (1_000, 0)
    assert check_invariants() == []


# --- The database holds it true ------------------------------------------------------------


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
