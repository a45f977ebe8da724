"""Lists of products that a company shares."""

from collections.abc import Callable
from html import unescape
from re import findall
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from accounts.models import AccountManager
from catalog.models import ListedProduct, Product, ProductList
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import ProductFactory
from tests.catalog.test_list import words
from tests.catalog.yours.test_kept import RUBBISH

pytestmark = pytest.mark.django_db
SignIn = Callable[[AccountManager], Client]
LISTS = "/catalog/yours/lists/"


@pytest.fixture
def seat() -> AccountManager:
    return SeatFactory.create()


@pytest.fixture
def client(client_for: SignIn, seat: AccountManager) -> Client:
    return client_for(seat)


@pytest.fixture
def gifts(client: Client) -> ProductList:
    client.post(f"{LISTS}make/", {"name": "Gifts"})
    return ProductList.objects.get()


def page_of(one: ProductList) -> str:
    return f"{LISTS}{one.pk}/"


def put_on(client: Client, product: Product, **said: str) -> Any:
    return client.post(f"{LISTS}put-on/?p={product.slug}", said)


def on(client: Client, one: ProductList) -> list[str]:
    html = unescape(client.get(page_of(one)).content.decode())
    return findall(r'class="lines__name" href="[^"]+">([^<]+)<', html)


def test_a_colleague_reads_and_changes_the_list(
    client: Client, client_for: SignIn, seat: AccountManager, gifts: ProductList
) -> None:
    mug = ProductFactory.create(name="Mug")
    assert put_on(client, mug, list=str(gifts.pk))["Location"] == mug.get_absolute_url()
    put_on(client, mug, list=str(gifts.pk))  # the second time changes nothing
    colleague = client_for(SeatFactory.create(company=seat.company))
    assert on(colleague, gifts) == ["Mug"]
    assert "Gifts 1" in words(colleague.get(LISTS).content.decode())
    colleague.post(f"{page_of(gifts)}rename/", {"name": "For the team"})
    colleague.post(f"{page_of(gifts)}take-off/", {"product": str(mug.pk)})
    assert on(client, gifts) == []
    assert "For the team" in client.get(LISTS).content.decode()
    colleague.post(f"{page_of(gifts)}delete/")
    assert client.get(page_of(gifts)).status_code == 404


def test_a_product_is_put_on_a_new_list(client: Client) -> None:
    put_on(client, ProductFactory.create(name="Mug"), name="Gifts")
    assert on(client, ProductList.objects.get(name="Gifts")) == ["Mug"]


def test_another_companys_list_is_as_unknown_as_one_that_is_not_there(
    client_for: SignIn, gifts: ProductList
) -> None:
    stranger = client_for(SeatFactory.create())
    mug = ProductFactory.create()
    unknown = f"{LISTS}{uuid4()}/"
    for verb in ("rename/", "delete/", "take-off/"):
        said = {"name": "Mine", "product": str(mug.pk)}
        answers = [stranger.post(f"{p}{verb}", said) for p in (page_of(gifts), unknown)]
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.content for answer in answers}) == 1
    answers = [stranger.get(path) for path in (page_of(gifts), unknown)]
    assert {answer.status_code for answer in answers} == {404}
    for key in (str(gifts.pk), *RUBBISH[1:]):
        assert put_on(stranger, mug, list=key).status_code == 404
    assert "Gifts" not in stranger.get(f"{LISTS}put-on/?p={mug.slug}").content.decode()
    assert ProductList.objects.get().name == "Gifts"
    assert not ListedProduct.objects.exists()


def test_a_viewer_reads_and_does_not_change(
    client_for: SignIn, seat: AccountManager, gifts: ProductList
) -> None:
    viewer = client_for(SeatFactory.create(company=seat.company, viewer=True))
    html = viewer.get(page_of(gifts)).content.decode()
    assert "Gifts" in html
    assert "Delete" not in html
    assert "Make a list" not in viewer.get(LISTS).content.decode()
    for path in (f"{LISTS}make/", f"{page_of(gifts)}delete/", f"{page_of(gifts)}rename/"):
        assert viewer.post(path, {"name": "Mine"}).status_code == 403
    assert ProductList.objects.get().name == "Gifts"


def test_what_the_company_may_not_see_is_neither_shown_nor_counted(
    client: Client, gifts: ProductList
) -> None:
    secret, plain = ProductFactory.create(name="Secret"), ProductFactory.create(name="Plain")
    for product in (secret, plain):
        put_on(client, product, list=str(gifts.pk))
    Product.objects.filter(pk=secret.pk).update(minimum_tier="GOLD")
    assert on(client, gifts) == ["Plain"]
    assert "Gifts 1" in words(client.get(LISTS).content.decode())
    for slug in (secret.slug, "no-such-thing", "%00", "x" * 5000):
        answer = client.get(f"{LISTS}put-on/?p={slug}")
        assert answer.status_code == 404
    hidden = client.post(f"{page_of(gifts)}take-off/", {"product": str(secret.pk)})
    assert hidden.status_code == 404
    assert gifts.entries.count() == 2


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("", "This field is required."),
        ("   ", "This field is required."),
        ("x" * 5000, "at most 80 characters"),
        ("a\0b", "Null characters are not allowed."),
        ("\u200b", "only characters that nobody can see"),
        ("gIFTS", "Your company has a list of this name."),
    ],
)
def test_a_name_that_is_none_is_said_at_its_field(
    client: Client, gifts: ProductList, name: str, told: str
) -> None:
    answers = [
        client.post(f"{LISTS}make/", {"name": name}),
        put_on(client, ProductFactory.create(), name=name),
    ]
    for answer in answers:
        assert answer.status_code == 422
        assert told in unescape(answer.content.decode())
    assert ProductList.objects.count() == 1


def test_a_name_is_escaped(client: Client, gifts: ProductList) -> None:
    client.post(f"{page_of(gifts)}rename/", {"name": "<script>alert(1)</script>"})
    for path in (LISTS, page_of(gifts)):
        assert "<script>alert" not in client.get(path).content.decode()


def test_two_companies_may_use_one_name(client_for: SignIn, gifts: ProductList) -> None:
    client_for(SeatFactory.create()).post(f"{LISTS}make/", {"name": "Gifts"})
    assert ProductList.objects.filter(name="Gifts").count() == 2


def test_there_is_an_end_to_lists_and_to_a_list(
    client: Client, gifts: ProductList, monkeypatch: pytest.MonkeyPatch
) -> None:
    # replaced: so that one is the most
    monkeypatch.setattr("catalog.yours.services.MOST_LISTS", 1)
    monkeypatch.setattr("catalog.yours.services.MOST_ENTRIES", 1)
    refused = client.post(f"{LISTS}make/", {"name": "More"})
    assert refused.status_code == 422
    assert "Delete one first." in refused.content.decode()
    one, other = ProductFactory.create_batch(2)
    put_on(client, one, list=str(gifts.pk))
    again = put_on(client, other, list=str(gifts.pk))
    assert again.status_code == 303
    assert "Take one off first." in client.get(again["Location"]).content.decode()
    assert gifts.entries.count() == 1
