"""Countries are chosen from a list, and postcodes have each country's format."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils.translation import override

from accounts.models import AccountManager, Address
from loyalty_portal.data.countries import code_of, name_of, postcodes
from redemption.models import OrderItem, RedemptionOrder
from tests.accounts.factories import UserFactory
from tests.redemption.world import World
from tests.support.staff import browser

pytestmark = pytest.mark.django_db(transaction=True)
PARCEL = {
    "recipient_name": "Ana Sousa",
    "address_line1": "Rua Nova 5",
    "postcode": "1200-109",
    "city": "Lisboa",
    "country": "PT",
}


@pytest.fixture
def client(world: World, client_for: Callable[[AccountManager], Client]) -> Client:
    return client_for(world.seat)


def fill(client: Client, world: World, *, virtual: bool = False) -> int:
    """Put a physical product, and if wanted a virtual one, into the cart. Returns its points."""
    goods = [world.product(points=500)] + ([world.virtual(points=100)] if virtual else [])
    for product in goods:
        client.post("/cart/add/", {"product": product.pk, "quantity": 1})
    return sum(product.points_cost for product in goods)


def redeem(client: Client, points: int, **said: str) -> Any:
    page = client.get("/checkout/").context["page"]
    return client.post("/checkout/", {"token": page.token, "seen_points": points, **said})


def errors(answer: Any) -> dict[str, list[str]]:
    return dict(answer.context["page"].form.errors)


def test_countries_are_named_in_the_language_of_the_reader() -> None:
    assert name_of("DE") == "Germany"
    with override("de"):
        assert name_of("DE") == "Deutschland"
        assert code_of("Deutschland") == "DE"
    assert name_of("Atlantis") == "Atlantis"


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("Germany", "DE"), (" germany ", "DE"), ("de", "DE"), ("Scotland", "GB"), ("USA", "US"),
        ("Atlantis", ""),
    ],
)  # fmt: skip
def test_what_was_typed_is_known_by_code_or_name(typed: str, code: str) -> None:
    assert code_of(typed) == code


def test_every_country_of_the_list_says_whether_it_has_postcodes() -> None:
    assert postcodes("DE").needed
    assert not postcodes("HK").exist
    assert not postcodes("AE").exist
    assert postcodes("IE").exist
    assert not postcodes("IE").needed


def test_an_order_keeps_the_country_s_code_and_the_postcode_as_it_is_written(
    client: Client, world: World
) -> None:
    points = fill(client, world)
    said = {**PARCEL, "postcode": " ec1y  8sy", "country": "GB"}
    assert redeem(client, points, **said).status_code == 303
    item = OrderItem.objects.get()
    assert (item.country, item.postcode) == ("GB", "EC1Y 8SY")
    assert "United Kingdom" in client.get(item.order.get_absolute_url()).content.decode()


@pytest.mark.parametrize(
    ("said", "where", "sentence"),
    [
        ({"postcode": "1234"}, "postcode", "A postcode of Portugal looks like "),
        ({"postcode": ""}, "postcode", "Enter the postcode."),
        ({"country": ""}, "country", "Choose the country."),
        ({"country": "Atlantis"}, "country", "Choose the country from the list."),
    ],
)
def test_a_wrong_postcode_or_country_gets_a_sentence(
    client: Client, world: World, said: dict[str, str], where: str, sentence: str
) -> None:
    answer = redeem(client, fill(client, world), **{**PARCEL, **said})
    assert answer.status_code == 422
    assert sentence in errors(answer)[where][0]
    assert not RedemptionOrder.objects.exists()


@pytest.mark.parametrize("postcode", ["", "00000"])
def test_no_postcode_is_asked_of_a_country_without(
    client: Client, world: World, postcode: str
) -> None:
    """Without JavaScript the field is shown until the country is known."""
    said = {**PARCEL, "country": "HK", "city": "Kowloon", "postcode": postcode}
    assert redeem(client, fill(client, world), **said).status_code == 303
    assert OrderItem.objects.get().postcode == ""


def test_the_fields_follow_the_country_that_is_chosen(client: Client, world: World) -> None:
    fill(client, world)
    page = client.get("/checkout/").content.decode()
    assert "id_postcode" in page
    assert 'autocomplete="shipping postal-code"' in page
    for country, there in (("HK", False), ("PT", True)):
        answer = client.post("/checkout/recipient/", {**PARCEL, "country": country})
        page = answer.content.decode()
        assert ("id_postcode" in page) is there
        assert 'value="Rua Nova 5"' in page  # the typed text is kept
        assert f'value="{country}" selected' in page
    assert not RedemptionOrder.objects.exists()


def test_an_entry_of_the_address_book_fills_a_mixed_cart_whole(
    client: Client, world: World
) -> None:
    points = fill(client, world, virtual=True)
    entry = Address.objects.create(
        company=world.company, recipient_email="ana@example.com", recipient_phone="+351 1", **PARCEL
    )
    page = client.get("/checkout/", {"address": str(entry.pk)}).context["page"]
    filled = {name: page.form[name].value() for name in page.form.fields}
    assert {name: filled[name] for name in PARCEL} == PARCEL
    assert filled["recipient_email"] == "ana@example.com"
    said = {name: value for name, value in filled.items() if value}
    assert redeem(client, points, **said).status_code == 303


def test_an_entry_that_was_picked_is_brought_up_to_date_and_not_written_twice(
    client: Client, world: World
) -> None:
    points = fill(client, world, virtual=True)
    entry = Address.objects.create(company=world.company, **PARCEL)
    said = {**PARCEL, "entry": str(entry.pk), "save_address": "on"}
    assert redeem(client, points, **said, recipient_email="ana@example.com").status_code == 303
    assert Address.objects.get().recipient_email == "ana@example.com"


def test_another_person_typed_over_an_entry_becomes_an_entry_of_their_own(
    client: Client, world: World
) -> None:
    points = fill(client, world)
    entry = Address.objects.create(company=world.company, **PARCEL)
    said = {**PARCEL, "recipient_name": "Rui", "entry": str(entry.pk), "save_address": "on"}
    assert redeem(client, points, **said).status_code == 303
    assert set(Address.objects.values_list("recipient_name", flat=True)) == {"Ana Sousa", "Rui"}


def test_an_entry_can_be_edited(
    client: Client, client_for: Callable[[AccountManager], Client], world: World
) -> None:
    fill(client, world)
    entry = Address.objects.create(company=world.company, **PARCEL)
    there = f"/checkout/addresses/{entry.pk}/"
    assert there in client.get("/checkout/", {"address": str(entry.pk)}).content.decode()
    page = client.get(there).content.decode()
    assert 'value="Rua Nova 5"' in page
    assert 'autocomplete="shipping postal-code"' in page
    wrong = client.post(there, {**PARCEL, "postcode": "12"})
    assert wrong.status_code == 422
    assert "A postcode of Portugal looks like" in wrong.content.decode()
    saved = client.post(there, {**PARCEL, "city": "Porto", "recipient_email": "a@example.com"})
    assert (saved.status_code, saved["Location"]) == (303, f"/checkout/?address={entry.pk}")
    entry.refresh_from_db()
    assert (entry.city, entry.recipient_email) == ("Porto", "a@example.com")
    viewer = client_for(world.new_seat("viewer"))
    for answer in (viewer.get(there), viewer.post(there, {**PARCEL, "city": "Faro"})):
        assert answer.status_code == 403


def test_another_company_s_entry_is_not_there(client: Client, world: World) -> None:
    entry = Address.objects.create(company=world.new_company(points=1), **PARCEL)
    assert client.get(f"/checkout/addresses/{entry.pk}/").status_code == 404
    assert client.post(f"/checkout/addresses/{entry.pk}/", PARCEL).status_code == 404


def test_staff_choose_from_the_list_and_old_words_are_kept(world: World) -> None:
    entry = Address.objects.create(company=world.company, **{**PARCEL, "country": "Atlantis"})
    clerk = browser(UserFactory.create(staff=True, is_superuser=True))
    there = f"/admin/accounts/address/{entry.pk}/change/"
    page = clerk.get(there)
    assert 'value="Atlantis" selected' in page.content.decode()
    form = page.context["adminform"].form
    typed = {name: value or "" for name, value in form.initial.items()} | {"city": "Porto"}
    assert clerk.post(there, typed).status_code == 302
    entry.refresh_from_db()
    assert (entry.city, entry.country) == ("Porto", "Atlantis")
