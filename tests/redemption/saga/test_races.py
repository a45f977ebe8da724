"""Two actions at the same time: one wins, the other is refused, and nothing moves twice."""

import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction
from django.test import Client

from accounts.models import AccountManager, Role
from fulfillment import services as desk
from fulfillment.models import Fulfillment, PartnerCall, Progress
from fulfillment.partner import Deliverable, Report, ReportStatus
from fulfillment.services import DeskError
from fulfillment.states import CallStatus
from fulfillment.virtual import saga as virtual
from fulfillment.virtual.services import find_by_reference, hear_answer
from loyalty_portal.data.actor import SYSTEM, Actor
from redemption.checkout.approvals.deciding import expire_approvals
from redemption.checkout.cart.services import add_to_cart
from redemption.invariants.checks import check_invariants
from redemption.models import (
    Callback,
    CallbackState,
    Incident,
    LoyaltyTransaction,
    RedemptionOrder,
)
from redemption.orders.actions.cancelling import Cancellation, cancel
from redemption.orders.actions.services import retry_now
from redemption.saga import inbox as callbacks
from redemption.saga import transactions
from redemption.saga.steps import RedemptionError, flag_overdue, locked, note
from redemption.saga.transactions import settle_transaction
from redemption.states import IncidentKind, OrderStatus, TransactionStatus
from tests.redemption.factories import checkout_form, fill_cart
from tests.redemption.saga.test_webhooks import body, send
from tests.redemption.world import World, make_all_due
from tests.support.orders.ageing import make_orders_older
from tests.support.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@contextmanager
def while_somebody(
    works: Callable[[], object], then: Callable[[], object] = lambda: None
) -> Iterator[None]:
    """Do `works` in another uncommitted transaction, until the block waits for its locks.

    Then do `then` in it and commit, before the block continues.
    """
    held, go_on = threading.Event(), threading.Event()

    def work() -> None:
        try:
            with transaction.atomic():
                works()
                held.set()
                go_on.wait(20)
                then()
        finally:
            connection.close()

    def somebody_waits() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(WAITING)
            return bool(cursor.fetchone()[0])

    def watch() -> None:
        try:
            eventually(somebody_waits, "the body waits for somebody else")
        finally:
            connection.close()
            go_on.set()

    with ThreadPoolExecutor(2) as others:
        working: Future[None] = others.submit(work)
        held.wait(20)
        watching = others.submit(watch)
        yield
        working.result()
        watching.result()


def while_somebody_moves(order: RedemptionOrder, **changes: object) -> AbstractContextManager[None]:
    """Change the order in another transaction during the block."""
    return while_somebody(lambda: RedemptionOrder.objects.filter(pk=order.pk).update(**changes))


def test_two_who_would_ask_about_the_same_points_at_once_ask_once(world: World) -> None:
    debit = world.debit(world.place((world.product(), 1)))
    with while_somebody(lambda: transactions._claim(debit.pk)):
        assert settle_transaction(debit.pk) is None
    debit.refresh_from_db()
    assert (debit.status, debit.attempts) == (TransactionStatus.SENT, 1)


def while_an_answer_is_written_down(
    order: RedemptionOrder, debit: LoyaltyTransaction
) -> AbstractContextManager[None]:
    """Lock the order and then its transaction in another transaction during the block."""
    rows = LoyaltyTransaction.objects.filter(pk=debit.pk)
    return while_somebody(lambda: locked(order.pk), lambda: rows.update(answer_code="late"))


def past_its_horizon(world: World) -> tuple[RedemptionOrder, LoyaltyTransaction]:
    """An order whose debit is past its horizon."""
    order = world.place((world.product(), 1))
    world.partners.fault("debit", "error_500_before", times=None)
    debit = world.debit(order)
    settle_transaction(debit.pk)
    LoyaltyTransaction.objects.update(first_sent_at="2020-01-01T00:00:00Z")
    make_all_due()
    return order, debit


def test_a_person_is_asked_about_points_without_waiting_in_a_circle(world: World) -> None:
    """Whoever needs both locks an order before its transactions (docs/architecture.md)."""
    order, debit = past_its_horizon(world)
    with while_an_answer_is_written_down(order, debit):
        assert settle_transaction(debit.pk) is None
    debit.refresh_from_db()
    assert (debit.status, debit.answer_code) == (TransactionStatus.NEEDS_REVIEW, "late")
    assert Incident.objects.get().kind == IncidentKind.HORIZON


def test_with_the_transaction_locked_first_they_wait_in_a_circle(world: World) -> None:
    """The negative control: with the other order of locks, PostgreSQL cancels one of them."""
    order, debit = past_its_horizon(world)

    def the_other_way_round() -> None:
        with while_an_answer_is_written_down(order, debit), transaction.atomic():
            assert LoyaltyTransaction.objects.lease(debit.pk, seconds=30)
            locked(order.pk)

    with pytest.raises(OperationalError, match=r"deadlock detected|lock timeout"):
        the_other_way_round()


def test_points_are_put_to_a_person_with_their_incident_or_not_at_all(world: World) -> None:
    _order, debit = past_its_horizon(world)
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE redemption_incident ADD CONSTRAINT none_is_raised"
            " CHECK (kind <> 'HORIZON') NOT VALID"
        )
        try:
            with pytest.raises(IntegrityError, match="none_is_raised"):
                settle_transaction(debit.pk)
        finally:
            cursor.execute("ALTER TABLE redemption_incident DROP CONSTRAINT none_is_raised")
    debit.refresh_from_db()
    assert debit.status == TransactionStatus.UNKNOWN


def test_an_event_of_an_order_does_not_wait_for_whoever_has_locked_the_order(world: World) -> None:
    order = world.place((world.product(), 1))

    def write() -> None:
        try:
            note(order, "Meanwhile.")
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as other, transaction.atomic():
        locked(order.pk)
        other.submit(write).result(timeout=20)
    assert order.events.filter(reason="Meanwhile.").exists()


def while_it_is_confirmed(world: World, order: RedemptionOrder) -> AbstractContextManager[None]:
    """The loyalty system's answer about the points is recorded during the block."""
    claim = transactions._claim(world.debit(order).pk)
    assert claim is not None
    answer = transactions._answer(claim)
    return while_somebody(lambda: transactions._record(claim, answer))


def test_an_order_that_is_confirmed_as_it_is_cancelled_is_cancelled_by_lines(
    world: World,
) -> None:
    order = world.place((world.product(points=500), 1))
    with while_it_is_confirmed(world, order):
        told = cancel(order=order, by=Actor.in_seat(world.seat), reason="")
    assert "The whole order is cancelled. 500 points go back" in told
    assert [credit.points_amount for credit in world.credits(order)] == [500]
    assert check_invariants() == []


def test_what_the_page_said_of_an_order_is_not_done_to_what_it_is_by_then(world: World) -> None:
    order = world.place((world.product(), 1))
    shown = Cancellation(order, []).shown
    with (
        while_it_is_confirmed(world, order),
        pytest.raises(RedemptionError, match="changed since you looked, and nothing was cancelled"),
    ):
        cancel(order=order, by=Actor.in_seat(world.seat), reason="", shown=shown)
    assert world.credits(order) == []


def test_an_approval_that_comes_as_the_time_runs_out_counts(world: World) -> None:
    world.company.approval_threshold = 1
    world.company.save()
    order = world.place((world.product(), 1))
    RedemptionOrder.objects.update(approve_by="2020-01-01T00:00:00Z")
    with while_somebody_moves(order, status=OrderStatus.PENDING):
        assert expire_approvals() == 0
    assert RedemptionOrder.objects.get().status == OrderStatus.PENDING


def test_an_order_that_moves_on_as_it_is_found_late_is_not_marked(world: World) -> None:
    order = world.place((world.product(), 1))
    make_orders_older(timedelta(days=1))
    with while_somebody_moves(order, status=OrderStatus.DECLINED):
        assert flag_overdue() == 0
    assert not RedemptionOrder.objects.get().needs_attention


def test_a_cart_that_changes_in_another_window_as_it_is_redeemed_is_not_ordered(
    world: World, client_for: Callable[[AccountManager], Client]
) -> None:
    shown, other = world.product(), world.product()
    fill_cart(world.seat, (shown, 1))
    client, form = client_for(world.seat), checkout_form(world.seat)
    with while_somebody(lambda: add_to_cart(seat=world.seat, product=other, quantity=1)):
        response = client.post("/checkout/", form)
    assert response.status_code == 422
    assert "Your cart has changed in the meantime" in response.content.decode()
    assert not RedemptionOrder.objects.exists()
    assert world.seat.cart.lines.count() == 2


def asked_for(world: World) -> Fulfillment:
    """A card that the partner has accepted and not delivered."""
    world.partners.dial(mode="accept", delay=3600)
    order = world.place((world.virtual(points=500), 1))
    settle_transaction(world.debit(order).pk)
    virtual.ask(PartnerCall.objects.get().pk)
    return world.fulfillment(order)


def arrives(card: Fulfillment) -> None:
    """Process the partner's answer that the card is delivered."""
    held = find_by_reference(str(card.pk))
    assert held is not None
    units = (Deliverable(code="CODE-1", pin=None, url=None, expires_on=None),)
    report = Report(
        held.partner_id, str(held.pk), ReportStatus.DELIVERED, datetime.now(UTC), None, units
    )
    hear_answer(held=held, report=report)


def test_cancelling_a_card_that_arrives_at_that_moment_is_too_late(world: World) -> None:
    card = asked_for(world)
    order = RedemptionOrder.objects.get()
    with (
        while_somebody(lambda: arrives(card)),
        pytest.raises(RedemptionError, match="any more: it has arrived"),
    ):
        cancel(order=order, by=Actor.in_seat(world.seat), reason="")
    order.refresh_from_db()
    assert order.status == OrderStatus.COMPLETED
    assert world.credits(order) == []


def line_at_the_desk(world: World) -> tuple[RedemptionOrder, Fulfillment]:
    order = world.place((world.product(), 1))
    settle_transaction(world.debit(order).pk)
    return order, world.fulfillment(order)


def test_an_order_that_the_desk_claims_at_that_moment_is_not_cancelled(world: World) -> None:
    order, parcel = line_at_the_desk(world)
    packer = world.new_seat(Role.VIEWER).user
    with (
        while_somebody(lambda: desk.claim(fulfillment=parcel, by=Actor.person(packer))),
        pytest.raises(RedemptionError, match="somebody at the desk is working on it"),
    ):
        cancel(order=order, by=Actor.in_seat(world.seat), reason="")
    parcel.refresh_from_db()
    assert (parcel.status, parcel.claimed_by) == ("QUEUED", packer)
    assert world.credits(order) == []


def test_what_is_cancelled_at_that_moment_is_not_claimed(world: World) -> None:
    order, parcel = line_at_the_desk(world)
    packer = world.new_seat(Role.VIEWER).user
    with (
        while_somebody(lambda: cancel(order=order, by=Actor.in_seat(world.seat), reason="")),
        pytest.raises(DeskError, match="it is “cancelled” now"),
    ):
        desk.claim(fulfillment=parcel, by=Actor.person(packer))
    parcel.refresh_from_db()
    assert (parcel.status, parcel.claimed_by) == ("CANCELLED", None)


def test_without_asking_again_under_the_lock_a_claim_and_a_cancel_both_come_true(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: the values read before the lock are used after it."""
    order, parcel = line_at_the_desk(world)
    packer = world.new_seat(Role.VIEWER).user
    before = Fulfillment.objects.get(pk=parcel.pk).progress
    asked = Progress.withdrawal
    # replaced: negative control, the second look taken away
    monkeypatch.setattr(Progress, "withdrawal", lambda _held, calls: asked(before, calls))
    with while_somebody(lambda: desk.claim(fulfillment=parcel, by=Actor.person(packer))):
        cancel(order=order, by=Actor.in_seat(world.seat), reason="")
    parcel.refresh_from_db()
    assert (parcel.status, parcel.claimed_by) == ("CANCELLED", packer)


def test_what_a_colleague_takes_over_at_that_moment_is_not_sent_by_another(world: World) -> None:
    _order, parcel = line_at_the_desk(world)
    ann, bob = (world.new_seat(Role.VIEWER).user for _number in range(2))
    desk.pack(fulfillment=parcel, by=Actor.person(ann))
    with (
        while_somebody(
            lambda: desk.take_over(fulfillment=parcel, whose=ann.pk, by=Actor.person(bob))
        ),
        pytest.raises(DeskError, match="Take it over first"),
    ):
        desk.ship(
            fulfillment=parcel, quantity=1, carrier="DHL", tracking_number="", by=Actor.person(ann)
        )
    parcel.refresh_from_db()
    assert (parcel.status, parcel.quantity_shipped) == ("PACKED", 0)


def test_hurrying_an_order_just_as_a_person_is_asked_repeats_nothing(world: World) -> None:
    world.partners.dial(mode="accept", delay=3600)
    order = world.place((world.virtual(points=500), 1))
    settle_transaction(world.debit(order).pk)
    world.partners.fault("fulfill", "reset_after", times=10)
    virtual.ask(PartnerCall.objects.get().pk)
    PartnerCall.objects.update(
        first_sent_at="2020-01-01T00:00:00Z", next_attempt_at="2020-01-01T00:00:00Z"
    )
    with while_somebody(lambda: virtual.ask(PartnerCall.objects.get().pk)):
        retry_now(order=order, by=SYSTEM)
    call = PartnerCall.objects.get()
    assert (call.status, call.next_attempt_at) == (CallStatus.NEEDS_REVIEW, None)


def test_a_callback_whose_lease_runs_out_is_left_to_whoever_has_it_now(world: World) -> None:
    card = asked_for(world)
    assert send(body(card, "delivered", codes=1, partner_id=card.partner_id)).status_code == 204
    callback = Callback.objects.get()

    def holds_it_up() -> None:
        Fulfillment.objects.select_for_update().get(pk=card.pk)

    def takes_over() -> None:
        Callback.objects.update(lease_until="2020-01-01T00:00:00Z")
        assert Callback.objects.lease(callback.pk, seconds=30) is not None

    with while_somebody(holds_it_up, takes_over):
        callbacks.process(callback.pk)
    callback.refresh_from_db()
    assert callback.state == CallbackState.RECEIVED
    assert RedemptionOrder.objects.get().status == OrderStatus.IN_FULFILLMENT


def test_what_is_gone_or_not_due_is_nothing_to_do(world: World) -> None:
    assert settle_transaction(uuid.uuid4()) is None
    assert callbacks.process(uuid.uuid4()) is None


def test_who_has_lost_the_lease_on_a_callback_calls_it_nothing(world: World) -> None:
    send(body("unknown", "delivered", codes=1))
    callback = Callback.objects.get()
    callbacks._puzzle(callback, uuid.uuid4(), "cannot be read")
    callback.refresh_from_db()
    assert callback.state == CallbackState.RECEIVED
    assert not Incident.objects.exists()


def test_a_callback_that_somebody_spoiled_is_for_a_person(world: World) -> None:
    send(body("unknown", "delivered", codes=1))
    spoiled = Callback.objects.get()
    spoiled.body = "{"
    spoiled.save()
    callbacks.process(Callback.objects.get().pk)
    assert Callback.objects.get().state == "PUZZLING"
