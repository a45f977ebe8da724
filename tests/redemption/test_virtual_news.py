"""News of virtual deliveries that does not fit: the partner is asked, and what it answers counts."""

import json
from typing import Any

import pytest

from fulfillment.models import Fulfillment, PartnerCall, VirtualCode
from fulfillment.states import CallStatus, FulfillmentStatus
from fulfillment.virtual import saga as virtual
from redemption.aftercare.cancelling import cancel
from redemption.models import Letter, RedemptionOrder
from redemption.reports.invariants import check_invariants
from redemption.saga import settle_transaction
from redemption.states import LineStatus, OrderStatus
from tests.redemption.test_webhooks import body, send, work_inbox
from tests.redemption.world import World, make_all_due

pytestmark = pytest.mark.django_db(transaction=True)


def debited(world: World, cards: int = 2) -> RedemptionOrder:
    order = world.place((world.virtual(points=500), cards))
    settle_transaction(world.debit(order).pk)
    return order


def request_of(order: RedemptionOrder) -> PartnerCall:
    return PartnerCall.objects.get(fulfillment__label=order.order_number, kind="REQUEST")


def accepted(world: World, cards: int = 2) -> RedemptionOrder:
    """An order of cards that the partner has, and has sent no news about."""
    world.partners.dial(mode="accept", delay=3600)
    order = debited(world, cards)
    virtual.ask(request_of(order).pk)
    return now(order)


def now(order: RedemptionOrder) -> RedemptionOrder:
    return RedemptionOrder.objects.get(pk=order.pk)


def told(world: World, order: RedemptionOrder, status: str, **what: Any) -> None:
    """A callback of the partner's comes in and is processed."""
    card = world.fulfillment(order)
    what.setdefault("partner_id", card.partner_id)
    assert send(body(card, status, **what)).status_code == 204
    work_inbox()


def asked(world: World, order: RedemptionOrder) -> None:
    """The sweeper asks the partner how the delivery stands, once that is due."""
    make_all_due()
    virtual.poll(world.fulfillment(order).pk)


def give_back(world: World, order: RedemptionOrder) -> None:
    for credit in world.credits(order):
        settle_transaction(credit.pk)


def ends_at_the_partner(world: World, order: RedemptionOrder, status: str, codes: int) -> None:
    """The partner has this delivery, ended so, with so many codes, and says nothing of itself."""
    card = world.fulfillment(order)
    units = [{"code": f"CARD-{card.pk.hex[-6:]}-{n}"} for n in range(codes)]
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
    assert now(order).needs_attention
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


@pytest.mark.parametrize("codes", [0, 3])
def test_no_codes_or_too_many_stay_for_a_person_even_when_confirmed(
    world: World, codes: int
) -> None:
    order = debited(world)
    ends_at_the_partner(world, order, "delivered", codes=codes)
    for _ in range(2):  # the request that is refused, and the answer that does not fit
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
    """Refused for a reference that is used: ours alone, so an earlier try has landed."""
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
    told(world, order, "delivered", codes=2, partner_id="F-9")
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
    told(world, order, "delivered", codes=2, partner_id="F-9")
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
    told(world, order, "failed", reason="rejected", partner_id="F-9")
    world.partners.fault("fulfill", "refuse", code="rejected")
    virtual._record(claim, virtual._send(claim))
    assert [credit.points_amount for credit in world.credits(order)] == [1_000]
    assert not now(order).needs_attention


def test_a_code_that_comes_twice_in_one_delivery_is_handed_out_to_nobody(world: World) -> None:
    order = accepted(world)
    card = world.fulfillment(order)
    news = json.loads(body(card, "delivered", codes=2, partner_id=card.partner_id))
    news["data"]["deliverables"][1] = news["data"]["deliverables"][0]
    send(json.dumps(news).encode())
    work_inbox()
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
    assert now(order).needs_attention
    assert VirtualCode.objects.count() == 0
    Fulfillment.objects.update(partner_id="F-of-somebody")  # as if that had come first
    asked(world, order)
    assert world.fulfillment(order).partner_id == true_name


def test_the_same_contradiction_twice_is_noted_once(world: World) -> None:
    order = accepted(world)
    for _ in range(2):
        told(world, order, "delivered", codes=1)
    assert now(order).events.filter(subject="NOTE").count() == 1


def test_codes_that_come_after_the_points_went_back_are_for_a_person(world: World) -> None:
    order = accepted(world)
    told(world, order, "failed", reason="out_of_stock")
    give_back(world, order)
    told(world, order, "delivered", codes=2)
    order = now(order)
    assert (order.status, order.needs_attention) == (OrderStatus.CANCELLED, True)
    assert VirtualCode.objects.count() == 0
    assert world.ledger(order) == (1_000, 1_000)


def test_cancelling_twice_asks_the_partner_once(world: World) -> None:
    order = accepted(world)
    for _ in range(2):
        assert "asked our partner" in cancel(order=order, by=world.seat.user, reason="")
    call = PartnerCall.objects.get(kind="CANCEL")
    virtual.ask(call.pk)
    give_back(world, order)
    assert now(order).status == OrderStatus.CANCELLED
    assert world.ledger(order) == (1_000, 1_000)


def test_a_cancel_that_comes_too_late_leaves_the_codes(world: World) -> None:
    order = debited(world)
    ends_at_the_partner(world, order, "delivered", codes=2)
    virtual.ask(request_of(order).pk)
    assert "asked our partner" in cancel(order=order, by=world.seat.user, reason="")
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
