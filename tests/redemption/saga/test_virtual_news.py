"""News of virtual deliveries that do not fit: the partner is asked, and its answer counts."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from fulfillment.models import Fulfillment, PartnerCall, VirtualCode
from fulfillment.partner import Deliverable, Report, ReportStatus
from fulfillment.states import CallStatus, FulfillmentStatus
from fulfillment.virtual import saga as virtual
from fulfillment.virtual.services import hear_answer, locked
from loyalty_portal.data.actor import Actor
from redemption.incidents.causes import settle_gone
from redemption.invariants.checks import check_invariants
from redemption.models import Incident, Letter, RedemptionOrder
from redemption.orders.actions.cancelling import cancel
from redemption.saga.steps import RedemptionError
from redemption.saga.transactions import settle_transaction
from redemption.states import IncidentKind, LineStatus, OrderStatus
from tests.redemption.saga.test_webhooks import ask_the_partner, body, ended, send, work_inbox
from tests.redemption.world import World, make_all_due

pytestmark = pytest.mark.django_db(transaction=True)


def debited(world: World, cards: int = 2) -> RedemptionOrder:
    order = world.place((world.virtual(points=500), cards))
    settle_transaction(world.debit(order).pk)
    return order


def request_of(order: RedemptionOrder) -> PartnerCall:
    return PartnerCall.objects.get(fulfillment__label=order.order_number, kind="REQUEST")


def accepted(world: World, cards: int = 2) -> RedemptionOrder:
    """An order of cards that the partner has accepted, without any news yet."""
    world.partners.dial(mode="accept", delay=3600)
    order = debited(world, cards)
    virtual.ask(request_of(order).pk)
    return now(order)


def now(order: RedemptionOrder) -> RedemptionOrder:
    return RedemptionOrder.objects.get(pk=order.pk)


def told(world: World, order: RedemptionOrder, status: str, **what: Any) -> None:
    """Receive and process a callback of the partner."""
    card = world.fulfillment(order)
    what.setdefault("partner_id", card.partner_id)
    assert send(body(card, status, **what)).status_code == 204
    work_inbox()


def asked(world: World, order: RedemptionOrder) -> None:
    """Poll the partner as the sweeper does, once that is due."""
    make_all_due()
    virtual.poll(world.fulfillment(order).pk)


def asked_after(world: World, order: RedemptionOrder, status: str, codes: int = 0) -> None:
    """Receive a callback about an end (`ends_at_the_partner`), which the partner confirms."""
    told(world, order, status, codes=codes, partner_id=f"ful_{world.fulfillment(order).pk.hex}")
    ask_the_partner()


def answers(world: World, order: RedemptionOrder, status: str, *codes: str) -> None:
    """Set the partner's answer to a poll, true or not."""
    units = tuple(Deliverable(code=code, pin=None, url=None, expires_on=None) for code in codes)
    with transaction.atomic():
        card = world.fulfillment(order)
        theirs = card.partner_id or "F-1"
        kind = ReportStatus(status)
        report = Report(theirs, str(card.pk), kind, timezone.now(), None, units)
        hear_answer(held=locked(card.pk, report), report=report)


def give_back(world: World, order: RedemptionOrder) -> None:
    for credit in world.credits(order):
        settle_transaction(credit.pk)


def ends_at_the_partner(
    world: World, order: RedemptionOrder, status: str, codes: int, *, same: bool = False
) -> None:
    """End the delivery at the partner with so many codes, without a callback."""
    card = world.fulfillment(order)
    units = [{"code": f"CARD-{card.pk.hex[-6:]}-{0 if same else n}"} for n in range(codes)]
    past = {
        "fulfillment_id": f"ful_{card.pk.hex}",
        "reference": str(card.pk),
        "sku": card.sku,
        "quantity": card.quantity,
        "status": status,
        "reason": "out_of_stock" if status == "failed" else None,
        "deliverables": units,
        "created_at": "2026-01-01T00:00:00Z",
    }
    world.partners.control("POST", "/import", {"entries": [], "fulfillments": [past]})


def test_a_part_that_the_partner_confirms_is_delivered_and_the_rest_given_back(
    world: World, client_for: Any
) -> None:
    order = debited(world, cards=3)
    ends_at_the_partner(world, order, "delivered", codes=2)
    Fulfillment.objects.update(partner_id=f"ful_{world.fulfillment(order).pk.hex}")
    told(world, order, "delivered", codes=2)
    assert VirtualCode.objects.count() == 0
    assert Fulfillment.objects.due().exists()  # the partner is asked at once
    asked(world, order)
    give_back(world, order)
    order = now(order)
    assert order.status == OrderStatus.COMPLETED
    line = order.items.get()
    assert (line.quantity_delivered, line.quantity_refunded) == (2, 1)
    assert world.ledger(order) == (1_500, 500)
    assert VirtualCode.objects.count() == 2
    assert Letter.objects.filter(order=order, kind="refunded").exists()
    page = client_for(world.seat).get(order.get_absolute_url()).content.decode()
    assert "could deliver only 2 of 3" in page
    assert check_invariants() == []


def test_fewer_codes_in_a_callback_than_the_partner_has_are_no_loss(world: World) -> None:
    world.partners.dial(mode="silent", delay=0)
    order = debited(world)
    virtual.ask(request_of(order).pk)
    told(world, order, "delivered", codes=1)
    for _ in range(20):
        asked(world, order)
        if now(order).status == OrderStatus.COMPLETED:
            break
    assert VirtualCode.objects.count() == 2
    assert world.credits(order) == []
    assert "other codes" in Incident.objects.get().what


@pytest.mark.parametrize("codes", [0, 3])
def test_no_codes_or_too_many_stay_for_a_person_even_when_confirmed(
    world: World, codes: int
) -> None:
    order = debited(world)
    ends_at_the_partner(world, order, "delivered", codes=codes)
    for _ in range(2):  # the refused request, and then the answer that does not fit
        make_all_due()
        virtual.ask(request_of(order).pk)
        asked(world, order)
    assert now(order).needs_attention
    assert now(order).events.filter(subject="NOTE").count() == 2
    assert now(order).status == OrderStatus.IN_FULFILLMENT
    assert VirtualCode.objects.count() == 0
    assert world.credits(order) == []
    assert check_invariants() == []


def test_a_delivery_that_failed_in_part_hands_out_what_there_is(world: World) -> None:
    order = debited(world)
    ends_at_the_partner(world, order, "failed", codes=1)
    virtual.ask(request_of(order).pk)
    asked(world, order)
    give_back(world, order)
    assert now(order).status == OrderStatus.COMPLETED
    assert world.ledger(order) == (1_000, 500)
    assert check_invariants() == []


def test_a_failure_with_all_its_codes_is_for_a_person(world: World) -> None:
    order = debited(world)
    ends_at_the_partner(world, order, "failed", codes=2)
    virtual.ask(request_of(order).pk)
    asked(world, order)
    assert now(order).needs_attention
    assert world.credits(order) == []
    assert VirtualCode.objects.count() == 0


def test_a_request_whose_key_the_partner_forgot_is_found_and_not_given_back(world: World) -> None:
    """A refusal for a used reference. Only we use it, so an earlier request must have landed."""
    order = debited(world)
    ends_at_the_partner(world, order, "delivered", codes=2)
    virtual.ask(request_of(order).pk)
    assert request_of(order).answer_code == "duplicate_reference"
    assert world.credits(order) == []
    asked(world, order)
    assert now(order).status == OrderStatus.COMPLETED
    assert world.ledger(order) == (1_000, 0)


def test_a_request_whose_outcome_came_by_callback_is_not_sent_again(world: World) -> None:
    world.partners.dial(mode="accept", delay=3600)
    order = debited(world)
    world.partners.fault("fulfill", "reset_after", times=10)
    virtual.ask(request_of(order).pk)
    send(ended(world, order, "delivered"))
    work_inbox()
    ask_the_partner()
    sent = len(world.partners.calls(operation="fulfill"))
    make_all_due()
    assert not virtual.ask(request_of(order).pk)
    assert request_of(order).status == CallStatus.SUCCEEDED
    assert len(world.partners.calls(operation="fulfill")) == sent


def test_a_refusal_of_what_was_delivered_meanwhile_is_for_a_person(world: World) -> None:
    world.partners.dial(mode="accept", delay=3600)
    order = debited(world)
    claim = virtual._claim(request_of(order).pk)
    assert claim is not None
    ends_at_the_partner(world, order, "delivered", codes=2)
    asked_after(world, order, "delivered", codes=2)
    world.partners.fault("fulfill", "refuse", code="rejected")
    virtual._record(claim, virtual._send(claim))
    assert now(order).status == OrderStatus.COMPLETED
    assert now(order).needs_attention
    assert world.credits(order) == []


def test_a_refusal_of_what_has_failed_already_changes_nothing(world: World) -> None:
    world.partners.dial(mode="accept", delay=3600)
    order = debited(world)
    claim = virtual._claim(request_of(order).pk)
    assert claim is not None
    ends_at_the_partner(world, order, "failed", codes=0)
    asked_after(world, order, "failed")
    world.partners.fault("fulfill", "refuse", code="rejected")
    virtual._record(claim, virtual._send(claim))
    assert [credit.points_amount for credit in world.credits(order)] == [1_000]
    assert not now(order).needs_attention


def test_a_code_that_comes_twice_in_one_delivery_is_handed_out_to_nobody(world: World) -> None:
    order = debited(world)
    ends_at_the_partner(world, order, "delivered", codes=2, same=True)
    virtual.ask(request_of(order).pk)
    asked(world, order)
    assert now(order).needs_attention
    assert VirtualCode.objects.count() == 0


def test_a_code_that_another_order_has_stays_for_a_person_even_when_confirmed(world: World) -> None:
    world.partners.dial(mode="instant")
    first = debited(world, cards=1)
    virtual.ask(request_of(first).pk)
    world.partners.fault("fulfill", "same_code")
    second = debited(world, cards=1)
    virtual.ask(request_of(second).pk)
    asked(world, second)
    assert now(first).status == OrderStatus.COMPLETED
    assert now(second).status == OrderStatus.IN_FULFILLMENT
    assert now(second).needs_attention
    assert VirtualCode.objects.count() == 1


def test_two_deliveries_for_one_reference_are_settled_by_asking(world: World) -> None:
    order = accepted(world)
    true_name = world.fulfillment(order).partner_id
    told(world, order, "delivered", codes=2, partner_id="F-of-somebody")
    assert VirtualCode.objects.count() == 0
    assert world.fulfillment(order).partner_id == true_name
    Fulfillment.objects.update(partner_id="F-of-somebody")  # as if an answer had said so
    asked(world, order)
    assert world.fulfillment(order).partner_id == true_name
    assert now(order).needs_attention


def test_the_same_falsehood_twice_is_told_once(world: World) -> None:
    order = accepted(world)
    for _ in range(2):
        told(world, order, "failed", reason="rejected")
    ended(world, order, "delivered")
    asked(world, order)
    assert now(order).status == OrderStatus.COMPLETED
    assert Incident.objects.get().times_seen == 1


def test_codes_that_a_callback_brings_after_the_points_went_back_change_nothing(
    world: World,
) -> None:
    order = accepted(world)
    send(ended(world, order, "failed"))
    work_inbox()
    ask_the_partner()
    give_back(world, order)
    told(world, order, "delivered", codes=2)
    ask_the_partner()
    order = now(order)
    assert (order.status, order.needs_attention) == (OrderStatus.CANCELLED, False)
    assert VirtualCode.objects.count() == 0
    assert world.ledger(order) == (1_000, 1_000)
    assert Incident.objects.get().kind == IncidentKind.PUZZLING_CALLBACK


@pytest.mark.parametrize(
    ("settled", "true", "words"),
    [
        ("failed", "delivered", "now says “delivered”, after the end"),
        ("delivered", "failed", "now says “failed”, after the end"),
        ("delivered", "delivered", "other codes than those that were handed out"),
    ],
)
def test_what_the_partner_says_against_the_end_when_asked_is_for_a_person(
    world: World, settled: str, true: str, words: str
) -> None:
    order = accepted(world)
    codes = ("OF-ANOTHER-1", "OF-ANOTHER-2") if settled == "delivered" else ()
    answers(world, order, settled, *codes)
    before = now(order).status
    send(ended(world, order, true))
    work_inbox()
    ask_the_partner()
    order = now(order)
    assert (order.status, order.needs_attention) == (before, True)
    assert words in order.attention_reason
    assert order.incident_cases.get().incident.kind == IncidentKind.CONTRADICTION
    assert {code.code for code in VirtualCode.objects.all()} == set(codes)


def test_cancelling_twice_asks_the_partner_once(world: World) -> None:
    order = accepted(world)
    assert "Our partner is asked" in cancel(order=order, by=Actor.in_seat(world.seat), reason="")
    with pytest.raises(RedemptionError, match="has been asked to stop it"):
        cancel(order=order, by=Actor.in_seat(world.seat), reason="")
    call = PartnerCall.objects.get(kind="CANCEL")
    virtual.ask(call.pk)
    give_back(world, order)
    assert now(order).status == OrderStatus.CANCELLED
    assert world.ledger(order) == (1_000, 1_000)


def cancel_before_acceptance(world: World) -> PartnerCall:
    """The cancel of an order whose request may have reached the partner. It has been tried in vain,
    and waits a quarter of an hour.
    """
    world.partners.dial(mode="accept", delay=3600)
    order = debited(world)
    world.partners.fault("fulfill", "error_500_before", times=None)
    virtual.ask(request_of(order).pk)
    assert "Our partner is asked" in cancel(order=order, by=Actor.in_seat(world.seat), reason="")
    waiting = PartnerCall.objects.get(kind="CANCEL")
    virtual.ask(waiting.pk)
    in_a_while = timezone.now() + timedelta(minutes=15)
    PartnerCall.objects.filter(pk=waiting.pk).update(next_attempt_at=in_a_while)
    assert virtual.ask(waiting.pk) is None
    world.partners.clear_faults()
    PartnerCall.objects.filter(kind="REQUEST").update(next_attempt_at=timezone.now())
    return waiting


def test_a_cancel_goes_out_as_soon_as_the_partner_has_accepted(world: World) -> None:
    waiting = cancel_before_acceptance(world)
    order = now(RedemptionOrder.objects.get())
    virtual.ask(request_of(order).pk)
    later = PartnerCall.objects.create(
        fulfillment=waiting.fulfillment, kind="RESEND", key="later", next_attempt_at=timezone.now()
    )
    assert PartnerCall.objects.due_ids(2) == [waiting.pk, later.pk]
    later.delete()
    virtual.ask(waiting.pk)
    give_back(world, order)
    assert now(order).status == OrderStatus.CANCELLED
    assert world.ledger(order) == (1_000, 1_000)


def test_a_cancel_that_looked_before_the_partner_accepted_looks_again_at_once(
    world: World,
) -> None:
    waiting = cancel_before_acceptance(world)
    order = now(RedemptionOrder.objects.get())
    PartnerCall.objects.filter(pk=waiting.pk).update(next_attempt_at=timezone.now())
    claim = virtual._claim(waiting.pk)
    assert claim is not None
    answer = virtual._send(claim)  # the partner has nothing yet
    virtual.ask(request_of(order).pk)
    virtual._record(claim, answer)
    assert waiting.pk in PartnerCall.objects.due_ids(5)


def test_a_cancel_that_comes_too_late_leaves_the_codes(world: World) -> None:
    order = debited(world)
    ends_at_the_partner(world, order, "delivered", codes=2)
    virtual.ask(request_of(order).pk)
    assert "Our partner is asked" in cancel(order=order, by=Actor.in_seat(world.seat), reason="")
    virtual.ask(PartnerCall.objects.get(kind="CANCEL").pk)
    assert now(order).status == OrderStatus.COMPLETED
    assert now(order).items.get().fulfillment_status == LineStatus.DELIVERED
    assert world.credits(order) == []


def test_a_poll_that_finds_the_partner_away_asks_again_later(world: World) -> None:
    order = accepted(world)
    world.partners.fault("get_fulfillment", "unavailable_503", times=10)
    asked(world, order)
    card = world.fulfillment(order)
    assert card.status == FulfillmentStatus.REQUESTED
    assert card.next_attempt_at is not None
    assert not now(order).needs_attention


def test_an_id_that_another_line_has_is_not_believed_and_harms_neither_line(world: World) -> None:
    other, order = accepted(world), debited(world)
    theirs = world.fulfillment(other).partner_id
    units = (Deliverable(code="OF-THE-OTHER", pin=None, url=None, expires_on=None),) * 2
    with transaction.atomic():
        card = world.fulfillment(order)
        kind = ReportStatus.DELIVERED
        report = Report(theirs, str(card.pk), kind, timezone.now(), None, units)
        hear_answer(held=locked(card.pk, report), report=report)
    card = world.fulfillment(order)
    assert (card.status, card.partner_id) == (FulfillmentStatus.REQUESTED, "")
    assert not VirtualCode.objects.exists()
    assert Incident.objects.get().kind == IncidentKind.MISMATCH

    virtual.ask(request_of(order).pk)
    assert world.fulfillment(order).partner_id not in {"", theirs}
    ended(world, order, "delivered")
    asked(world, order)
    settle_gone()
    assert now(order).status == OrderStatus.COMPLETED
    assert not now(order).needs_attention
    assert world.fulfillment(other).status == FulfillmentStatus.REQUESTED
    assert check_invariants() == []
