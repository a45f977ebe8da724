"""The sweeper as a running process: it polls until it is told to end."""

import os
import signal
import threading
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from loyalty_portal.data.trouble import Looks
from redemption.management.commands import sweep
from redemption.management.commands.sweep import BATCH
from redemption.models import (
    Callback,
    CallbackState,
    Letter,
    LoyaltyTransaction,
    RedemptionOrder,
)
from redemption.saga.queues import TRANSACTIONS
from redemption.saga.transactions import settle_transaction
from redemption.states import OrderStatus, TransactionStatus
from tests.redemption.saga.test_races import asked_for
from tests.redemption.saga.test_webhooks import body, ended, send
from tests.redemption.world import World
from tests.support.orders.ageing import make_orders_older
from tests.support.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)

CLIENTS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
WAITING = "SELECT {} FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def sweep_while(watching: Callable[[], object], *, period: float) -> None:
    """Run the command until `watching` returns, then end it as an operator does."""
    told = StringIO()
    missed: list[AssertionError] = []

    def watch() -> None:
        eventually(told.getvalue, "the sweeper has begun")
        try:
            watching()
        except AssertionError as error:
            missed.append(error)
        finally:
            connection.close()
            os.kill(os.getpid(), signal.SIGTERM)

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        call_command("sweep", period=period, stdout=told)
        watcher.join()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert not missed, missed[0]


@pytest.mark.parametrize("period", ["-1", "0", "0.001", "nan", "inf", "86400"])
def test_a_period_that_would_spin_or_never_end_is_refused(period: str) -> None:
    with pytest.raises(CommandError, match=r"--period must be between 0\.05 and 3600 seconds"):
        call_command("sweep", "--period", period)


def test_it_takes_orders_to_their_end_until_it_is_told_to_stop(world: World) -> None:
    world.partners.dial(mode="instant")
    order = world.place((world.virtual(points=500), 1))
    late = world.place((world.product(), 1))
    settle_transaction(world.debit(late).pk)
    make_orders_older(timedelta(days=15), which=f"id = '{late.pk}'")

    def watching() -> None:
        orders = RedemptionOrder.objects
        ended = orders.filter(pk=order.pk, status=OrderStatus.COMPLETED)
        eventually(ended.exists, "the order is completed")
        eventually(orders.filter(pk=late.pk, needs_attention=True).exists, "the other is marked")

    sweep_while(watching, period=0.05)


def test_more_than_a_batch_is_worked_without_a_pause(world: World) -> None:
    Callback.objects.bulk_create(
        Callback(
            webhook_id=f"msg_{number}",
            event_type="fulfillment.delivered",
            reference="not-ours",
            body=body("not-ours", "delivered", codes=1).decode(),
        )
        for number in range(2 * BATCH + 1)
    )

    def watching() -> None:
        fresh = Callback.objects.filter(state=CallbackState.RECEIVED)
        eventually(lambda: not fresh.exists(), "all callbacks are looked at")

    sweep_while(watching, period=3600.0)


def test_what_a_row_makes_due_is_worked_without_a_pause(world: World) -> None:
    world.partners.dial(mode="instant")
    order = world.place((world.virtual(points=500), 1))

    def watching() -> None:
        sent = Letter.objects.filter(order=order, kind="delivered", sent_at__isnull=False)
        eventually(sent.exists, "debit, delivery and letter are done")

    sweep_while(watching, period=3600.0)


def test_some_rows_are_at_the_partner_at_once_and_those_begun_are_finished_at_the_end(
    world: World, settings: Any
) -> None:
    settings.PARTNER_TIMEOUT = settings.PARTNER_DEADLINE = 20.0
    book = world.product(points=1)
    hands = TRANSACTIONS.hands
    orders = [world.place((book, 1)) for _ in range(hands + 2)]
    world.partners.fault("debit", "delay", times=None, seconds=3.0)
    before = _ask(CLIENTS)

    def at_the_partner() -> int:
        return len(world.partners.calls(operation="debit", outcome="running"))

    def watching() -> None:
        eventually(lambda: at_the_partner() == hands, "some are asked about at once")

    sweep_while(watching, period=3600.0)
    statuses = [world.debit(order).status for order in orders]
    assert statuses.count(TransactionStatus.SUCCEEDED) == hands
    assert statuses.count(TransactionStatus.INTENDED) == 2
    assert not LoyaltyTransaction.objects.exclude(lease_token=None).exists()
    eventually(lambda: _ask(CLIENTS) == before, "every connection is closed")


def test_a_row_that_stays_due_waits_for_the_next_period(world: World) -> None:
    stuck = world.place((world.product(), 1))
    with connection.cursor() as cursor:
        cursor.execute("""
            CREATE SEQUENCE tries;
            CREATE FUNCTION stay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                PERFORM nextval('tries');
                RAISE 'not now';
            END $$;
        """)
        cursor.execute(
            "CREATE TRIGGER stay BEFORE UPDATE ON loyalty_transaction FOR EACH ROW"
            f" WHEN (OLD.id = '{world.debit(stuck).pk}') EXECUTE FUNCTION stay()"
        )
    world.partners.fault("debit", "delay", seconds=0.5)
    other = world.place((world.product(), 1))

    def watching() -> None:
        sent = Letter.objects.filter(order=other, sent_at__isnull=False)
        eventually(sent.exists, "the other's letter is sent")

    try:
        sweep_while(watching, period=3600.0)
        # at its poll, after polls that found something new, and after other work
        assert 0 < _ask("SELECT last_value FROM tries") < 20
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION stay() CASCADE; DROP SEQUENCE tries")
    assert world.debit(stuck).status == TransactionStatus.INTENDED


def test_a_connection_that_breaks_in_the_middle_of_a_look_costs_that_look_only(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    def watching() -> None:
        # Held in another connection: inside a transaction PostgreSQL reads its activity view only
        # once.
        with psycopg.connect(**connection.get_connection_params()) as holder:
            holder.execute("LOCK TABLE redemption_letter IN ACCESS EXCLUSIVE MODE")
            eventually(lambda: _ask(WAITING.format("count(*)")), "it looks for letters")
            _ask(WAITING.format("count(pg_terminate_backend(pid))"))
            eventually(lambda: not _ask(WAITING.format("count(*)")), "its connection is cut")
            holder.rollback()
        world.place((world.product(), 1))
        eventually(Letter.objects.filter(sent_at__isnull=False).exists, "the letter is sent")

    sweep_while(watching, period=0.05)
    assert len(mail.outbox) == 1
    assert "the database does not serve" in caplog.text
    assert not [record for record in caplog.records if record.exc_info]


def test_a_connection_that_breaks_in_the_middle_of_a_row_leaves_it_to_the_next_look(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    card, order = asked_for(world), RedemptionOrder.objects.get()
    held = "SELECT FROM fulfillment_fulfillment WHERE id = %s FOR UPDATE"

    def watching() -> None:
        with psycopg.connect(**connection.get_connection_params()) as holder:
            holder.execute(held, [card.pk])
            send(ended(world, order, "delivered"))
            eventually(lambda: _ask(WAITING.format("count(*)")), "it reads the callback")
            _ask(WAITING.format("count(pg_terminate_backend(pid))"))
            eventually(lambda: not _ask(WAITING.format("count(*)")), "its connection is cut")
            Callback.objects.update(lease_until="2020-01-01T00:00:00Z")
            holder.rollback()
        done = Callback.objects.filter(state=CallbackState.PROCESSED)
        eventually(done.exists, "it is read after all")
        over = RedemptionOrder.objects.filter(status=OrderStatus.COMPLETED)
        eventually(over.exists, "and the partner asked")

    sweep_while(watching, period=0.05)
    assert "the database does not serve" in caplog.text


def _ask(question: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(question)
        return int(cursor.fetchone()[0])


# --- The sign of life ---------------------------------------------------------------------------


def test_a_paused_sweeper_shows_a_sign_of_life_until_it_is_told_to_stop(
    world: World, settings: Any, tmp_path: Path
) -> None:
    settings.PORTAL_PAUSED, settings.HEARTBEAT_FILE = True, str(tmp_path / "beat")
    order = world.place((world.product(), 1))
    sweep_while(lambda: eventually(Path(settings.HEARTBEAT_FILE).exists, "it lives"), period=0.05)
    assert world.debit(order).status == TransactionStatus.INTENDED


def test_a_sweeper_with_a_thread_that_does_not_come_back_shows_none(
    world: World, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # replaced: a limit of minutes, so that every thread has been away for too long
    monkeypatch.setattr(sweep, "STUCK_SECONDS", -3600.0)
    settings.HEARTBEAT_FILE = str(tmp_path / "beat")
    order = world.place((world.product(), 1))
    sent = Letter.objects.filter(order=order, sent_at__isnull=False)
    sweep_while(lambda: eventually(sent.exists, "the letter is sent"), period=0.05)
    assert not Path(settings.HEARTBEAT_FILE).exists()


def test_waiting_for_the_database_is_not_being_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    # replaced: a limit of minutes, so that every thread has been away for too long
    monkeypatch.setattr(sweep, "STUCK_SECONDS", -3600.0)

    def away() -> None:
        raise OperationalError("the server has left") from psycopg.OperationalError()

    looks = Looks(threading.Event())
    lane = sweep._Lane("letters", 1.0, threading.Event(), looks)
    assert lane.is_stuck
    looks.guarded(away)
    assert not lane.is_stuck
