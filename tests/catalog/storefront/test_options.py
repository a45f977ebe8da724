"""The options of a family: named, none chosen for whoever comes from the list; what one gets."""

from collections.abc import Callable
from html import unescape
from re import findall

import pytest
from django.test import Client

from accounts.models import AccountManager
from catalog.models import Family, Product
from catalog.services import choose_cards
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import CategoryFactory, FamilyFactory, ProductFactory
from tests.catalog.test_list import words

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(client_for: Callable[[AccountManager], Client]) -> Client:
    return client_for(SeatFactory.create(company__balance=5000))


@pytest.fixture
def shirt() -> Family:
    """A shirt in S and M, in red and blue; M is not there in blue."""
    family, category = (
        FamilyFactory.create(name="Shirt", options="Size / Colour"),
        CategoryFactory.create(),
    )
    for variant, points in (("S / Red", 500), ("S / Blue", 600), ("M / Red", 700)):
        ProductFactory.create(
            name=f"Shirt, {variant}",
            family=family,
            category=category,
            variant=variant,
            points_cost=points,
        )
    choose_cards(families={family.pk})
    return family


def page(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def card_of(client: Client) -> str:
    [href] = findall(r'class="card__link" href="([^"]+)"', page(client, "/catalog/"))
    return str(href)


def values(html: str) -> dict[str, str]:
    """The links of all options by their words."""
    return {
        words(text): href
        for href, text in findall(r'<a class="chip[^"]*"\s+href="([^"]+)"[^>]*>(.*?)</a>', html)
    }


def chosen(html: str) -> list[str]:
    return findall(r'aria-current="true">([^<]+?)\s*<', html.partition('id="options"')[2])


def test_from_the_list_nothing_is_chosen_and_nothing_can_be_added(
    client: Client, shirt: Family
) -> None:
    html = page(client, card_of(client))
    text = words(html)
    assert chosen(html) == []
    assert "Size" in text
    assert "Colour" in text
    assert "from 500 points" in text
    assert "Choose first: Size and Colour" in text
    assert "Add to cart" not in text


def test_each_option_is_chosen_by_itself_and_the_last_leads_to_the_variant(
    client: Client, shirt: Family
) -> None:
    first = page(client, values(page(client, card_of(client)))["S"])
    assert chosen(first) == ["S"]
    assert "Choose first: Colour" in words(first)
    assert "Add to cart" not in words(first)

    blue = Product.objects.get(variant="S / Blue")
    assert values(first)["Blue"] == blue.get_absolute_url()
    last = page(client, blue.get_absolute_url())
    assert chosen(last) == ["S", "Blue"]
    assert "Add to cart" in words(last)


def test_a_value_that_does_not_come_with_the_others_lets_them_go(
    client: Client, shirt: Family
) -> None:
    blue = page(client, Product.objects.get(variant="S / Blue").get_absolute_url())
    [medium] = [href for label, href in values(blue).items() if label.startswith("M")]
    assert "not with what you chose" in words(blue)
    html = page(client, medium)
    assert chosen(html) == ["M"]
    assert values(html)["Red"] == Product.objects.get(variant="M / Red").get_absolute_url()


def test_variants_whose_values_are_not_as_many_as_the_options_are_one_option(
    client: Client, shirt: Family
) -> None:
    Product.objects.filter(variant="S / Red").update(variant="One size")
    html = page(client, Product.objects.get(variant="S / Blue").get_absolute_url())
    assert list(values(html)) == ["One size", "S / Blue", "M / Red"]


def test_values_of_hidden_variants_are_not_told(client: Client, shirt: Family) -> None:
    Product.objects.filter(variant="S / Blue").update(minimum_tier="GOLD")
    assert "Blue" not in page(client, card_of(client))


@pytest.mark.parametrize(
    "query",
    ["?choose", "?choose=1&o1=XXL&o2=%00", "?choose=&o1=" + "x" * 5000, "?choose=1&o9=S&o0=1"],
)
def test_what_is_no_value_is_not_chosen(client: Client, shirt: Family, query: str) -> None:
    path = card_of(client).partition("?")[0]
    html = page(client, path + query)
    assert chosen(html) == []


def test_a_product_alone_has_nothing_to_choose(client: Client) -> None:
    alone = ProductFactory.create()
    assert "Add to cart" in words(page(client, f"{alone.get_absolute_url()}?choose=1"))


def test_the_page_says_what_one_gets(client: Client) -> None:
    card = ProductFactory.create(
        virtual=True,
        validity="3 years",
        usable_at="In all shops <b>of Kiln</b>",
        delivery_days=5,
        terms="No change is given.\nNot for wine.",
    )
    html = page(client, card.get_absolute_url())
    text = words(html)
    assert "How long it is valid 3 years" in text
    assert "No change is given. Not for wine." in text
    assert "<b>of Kiln" not in client.get(card.get_absolute_url()).content.decode()
    assert "working days" not in text  # it is not shipped
    lamp = ProductFactory.create(delivery_days=5)
    assert "Within 5 working days" in words(page(client, lamp.get_absolute_url()))
    plain = ProductFactory.create()
    assert "What you get" not in page(client, plain.get_absolute_url())
