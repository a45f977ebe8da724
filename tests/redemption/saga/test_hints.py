"""A callback is only a hint and the partner's own answer counts, so false callbacks do no harm."""

from datetime import timedelta

import pytest
from django.utils import timezone

from fulfillment.models import Fulfillment, PartnerCall, VirtualCode
from fulfillment.partner import Report
from fulfillment.virtual import saga as virtual
from fulfillment.virtual.services import hear_answer, locked
from redemption.incidents.causes import settle_gone
from redemption.invariants.checks import check_invariants
from redemption.models import Incident, RedemptionOrder
from redemption.saga import inbox as callbacks
from redemption.saga.transactions import settle_transaction
from redemption.states import IncidentKind, OrderStatus
from tests.redemption.saga.test_webhooks import (
    ask_the_partner,
    body,
    codes_of,
    ended,
    send,
    status_of,
    work_inbox,
)
from tests.redemption.world import World

pytestmark = pytest.mark.django_db(transaction=True)


def test_of_two_contradicting_callbacks_none_settles_and_the_false_one_is_told(
    world: World, waiting: RedemptionOrder
) -> None:
    held = world.fulfillment(waiting)
    send(body(held, "failed", reason="rejected", partner_id=held.partner_id))
    send(ended(world, waiting, "delivered"))
    work_inbox()
    ask_the_partner()
    assert status_of(waiting) == OrderStatus.COMPLETED
    assert world.credits(waiting) == []
    told = Incident.objects.get()
    assert told.kind == IncidentKind.PUZZLING_CALLBACK
    assert "said “failed”; when asked, the partner says “delivered”" in told.what


def test_a_callback_that_contradicts_the_end_is_asked_about_and_changes_nothing(
    world: World, waiting: RedemptionOrder
) -> None:
    send(ended(world, waiting, "delivered"))
    work_inbox()
    ask_the_partner()
    held = world.fulfillment(waiting)
    send(body(held, "failed", reason="rejected", partner_id=held.partner_id))
    work_inbox()
    asked = len(world.partners.calls(operation="get_fulfillment"))
    ask_the_partner()
    assert len(world.partners.calls(operation="get_fulfillment")) == asked + 1
    order = RedemptionOrder.objects.get(pk=waiting.pk)
    assert (order.status, order.needs_attention) == (OrderStatus.COMPLETED, False)
    assert world.credits(order) == []
    assert world.fulfillment(order).next_attempt_at is None
    assert Incident.objects.get().kind == IncidentKind.PUZZLING_CALLBACK


def test_a_failure_of_another_fulfillment_ahead_of_our_answer_settles_nothing(
    world: World,
) -> None:
    """A signed callback with another fulfillment's id comes before our POST is answered."""
    world.partners.dial(mode="accept", delay=3600)
    order = world.place((world.virtual(points=500), 1))
    settle_transaction(world.debit(order).pk)
    claim = virtual._claim(PartnerCall.objects.get().pk)
    assert claim is not None
    answer = virtual._send(claim)
    send(body(world.fulfillment(order), "failed", reason="rejected", partner_id="ful_others"))
    work_inbox()
    ask_the_partner()
    assert world.credits(order) == []
    assert world.fulfillment(order).partner_id != "ful_others"
    virtual._record(claim, answer)
    send(ended(world, order, "delivered"))
    work_inbox()
    ask_the_partner()
    assert status_of(order) == OrderStatus.COMPLETED
    assert world.ledger(order) == (500, 0)
    assert "named the fulfillment ful_others" in Incident.objects.get().what


def test_a_delivery_with_anothers_codes_hands_out_the_right_ones(
    world: World, waiting: RedemptionOrder
) -> None:
    send(body(world.fulfillment(waiting), "delivered", codes=2, partner_id="ful_others"))
    work_inbox()
    ask_the_partner()
    assert VirtualCode.objects.count() == 0
    held = world.fulfillment(waiting)
    send(body(held, "delivered", codes=2, partner_id=held.partner_id))
    true = {unit["code"] for unit in codes_of(ended(world, waiting, "delivered"))}
    work_inbox()
    ask_the_partner()
    assert {code.code for code in VirtualCode.objects.all()} == true
    assert status_of(waiting) == OrderStatus.COMPLETED
    told = Incident.objects.get()
    assert told.times_seen == 2  # the unknown one, and the one with other codes
    assert "other codes" in told.what


def believe(*, held: Fulfillment, report: Report) -> None:
    hear_answer(held=locked(held.pk, report), report=report)


@pytest.mark.parametrize("status", ["failed", "delivered"])
def test_believed_such_a_callback_costs_points_or_shows_anothers_codes(
    world: World, waiting: RedemptionOrder, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    """The negative control: when callbacks settle deliveries, the bug appears."""
    # replaced: negative control, the guard taken away
    monkeypatch.setattr(callbacks, "take_hint", believe)
    codes = 2 if status == "delivered" else 0
    send(body(world.fulfillment(waiting), status, codes=codes, partner_id="ful_others"))
    true = {unit["code"] for unit in codes_of(ended(world, waiting, "delivered"))}
    work_inbox()
    ask_the_partner()
    handed_out = {code.code for code in VirtualCode.objects.all()}
    assert world.credits(waiting) or (handed_out and not handed_out & true)


def test_what_a_callback_claims_and_the_partner_does_not_confirm_is_for_a_person_until_it_does(
    world: World, waiting: RedemptionOrder
) -> None:
    held = world.fulfillment(waiting)
    send(body(held, "failed", reason="rejected", partner_id=held.partner_id))
    work_inbox()
    for _ in range(virtual.PATIENCE):
        order = RedemptionOrder.objects.get(pk=waiting.pk)
        assert not order.needs_attention
        Fulfillment.objects.update(next_attempt_at="2020-01-01T00:00:00Z")
        ask_the_partner()
    order = RedemptionOrder.objects.get(pk=waiting.pk)
    assert (order.status, order.needs_attention) == (OrderStatus.IN_FULFILLMENT, True)
    assert world.credits(order) == []
    ended(world, waiting, "delivered")
    Fulfillment.objects.update(next_attempt_at="2020-01-01T00:00:00Z")
    ask_the_partner()
    order = RedemptionOrder.objects.get(pk=waiting.pk)
    assert (order.status, order.needs_attention) == (OrderStatus.COMPLETED, False)
    left = order.incident_cases.unended().get()
    assert left.incident.kind == IncidentKind.PUZZLING_CALLBACK
    settle_gone()
    assert not order.incident_cases.unended().exists()
    assert check_invariants() == []


def test_while_the_partner_does_not_answer_nothing_settles(
    world: World, waiting: RedemptionOrder
) -> None:
    send(ended(world, waiting, "delivered"))
    work_inbox()
    world.partners.fault("get_fulfillment", "error_500_before", times=20)
    ask_the_partner()
    assert status_of(waiting) == OrderStatus.IN_FULFILLMENT
    soon = world.fulfillment(waiting).next_attempt_at
    assert soon is not None
    assert soon < timezone.now() + timedelta(seconds=10)
    world.partners.clear_faults()
    Fulfillment.objects.update(next_attempt_at="2020-01-01T00:00:00Z")
    ask_the_partner()
    assert status_of(waiting) == OrderStatus.COMPLETED
    assert not Incident.objects.exists()
