"""Hearts on cards: favourites are kept from the list too, each seat's its own."""

from collections.abc import Callable
from html import unescape
from re import findall
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import AccountManager
from catalog.models import Favourite, Product
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import CategoryFactory, ProductFactory

pytestmark = [pytest.mark.django_db, pytest.mark.both_ways]
SignIn = Callable[[AccountManager], Client]
CHANGE = "/catalog/yours/favourites/change/"


@pytest.fixture
def seat() -> AccountManager:
    return SeatFactory.create(company__balance=5000)


@pytest.fixture
def client(client_for: SignIn, seat: AccountManager) -> Client:
    return client_for(seat)


def hearts(html: str) -> dict[str, str]:
    """By what each heart says: whether it is pressed."""
    found = findall(r'<button class="heart".*?</button>', html, 16)
    return {
        findall(r'aria-label="([^"]+)"', each)[0]: findall(r'aria-pressed="(\w+)"', each)[0]
        for each in found
    }


def listed(client: Client, query: str = "") -> str:
    return unescape(client.get(f"/catalog/{query}").content.decode())


def press(client: Client, pressed: Product, **said: str) -> Any:
    """Press the heart with a script, as htmx sends it."""
    headers = {"HX-Request": "true", "HX-Target": f"heart-{pressed.pk}"}
    return client.post(CHANGE, said or {"product": str(pressed.pk)}, headers=headers)


def test_each_card_says_whether_it_is_a_favourite(client: Client, seat: AccountManager) -> None:
    mug, _lamp = ProductFactory.create(name="Mug"), ProductFactory.create(name="Lamp <b>")
    Favourite.objects.create(seat=seat, product=mug)
    said = {"Favourite: Lamp <b>": "false", "Favourite: Mug": "true"}
    assert hearts(listed(client)) == said
    part = client.get("/catalog/", headers={"HX-Request": "true", "HX-Target": "results"})
    assert hearts(unescape(part.content.decode())) == said


def test_a_colleague_of_the_same_tier_sees_their_own(
    client: Client, client_for: SignIn, seat: AccountManager
) -> None:
    mug = ProductFactory.create(name="Mug")
    Favourite.objects.create(seat=seat, product=mug)
    other = client_for(SeatFactory.create(company=seat.company))
    for _ in range(2):
        assert hearts(listed(client)) == {"Favourite: Mug": "true"}
        assert hearts(listed(other)) == {"Favourite: Mug": "false"}


def test_without_a_script_the_heart_leads_back_to_its_card(client: Client) -> None:
    mug = ProductFactory.create(name="Mug", brand="Kiln")
    html = client.get("/catalog/?brand=Kiln").content.decode()
    [after] = findall(r'<form id="hearts".*?name="next"\s+value="([^"]+)"', html, 16)
    assert after == "/catalog/?brand=Kiln"
    for name, kept in (("product", True), ("drop", False)):
        [value] = findall(rf'name="{name}"[^>]*value="([^"]+)"', listed(client, "?brand=Kiln"))
        done = client.post(CHANGE, {name: value, "next": after, "place": "heart"})
        assert done["Location"] == f"/catalog/?brand=Kiln#heart-{mug.pk}"
        assert Favourite.objects.exists() == kept


def test_the_heart_swaps_into_what_a_reload_shows(client: Client) -> None:
    mug = ProductFactory.create(name="Mug & cup")
    for said in ({"product": str(mug.pk)}, {"drop": str(mug.pk)}):
        part = press(client, mug, **said).content.decode()
        told = findall(r' data-announce="[^"]*"', part)
        assert len(told) == 1
        assert part.replace(told[0], "").strip() in client.get("/catalog/").content.decode()


def test_too_many_favourites_are_refused_in_sight(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    # replaced: so that one is the most
    monkeypatch.setattr("catalog.yours.services.MOST_FAVOURITES", 1)
    mug, lamp = ProductFactory.create_batch(2)
    assert press(client, mug).status_code == 200
    refused = press(client, lamp)
    assert refused.status_code == 422
    html = refused.content.decode()
    assert list(hearts(html).values()) == ["false"]
    assert 'id="messages"' in html
    assert "Let one go first" in html
    assert "Let one go first" not in client.get("/catalog/").content.decode()


@pytest.mark.parametrize("key", ["", "x", "\0", "<script>", "1" * 5000])
def test_rubbish_is_no_product(client: Client, key: str) -> None:
    for name in ("product", "drop"):
        assert client.post(CHANGE, {name: key}).status_code == 404


def test_what_is_offered_instead_has_hearts_too(client: Client, seat: AccountManager) -> None:
    cups = CategoryFactory.create()
    gone = ProductFactory.create(category=cups, in_stock=0)
    cup = ProductFactory.create(name="Cup", category=cups)
    Favourite.objects.create(seat=seat, product=cup)
    html = client.get(gone.get_absolute_url()).content.decode()
    assert hearts(html) == {"Favourite: Cup": "true"}
    assert html.count('<form id="hearts"') == 1


def test_a_full_page_asks_once_for_all_hearts(client: Client, seat: AccountManager) -> None:
    def statements() -> list[str]:
        listed(client)
        with CaptureQueriesContext(connection) as asked:
            listed(client)
        return [query["sql"] for query in asked if "catalog_favourite" in query["sql"]]

    Favourite.objects.create(seat=seat, product=ProductFactory.create())
    assert len(statements()) == 1
    ProductFactory.create_batch(23)
    assert len(statements()) == 1
