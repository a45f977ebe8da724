"""What is out of stock: what is offered instead, and the one letter when it is there again."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from accounts.models import AccountManager, PersonLetter, PersonLetterKind
from accounts.seats.letters import send_letter
from catalog.models import Product, StockWish
from catalog.yours.services import tell_back
from inventory.services import receive
from loyalty_portal.data.actor import SYSTEM
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import CategoryFactory, FamilyFactory, ProductFactory
from tests.catalog.test_list import names, words

pytestmark = pytest.mark.django_db
SignIn = Callable[[AccountManager], Client]


@pytest.fixture
def seat() -> AccountManager:
    return SeatFactory.create()


@pytest.fixture
def client(client_for: SignIn, seat: AccountManager) -> Client:
    return client_for(seat)


@pytest.fixture
def mug() -> Product:
    return ProductFactory.create(name="Mug", in_stock=0)


def ask(client: Client, product: Product, *, on: int = 1, htmx: bool = False) -> Any:
    said = {"product": str(product.pk), "on": str(on)}
    return client.post(
        "/catalog/yours/waiting/change/", said, headers={"HX-Request": "true"} if htmx else None
    )


def come(product: Product) -> None:
    receive(product=product, quantity=5, reason="Delivery", by=SYSTEM)


def letters() -> list[PersonLetter]:
    return list(PersonLetter.objects.filter(kind=PersonLetterKind.IN_STOCK))


def test_one_letter_comes_when_stock_comes(
    client: Client, seat: AccountManager, mug: Product, mailoutbox: list[Any]
) -> None:
    assert "Tell me when it is back" in client.get(mug.get_absolute_url()).content.decode()
    ask(client, mug)
    ask(client, mug)
    assert "We write to you once" in client.get(mug.get_absolute_url()).content.decode()
    tell_back()
    assert letters() == []
    come(mug)
    for _ in range(3):
        tell_back()
    [letter] = letters()
    assert letter.to == seat.user.email
    send_letter(letter.pk)
    [mail] = mailoutbox
    assert mail.subject == "In stock again: Mug"
    assert mug.get_absolute_url() in mail.body


def test_the_letter_is_in_its_readers_language(
    client: Client, seat: AccountManager, mug: Product, mailoutbox: list[Any]
) -> None:
    seat.user.language = "de"
    seat.user.save()
    ask(client, mug)
    come(mug)
    tell_back()
    send_letter(letters()[0].pk)
    assert mailoutbox[0].subject == "Wieder vorrätig: Mug"
    assert "Zum Produkt" in mailoutbox[0].body


def test_a_second_wish_after_the_letter_gets_a_letter_of_its_own(
    client: Client, mug: Product
) -> None:
    ask(client, mug)
    come(mug)
    tell_back()
    Product.objects.filter(pk=mug.pk).update(stock_status="OUT")
    tell_back()
    assert len(letters()) == 1
    ask(client, mug)
    come(mug)
    Product.objects.filter(pk=mug.pk).update(stock_status="IN_STOCK")
    tell_back()
    assert len(letters()) == 2


def test_whoever_does_not_want_it_any_more_gets_none(client: Client, mug: Product) -> None:
    ask(client, mug)
    ask(client, mug, on=0)
    come(mug)
    assert tell_back() == 0


def test_no_letter_tells_of_what_the_company_may_not_see(client: Client, mug: Product) -> None:
    ask(client, mug)
    come(mug)
    Product.objects.filter(pk=mug.pk).update(minimum_tier="GOLD")
    assert tell_back() == 0
    Product.objects.filter(pk=mug.pk).update(minimum_tier="BRONZE", is_active=False)
    assert tell_back() == 0
    Product.objects.filter(pk=mug.pk).update(is_active=True)
    assert tell_back() == 1


def test_a_seat_that_was_switched_off_gets_none(
    client: Client, seat: AccountManager, mug: Product
) -> None:
    ask(client, mug)
    seat.is_active = False
    seat.save()
    come(mug)
    assert tell_back() == 0
    assert not StockWish.objects.exists()


def test_what_is_in_stock_is_not_waited_for(client: Client) -> None:
    lamp = ProductFactory.create()
    refused = ask(client, lamp, htmx=True)
    assert refused.status_code == 422
    assert "you can redeem it now" in refused.content.decode()
    assert not StockWish.objects.exists()


def test_a_viewer_may_wait_too(client_for: SignIn, mug: Product) -> None:
    ask(client_for(SeatFactory.create(viewer=True)), mug)
    assert StockWish.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_write_one_letter(client: Client, mug: Product) -> None:
    ask(client, mug)
    come(mug)
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        tell_back()
        connection.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(letters()) == 1


# --- Instead -------------------------------------------------------------------------------------


def test_what_is_near_and_in_stock_is_offered_instead(client: Client) -> None:
    cups, lamps = CategoryFactory.create(), CategoryFactory.create()
    family = FamilyFactory.create()
    gone = ProductFactory.create(category=cups, points_cost=1000, in_stock=0, family=family)
    for name, points in (
        ("Far", 9000),
        ("Near", 1100),
        ("Nearer", 950),
        ("Least", 10),
        ("Big", 2000),
    ):
        ProductFactory.create(name=name, category=cups, points_cost=points)
    ProductFactory.create(name="Gone too", category=cups, points_cost=1000, in_stock=0)
    ProductFactory.create(name="Lamp", category=lamps, points_cost=1000)
    ProductFactory.create(name="Secret", category=cups, points_cost=1000, minimum_tier="GOLD")
    html = client.get(gone.get_absolute_url()).content.decode()
    assert "In stock instead" in html
    assert names(html) == ["Nearer", "Near", "Least", "Big"]


def test_nothing_is_offered_instead_of_what_is_there(client: Client) -> None:
    cups = CategoryFactory.create()
    one, _other = ProductFactory.create_batch(2, category=cups)
    assert "In stock instead" not in words(client.get(one.get_absolute_url()).content.decode())
