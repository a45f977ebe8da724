"""Decisions of two people about a delivery without a clear answer."""

from typing import Any

import pgtrigger
import pytest

from accounts.models import User
from fulfillment.models import Fulfillment, PartnerCall, VirtualCode
from fulfillment.states import CallStatus
from fulfillment.virtual import saga as virtual
from loyalty_portal.data.actor import Actor
from redemption.invariants.checks import check_invariants
from redemption.messages.notifications import send_letter
from redemption.models import (
    Decision,
    EventSubject,
    Incident,
    Letter,
    OrderItem,
    RedemptionOrder,
)
from redemption.orders.actions.cancelling import cancel
from redemption.orders.actions.delivery_decisions import confirm, propose
from redemption.saga.steps import RedemptionError
from redemption.states import (
    DecisionStatus,
    IncidentKind,
    LineStatus,
    OrderStatus,
)
from tests.redemption.saga.test_virtual_news import (
    answers,
    asked,
    debited,
    ends_at_the_partner,
    give_back,
    now,
    request_of,
    told,
)
from tests.redemption.saga.test_webhooks import ask_the_partner
from tests.redemption.world import World, make_all_due

pytestmark = pytest.mark.django_db(transaction=True)


def nobody_knows(world: World, cards: int = 2) -> RedemptionOrder:
    """An order of cards whose request has no answer and can no longer be repeated."""
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


def found(order: RedemptionOrder, came: int, by: User) -> Decision:
    return propose(item=line(order), came=came, evidence="Their ticket 4711.", by=Actor.person(by))


def decided(order: RedemptionOrder, came: int, fay: User, gil: User) -> str:
    found(order, came, fay)
    return confirm(item=line(order), by=Actor.person(gil))


def test_what_was_not_delivered_is_given_back_once(world: World, fay: User, gil: User) -> None:
    order = nobody_knows(world)
    found(order, 0, fay)
    assert line(order).fulfillment_status == LineStatus.REQUESTED  # one person is not enough
    assert world.credits(order) == []
    assert confirm(item=line(order), by=Actor.person(gil)) == "Confirmed. The points go back."
    assert [credit.points_amount for credit in world.credits(order)] == [1_000]
    with pytest.raises(RedemptionError, match="Nothing is proposed"):
        confirm(item=line(order), by=Actor.person(gil))
    with pytest.raises(RedemptionError, match="nothing to decide any more"):
        found(order, 0, fay)
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
    assert "is delivered" in decided(order, 2, fay, gil)
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


def test_what_came_in_part_stays_paid_and_the_rest_is_given_back(
    world: World, fay: User, gil: User, client_for: Any
) -> None:
    order = nobody_knows(world, cards=3)
    decision = found(order, 2, fay)
    assert decision.told == "The partner delivered 2 of 3"
    assert "what is missing go back" in confirm(item=line(order), by=Actor.person(gil))
    assert (line(order).quantity_delivered, line(order).quantity_refunded) == (2, 1)
    give_back(world, order)
    assert now(order).status == OrderStatus.COMPLETED
    assert world.ledger(order) == (1_500, 500)
    assert Letter.objects.get(order=order, kind="delivered").facts["quantity"] == 2
    page = client_for(world.seat).get(order.get_absolute_url()).content.decode()
    assert "2 of 3 arrived, points of 1 given back." in page
    assert f"2 of 3 × {line(order).product_name}: our partner sent the codes" in page
    assert check_invariants(at_rest=True) == []


def test_the_letter_does_not_promise_codes_that_are_not_here(
    world: World, fay: User, gil: User, mailoutbox: Any
) -> None:
    order = nobody_knows(world)
    decided(order, 2, fay, gil)
    send_letter(Letter.objects.get(order=order, kind="delivered").pk)
    [letter] = mailoutbox
    assert "Our partner sent the codes there itself" in letter.body
    assert "have it shown" not in letter.body


def test_without_two_people_a_delivered_line_without_codes_is_a_violation(
    world: World, fay: User, gil: User
) -> None:
    """The negative control: without the decision, a delivered line without codes is a violation."""
    order = nobody_knows(world)
    decided(order, 2, fay, gil)
    with pgtrigger.ignore():
        Decision.objects.update(status=DecisionStatus.OVERTAKEN)
    assert {each.invariant for each in check_invariants()} == {"CODES"}


def test_a_part_that_two_people_did_not_speak_of_is_a_violation(
    world: World, fay: User, gil: User
) -> None:
    order = nobody_knows(world)
    decided(order, 1, fay, gil)
    assert check_invariants() == []
    with pgtrigger.ignore():
        Decision.objects.update(missing=0)
    assert {each.invariant for each in check_invariants()} == {"CODES"}


def test_everybody_can_see_who_said_so_and_who_agreed(world: World, fay: User, gil: User) -> None:
    order = nobody_knows(world)
    decided(order, 0, fay, gil)
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
    decided(order, 0, fay, gil)
    incident.refresh_from_db()
    assert (incident.resolved_by, incident.evidence) == (gil, "Their ticket 4711.")
    assert not now(order).needs_attention
    assert world.fulfillment(order).attention == ""


# --- News of the partner before and after the decision ------------------------------------------


def test_news_of_the_partner_before_the_confirmation_counts(
    world: World, fay: User, gil: User
) -> None:
    order = nobody_knows(world)
    decision = found(order, 0, fay)
    answers(world, order, "delivered", "CODE-1", "CODE-2")
    with pytest.raises(RedemptionError, match="settled otherwise before"):
        confirm(item=line(order), by=Actor.person(gil))
    decision.refresh_from_db()
    assert decision.status == DecisionStatus.OVERTAKEN
    assert now(order).status == OrderStatus.COMPLETED
    assert world.credits(order) == []
    assert check_invariants() == []


def test_codes_for_what_was_decided_as_not_delivered_are_for_a_person(
    world: World, fay: User, gil: User
) -> None:
    order = nobody_knows(world)
    decided(order, 0, fay, gil)
    give_back(world, order)
    answers(world, order, "delivered", "CODE-1", "CODE-2")
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
    decided(order, 2, fay, gil)
    answers(world, order, "failed")
    assert Incident.objects.unresolved().get().kind == IncidentKind.CONTRADICTION
    assert world.credits(order) == []
    assert check_invariants(at_rest=True) == []


def test_codes_of_what_was_decided_as_delivered_are_kept_should_they_still_come(
    world: World, fay: User, gil: User, client_for: Any
) -> None:
    order = nobody_knows(world)
    decided(order, 2, fay, gil)
    ends_at_the_partner(world, order, "delivered", codes=2)
    for _time in range(2):
        told(
            world, order, "delivered", codes=2, partner_id=f"ful_{world.fulfillment(order).pk.hex}"
        )
        ask_the_partner()
    assert VirtualCode.objects.count() == 2
    assert not now(order).needs_attention
    assert world.fulfillment(order).events.filter(reason="Its codes came after all.").count() == 1
    page = client_for(world.seat).get(order.get_absolute_url()).content.decode()
    assert "Show this code" in page
    assert check_invariants(at_rest=True) == []


def test_the_codes_of_a_part_are_kept_and_more_than_that_are_for_a_person(
    world: World, fay: User, gil: User
) -> None:
    order = nobody_knows(world, cards=3)
    decided(order, 2, fay, gil)
    answers(world, order, "delivered", "CODE-1", "CODE-2", "CODE-3")
    assert "with 3 codes for 3" in Incident.objects.unresolved().get().what
    assert not VirtualCode.objects.exists()
    answers(world, order, "delivered", "CODE-1", "CODE-2")
    assert VirtualCode.objects.count() == 2
    assert [credit.points_amount for credit in world.credits(order)] == [500]
    assert check_invariants() == []


def test_too_few_codes_after_all_are_for_a_person(world: World, fay: User, gil: User) -> None:
    order = nobody_knows(world)
    decided(order, 2, fay, gil)
    answers(world, order, "delivered", "CODE-1")
    assert "with 1 codes for 2" in Incident.objects.unresolved().get().what
    assert not VirtualCode.objects.exists()


def test_somebody_elses_codes_after_all_are_for_a_person(
    world: World, fay: User, gil: User
) -> None:
    order = nobody_knows(world, cards=1)
    decided(order, 1, fay, gil)
    answers(world, order, "delivered", "CODE-1")
    code = VirtualCode.objects.get()
    VirtualCode.objects.update(fulfillment=world.fulfillment(nobody_knows(world, cards=1)))
    answers(world, order, "delivered", "CODE-1")
    assert "belongs to another order" in Incident.objects.unresolved().get(order=order).what
    assert VirtualCode.objects.get().pk == code.pk


def test_a_request_that_lands_after_all_moves_nothing(world: World, fay: User, gil: User) -> None:
    order = nobody_knows(world)
    decided(order, 0, fay, gil)
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
    look_up = virtual.look_up

    def slowly(held: Fulfillment) -> Any:
        answer = look_up(held)
        decided(order, 0, fay, gil)
        return answer

    # replaced: people must decide between the true answer and its record
    monkeypatch.setattr(virtual, "look_up", slowly)
    asked(world, order)
    assert Incident.objects.unresolved().get().kind == IncidentKind.CONTRADICTION
    assert not VirtualCode.objects.exists()
    assert [credit.points_amount for credit in world.credits(order)] == [1_000]
    assert check_invariants() == []


def test_a_cancel_that_the_partner_never_understood_ends_with_the_decision(
    world: World, fay: User, gil: User
) -> None:
    order = nobody_knows(world)
    cancel(order=order, by=Actor.in_seat(world.seat), reason="")
    stop = PartnerCall.objects.get(kind="CANCEL")
    virtual.ask(stop.pk)  # the partner has no such delivery
    decided(order, 0, fay, gil)
    make_all_due()
    assert not virtual.ask(stop.pk)
    stop.refresh_from_db()
    assert (stop.status, stop.next_attempt_at) == (CallStatus.SUCCEEDED, None)
    assert [credit.points_amount for credit in world.credits(order)] == [1_000]
    assert check_invariants() == []


@pytest.mark.parametrize(
    ("came", "ended"),
    [(2, CallStatus.REFUSED), (1, CallStatus.REFUSED), (0, CallStatus.SUCCEEDED)],
)
def test_a_cancel_that_nobody_can_tell_about_ends_with_the_decision(
    world: World, fay: User, gil: User, came: int, ended: str
) -> None:
    order = debited(world)
    world.partners.dial(mode="accept", delay=86_400)
    virtual.ask(request_of(order).pk)
    cancel(order=order, by=Actor.in_seat(world.seat), reason="")
    world.partners.fault("cancel", "reset_before", times=None)
    stop = PartnerCall.objects.get(kind="CANCEL")
    virtual.ask(stop.pk)
    PartnerCall.objects.update(first_sent_at="2020-01-01T00:00:00Z")
    make_all_due()
    virtual.ask(stop.pk)
    decided(order, came, fay, gil)
    stop.refresh_from_db()
    assert stop.status == ended
    assert request_of(order).status == CallStatus.SUCCEEDED  # it was answered
    assert check_invariants() == []
