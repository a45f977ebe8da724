"""PORTAL_PAUSED as people and probes see it: nothing is sent, nothing is lost."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from celery import Task
from django.core.management import call_command
from django.test import Client

from accounts.models import AccountManager
from fulfillment.models import Fulfillment
from loyalty_portal.data.actor import Actor
from loyalty_portal.queue.pause import CLOSED, LATER
from operations.doctor.findings import State
from operations.doctor.services import examine
from redemption.checkout.approvals.deciding import approve
from redemption.incidents.services import raise_incident
from redemption.management.commands.sweep import drain
from redemption.models import (
    Alert,
    Callback,
    CallbackState,
    CartLine,
    Letter,
    LoyaltyTransaction,
    RedemptionOrder,
)
from redemption.orders.actions.cancelling import cancel
from redemption.saga.queues import queues, work
from redemption.saga.tasks import settle_transaction as settle_task
from redemption.saga.transactions import settle_transaction
from redemption.states import IncidentKind, OrderStatus, TransactionStatus
from tests.accounts.factories import SeatFactory
from tests.redemption.factories import checkout_form, fill_cart
from tests.redemption.saga.test_virtual_news import accepted
from tests.redemption.saga.test_webhooks import body, send
from tests.redemption.world import World

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sent(settings: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Pause the portal. Returns the tasks that are sent all the same."""
    settings.PORTAL_PAUSED = True
    told: list[str] = []

    def note(task: Task, *_arguments: object, **_options: object) -> None:
        told.append(task.name)

    # replaced: Celery's sending: what is sent is what the test looks at
    monkeypatch.setattr(Task, "apply_async", note)
    return told


def test_the_checkout_is_closed_in_words_and_the_cart_is_kept(
    client_for: Callable[[AccountManager], Client], world: World, sent: list[str]
) -> None:
    fill_cart(world.seat, (world.product(points=10), 2))
    client = client_for(world.seat)
    assert str(CLOSED) in client.get("/checkout/").content.decode()
    answer = client.post("/checkout/", checkout_form(world.seat))
    assert answer.status_code == 422
    assert str(CLOSED) in answer.content.decode()
    assert not RedemptionOrder.objects.exists()
    assert CartLine.objects.get().quantity == 2


def test_an_order_that_would_wait_for_approval_waits_for_the_end_of_the_pause_too(
    client_for: Callable[[AccountManager], Client], world: World, sent: list[str]
) -> None:
    world.company.approval_threshold = 1
    world.company.save()
    fill_cart(world.seat, (world.product(points=10), 2))
    answer = client_for(world.seat).post("/checkout/", checkout_form(world.seat))
    assert str(CLOSED) in answer.content.decode()


def test_a_yes_is_recorded_and_takes_no_points_until_the_pause_is_over(
    world: World, settings: Any, sent: list[str]
) -> None:
    world.company.approval_threshold = 1
    world.company.save()
    order = world.place((world.product(points=10), 1))
    approve(order=order, by=Actor.in_seat(SeatFactory.create(company=world.company, role="owner")))
    debit = world.debit(order)
    settle_task(str(debit.pk))
    assert world.debit(order).status == TransactionStatus.INTENDED
    assert world.debit(order).attempts == 0
    assert (sent, world.partners.calls(operation="debit")) == ([], [])
    settings.PORTAL_PAUSED = False
    settle_task(str(debit.pk))
    assert RedemptionOrder.objects.get().status == OrderStatus.CONFIRMED


def test_a_cancellation_is_recorded_and_gives_nothing_back_until_then(
    world: World, settings: Any, sent: list[str]
) -> None:
    settings.PORTAL_PAUSED = False
    order = world.place((world.product(points=10), 1))
    settle_transaction(world.debit(order).pk)
    settings.PORTAL_PAUSED = True
    cancel(order=RedemptionOrder.objects.get(), by=Actor.in_seat(world.seat), reason="Twice")
    [credit] = world.credits(order)
    settle_task(str(credit.pk))
    assert LoyaltyTransaction.objects.get(pk=credit.pk).status == TransactionStatus.INTENDED
    assert world.ledger(order) == (10, 0)


def test_a_page_does_not_say_that_points_move_during_the_pause(
    client_for: Callable[[AccountManager], Client], world: World, sent: list[str]
) -> None:
    world.company.approval_threshold = 1
    world.company.save()
    order = world.place((world.product(points=10), 1))
    owner = client_for(SeatFactory.create(company=world.company, role="owner"))
    page = owner.post(f"{order.get_absolute_url()}approve/", follow=True).content.decode()
    assert "Approved." in page
    assert "being taken now" not in page
    assert str(LATER) in page
    page = owner.post(f"{order.get_absolute_url()}cancel/", follow=True).content.decode()
    assert str(LATER) in page


def test_callbacks_are_stored(world: World, sent: list[str]) -> None:
    assert send(body("later", "processing")).status_code == 204
    assert Callback.objects.get().state == CallbackState.RECEIVED
    assert sent == []


def test_nothing_leaves_by_whatever_door_and_the_doctor_asks_for_no_sweeper(
    world: World, settings: Any, mailoutbox: list[Any]
) -> None:
    """A restored backup: a letter, an alert, a poll and a callback have been due for a day."""
    waiting = accepted(world)
    letter = Letter.objects.create(
        order=waiting, kind="corrected", key="corrected", to="a@b.example"
    )
    raise_incident(kind=IncidentKind.STOCK_DRIFT, key="drift", what="3 too many.")
    send(body("later", "processing"))
    asked = len(world.partners.calls())
    for rows in (Letter, Alert, Fulfillment, Callback):
        rows.objects.update(next_attempt_at="2020-01-01T00:00:00Z")
    settings.PORTAL_PAUSED = True
    for kind, queue in queues().items():
        for key in queue.rows.due_ids(100):
            assert work(kind, key) is None
            drain(kind)
    call_command("sweep", "--once", stdout=StringIO())
    assert mailoutbox == []
    assert len(world.partners.calls()) == asked
    letter.refresh_from_db()
    assert (letter.attempts, letter.sent_at) == (0, None)
    assert world.fulfillment(waiting).attempts == 0
    told = {each.subject: each for each in examine()}
    for kind in ("letters", "alerts", "polls", "callbacks"):
        finding = told[f"Due {kind}"]
        assert (finding.state, finding.do) == (State.OK, "")
        assert finding.says.endswith("waits for the end of the pause")
    assert "sweep" not in " ".join(each.do for each in told.values())


def test_a_paused_portal_is_ready_and_says_that_it_is_paused(
    client: Client, world: World, sent: list[str]
) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["parts"]["work"]) == (200, "paused")


def test_the_doctor_says_so_only_then(world: World, settings: Any, sent: list[str]) -> None:
    [said] = [each for each in examine() if each.subject == "Pause"]
    assert said.state == State.LOOK
    assert "PORTAL_PAUSED is set" in said.says
    settings.PORTAL_PAUSED = False
    assert not [each for each in examine() if each.subject == "Pause"]
