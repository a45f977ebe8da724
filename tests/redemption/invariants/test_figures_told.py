"""What is told to Prometheus of the business: each figure counts what it is named after."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db.models.functions import Now
from django.utils.module_loading import import_string

from accounts.models import Company
from loyalty_portal.celery import nudge
from loyalty_portal.data.actor import Actor
from loyalty_portal.metrics.figures import MESSAGES, NUDGES_LOST, ORDER_SECONDS, ORDERS
from redemption.incidents.services import raise_incident, resolve
from redemption.messages.notifications import send_letter
from redemption.models import (
    Alert,
    Callback,
    CallbackState,
    Incident,
    Letter,
    Reconciliation,
    RedemptionOrder,
)
from redemption.models.reconciliation import RunOutcome
from redemption.orders.actions.cancelling import cancel
from redemption.saga import tasks
from redemption.saga.transactions import settle_transaction
from redemption.states import IncidentKind
from tests.accounts.factories import UserFactory
from tests.redemption.world import World
from tests.support.redis_away import broker_at

pytestmark = pytest.mark.django_db(transaction=True)
NOBODY_LISTENS = "redis://127.0.0.1:9/0"


def told() -> dict[tuple[str, ...], float]:
    """What a sweeper tells of the state, by the name of a figure and its labels."""
    return {
        (figure.name, *labels): value
        for source in settings.STATE_SOURCES
        for figure in import_string(source)()
        for labels, value in figure.rows
    }


def counted(metric: Any, **labels: str) -> float:
    """What this process has counted of a metric, 0 before its first."""
    total = sum(
        sample.value
        for family in metric.collect()
        for sample in family.samples
        if sample.name.endswith(("_total", "_count")) and labels.items() <= sample.labels.items()
    )
    return float(total)


def test_work_that_is_due_leased_and_left(world: World) -> None:
    debit = world.debit(world.place((world.product(), 1)))
    rows = type(debit).objects.filter(pk=debit.pk)
    due, oldest, expired = (
        (f"portal_{name}", "transactions")
        for name in ("due_rows", "due_oldest_seconds", "leases_expired")
    )
    rows.update(next_attempt_at=Now() - timedelta(hours=1))
    at_first = told()
    assert (at_first[due], at_first[expired]) == (1, 0)
    assert at_first[oldest] >= 3_600
    assert at_first["portal_due_rows", "polls"] == 0

    rows.update(lease_token=uuid.uuid4(), lease_until=Now() + timedelta(hours=1))
    at_work = told()
    assert (at_work[due], at_work[oldest], at_work[expired]) == (0, 0, 0)

    rows.update(lease_until=Now() - timedelta(seconds=1))
    left = told()
    assert (left[due], left[expired]) == (1, 1)


def test_orders_points_and_stock_that_are_open(world: World) -> None:
    shown = {
        "orders": ("portal_orders", "PENDING"),
        "confirmed": ("portal_orders", "CONFIRMED"),
        "points": ("portal_unsettled_points",),
        "stock": ("portal_reservations_open",),
    }

    def seen() -> tuple[float, ...]:
        found = told()
        return tuple(found[name] for name in shown.values())

    assert seen() == (0, 0, 0, 0)
    order = world.place((world.product(points=700), 2))
    assert seen() == (1, 0, 1_400, 1)
    settle_transaction(world.debit(order).pk)
    assert seen() == (0, 1, 0, 1)
    cancel(order=RedemptionOrder.objects.get(pk=order.pk), by=Actor.in_seat(world.seat), reason="")
    [credit] = world.credits(order)
    assert seen()[2:] == (1_400, 0)
    settle_transaction(credit.pk)
    assert seen() == (0, 0, 0, 0)
    assert told()["portal_net_effect_difference_points",] == 0


def test_what_waits_for_people(world: World, settings: Any) -> None:
    settings.PAGERDUTY_ROUTING_KEY = "pretended"
    parked, unsent = ("portal_callbacks_parked",), ("portal_alerts_unsent",)
    drift = ("portal_incidents_open", IncidentKind.STOCK_DRIFT, "error")
    before = told()
    assert (before[parked], before[unsent], before[drift]) == (0, 0, 0)
    Callback.objects.create(
        webhook_id="m", event_type="e", reference="r", body="", state=CallbackState.PARKED
    )
    raise_incident(kind=IncidentKind.STOCK_DRIFT, key="stock_drift:test", what="Test")
    after = told()
    assert (after[parked], after[unsent], after[drift]) == (1, 1, 1)

    Alert.objects.update(next_attempt_at=Now() + timedelta(hours=1))
    assert told()[unsent] == 0, "it is tried later, as it was meant to be"
    Alert.objects.update(problem="HTTP 500")
    assert told()[unsent] == 1
    clerk = Actor.person(UserFactory.create(is_staff=True))
    resolve(incident=Incident.objects.get(), by=clerk, evidence="Counted")
    assert told()[drift] == 0


def test_the_company_that_was_compared_longest_ago(world: World) -> None:
    age = ("portal_reconciled_age_seconds",)
    Company.objects.update(created_at=Now() - timedelta(days=3))
    assert told()[age] >= 3 * 86_400
    other = world.new_company(points=0)
    for company, hours in ((world.company, 5), (other, 2)):
        ended = Now() - timedelta(hours=hours)
        Reconciliation.objects.create(
            company=company,
            since=ended - timedelta(days=1),
            until=ended,
            started_at=ended,
            finished_at=ended,
            source="API",
            outcome=RunOutcome.AGREED,
        )
    assert 5 * 3_600 <= told()[age] < 3 * 86_400


def test_what_became_of_orders_is_counted_once(world: World) -> None:
    outcomes = ("placed", "confirmed", "cancelled")

    def seen() -> list[float]:
        return [counted(ORDERS, outcome=each) for each in outcomes]

    before, ended = seen(), counted(ORDER_SECONDS, step="ended")
    order = world.place((world.product(), 1))
    settle_transaction(world.debit(order).pk)
    settle_transaction(world.debit(order).pk)  # a second time changes nothing
    cancel(order=RedemptionOrder.objects.get(pk=order.pk), by=Actor.in_seat(world.seat), reason="")
    [credit] = world.credits(order)
    settle_transaction(credit.pk)
    assert [now - then for now, then in zip(seen(), before, strict=True)] == [1, 1, 1]
    assert counted(ORDER_SECONDS, step="ended") == ended + 1


def test_a_task_that_cannot_be_queued_is_counted() -> None:
    before = counted(NUDGES_LOST)
    with broker_at(NOBODY_LISTENS, patience=0.05):
        for number in range(3):  # after the first the broker rests
            nudge(tasks.settle_transaction, number)
    assert counted(NUDGES_LOST) == before + 3


def test_a_letter_that_fails_and_one_that_is_sent_are_told_apart(
    world: World, settings: Any
) -> None:
    order = world.place((world.product(), 1))
    settle_transaction(world.debit(order).pk)

    def seen() -> list[float]:
        return [counted(MESSAGES, kind="letter", outcome=each) for each in ("failed", "sent")]

    before = seen()
    well, settings.EMAIL_BACKEND = (
        settings.EMAIL_BACKEND,
        "django.core.mail.backends.smtp.EmailBackend",
    )
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    assert send_letter(order.letters.get().pk)
    Letter.objects.update(next_attempt_at=Now())
    settings.EMAIL_BACKEND = well
    assert send_letter(order.letters.get().pk)
    assert [now - then for now, then in zip(seen(), before, strict=True)] == [1, 1]
