"""Stock changes only through the services, and its records agree."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import IntegrityError, connection
from django.db.models import Sum
from django.test import Client

from accounts.models import AccountManager
from catalog.models import Product, StockStatus
from inventory import services as stock
from inventory.models import Inventory, MovementKind, Reservation, StockMovement
from inventory.services import OutOfStockError, Want
from inventory.shelves import StockError
from loyalty_portal.data.actor import SYSTEM
from loyalty_portal.fastpath.updates import PreparedPair
from tests.redemption.saga.test_races import while_somebody
from tests.redemption.world import World
from tests.support.guards.guards_off import without_looking

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_ways]


@pytest.fixture
def book(world: World) -> Product:
    return world.product(stocked=10)


def numbers(product: Product) -> tuple[int, int]:
    held = Inventory.objects.get(product=product)
    return held.quantity_available, held.quantity_reserved


def status(product: Product) -> str:
    return Product.objects.get(pk=product.pk).stock_status


def hold(product: Product, quantity: int) -> uuid.UUID:
    reference = uuid.uuid4()
    stock.reserve(wants=[Want(product.pk, quantity, reference)], by=SYSTEM)
    return reference


def test_the_first_delivery_gives_a_product_its_inventory(world: World) -> None:
    product = world.product(stocked=None)
    assert status(product) == StockStatus.OUT
    stock.receive(product=product, quantity=40, reason="PO 1", by=SYSTEM)
    assert numbers(product) == (40, 0)
    assert status(product) == StockStatus.IN_STOCK


def test_the_shelf_says_low_and_out_as_pieces_are_held(book: Product) -> None:
    hold(book, 5)
    assert status(book) == StockStatus.LOW
    last = hold(book, 5)
    assert status(book) == StockStatus.OUT
    stock.release(pieces={last: None}, by=SYSTEM, reason="cancelled")
    assert status(book) == StockStatus.LOW


def test_more_than_there_is_cannot_be_held(book: Product) -> None:
    with pytest.raises(OutOfStockError):
        hold(book, 11)
    assert numbers(book) == (10, 0)
    assert not StockMovement.objects.filter(kind=MovementKind.RESERVED).exists()


def test_all_wants_are_held_or_none(world: World, book: Product) -> None:
    scarce = world.product(stocked=1)
    wants = [Want(book.pk, 2, uuid.uuid4()), Want(scarce.pk, 2, uuid.uuid4())]
    with pytest.raises(OutOfStockError):
        stock.reserve(wants=wants, by=SYSTEM)
    assert numbers(book) == (10, 0)


def test_release_and_consume_happen_once(book: Product) -> None:
    reference = hold(book, 4)
    stock.consume(want=Want(book.pk, 3, reference), by=SYSTEM)
    assert numbers(book) == (6, 1)
    stock.release(pieces={reference: None}, by=SYSTEM, reason="the rest")
    stock.release(pieces={reference: None}, by=SYSTEM, reason="again")
    assert numbers(book) == (7, 0)
    with pytest.raises(StockError, match="holds only 0"):
        stock.consume(want=Want(book.pk, 1, reference), by=SYSTEM)
    with pytest.raises(StockError, match="holds only 0"):
        stock.release(pieces={reference: 1}, by=SYSTEM, reason="")


def test_what_was_made_on_demand_holds_nothing_and_is_left_alone(book: Product) -> None:
    hold(book, 2)  # another line's
    stock.release(pieces={uuid.uuid4(): None}, by=SYSTEM, reason="")
    stock.consume(want=Want(book.pk, 1, uuid.uuid4()), by=SYSTEM)
    assert numbers(book) == (8, 2)
    assert not StockMovement.objects.filter(kind=MovementKind.CONSUMED).exists()


def test_lines_that_leave_at_the_same_moment_are_each_booked_once(book: Product) -> None:
    """The second waits for the shelf that the first has changed; a repeated one finds nothing."""
    first, second = hold(book, 4), hold(book, 3)

    def sends_first() -> None:
        stock.consume(want=Want(book.pk, 4, first), by=SYSTEM)

    with while_somebody(sends_first):
        stock.consume(want=Want(book.pk, 3, second), by=SYSTEM)
    assert numbers(book) == (3, 0)
    third = hold(book, 3)
    with (
        while_somebody(lambda: stock.consume(want=Want(book.pk, 2, third), by=SYSTEM)),
        pytest.raises(StockError, match="holds only 1"),
    ):
        stock.consume(want=Want(book.pk, 2, third), by=SYSTEM)
    assert numbers(book) == (0, 1)
    assert StockMovement.objects.filter(kind=MovementKind.CONSUMED).count() == 3


def test_without_the_conditions_only_the_database_refuses_pieces_that_are_gone(
    book: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: a repeated step reaches the CHECK instead of a sentence."""
    pair = stock._consumed
    unguarded = PreparedPair(without_looking(pair._first), without_looking(pair._second))
    # replaced: negative control, the guard taken away
    monkeypatch.setattr(stock, "_consumed", unguarded)
    reference = hold(book, 3)
    stock.consume(want=Want(book.pk, 2, reference), by=SYSTEM)
    with pytest.raises(IntegrityError, match="reservation_spent_once"):
        stock.consume(want=Want(book.pk, 2, reference), by=SYSTEM)
    assert numbers(book) == (7, 1)


def test_a_count_corrects_the_available_number_and_keeps_what_is_held(book: Product) -> None:
    hold(book, 4)
    assert stock.count(product=book, counted=9, reason="yearly", by=SYSTEM) == -1
    assert numbers(book) == (5, 4)
    assert stock.count(product=book, counted=9, reason="again", by=SYSTEM) == 0
    with pytest.raises(StockError, match="held for orders"):
        stock.count(product=book, counted=3, reason="", by=SYSTEM)


@pytest.mark.parametrize("quantity", [0, -1, 10**18])
def test_receiving_takes_a_sensible_number(book: Product, quantity: int) -> None:
    with pytest.raises(StockError):
        stock.receive(product=book, quantity=quantity, reason="", by=SYSTEM)
    assert numbers(book) == (10, 0)


@pytest.mark.parametrize(("change", "reason"), [(0, "x"), (-11, "x"), (-1, " ")])
def test_an_adjustment_needs_a_reason_and_pieces_to_take(
    book: Product, change: int, reason: str
) -> None:
    with pytest.raises(StockError):
        stock.adjust(product=book, change=change, reason=reason, by=SYSTEM)
    assert numbers(book) == (10, 0)


def test_the_books_agree_after_everything(book: Product) -> None:
    first, second = hold(book, 3), hold(book, 2)
    stock.consume(want=Want(book.pk, 2, first), by=SYSTEM)
    stock.release(pieces={first: None}, by=SYSTEM, reason="")
    stock.adjust(product=book, change=-1, reason="broken", by=SYSTEM)
    stock.receive(product=book, quantity=5, reason="", by=SYSTEM)
    stock.consume(want=Want(book.pk, 2, second), by=SYSTEM)
    sums = StockMovement.objects.filter(product=book).aggregate(
        available=Sum("available_change"), reserved=Sum("reserved_change")
    )
    assert (sums["available"], sums["reserved"]) == numbers(book) == (10, 0)


def race(product: Product, buyers: int) -> int:
    """The number of buyers who get a piece when all ask at the same time."""

    def buy(_number: int) -> bool:
        try:
            hold(product, 1)
        except OutOfStockError:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(buyers) as people:
        return sum(people.map(buy, range(buyers)))


def test_twenty_buyers_at_once_get_the_ten_pieces_there_are(book: Product) -> None:
    assert race(book, 20) == 10
    assert numbers(book) == (0, 10)


def test_without_the_guard_the_race_is_lost(book: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: without the WHERE and the CHECK the same race oversells."""
    # replaced: negative control, the guard taken away
    monkeypatch.setattr(stock, "_moved", without_looking(stock._moved))
    drop, restore = (
        "ALTER TABLE inventory DROP CONSTRAINT available_not_negative",
        "ALTER TABLE inventory ADD CONSTRAINT available_not_negative CHECK (quantity_available >= 0) NOT VALID",
    )
    with connection.cursor() as cursor:
        cursor.execute(drop)
    try:
        assert race(book, 20) == 20
        assert numbers(book) == (-10, 20)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE inventory CASCADE")
            cursor.execute(restore)


def test_the_catalogue_shows_at_once_that_the_last_piece_is_held(
    book: Product, world: World, client_for: Callable[[AccountManager], Client]
) -> None:
    client = client_for(world.seat)

    def page() -> str:
        return client.get(book.get_absolute_url()).content.decode()

    assert "Out of stock" not in page()
    last = hold(book, 10)
    assert "Out of stock" in page()
    stock.release(pieces={last: None}, by=SYSTEM, reason="cancelled")
    assert "Out of stock" not in page()


def test_stock_that_does_not_agree_with_its_reservations_stays_as_it_is(book: Product) -> None:
    line = hold(book, 3)
    # Changed directly, without the services.
    Inventory.objects.filter(product=book).update(quantity_reserved=0)
    with pytest.raises(StockError, match="does not agree"):
        stock.release(pieces={line: None}, by=SYSTEM, reason="cancelled")
    with pytest.raises(StockError, match="does not agree"):
        stock.consume(want=Want(book.pk, 3, line), by=SYSTEM)
    assert numbers(book) == (7, 0)
    assert Reservation.objects.get(reference=line).open == 3
    assert not StockMovement.objects.exclude(reason="first delivery").exclude(kind="RESERVED")
