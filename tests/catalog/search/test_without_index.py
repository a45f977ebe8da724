"""Search in the catalogue while typing."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client

from accounts.models import AccountManager
from catalog import selectors
from catalog.models import Product
from catalog.search import finding
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import FamilyFactory, ProductFactory
from tests.catalog.test_list import names, page, words

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(client_for: Callable[[AccountManager], Client]) -> Client:
    return client_for(SeatFactory.create())


@pytest.mark.parametrize(
    "typed",
    ["r", "run", "runn", "running", "RUNNING sh", "shoe", "shoes", "shoes run", "rs-100", "RS 10",
     "stride", "feather", "café", "it's"],
)  # fmt: skip
def test_each_word_so_far_finds_the_beginning_of_a_word(client: Client, typed: str) -> None:
    ProductFactory.create(
        name="It's running shoes",
        sku="RS-100/b",
        brand="Stride",
        description="<p>Light as a <b>feather</b>, from the café round the corner.</p>",
    )
    ProductFactory.create(name="Teapot")
    assert names(page(client, f"?q={typed}")) == ["It's running shoes"]


def test_all_words_must_be_found(client: Client) -> None:
    ProductFactory.create(name="Blue mug")
    assert names(page(client, "?q=blue+teapot")) == []


def test_tags_in_descriptions_are_not_words(client: Client) -> None:
    ProductFactory.create(name="Mug", description="<strong>Sturdy</strong>")
    assert names(page(client, "?q=strong")) == []


def test_names_come_before_brands_and_those_before_descriptions(client: Client) -> None:
    ProductFactory.create(name="A tray", description="<p>Holds a mug.</p>")
    ProductFactory.create(name="Bowl", brand="Mug & Co")
    ProductFactory.create(name="Zebra mug")
    assert names(page(client, "?q=mug")) == ["Zebra mug", "Bowl", "A tray"]
    assert names(page(client, "?q=mug&sort=name")) == ["A tray", "Bowl", "Zebra mug"]


def test_a_search_is_for_what_the_company_may_have(client: Client) -> None:
    ProductFactory.create(name="Gold mug", minimum_tier="GOLD")
    ProductFactory.create(name="Old mug", inactive=True)
    assert names(page(client, "?q=mug")) == []


def test_punctuation_alone_is_no_search(client: Client) -> None:
    ProductFactory.create(name="Mug")
    assert names(page(client, "?q=%21%21")) == ["Mug"]


def test_counts_of_a_broad_search_end_at_the_cap(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    # replaced: so that six products are too many to count
    monkeypatch.setattr(selectors, "COUNT_CAP", 5)
    for number in range(8):
        ProductFactory.create(name=f"Mug {number}", brand="Hearth")
    found = selectors.count_facets(
        tier_level="BRONZE", filters=selectors.Filters(q="mug", brands=("Hearth",)), budget=None
    )
    assert found.partial
    assert found.total == 6
    text = words(page(client, "?q=mug"))
    assert "Category Category" in text  # no counts, because they would be wrong


def test_a_variant_is_found_as_its_family(client: Client) -> None:
    family = FamilyFactory.create(name="Sneaker")
    ProductFactory.create(name="Sneaker, 42", family=family, variant="42")
    ProductFactory.create(name="Sneaker, 43", family=family, variant="43", is_card=False)
    assert names(page(client, "?q=sneak")) == ["Sneaker"]


def test_what_is_redeemed_most_comes_first_also_of_too_many_to_count(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    # replaced: so that two products are too many to count
    monkeypatch.setattr(finding, "MOST_COUNTED", -2)
    for name, redeemed in (("Apple", 0), ("Banana", 9), ("Cherry", 3)):
        product = ProductFactory.create(name=name)
        Product.objects.filter(pk=product.pk).update(popularity=redeemed)
    html = page(client, "?sort=popular")
    assert names(html) == ["Banana", "Cherry", "Apple"]
    assert "3 products" not in words(html)
    assert '<option value="popular" selected' in html


def test_an_index_has_the_order_of_what_is_redeemed_most() -> None:
    ProductFactory.create_batch(3)
    filters = selectors.Filters(sort=selectors.Sort.POPULAR)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute("SET LOCAL enable_sort = off")  # cheaper for three rows, by its own estimate
    cards = selectors._shown("BRONZE", filters, None)
    plan = selectors._sorted(cards, filters)[: selectors.PAGE_SIZE].explain()
    assert "product_shown_by_redeemed" in plan
    assert "Sort" not in plan
