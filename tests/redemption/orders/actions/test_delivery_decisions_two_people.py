"""Who may decide about a delivery and when: only when needed, by two people, once."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from fulfillment.models import Fulfillment, PartnerCall, VirtualCode
from fulfillment.states import FulfillmentStatus
from fulfillment.virtual import saga as virtual
from loyalty_portal.data.actor import Actor
from redemption.incidents.causes import settle_gone
from redemption.invariants.checks import check_invariants
from redemption.models import (
    Decision,
    Incident,
)
from redemption.orders.actions import delivery_decisions
from redemption.orders.actions.delivery_decisions import confirm, propose, reject
from redemption.saga.steps import RedemptionError
from redemption.saga.transactions import settle_transaction
from redemption.states import (
    DecisionStatus,
    IncidentKind,
    LineStatus,
    OrderStatus,
    TransactionStatus,
    Verdict,
)
from tests.redemption.orders.actions.test_delivery_decisions import (
    decided,
    found,
    line,
    nobody_knows,
)
from tests.redemption.orders.actions.test_transaction_decisions_two_people import at_once
from tests.redemption.saga.test_virtual_news import (
    answers,
    asked,
    debited,
    ends_at_the_partner,
    give_back,
    now,
    request_of,
)
from tests.redemption.world import World, make_all_due

pytestmark = pytest.mark.django_db(transaction=True)


def test_contradictory_news_is_settled_by_two_people_too(
    world: World, fay: User, gil: User
) -> None:
    order = debited(world)
    ends_at_the_partner(world, order, "delivered", codes=3)
    for _time in range(2):  # the refused request, and then the answer that does not fit
        make_all_due()
        virtual.ask(request_of(order).pk)
        asked(world, order)
    make_all_due()
    PartnerCall.objects.update(first_sent_at="2020-01-01T00:00:00Z")
    virtual.ask(request_of(order).pk)
    decided(order, 0, fay, gil)
    assert not Incident.objects.unresolved().filter(kind=IncidentKind.CONTRADICTION).exists()
    give_back(world, order)
    assert world.ledger(order) == (1_000, 1_000)
    assert check_invariants(at_rest=True) == []


def test_while_the_partner_is_asked_there_is_nothing_to_decide(world: World, fay: User) -> None:
    order = debited(world)
    with pytest.raises(RedemptionError, match="still being asked"):
        found(order, 0, fay)


def test_while_the_partner_is_at_work_and_in_time_there_is_nothing_to_decide(
    world: World, fay: User
) -> None:
    world.partners.dial(mode="accept", delay=86_400)
    order = debited(world)
    virtual.ask(request_of(order).pk)
    with pytest.raises(RedemptionError, match="working on it, and in time"):
        found(order, 0, fay)
    Fulfillment.objects.update(promised_by=timezone.now())
    assert found(order, 0, fay).status == DecisionStatus.PROPOSED


def test_what_the_desk_sends_is_not_decided_here(world: World, fay: User) -> None:
    order = world.place((world.product(), 1))
    settle_transaction(world.debit(order).pk)
    with pytest.raises(RedemptionError, match="not with the partner"):
        found(order, 0, fay)


# --- Two people, once ----------------------------------------------------------------------------


def test_nobody_decides_on_their_own_proposal(world: World, fay: User) -> None:
    order = nobody_knows(world)
    found(order, 0, fay)
    with pytest.raises(RedemptionError, match="a second person must decide"):
        confirm(item=line(order), by=Actor.person(fay))
    with pytest.raises(RedemptionError, match="a second person must decide"):
        reject(item=line(order), reason="I was wrong.", by=Actor.person(fay))
    assert world.credits(order) == []


def test_what_is_rejected_changes_nothing_and_something_else_may_be_proposed(
    world: World, fay: User, gil: User
) -> None:
    order = nobody_knows(world)
    found(order, 0, fay)
    reject(item=line(order), reason="The recipient has it.", by=Actor.person(gil))
    assert order.events.filter(by=gil, reason__contains="The recipient has it.").exists()
    assert line(order).fulfillment_status == LineStatus.REQUESTED
    decided(order, 2, gil, fay)
    assert now(order).status == OrderStatus.COMPLETED


def test_a_proposal_needs_evidence_and_there_is_one_at_a_time(
    world: World, fay: User, gil: User
) -> None:
    order = nobody_knows(world)
    with pytest.raises(RedemptionError, match="Enter the evidence"):
        propose(item=line(order), came=2, evidence=" \n", by=Actor.person(fay))
    found(order, 0, fay)
    with pytest.raises(RedemptionError, match="proposed something already"):
        found(order, 2, gil)


@pytest.mark.parametrize("came", [-1, 3, 10**18])
def test_no_more_can_have_come_than_were_ordered(world: World, fay: User, came: int) -> None:
    order = nobody_knows(world)
    with pytest.raises(RedemptionError, match="2 were ordered, so 0 to 2"):
        found(order, came, fay)
    assert not Decision.objects.exists()


def test_confirmed_by_many_while_the_partner_calls_back_it_ends_once(
    world: World, fay: User, gil: User
) -> None:
    order = nobody_knows(world)
    found(order, 0, fay)
    acts: list[Callable[[], Any]] = [lambda: confirm(item=line(order), by=Actor.person(gil))] * 3
    acts.append(lambda: answers(world, order, "delivered", "CODE-1", "CODE-2"))
    at_once(acts)
    ended = world.fulfillment(order).status
    back = [credit.points_amount for credit in world.credits(order)]
    assert back == ([1_000] if ended == FulfillmentStatus.FAILED else [])
    assert VirtualCode.objects.count() == (0 if ended == FulfillmentStatus.FAILED else 2)
    assert check_invariants() == []


def test_a_line_of_several_ends_alone(world: World, fay: User, gil: User) -> None:
    """The desk still sends its part of the same order."""
    world.partners.fault("fulfill", "reset_before", times=None)
    order = world.place((world.virtual(points=500), 1), (world.product(points=1_000), 1))
    settle_transaction(world.debit(order).pk)
    virtual.ask(request_of(order).pk)
    PartnerCall.objects.update(first_sent_at="2020-01-01T00:00:00Z")
    make_all_due()
    virtual.ask(request_of(order).pk)
    card = order.items.get(fulfillment_status=LineStatus.REQUESTED)
    propose(item=card, came=0, evidence="Nothing there.", by=Actor.person(fay))
    delivery_decisions.confirm(item=card, by=Actor.person(gil))
    give_back(world, order)
    assert now(order).status == OrderStatus.IN_FULFILLMENT
    assert world.ledger(order) == (1_500, 500)
    assert [credit.status for credit in world.credits(order)] == [TransactionStatus.SUCCEEDED]
    assert settle_gone() == 0
    assert check_invariants() == []


# --- Constraints of the database -----------------------------------------------------------------


@pytest.mark.parametrize("changes", [{"verdict": Verdict.TOOK_PLACE}, {"item": None}])
def test_what_it_is_about_is_held_by_the_database(
    world: World, fay: User, changes: dict[str, Any]
) -> None:
    found(nobody_knows(world), 0, fay)
    with pytest.raises(IntegrityError, match="decision_verdict_known"), transaction.atomic():
        Decision.objects.update(external_transaction_id="x", **changes)


def test_only_of_what_was_delivered_a_part_is_missing(world: World, fay: User) -> None:
    found(nobody_knows(world), 0, fay)
    refused = pytest.raises(IntegrityError, match="missing_of_what_was_delivered")
    with refused, transaction.atomic():
        Decision.objects.update(missing=1)


def test_the_database_has_one_open_proposal_a_delivery(world: World, fay: User) -> None:
    decision = found(nobody_knows(world), 0, fay)
    decision.pk = None
    with pytest.raises(IntegrityError, match="one_proposal_a_delivery"), transaction.atomic():
        decision.save(force_insert=True)
