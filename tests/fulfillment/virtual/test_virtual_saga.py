"""Requests to the Fulfillment API: unknown ones repeat their key, lost leases record nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db.models.functions import Now

from fulfillment import partner
from fulfillment.models import Fulfillment, PartnerCall
from fulfillment.states import CallStatus, FulfillmentStatus
from fulfillment.virtual import saga
from loyalty_portal.data.actor import SYSTEM, Actor
from redemption.models import RedemptionOrder
from redemption.orders.actions.cancelling import cancel
from redemption.orders.actions.services import retry_now
from redemption.saga.transactions import settle_transaction
from redemption.states import OrderStatus
from tests.redemption.world import World, make_all_due

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def order(world: World) -> RedemptionOrder:
    """An order of one card, debited and not requested yet."""
    world.partners.dial(mode="accept", delay=3600)
    placed = world.place((world.virtual(points=500), 1))
    settle_transaction(world.debit(placed).pk)
    return placed


def request_of(order: RedemptionOrder) -> PartnerCall:
    return PartnerCall.objects.get(fulfillment__label=order.order_number, kind="REQUEST")


def cancel_of(order: RedemptionOrder) -> PartnerCall:
    return PartnerCall.objects.get(fulfillment__label=order.order_number, kind="CANCEL")


def status(order: RedemptionOrder) -> str:
    return RedemptionOrder.objects.get(pk=order.pk).status


@pytest.mark.parametrize("fault", ["reset_after", "error_500_after", "malformed", "timeout_after"])
def test_an_unknown_request_is_repeated_and_executed_once(
    world: World, order: RedemptionOrder, fault: str
) -> None:
    world.partners.fault("fulfill", fault, seconds=3, times=10)
    assert saga.ask(request_of(order).pk)
    assert request_of(order).status == CallStatus.UNKNOWN
    assert not saga.ask(request_of(order).pk)  # not due yet
    world.partners.clear_faults()
    make_all_due()
    saga.ask(request_of(order).pk)
    assert request_of(order).status == CallStatus.SUCCEEDED
    assert len(world.partners.control("GET", "/fulfillments")["fulfillments"]) == 1


def test_a_request_that_never_left_starts_no_clock(
    world: World, order: RedemptionOrder, settings: Any
) -> None:
    settings.FULFILLMENT_API_URL = "http://127.0.0.1:9"
    saga.ask(request_of(order).pk)
    assert request_of(order).status == CallStatus.UNKNOWN
    assert request_of(order).first_sent_at is None


def test_a_process_that_died_while_asking_is_followed_by_another(
    world: World, order: RedemptionOrder
) -> None:
    call = request_of(order)
    claim = saga._claim(call.pk)
    assert claim is not None
    assert status(order) == OrderStatus.IN_FULFILLMENT
    assert saga._claim(call.pk) is None  # another worker has the lease
    make_all_due()
    saga.ask(call.pk)
    assert request_of(order).status == CallStatus.SUCCEEDED
    # the first worker wakes up without its lease, so it records nothing
    before = list(call.fulfillment.events.values_list("pk", flat=True))
    saga._record(claim, saga._send(claim))
    assert list(call.fulfillment.events.values_list("pk", flat=True)) == before


def test_a_call_that_is_gone_is_nothing_to_do(world: World) -> None:
    assert not saga.ask(world.company.pk)


@pytest.mark.parametrize(
    ("retention", "after"), [(60, CallStatus.NEEDS_REVIEW), (3_600, CallStatus.SUCCEEDED)]
)
def test_the_horizon_of_a_request_is_a_share_of_the_time_for_which_the_partner_keeps_keys(
    world: World, order: RedemptionOrder, settings: Any, retention: int, after: str
) -> None:
    settings.FULFILLMENT_API_KEY_RETENTION = retention
    world.partners.fault("fulfill", "error_500_before")
    saga.ask(request_of(order).pk)
    PartnerCall.objects.update(first_sent_at=Now() - timedelta(seconds=50))
    make_all_due()
    saga.ask(request_of(order).pk)
    assert request_of(order).status == after


def test_a_request_that_a_slow_clock_sent_first_is_repeated_all_the_same(
    world: World, order: RedemptionOrder
) -> None:
    """The horizon begins and ends by PostgreSQL's clock."""
    world.partners.fault("fulfill", "error_500_before")
    with time_machine.travel(datetime.now(UTC) - timedelta(hours=23), tick=True):
        saga.ask(request_of(order).pk)
    make_all_due()
    saga.ask(request_of(order).pk)
    assert request_of(order).status == CallStatus.SUCCEEDED


def test_an_unknown_request_past_the_horizon_is_for_a_person(
    world: World, order: RedemptionOrder
) -> None:
    world.partners.fault("fulfill", "reset_after", times=10)
    saga.ask(request_of(order).pk)
    PartnerCall.objects.update(first_sent_at="2020-01-01T00:00:00Z")
    make_all_due()
    assert not saga.ask(request_of(order).pk)
    assert request_of(order).status == CallStatus.NEEDS_REVIEW
    assert RedemptionOrder.objects.get(pk=order.pk).needs_attention


def test_an_answer_about_something_else_is_for_a_person(
    world: World, order: RedemptionOrder
) -> None:
    world.partners.fault("fulfill", "mismatch", times=1)
    saga.ask(request_of(order).pk)
    assert request_of(order).status == CallStatus.UNKNOWN
    assert RedemptionOrder.objects.get(pk=order.pk).needs_attention


def test_a_request_that_was_cancelled_before_it_was_answered_is_found_by_its_reference(
    world: World, order: RedemptionOrder
) -> None:
    world.partners.fault("fulfill", "reset_after", times=10)
    saga.ask(request_of(order).pk)
    cancel(order=order, by=Actor.in_seat(world.seat), reason="")
    saga.ask(cancel_of(order).pk)
    settle_transaction(world.credits(order)[0].pk)
    assert status(order) == OrderStatus.CANCELLED
    assert world.ledger(order) == (500, 500)


def test_a_cancel_of_what_the_partner_does_not_know_yet_waits(
    world: World, order: RedemptionOrder
) -> None:
    world.partners.fault("fulfill", "reset_before", times=10)
    saga.ask(request_of(order).pk)
    cancel(order=order, by=Actor.in_seat(world.seat), reason="")
    saga.ask(cancel_of(order).pk)
    assert cancel_of(order).status == CallStatus.UNKNOWN
    assert world.credits(order) == []  # "not found" proves nothing


def test_a_refused_cancel_lets_the_delivery_go_on(world: World, order: RedemptionOrder) -> None:
    saga.ask(request_of(order).pk)
    cancel(order=order, by=Actor.in_seat(world.seat), reason="")
    world.partners.fault("cancel", "refuse", code="too_late", times=1)
    saga.ask(cancel_of(order).pk)
    assert cancel_of(order).status == CallStatus.REFUSED
    assert status(order) == OrderStatus.IN_FULFILLMENT
    assert world.credits(order) == []


def test_polling_tells_what_no_callback_told(world: World, order: RedemptionOrder) -> None:
    saga.ask(request_of(order).pk)
    held = world.fulfillment(order)
    assert not saga.poll(held.pk)  # the callback gets some time first
    world.partners.fault("get_fulfillment", "mismatch", times=1)
    make_all_due()
    assert saga.poll(held.pk)
    assert RedemptionOrder.objects.get(pk=order.pk).needs_attention
    make_all_due()
    saga.poll(held.pk)
    assert world.fulfillment(order).partner_status == "accepted"


def test_polling_finds_by_reference_what_was_never_answered(
    world: World, order: RedemptionOrder
) -> None:
    world.partners.fault("fulfill", "reset_after", times=10)
    saga.ask(request_of(order).pk)
    held = world.fulfillment(order)
    make_all_due()
    assert saga.poll(held.pk)
    assert world.fulfillment(order).partner_id != ""


def test_a_poll_whose_lease_ran_out_records_nothing(
    world: World, order: RedemptionOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    saga.ask(request_of(order).pk)
    held = world.fulfillment(order)
    make_all_due()
    ask = partner.get

    def slowly(partner_id: str, *, reference: str) -> Any:
        answer = ask(partner_id, reference=reference)
        # Another worker has the lease.
        Fulfillment.objects.filter(pk=held.pk).update(lease_token=None)
        return answer

    # replaced: the lease must be lost between the true answer and its record
    monkeypatch.setattr(partner, "get", slowly)
    assert saga.poll(held.pk)
    assert world.fulfillment(order).status == FulfillmentStatus.REQUESTED


def test_retrying_now_hurries_the_partners_calls(world: World, order: RedemptionOrder) -> None:
    world.partners.fault("fulfill", "unavailable_503", times=10)
    saga.ask(request_of(order).pk)
    world.partners.clear_faults()
    assert retry_now(order=order, by=SYSTEM) >= 1
    assert saga.ask(request_of(order).pk)
    assert request_of(order).status == CallStatus.SUCCEEDED
