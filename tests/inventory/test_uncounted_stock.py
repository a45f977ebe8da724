"""Stock that is not counted is always available, and its records still agree."""

import uuid
from collections.abc import Callable

import pytest
from django.db import IntegrityError
from django.test import Client

from accounts.layout import header_of
from accounts.models import AccountManager
from catalog.models import Product, StockStatus
from inventory import services as stock
from inventory.marks import set_low_mark
from inventory.models import Inventory, MovementKind
from inventory.services import OutOfStockError, Want
from inventory.shelves import StockError
from loyalty_portal.data.actor import SYSTEM
from redemption.checkout.cart.selectors import cart_lines, cart_page
from redemption.invariants.checks import check_invariants, check_stock
from tests.redemption.world import World

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cup(world: World) -> Product:
    """A cup that is not counted."""
    product = world.product(stocked=None)
    stock.open_stock(pieces={product.pk: None}, reason="Import", by=SYSTEM)
    return product


def hold(product: Product, quantity: int) -> uuid.UUID:
    reference = uuid.uuid4()
    stock.reserve(wants=[Want(product.pk, quantity, reference)], by=SYSTEM)
    return reference


def numbers(product: Product) -> tuple[int, int]:
    held = Inventory.objects.get(product=product)
    return held.quantity_available, held.quantity_reserved


def status(product: Product) -> str:
    return Product.objects.get(pk=product.pk).stock_status


def test_any_number_can_be_held_and_none_is_available_in_the_books(cup: Product) -> None:
    assert status(cup) == StockStatus.IN_STOCK
    hold(cup, 40)
    hold(cup, 1_000)
    assert numbers(cup) == (0, 1_040)
    assert status(cup) == StockStatus.IN_STOCK
    assert check_stock() == []


def test_what_is_sent_or_given_back_leaves_the_books_and_they_agree(cup: Product) -> None:
    line = hold(cup, 5)
    stock.consume(want=Want(cup.pk, 2, line), by=SYSTEM)
    assert check_stock() == []
    stock.release(pieces={line: None}, by=SYSTEM, reason="cancelled")
    stock.release(pieces={line: None}, by=SYSTEM, reason="again")
    assert numbers(cup) == (0, 0)
    assert check_stock() == []
    with pytest.raises(StockError, match="holds only 0"):
        stock.consume(want=Want(cup.pk, 1, line), by=SYSTEM)


def test_numbers_of_what_is_not_counted_cannot_be_moved(cup: Product) -> None:
    for move in (
        lambda: stock.receive(product=cup, quantity=5, reason="", by=SYSTEM),
        lambda: stock.adjust(product=cup, change=5, reason="found", by=SYSTEM),
        lambda: stock.count(product=cup, counted=5, reason="", by=SYSTEM),
        lambda: stock.stop_counting(product=cup, reason="", by=SYSTEM),
    ):
        with pytest.raises(StockError, match="not counted"):
            move()
    assert set_low_mark(product=cup, low_stock_at=9).low_stock_at == 9
    assert status(cup) == StockStatus.IN_STOCK


def test_the_database_holds_that_none_is_available_of_what_is_not_counted(cup: Product) -> None:
    with pytest.raises(IntegrityError, match="uncounted_has_none_available"):
        Inventory.objects.filter(product=cup).update(quantity_available=1)


def test_counting_begins_with_what_is_held_and_then_limits(cup: Product) -> None:
    line = hold(cup, 3)
    with pytest.raises(StockError, match="held for orders"):
        stock.start_counting(product=cup, counted=2, reason="", by=SYSTEM)
    assert not Inventory.objects.get(product=cup).is_tracked
    stock.start_counting(product=cup, counted=7, reason="shelf", by=SYSTEM)
    assert numbers(cup) == (4, 3)
    with pytest.raises(OutOfStockError):
        hold(cup, 5)
    stock.release(pieces={line: None}, by=SYSTEM, reason="cancelled")
    assert numbers(cup) == (7, 0)
    assert check_stock() == []


def test_counting_ends_and_what_was_held_stays_held(world: World) -> None:
    book = world.product(stocked=10)
    line = hold(book, 4)
    stock.stop_counting(product=book, reason="ordered when wanted", by=SYSTEM)
    assert numbers(book) == (0, 4)
    hold(book, 50)
    stock.consume(want=Want(book.pk, 3, line), by=SYSTEM)
    stock.release(pieces={line: None}, by=SYSTEM, reason="the rest")
    assert numbers(book) == (0, 50)
    assert check_stock() == []
    with pytest.raises(StockError, match="is counted already"):
        stock.start_counting(product=world.product(), counted=1, reason="", by=SYSTEM)


def test_counting_of_an_empty_shelf_ends_without_a_movement(world: World) -> None:
    book = world.product(stocked=4)
    line = hold(book, 4)
    stock.stop_counting(product=book, reason="ordered when wanted", by=SYSTEM)
    assert numbers(book) == (0, 4)
    stock.consume(want=Want(book.pk, 4, line), by=SYSTEM)
    assert not book.movements.filter(kind=MovementKind.ADJUSTED).exists()
    assert check_stock() == []


def test_an_order_of_what_is_not_counted_is_placed_and_its_books_agree(
    world: World, cup: Product, client_for: Callable[[AccountManager], Client]
) -> None:
    client = client_for(world.seat)
    assert "Out of stock" not in client.get(cup.get_absolute_url()).content.decode()
    client.post("/cart/add/", {"product": cup.pk, "quantity": 30})
    assert cart_lines(world.seat)[0].quantity == 30
    page = cart_page(world.seat, cart_lines(world.seat), header_of(world.seat, known=None))
    assert [(entry.trouble, entry.left_in_stock) for entry in page.entries] == [("", None)]
    world.place((cup, 30))
    assert numbers(cup) == (0, 30)
    assert check_invariants() == []


def test_an_uncounted_product_with_pieces_in_the_books_is_found(cup: Product) -> None:
    Product.objects.filter(pk=cup.pk).update(stock_status=StockStatus.OUT)
    assert {found.invariant for found in check_stock()} == {"SHOWN"}
