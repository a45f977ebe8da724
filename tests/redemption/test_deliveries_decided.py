"""A delivery that the partner tells nothing about: one person proposes, another confirms, once."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from fulfillment.models import Fulfillment, PartnerCall, VirtualCode
from fulfillment.states import CallStatus, FulfillmentStatus
from fulfillment.virtual import saga as virtual
from redemption.aftercare import deliveries
from redemption.aftercare.deliveries import confirm, propose, reject
from redemption.aftercare.services import cancel
from redemption.incidents.causes import settle_gone
from redemption.models import (
    Decision,
    EventSubject,
    Incident,
    Letter,
    OrderItem,
    RedemptionOrder,
)
from redemption.notifications import send_letter
from redemption.reports.invariants import check_invariants
from redemption.saga import settle_transaction
from redemption.services import RedemptionError
from redemption.states import (
    DecisionStatus,
    IncidentKind,
    LineStatus,
    OrderStatus,
    TransactionStatus,
    Verdict,
)
from tests.accounts.factories import UserFactory
from tests.redemption.test_decisions import at_once
from tests.redemption.test_virtual_news import (
    asked,
    debited,
    ends_at_the_partner,
    give_back,
    now,
    request_of,
    told,
)
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


def nobody_knows(world: World, cards: int = 2) -> RedemptionOrder:
    """An order of cards whose request has no answer, and must not be repeated any more."""
    world.partners.dial(mode="accept", delay=86_400)
    order = debited(world, cards)
    world.partners.fault("*", "reset_before", times=None)
    virtual.ask(request_of(order).pk)
    PartnerCall.objects.update(first_sent_at="2020-01-01T00:00:00Z")
    make_all_due()
    assert not virtual.ask(request_of(order).pk)
    assert request_of(order).status == CallStatus.NEEDS_REVIEW
    world.partners.clear_faults()
    return now(order)


def line(order: RedemptionOrder) -> OrderItem:
    return order.items.get()


def said(order: RedemptionOrder, verdict: Verdict, by: User) -> Decision:
    return propose(item=line(order), verdict=verdict, evidence="Their ticket 4711.", by=by)


def decided(order: RedemptionOrder, verdict: Verdict, fay: User, gil: User) -> str:
    said(order, verdict, fay)
    return confirm(item=line(order), by=gil)


def test_what_was_not_delivered_is_given_back_once(world: World, fay: User, gil: User) -> None:
    order = nobody_knows(world)
    said(order, Verdict.UNDELIVERED, fay)
    assert line(order).fulfillment_status == LineStatus.REQUESTED  # one person is not enough
    assert world.credits(order) == []
    assert confirm(item=line(order), by=gil) == "Confirmed. The points go back."
    assert [credit.points_amount for credit in world.credits(order)] == [1_000]
    with pytest.raises(RedemptionError, match="Nothing is proposed"):
        confirm(item=line(order), by=gil)
    with pytest.raises(RedemptionError, match="nothing to decide any more"):
        said(order, Verdict.UNDELIVERED, fay)
    give_back(world, order)
    assert now(order).status == OrderStatus.CANCELLED
    assert line(order).fulfillment_status == LineStatus.FAILED
    assert request_of(order).status == CallStatus.REFUSED
    assert world.ledger(order) == (1_000, 1_000)
    assert not Fulfillment.objects.filter(next_attempt_at__isnull=False).exists()
    assert check_invariants(at_rest=True) == []


def test_what_the_partner_delivered_stays_paid_and_needs_no_code_here(
    world: World, fay: User, gil: User, client_for: Any
) -> None:
    order = nobody_knows(world)
    assert "is delivered" in decided(order, Verdict.DELIVERED, fay, gil)
    assert now(order).status == OrderStatus.COMPLETED
    assert (line(order).quantity_delivered, line(order).quantity_refunded) == (2, 0)
    assert request_of(order).status == CallStatus.SUCCEEDED
    assert world.credits(order) == []
    assert not VirtualCode.objects.exists()
    assert check_invariants(at_rest=True) == []
    page = client_for(world.seat).get(order.get_absolute_url()).content.decode()
    assert "our partner sent the codes to ada@northwind.example itself" in page
    assert "Show the code" not in page
    assert "Their ticket 4711" not in page


def test_the_letter_does_not_promise_codes_that_are_not_here(
    world: World, fay: User, gil: User, mailoutbox: Any
) -> None:
    order = nobody_knows(world)
    decided(order, Verdict.DELIVERED, fay, gil)
    send_letter(Letter.objects.get(order=order, kind="delivered").pk)
    [letter] = mailoutbox
    assert "Our partner sent the codes there itself" in letter.body
    assert "have it shown" not in letter.body


def test_without_two_people_a_delivered_line_without_codes_is_a_violation(
    world: World, fay: User, gil: User
) -> None:
    """The negative control of the exception."""
    order = nobody_knows(world)
    decided(order, Verdict.DELIVERED, fay, gil)
    Decision.objects.update(status=DecisionStatus.OVERTAKEN)
    assert {each.invariant for each in check_invariants()} == {"CODES"}


def test_everybody_can_see_who_said_so_and_who_agreed(world: World, fay: User, gil: User) -> None:
    order = nobody_knows(world)
    decided(order, Verdict.UNDELIVERED, fay, gil)
    notes = order.events.filter(subject=EventSubject.NOTE, by__isnull=False)[:2]
    (proposed, first), (confirmed, second) = notes.values_list("reason", "by")
    assert proposed.startswith("Proposed: The partner did not deliver it")
    assert "Their ticket 4711." in proposed
    assert confirmed.startswith("Confirmed: The partner did not deliver it")
    assert (first, second) == (fay.pk, gil.pk)
    step = order.events.get(subject=EventSubject.LINE, to_status="FAILED")
    assert (step.by, step.reason) == (gil, "Our partner did not deliver it.")
    assert step.item == line(order)
    events = world.fulfillment(order).events.filter(by=gil)
    assert {event.to_status for event in events} == {"FAILED", "REFUSED"}


def test_a_decision_ends_the_incident_and_the_orders_mark(
    world: World, fay: User, gil: User
) -> None:
    order = nobody_knows(world)
    incident = Incident.objects.get(kind=IncidentKind.HORIZON, order=order)
    decided(order, Verdict.UNDELIVERED, fay, gil)
    incident.refresh_from_db()
    assert (incident.resolved_by, incident.evidence) == (gil, "Their ticket 4711.")
    assert not now(order).needs_attention
    assert world.fulfillment(order).attention == ""


# --- What the partner says meanwhile, and afterwards ---------------------------------------------


def test_news_of_the_partner_before_the_confirmation_counts(
    world: World, fay: User, gil: User
) -> None:
    order = nobody_knows(world)
    decision = said(order, Verdict.UNDELIVERED, fay)
    told(world, order, "delivered", codes=2, partner_id="F-1")
    with pytest.raises(RedemptionError, match="settled otherwise before"):
        confirm(item=line(order), by=gil)
    decision.refresh_from_db()
    assert decision.status == DecisionStatus.OVERTAKEN
    assert now(order).status == OrderStatus.COMPLETED
    assert world.credits(order) == []
    assert check_invariants() == []


def test_codes_for_what_was_decided_as_not_delivered_are_for_a_person(
    world: World, fay: User, gil: User
) -> None:
    order = nobody_knows(world)
    decided(order, Verdict.UNDELIVERED, fay, gil)
    give_back(world, order)
    told(world, order, "delivered", codes=2, partner_id="F-1")
    assert now(order).needs_attention
    incident = Incident.objects.unresolved().get()
    assert incident.kind == IncidentKind.CONTRADICTION
    assert "after the end" in incident.what
    assert not VirtualCode.objects.exists()
    assert world.ledger(order) == (1_000, 1_000)
    assert check_invariants(at_rest=True) == []


def test_a_failure_of_what_was_decided_as_delivered_is_for_a_person(
    world: World, fay: User, gil: User
) -> None:
    order = nobody_knows(world)
    decided(order, Verdict.DELIVERED, fay, gil)
    told(world, order, "failed", reason="out_of_stock", partner_id="F-1")
    assert Incident.objects.unresolved().get().kind == IncidentKind.CONTRADICTION
    assert world.credits(order) == []
    assert check_invariants(at_rest=True) == []


def test_codes_of_what_was_decided_as_delivered_are_kept_should_they_still_come(
    world: World, fay: User, gil: User, client_for: Any
) -> None:
    order = nobody_knows(world)
    decided(order, Verdict.DELIVERED, fay, gil)
    for _time in range(2):
        told(world, order, "delivered", codes=2, partner_id="F-1")
    assert VirtualCode.objects.count() == 2
    assert not now(order).needs_attention
    assert world.fulfillment(order).events.filter(reason="Its codes came after all.").count() == 1
    page = client_for(world.seat).get(order.get_absolute_url()).content.decode()
    assert "Show the code" in page
    assert check_invariants(at_rest=True) == []


def test_too_few_codes_after_all_are_for_a_person(world: World, fay: User, gil: User) -> None:
    order = nobody_knows(world)
    decided(order, Verdict.DELIVERED, fay, gil)
    told(world, order, "delivered", codes=1, partner_id="F-1")
    assert "with 1 codes for 2" in Incident.objects.unresolved().get().what
    assert not VirtualCode.objects.exists()


def test_somebody_elses_codes_after_all_are_for_a_person(
    world: World, fay: User, gil: User
) -> None:
    order = nobody_knows(world, cards=1)
    decided(order, Verdict.DELIVERED, fay, gil)
    told(world, order, "delivered", codes=1, partner_id="F-1")
    code = VirtualCode.objects.get()
    VirtualCode.objects.update(fulfillment=world.fulfillment(nobody_knows(world, cards=1)))
    told(world, order, "delivered", codes=1, partner_id="F-1")
    assert "belongs to another order" in Incident.objects.unresolved().get(order=order).what
    assert VirtualCode.objects.get().pk == code.pk


def test_a_request_that_lands_after_all_moves_nothing(world: World, fay: User, gil: User) -> None:
    order = nobody_knows(world)
    decided(order, Verdict.UNDELIVERED, fay, gil)
    ends_at_the_partner(world, order, "delivered", codes=2)
    make_all_due()
    assert not virtual.poll(world.fulfillment(order).pk)
    assert not virtual.ask(request_of(order).pk)
    assert [credit.points_amount for credit in world.credits(order)] == [1_000]


def test_a_poll_on_its_way_when_people_decide_is_news_after_the_end(
    world: World, fay: User, gil: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = nobody_knows(world)
    ends_at_the_partner(world, order, "delivered", codes=2)
    look_up = virtual._look_up

    def slowly(held: Fulfillment) -> Any:
        answer = look_up(held)
        decided(order, Verdict.UNDELIVERED, fay, gil)
        return answer

    monkeypatch.setattr(virtual, "_look_up", slowly)
    asked(world, order)
    assert Incident.objects.unresolved().get().kind == IncidentKind.CONTRADICTION
    assert not VirtualCode.objects.exists()
    assert [credit.points_amount for credit in world.credits(order)] == [1_000]
    assert check_invariants() == []


def test_a_cancel_that_the_partner_never_understood_ends_with_the_decision(
    world: World, fay: User, gil: User
) -> None:
    order = nobody_knows(world)
    cancel(order=order, by=world.seat.user, reason="")
    stop = PartnerCall.objects.get(kind="CANCEL")
    virtual.ask(stop.pk)  # the partner knows of nothing
    decided(order, Verdict.UNDELIVERED, fay, gil)
    make_all_due()
    assert not virtual.ask(stop.pk)
    stop.refresh_from_db()
    assert (stop.status, stop.next_attempt_at) == (CallStatus.SUCCEEDED, None)
    assert [credit.points_amount for credit in world.credits(order)] == [1_000]
    assert check_invariants() == []


@pytest.mark.parametrize(
    ("verdict", "ended"),
    [(Verdict.DELIVERED, CallStatus.REFUSED), (Verdict.UNDELIVERED, CallStatus.SUCCEEDED)],
)
def test_a_cancel_that_nobody_can_tell_about_ends_with_the_decision(
    world: World, fay: User, gil: User, verdict: Verdict, ended: str
) -> None:
    order = debited(world)
    world.partners.dial(mode="accept", delay=86_400)
    virtual.ask(request_of(order).pk)
    cancel(order=order, by=world.seat.user, reason="")
    world.partners.fault("cancel", "reset_before", times=None)
    stop = PartnerCall.objects.get(kind="CANCEL")
    virtual.ask(stop.pk)
    PartnerCall.objects.update(first_sent_at="2020-01-01T00:00:00Z")
    make_all_due()
    virtual.ask(stop.pk)
    decided(order, verdict, fay, gil)
    stop.refresh_from_db()
    assert stop.status == ended
    assert request_of(order).status == CallStatus.SUCCEEDED  # it was answered
    assert check_invariants() == []


# --- When there is something to decide -----------------------------------------------------------


def test_contradictory_news_is_settled_by_two_people_too(
    world: World, fay: User, gil: User
) -> None:
    order = debited(world)
    ends_at_the_partner(world, order, "delivered", codes=3)
    for _time in range(2):  # the request that is refused, and the answer that does not fit
        make_all_due()
        virtual.ask(request_of(order).pk)
        asked(world, order)
    make_all_due()
    PartnerCall.objects.update(first_sent_at="2020-01-01T00:00:00Z")
    virtual.ask(request_of(order).pk)
    decided(order, Verdict.UNDELIVERED, fay, gil)
    assert not Incident.objects.unresolved().filter(kind=IncidentKind.CONTRADICTION).exists()
    give_back(world, order)
    assert world.ledger(order) == (1_000, 1_000)
    assert check_invariants(at_rest=True) == []


def test_while_the_partner_is_asked_there_is_nothing_to_decide(world: World, fay: User) -> None:
    order = debited(world)
    with pytest.raises(RedemptionError, match="still being asked"):
        said(order, Verdict.UNDELIVERED, fay)


def test_while_the_partner_is_at_work_and_in_time_there_is_nothing_to_decide(
    world: World, fay: User
) -> None:
    world.partners.dial(mode="accept", delay=86_400)
    order = debited(world)
    virtual.ask(request_of(order).pk)
    with pytest.raises(RedemptionError, match="working on it, and in time"):
        said(order, Verdict.UNDELIVERED, fay)
    Fulfillment.objects.update(promised_by=timezone.now())
    assert said(order, Verdict.UNDELIVERED, fay).status == DecisionStatus.PROPOSED


def test_what_the_desk_sends_is_not_decided_here(world: World, fay: User) -> None:
    order = world.place((world.product(), 1))
    settle_transaction(world.debit(order).pk)
    with pytest.raises(RedemptionError, match="not with the partner"):
        said(order, Verdict.UNDELIVERED, fay)


# --- Two people, once ----------------------------------------------------------------------------


def test_nobody_decides_on_their_own_proposal(world: World, fay: User) -> None:
    order = nobody_knows(world)
    said(order, Verdict.UNDELIVERED, fay)
    with pytest.raises(RedemptionError, match="a second person must decide"):
        confirm(item=line(order), by=fay)
    with pytest.raises(RedemptionError, match="a second person must decide"):
        reject(item=line(order), reason="I was wrong.", by=fay)
    assert world.credits(order) == []


def test_what_is_rejected_changes_nothing_and_something_else_may_be_proposed(
    world: World, fay: User, gil: User
) -> None:
    order = nobody_knows(world)
    said(order, Verdict.UNDELIVERED, fay)
    reject(item=line(order), reason="The recipient has it.", by=gil)
    assert order.events.filter(by=gil, reason__contains="The recipient has it.").exists()
    assert line(order).fulfillment_status == LineStatus.REQUESTED
    decided(order, Verdict.DELIVERED, gil, fay)
    assert now(order).status == OrderStatus.COMPLETED


def test_a_proposal_needs_evidence_and_there_is_one_at_a_time(
    world: World, fay: User, gil: User
) -> None:
    order = nobody_knows(world)
    with pytest.raises(RedemptionError, match="Say what shows it"):
        propose(item=line(order), verdict=Verdict.DELIVERED, evidence=" \n", by=fay)
    said(order, Verdict.UNDELIVERED, fay)
    with pytest.raises(RedemptionError, match="proposed something already"):
        said(order, Verdict.DELIVERED, gil)


def test_confirmed_by_many_while_the_partner_calls_back_it_ends_once(
    world: World, fay: User, gil: User
) -> None:
    order = nobody_knows(world)
    said(order, Verdict.UNDELIVERED, fay)
    acts: list[Callable[[], Any]] = [lambda: confirm(item=line(order), by=gil)] * 3
    acts.append(lambda: told(world, order, "delivered", codes=2, partner_id="F-1"))
    at_once(acts)
    ended = world.fulfillment(order).status
    back = [credit.points_amount for credit in world.credits(order)]
    assert back == ([1_000] if ended == FulfillmentStatus.FAILED else [])
    assert VirtualCode.objects.count() == (0 if ended == FulfillmentStatus.FAILED else 2)
    assert check_invariants() == []


def test_a_line_of_several_ends_alone(world: World, fay: User, gil: User) -> None:
    """The desk's part of the same order is sent as if nothing had happened."""
    world.partners.fault("fulfill", "reset_before", times=None)
    order = world.place((world.virtual(points=500), 1), (world.product(points=1_000), 1))
    settle_transaction(world.debit(order).pk)
    virtual.ask(request_of(order).pk)
    PartnerCall.objects.update(first_sent_at="2020-01-01T00:00:00Z")
    make_all_due()
    virtual.ask(request_of(order).pk)
    card = order.items.get(fulfillment_status=LineStatus.REQUESTED)
    propose(item=card, verdict=Verdict.UNDELIVERED, evidence="Nothing there.", by=fay)
    deliveries.confirm(item=card, by=gil)
    give_back(world, order)
    assert now(order).status == OrderStatus.IN_FULFILLMENT
    assert world.ledger(order) == (1_500, 500)
    assert [credit.status for credit in world.credits(order)] == [TransactionStatus.SUCCEEDED]
    assert settle_gone() == 0
    assert check_invariants() == []


# --- The database holds it true ------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{"verdict": Verdict.TOOK_PLACE}, {"item": None}])
def test_what_it_is_about_is_held_by_the_database(
    world: World, fay: User, changes: dict[str, Any]
) -> None:
    said(nobody_knows(world), Verdict.UNDELIVERED, fay)
    with pytest.raises(IntegrityError, match="decision_verdict_known"), transaction.atomic():
        Decision.objects.update(external_transaction_id="x", **changes)


def test_the_database_has_one_open_proposal_a_delivery(world: World, fay: User) -> None:
    decision = said(nobody_knows(world), Verdict.UNDELIVERED, fay)
    decision.pk = None
    with pytest.raises(IntegrityError, match="one_proposal_a_delivery"), transaction.atomic():
        decision.save(force_insert=True)
