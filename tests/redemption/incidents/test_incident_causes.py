"""What causes incidents, and when they end by themselves."""

from datetime import timedelta
from typing import Any

import pgtrigger
import pytest
from django.core.management import call_command
from django.db.models import F
from django.db.models.functions import Now

from accounts.models import Role
from fulfillment.models import PartnerCall
from fulfillment.virtual.saga import ask
from inventory.models import Inventory
from loyalty_portal.data.actor import Actor
from redemption.checkout.approvals.deciding import approve
from redemption.incidents.causes import settle_gone
from redemption.incidents.services import raise_incident, settle_incident
from redemption.invariants.checks import check_deadlines
from redemption.models import AlertAction, Callback, Incident, LoyaltyTransaction, RedemptionOrder
from redemption.orders.actions.cancelling import cancel
from redemption.saga import inbox as callbacks
from redemption.saga import tasks
from redemption.saga.steps import flag_overdue
from redemption.saga.transactions import settle_transaction
from redemption.states import IncidentKind, IncidentStatus, OrderStatus
from tests.accounts.factories import SeatFactory
from tests.redemption.saga.test_webhooks import ask_the_partner, body, ended, send
from tests.redemption.world import World, make_all_due
from tests.support.orders.ageing import make_orders_older

pytestmark = pytest.mark.django_db(transaction=True)


def the(kind: IncidentKind) -> Incident:
    return Incident.objects.get(kind=kind)


def over(incident: Incident) -> bool:
    """Whether the incident and its alert ended by themselves."""
    incident.refresh_from_db()
    ended = incident.status == IncidentStatus.RESOLVED and incident.resolved_by is None
    assert incident.alerts.filter(action=AlertAction.RESOLVE).exists() is ended
    return ended


def late(order: RedemptionOrder, **age: int) -> None:
    make_orders_older(timedelta(**age), which=f"id = '{order.pk}'")


def owed(world: World) -> LoyaltyTransaction:
    order = world.place((world.product(points=1_000), 1))
    settle_transaction(world.debit(order).pk)
    cancel(order=order, by=Actor.in_seat(world.seat), reason="")
    return world.credits(order)[0]


def test_an_order_that_goes_its_way_raises_nothing(world: World) -> None:
    order = world.place((world.product(), 1))
    settle_transaction(world.debit(order).pk)
    assert not Incident.objects.exists()


def test_an_answer_that_does_not_match_is_over_once_the_same_call_is_answered_right(
    world: World,
) -> None:
    world.partners.fault("debit", "mismatch")
    order = world.place((world.product(), 1))
    settle_transaction(world.debit(order).pk)
    incident = the(IncidentKind.MISMATCH)
    assert (incident.order, incident.transaction) == (order, world.debit(order))
    assert incident.company == order.company
    assert incident.what.startswith(order.order_number)
    assert settle_gone() == 0
    make_all_due()
    settle_transaction(world.debit(order).pk)
    assert world.debit(order).status == "SUCCEEDED"
    assert RedemptionOrder.objects.get(pk=order.pk).needs_attention
    assert settle_gone() == 1
    assert over(incident)
    assert incident.evidence == "The outcome is known now."
    order.refresh_from_db()
    assert (order.needs_attention, order.attention_reason) == (False, "")
    assert order.events.filter(reason__contains="No longer needs a person").exists()


def test_the_time_of_an_order_that_was_approved_late_counts_from_the_approval(world: World) -> None:
    world.company.approval_threshold = 1
    world.company.save()
    approver = SeatFactory.create(company=world.company, role=Role.APPROVER)
    order = world.place((world.product(), 1))
    late(order, days=1)
    approve(order=order, by=Actor.in_seat(approver))
    assert (flag_overdue(), check_deadlines()) == (0, [])
    late(order, minutes=26)
    assert [found.subject for found in check_deadlines()] == [order.order_number]
    assert flag_overdue() == 1


def test_the_time_of_an_order_that_is_cancelled_late_counts_from_the_cancel(world: World) -> None:
    order = world.place((world.product(), 1))
    world.partners.fault("debit", "timeout_before")
    settle_transaction(world.debit(order).pk)
    late(order, minutes=14)
    cancel(order=order, by=Actor.in_seat(world.seat), reason="")
    late(order, minutes=2)
    order.refresh_from_db()
    assert order.status == OrderStatus.CANCELLING
    assert (flag_overdue(), check_deadlines()) == (0, [])
    late(order, minutes=24)
    assert [found.subject for found in check_deadlines()] == [order.order_number]
    assert flag_overdue() == 1


def test_an_order_keeps_its_mark_while_another_case_of_it_is_open(world: World) -> None:
    world.partners.fault("debit", "mismatch")
    order = world.place((world.product(), 1))
    settle_transaction(world.debit(order).pk)
    late(order, minutes=20)
    assert flag_overdue() == 1
    order.refresh_from_db()
    assert "does not match" in order.attention_reason
    settle_incident(key=f"mismatch:{world.debit(order).pk}", why="The partner mended it.")
    order.refresh_from_db()
    assert order.needs_attention
    assert order.attention_reason == order.incident_cases.unended().get().what.partition(": ")[2]
    make_all_due()
    settle_transaction(world.debit(order).pk)
    settle_gone()
    order.refresh_from_db()
    assert not order.needs_attention


def test_an_outcome_unknown_for_too_long_ends_when_it_is_known(world: World) -> None:
    world.partners.fault("debit", "reset_after", times=10)
    order = world.place((world.product(), 1))
    settle_transaction(world.debit(order).pk)
    LoyaltyTransaction.objects.update(first_sent_at="2020-01-01T00:00:00Z")
    make_all_due()
    settle_transaction(world.debit(order).pk)
    incident = the(IncidentKind.HORIZON)
    assert settle_gone() == 0
    world.partners.clear_faults()
    LoyaltyTransaction.objects.update(next_attempt_at=Now(), first_sent_at=None)
    settle_transaction(world.debit(order).pk)
    assert settle_gone() == 1
    assert over(incident)


def test_a_refused_credit_is_the_most_urgent(world: World) -> None:
    credit = owed(world)
    world.partners.fault("credit", "refuse", code="account_blocked")
    settle_transaction(credit.pk)
    incident = the(IncidentKind.CREDIT_REFUSED)
    assert incident.get_severity_display() == "Critical"
    assert "account_blocked" in incident.what


def test_a_credit_that_takes_long_alerts_once_and_ends_by_itself(world: World) -> None:
    credit = owed(world)
    world.partners.fault("credit", "error_500_before", times=4)
    rows = LoyaltyTransaction.objects.filter(pk=credit.pk)
    rows.update(attempts=7)  # the eighth reads the statement, the ninth asks, the tenth tells
    settle_transaction(credit.pk)
    assert not Incident.objects.exists()
    for _ in range(3):
        make_all_due()
        settle_transaction(credit.pk)
    incident = the(IncidentKind.CREDIT_LATE)
    assert incident.times_seen == 3
    assert incident.alerts.count() == incident.events.count() == 1
    make_all_due()
    settle_transaction(credit.pk)
    assert settle_gone() == 1
    assert over(incident)


def test_a_stuck_order_is_said_once_and_ends_when_it_moves_on(world: World) -> None:
    world.partners.fault("debit", "error_500_before", times=1)
    order = world.place((world.product(), 1))
    settle_transaction(world.debit(order).pk)
    late(order, minutes=20)
    assert (flag_overdue(), flag_overdue()) == (1, 0)
    incident = the(IncidentKind.STUCK_ORDER)
    assert settle_gone() == 0
    make_all_due()
    settle_transaction(world.debit(order).pk)
    assert settle_gone() == 1
    assert over(incident)


def test_an_order_stuck_at_two_stations_is_said_twice(world: World) -> None:
    order = world.place((world.product(), 1))
    late(order, minutes=20)
    assert flag_overdue() == 1
    settle_transaction(world.debit(order).pk)
    settle_gone()
    late(order, days=15)
    assert flag_overdue() == 1
    order.refresh_from_db()
    assert order.status == OrderStatus.CONFIRMED
    assert Incident.objects.filter(kind=IncidentKind.STUCK_ORDER, order=order).count() == 2


def test_a_delivery_without_a_clear_answer_ends_when_it_arrives_after_all(world: World) -> None:
    world.partners.dial(mode="accept", delay=3600)
    world.partners.fault("fulfill", "reset_after", times=10)
    order = world.place((world.virtual(points=500), 1))
    settle_transaction(world.debit(order).pk)
    call = PartnerCall.objects.get()
    ask(call.pk)
    PartnerCall.objects.update(first_sent_at="2020-01-01T00:00:00Z")
    make_all_due()
    ask(call.pk)
    incident = the(IncidentKind.HORIZON)
    assert incident.order == order
    assert settle_gone() == 0
    send(ended(world, order, "delivered"))
    callbacks.process(Callback.objects.get().pk)
    ask_the_partner()
    order.refresh_from_db()
    assert order.status == OrderStatus.COMPLETED
    assert settle_gone() == 1
    assert over(incident)


def test_a_callback_about_nothing_of_ours_becomes_an_incident(world: World) -> None:
    order = world.place((world.virtual(points=500), 1))
    settle_transaction(world.debit(order).pk)
    message = body(world.fulfillment(order), "delivered", codes=1)
    parcel = world.fulfillment(order)
    send(message)
    Callback.objects.update(attempts=callbacks.PARKING_TRIES)
    PartnerCall.objects.all().delete()
    with pgtrigger.ignore():
        parcel.events.all().delete()
    parcel.delete()
    callback = Callback.objects.get()
    callbacks.process(callback.pk)
    incident = the(IncidentKind.PUZZLING_CALLBACK)
    assert incident.facts == {"callback": str(callback.pk)}
    assert "No delivery of ours" in incident.what


def test_stock_that_drifts_is_said_until_it_adds_up_again(world: World) -> None:
    product, sound = world.product(stocked=5), world.product(stocked=5)
    tasks.watch_stock()
    assert not Incident.objects.exists()
    other = raise_incident(kind=IncidentKind.STUCK_ORDER, key="stuck", what="Still pending.")
    drifted = Inventory.objects.filter(product=product)
    drifted.update(quantity_available=F("quantity_available") + 3)
    tasks.watch_stock()
    tasks.watch_stock()
    incident = the(IncidentKind.STOCK_DRIFT)
    assert incident.cases.get().key == f"stock-drift:{product.sku}"
    assert incident.times_seen == 2
    assert sound.sku not in incident.what
    drifted.update(quantity_available=F("quantity_available") - 3)
    tasks.watch_stock()
    assert over(incident)
    assert not over(other)


def test_the_sweeper_does_all_of_this_by_itself(world: World, capsys: Any) -> None:
    order = world.place((world.product(), 1))
    LoyaltyTransaction.objects.update(next_attempt_at=Now() + timedelta(hours=1))
    late(order, minutes=20)
    call_command("sweep", "--once")
    incident = the(IncidentKind.STUCK_ORDER)
    make_all_due()
    call_command("sweep", "--once")
    assert over(incident)
    assert "incidents that are over" in capsys.readouterr().out


def test_being_late_does_not_hide_why_an_order_waits_for_a_person(world: World) -> None:
    credit = owed(world)
    world.partners.fault("credit", "refuse", code="account_blocked")
    settle_transaction(credit.pk)
    late(credit.order, days=15)
    assert flag_overdue() == 1
    order = RedemptionOrder.objects.get(pk=credit.order_id)
    assert "account_blocked" in order.attention_reason
    assert order.incident_cases.unended().count() == 2
