"""Favourites, what was seen lately, and products side by side."""

from collections.abc import Callable
from html import unescape
from re import findall
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import AccountManager
from catalog.models import Favourite, Product
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import ProductFactory
from tests.catalog.test_list import words

pytestmark = pytest.mark.django_db
SignIn = Callable[[AccountManager], Client]
PLACES = ("/catalog/yours/favourites/", "/catalog/yours/seen/")
RUBBISH = ("", "1", "x" * 5000, "\0", "a\0b", "'; --", "../..", str(uuid4()))


@pytest.fixture
def seat() -> AccountManager:
    return SeatFactory.create(company__balance=5000)


@pytest.fixture
def client(client_for: SignIn, seat: AccountManager) -> Client:
    return client_for(seat)


def keep(client: Client, product: Product, *, on: int = 1, htmx: bool = False) -> Any:
    said = {"product": str(product.pk), "on": str(on)}
    return client.post(
        "/catalog/yours/favourites/change/", said, headers={"HX-Request": "true"} if htmx else None
    )


def shown(client: Client, path: str) -> list[str]:
    answer = client.get(path)
    assert answer.status_code == 200
    return findall(r'class="lines__name" href="[^"]+">([^<]+)<', unescape(answer.content.decode()))


def test_a_favourite_is_kept_from_the_page_of_a_product(client: Client) -> None:
    mug, lamp = ProductFactory.create(name="Mug"), ProductFactory.create(name="Lamp")
    for product in (mug, lamp, mug):
        assert keep(client, product)["Location"] == product.get_absolute_url()
    assert shown(client, PLACES[0]) == ["Lamp", "Mug"]
    page = client.get(mug.get_absolute_url()).content.decode()
    assert 'aria-pressed="true"' in page
    keep(client, mug, on=0)
    assert shown(client, PLACES[0]) == ["Lamp"]
    assert 'aria-pressed="false"' in client.get(mug.get_absolute_url()).content.decode()


def test_the_button_swaps_into_what_a_reload_shows(client: Client) -> None:
    mug = ProductFactory.create(name="Mug & cup")
    part = keep(client, mug, htmx=True).content.decode()
    assert "is one of your favourites now" in part
    assert "Mug &amp; cup" in part
    button = part[part.index("<button") : part.index("</button>")]
    assert button in client.get(mug.get_absolute_url()).content.decode()


def test_a_viewer_keeps_favourites_and_cannot_redeem_them(client_for: SignIn) -> None:
    client = client_for(SeatFactory.create(viewer=True))
    keep(client, ProductFactory.create(name="Mug"))
    html = client.get(PLACES[0]).content.decode()
    assert "Mug" in html
    assert "Add to cart" not in html


def test_a_colleague_does_not_see_them(client: Client, client_for: SignIn, seat: Any) -> None:
    mug = ProductFactory.create(name="Mug")
    keep(client, mug)
    other = client_for(SeatFactory.create(company=seat.company))
    assert shown(other, PLACES[0]) == []
    assert 'aria-pressed="false"' in other.get(mug.get_absolute_url()).content.decode()


@pytest.mark.parametrize("change", [{"minimum_tier": "GOLD"}, {"is_active": False}])
def test_what_the_company_may_not_see_is_in_no_place(
    client: Client, change: dict[str, Any]
) -> None:
    secret, plain = ProductFactory.create(name="Secret"), ProductFactory.create(name="Plain")
    for product in (secret, plain):
        keep(client, product)
        client.get(product.get_absolute_url())
    Product.objects.filter(pk=secret.pk).update(**change)
    for path in (*PLACES, f"/catalog/yours/compare/?p={secret.slug}"):
        assert "Secret" not in client.get(path).content.decode()
    Product.objects.filter(pk=secret.pk).update(minimum_tier="BRONZE", is_active=True)
    assert shown(client, PLACES[0]) == ["Plain", "Secret"]


def test_a_hidden_product_and_one_that_is_not_there_are_one_answer(client: Client) -> None:
    hidden = ProductFactory.create(minimum_tier="PLATINUM")
    addresses = ("favourites/change/", "waiting/change/")
    for address in addresses:
        answers = [
            client.post(f"/catalog/yours/{address}", {"product": key})
            for key in (str(hidden.pk), *RUBBISH)
        ]
        assert {answer.status_code for answer in answers} == {404}
        bodies = {answer.content for answer in answers}
        assert len(bodies) == 1
    assert not Favourite.objects.exists()


def test_there_is_an_end_to_favourites(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    # replaced: so that two are the most
    monkeypatch.setattr("catalog.yours.services.MOST_FAVOURITES", 2)
    products = ProductFactory.create_batch(3)
    for product in products:
        keep(client, product)
    assert Favourite.objects.count() == 2
    refused = keep(client, products[2], htmx=True)
    assert refused.status_code == 422
    assert "Let one go first" in refused.content.decode()
    assert keep(client, products[0]).status_code == 303  # it is kept already


def test_pages_of_favourites_and_rubbish_instead_of_a_page(client: Client, seat: Any) -> None:
    Favourite.objects.bulk_create(
        Favourite(seat=seat, product=product) for product in ProductFactory.create_batch(30)
    )
    assert len(shown(client, PLACES[0])) == 24
    assert len(shown(client, f"{PLACES[0]}?page=2")) == 6
    for page in ("0", "-1", "99", "x" * 5000, "%00"):
        assert shown(client, f"{PLACES[0]}?page={page}")


def test_what_was_seen_lately_has_each_product_once(client: Client) -> None:
    mug, lamp = ProductFactory.create(name="Mug"), ProductFactory.create(name="Lamp")
    for product in (mug, lamp, mug):
        client.get(product.get_absolute_url())
    assert shown(client, PLACES[1]) == ["Lamp", "Mug"]


def test_it_is_said_what_the_balance_does_not_pay(client: Client) -> None:
    keep(client, ProductFactory.create(points_cost=6200))
    assert "1,200 more points needed" in words(client.get(PLACES[0]).content.decode())


# --- Side by side --------------------------------------------------------------------------------


def compared(client: Client, *slugs: str) -> tuple[list[str], str]:
    answer = client.get("/catalog/yours/compare/", {"p": slugs})
    assert answer.status_code == 200
    html = unescape(answer.content.decode())
    head = html.partition("<thead>")[2].partition("</thead>")[0]
    return findall(r'<a href="[^"]+">([^<]+)</a>', head), html


def test_products_stand_side_by_side_with_what_differs(client: Client) -> None:
    mug = ProductFactory.create(name="Mug", brand="Kiln", description="<p>Half a <b>litre</b></p>")
    card = ProductFactory.create(name="Card", virtual=True, validity="3 years", points_cost=9000)
    names, html = compared(client, mug.slug, card.slug)
    assert names == ["Mug", "Card"]
    text = words(html)
    assert "Points 1,000 9,000" in text
    assert "More points needed – 4,000" in text
    assert "How it comes Shipped By e-mail" in text
    assert "How long it is valid – 3 years" in text
    assert "Half a litre" in text
    assert "Where it can be used" not in text


def test_more_than_four_are_named_and_left_out(client: Client) -> None:
    slugs = [product.slug for product in ProductFactory.create_batch(6)]
    names, html = compared(client, *slugs, slugs[0])
    assert len(names) == 4
    assert "Only the first 4 are shown." in html


def test_what_was_seen_can_be_added(client: Client) -> None:
    mug, lamp = ProductFactory.create(name="Mug"), ProductFactory.create(name="Lamp")
    client.get(lamp.get_absolute_url())
    html = compared(client, mug.slug)[1]
    assert f'href="?p={mug.slug}&p={lamp.slug}"' in html


def test_rubbish_is_not_compared(client: Client) -> None:
    names, html = compared(client, *RUBBISH)
    assert names == []
    assert "Nothing to compare yet." in html


# --- Budgets -------------------------------------------------------------------------------------


def test_pages_ask_as_often_for_many_products_as_for_few(client: Client, seat: Any) -> None:
    def queries(path: str) -> int:
        client.get(path)
        with CaptureQueriesContext(connection) as asked:
            assert client.get(path).status_code == 200
        return len(asked)

    few = [ProductFactory.create() for _ in range(2)]
    for product in few:
        keep(client, product)
        client.get(product.get_absolute_url())
    before = [queries(path) for path in PLACES]
    Favourite.objects.bulk_create(
        Favourite(seat=seat, product=product) for product in ProductFactory.create_batch(18)
    )
    assert [queries(path) for path in PLACES] == before
    assert max(before) <= 10
