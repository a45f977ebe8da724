"""A busy, read-only or full database: nothing is half done, and the same button works later."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
import time_machine
from django.core.management import call_command
from django.db import Error, NotSupportedError, connection
from django.test import Client

from accounts.models import AccountManager
from catalog.models import Product
from fulfillment.models import Fulfillment, PartnerCall
from fulfillment.states import CallStatus
from fulfillment.virtual import saga as virtual
from inventory.models import Inventory
from loyalty_portal.data.trouble import Looks
from loyalty_portal.feed.services import publish_all
from redemption.management.commands import sweep
from redemption.models import Cart, LoyaltyTransaction, OrderItem, RedemptionOrder
from redemption.saga import tasks
from redemption.saga.queues import work
from redemption.saga.transactions import settle_transaction
from redemption.states import OrderStatus, TransactionStatus
from tests.redemption.factories import checkout_form, fill_cart
from tests.redemption.saga.test_races import while_somebody
from tests.redemption.webhooks_out.receiver import OK, Receiver
from tests.redemption.world import World

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[AccountManager], Client]
AGAIN = "Press the button again: nothing is ordered twice."


@pytest.fixture
def book(world: World) -> Product:
    """A book. One of it is in the seat's cart."""
    book = world.product()
    fill_cart(world.seat, (book, 1))
    return book


def sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def holds(change: Callable[[], object]) -> Callable[[], object]:
    """Make `change`, and never be the one that PostgreSQL cancels in a deadlock."""

    def hold() -> None:
        sql("SET LOCAL deadlock_timeout = '1min'")
        change()

    return hold


@contextmanager
def setting(name: str, value: str) -> Iterator[None]:
    sql(f"SET {name} = '{value}'")
    try:
        yield
    finally:
        sql(f"RESET {name}")


@contextmanager
def full_disk() -> Iterator[None]:
    """Let PostgreSQL fail with its error code for a full disk."""
    sql("""
        CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
        END $$;
        CREATE TRIGGER no_room BEFORE INSERT OR UPDATE ON loyalty_transaction
            FOR EACH ROW EXECUTE FUNCTION no_room();
    """)
    try:
        yield
    finally:
        sql("DROP FUNCTION no_room() CASCADE")


@contextmanager
def read_only() -> Iterator[None]:
    with setting("default_transaction_read_only", "on"):
        yield


@contextmanager
def locked_by_another(product: Product) -> Iterator[None]:
    """Hold the lock on the product's stock for longer than the lock timeout."""
    given = connection.get_connection_params()
    with setting("lock_timeout", "200ms"), psycopg.connect(**given) as holder:
        holder.execute("SELECT FROM inventory WHERE product_id = %s FOR UPDATE", [product.pk])
        yield
        holder.rollback()


def nothing_ordered() -> bool:
    return not RedemptionOrder.objects.exists() and not LoyaltyTransaction.objects.exists()


@pytest.mark.parametrize("trouble", [read_only, full_disk])
def test_an_order_that_cannot_be_written_is_not_placed_and_the_same_form_places_it_later(
    world: World,
    book: Product,
    client_for: SignIn,
    trouble: Callable[[], AbstractContextManager[None]],
) -> None:
    client, form = client_for(world.seat), checkout_form(world.seat)
    with trouble():
        answer = client.post("/checkout/", form)
        assert (answer.status_code, nothing_ordered()) == (422, True)
        assert AGAIN in answer.content.decode()
    assert Inventory.objects.get(product=book).quantity_reserved == 0
    assert client.post("/checkout/", form).status_code == 303
    assert RedemptionOrder.objects.count() == 1


def test_a_lock_that_is_not_had_in_time_says_so_and_the_same_form_works_later(
    world: World, book: Product, client_for: SignIn
) -> None:
    client, form = client_for(world.seat), checkout_form(world.seat)
    with locked_by_another(book):
        answer = client.post("/checkout/", form)
        assert (answer.status_code, nothing_ordered()) == (422, True)
        assert AGAIN in answer.content.decode()
    assert client.post("/checkout/", form).status_code == 303


def test_a_deadlock_is_tried_again_and_nobody_notices(
    world: World, book: Product, client_for: SignIn
) -> None:
    client, form = client_for(world.seat), checkout_form(world.seat)
    stock, cart = Inventory.objects.filter(product=book), Cart.objects.filter(seat=world.seat)
    somebody = holds(lambda: stock.update(low_stock_at=1))
    with while_somebody(somebody, then=lambda: cart.update(updated_at=datetime.now(UTC))):
        assert client.post("/checkout/", form).status_code == 303
    assert RedemptionOrder.objects.count() == 1
    assert Inventory.objects.get(product=book).quantity_reserved == 1


def test_a_deadlock_while_an_answer_is_recorded_asks_the_partner_nothing_again(
    world: World,
) -> None:
    order = world.place((world.product(), 1))
    line, itself = (
        OrderItem.objects.filter(order=order),
        RedemptionOrder.objects.filter(pk=order.pk),
    )
    somebody = holds(lambda: line.update(city="Bonn"))
    with while_somebody(somebody, then=lambda: itself.update(note="")):
        settle_transaction(world.debit(order).pk)
    order.refresh_from_db()
    assert (order.status, world.debit(order).attempts) == (OrderStatus.CONFIRMED, 1)
    assert world.ledger(order) == (1_000, 0)


def test_a_deadlock_while_a_delivery_is_recorded_asks_the_partner_nothing_again(
    world: World,
) -> None:
    order = world.place((world.virtual(), 1))
    settle_transaction(world.debit(order).pk)
    call = PartnerCall.objects.get()
    line, held = OrderItem.objects.filter(order=order), Fulfillment.objects.filter(calls=call)
    world.partners.dial(mode="instant")
    somebody = holds(lambda: line.update(city="Bonn"))
    with while_somebody(somebody, then=lambda: held.update(reason="")):
        assert virtual.ask(call.pk)
    call.refresh_from_db()
    assert (call.status, call.attempts) == (CallStatus.SUCCEEDED, 1)


@pytest.mark.parametrize("trouble", [read_only, full_disk])
def test_no_debit_is_sent_that_could_not_be_written_down_first(
    world: World, trouble: Callable[[], AbstractContextManager[None]]
) -> None:
    order = world.place((world.product(), 1))
    with trouble(), pytest.raises(Error):
        settle_transaction(world.debit(order).pk)
    assert world.ledger(order) == (0, 0)
    assert settle_transaction(world.debit(order).pk) == order.pk
    assert world.ledger(order) == (1_000, 0)


def test_a_page_that_needs_to_write_says_busy_and_not_broken(world: World, book: Product) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(world.seat.user, backend="accounts.backends.SeatsBackend")
    with read_only():
        answer = client.post("/cart/add/", {"product": str(book.pk), "quantity": "1"})
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "We are busy at the moment" in answer.content.decode()


@contextmanager
def held_by_another(table: str, key: UUID) -> Iterator[None]:
    """Hold a row's lock for longer than the lock timeout."""
    given = connection.get_connection_params()
    with setting("lock_timeout", "50ms"), psycopg.connect(**given) as holder:
        holder.execute(f"SELECT FROM {table} WHERE id = %s FOR UPDATE", [key])
        yield
        holder.rollback()


def test_who_waits_too_long_for_a_lock_says_so_in_a_line_and_tries_again(
    world: World, caplog: pytest.LogCaptureFixture, settings: Any
) -> None:
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    debit = world.debit(world.place((world.product(), 1)))
    with Receiver(OK).connect(world) as receiver:
        world.place((world.product(), 1))
        publish_all()
        delivery = receiver.endpoint.deliveries.get()
        with held_by_another("redemption_webhookendpoint", receiver.endpoint.pk):
            assert not sweep._attempt("webhooks", delivery.pk)
        with held_by_another("loyalty_transaction", debit.pk):
            assert not sweep._attempt("transactions", debit.pk)
            tasks.settle_transaction(str(debit.pk))
            chore = debit.save  # one that writes the row
            assert Looks(threading.Event()).guarded(chore) is None
        said = [record.getMessage() for record in caplog.records if "overtaken" in record.msg]
        assert (len(said), {"(LockNotAvailable)" in line for line in said}) == (4, {True})
        assert not [record for record in caplog.records if record.exc_info]
        assert sweep._attempt("webhooks", delivery.pk)
        assert len(receiver.requests) == 1
    assert sweep._attempt("transactions", debit.pk)
    assert world.debit(debit.order).status == TransactionStatus.SUCCEEDED


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_an_hour_off_changes_no_outcome(world: World, hours: int) -> None:
    world.company.approval_threshold = 1_500
    world.company.save()
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=hours), tick=True):
        order = world.place((world.product(), 1))
        waiting = world.place((world.product(), 2))
        for _ in range(2):
            call_command("sweep", "--once", stdout=None)
    order.refresh_from_db()
    waiting.refresh_from_db()
    assert (order.status, world.ledger(order)) == (OrderStatus.CONFIRMED, (1_000, 0))
    assert waiting.status == OrderStatus.AWAITING_APPROVAL
    assert not order.needs_attention


def test_a_migration_under_a_worker_that_goes_on_costs_one_try_and_puts_no_row_back(
    world: World, settings: Any
) -> None:
    settings.FASTPATH = True  # plain Django keeps no plans
    waiting = world.debit(world.place((world.product(), 1)))
    for _ in range(7):  # by then PostgreSQL has a prepared plan
        settle_transaction(world.debit(world.place((world.product(), 1))).pk)
    change = "ALTER TABLE loyalty_transaction ALTER attempts TYPE {}"
    with psycopg.connect(**connection.get_connection_params()) as migration:
        migration.execute(change.format("bigint"))
    try:
        with pytest.raises(NotSupportedError, match="cached plan"):
            work("transactions", waiting.pk)
        work("transactions", waiting.pk)
    finally:
        sql(change.format("integer"))
    waiting.refresh_from_db()
    assert (waiting.status, waiting.raised) == (TransactionStatus.SUCCEEDED, 0)
