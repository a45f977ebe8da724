"""The page of one product, and its drawing."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AccountManager
from catalog.models import Product
from tests.accounts.factories import CompanyFactory, SeatFactory
from tests.catalog.factories import CategoryFactory, FamilyFactory, ProductFactory
from tests.catalog.test_list import words

pytestmark = pytest.mark.django_db
SignIn = Callable[[AccountManager], Client]


@pytest.fixture
def client(client_for: SignIn) -> Client:
    return client_for(SeatFactory.create(company__balance=5000))


def text_of(client: Client, product: Product, query: str = "", **headers: str) -> str:
    answer = client.get(product.get_absolute_url() + query, headers=headers or None)
    assert answer.status_code == 200
    return words(answer.content.decode())


def test_the_page_says_all_one_needs_to_decide(client: Client) -> None:
    product = ProductFactory.create(
        name="Enamel mug",
        brand="Hearth",
        category=CategoryFactory.create(name="Kitchen"),
        points_cost=1200,
        description="<p>Holds <b>half a litre</b>.</p>",
    )
    text = text_of(client, product)
    for part in ("Catalogue Kitchen", "Hearth", "Enamel mug", "1,200 points", "half a litre"):
        assert part in text
    assert "Shipped" in text
    assert "To spend 5,000 This costs 1,200 Will be left 3,800" in text
    assert product.sku in text


def test_more_pieces_are_reckoned_with_or_without_script(client: Client) -> None:
    product = ProductFactory.create(points_cost=1200)
    left = "To spend 5,000 3 of these cost 3,600 Will be left 1,400"
    assert left in text_of(client, product, "?quantity=3")
    fragment = text_of(client, product, "?quantity=3", **{"HX-Target": "tally"})
    assert fragment == left
    short = text_of(client, product, "?quantity=5", **{"HX-Target": "tally"})
    assert short == "To spend 5,000 5 of these cost 6,000 More points needed 1,000"


@pytest.mark.parametrize(
    "quantity", ["0", "-1", "1e18", "1.5", "abc", "%00", "", "%C2%B2", "9" * 99]
)
def test_a_quantity_that_is_none_is_one_piece(client: Client, quantity: str) -> None:
    text = text_of(client, ProductFactory.create(points_cost=1200), f"?quantity={quantity}")
    assert "This costs 1,200" in text


def test_the_form_adds_to_the_cart(client: Client) -> None:
    product = ProductFactory.create()
    html = client.get(product.get_absolute_url()).content.decode()
    assert f'name="product" value="{product.pk}"' in html
    assert 'name="quantity"' in html
    assert "csrfmiddlewaretoken" in html


def test_what_is_out_of_stock_cannot_be_added(client: Client) -> None:
    html = client.get(ProductFactory.create(in_stock=0).get_absolute_url()).content.decode()
    assert "It cannot be redeemed at the moment." in html
    assert "Add to cart" not in html


def test_a_viewer_may_look_but_not_redeem(client_for: SignIn) -> None:
    text = text_of(client_for(SeatFactory.create(viewer=True)), ProductFactory.create())
    assert "Your role only allows viewing." in text
    assert "Add to cart" not in text


def test_variants_link_to_each_other(client: Client) -> None:
    family = FamilyFactory.create(name="Gift card")
    small = ProductFactory.create(virtual=True, name="Gift card, 5", family=family, variant="5 EUR")
    large = ProductFactory.create(
        virtual=True, name="Gift card, 50", family=family, variant="50 EUR", points_cost=5000
    )
    hidden = ProductFactory.create(
        virtual=True, family=family, variant="500 EUR", minimum_tier="GOLD"
    )
    html = client.get(large.get_absolute_url()).content.decode()
    assert f'href="{small.get_absolute_url()}">5 EUR' in html
    assert f'href="{large.get_absolute_url()}" aria-current="true">50 EUR' in html
    assert hidden.get_absolute_url() not in html
    assert "<h1>Gift card</h1>" in html


def test_a_description_is_made_safe_whoever_wrote_it(client: Client) -> None:
    product = ProductFactory.create(
        description='<p onclick="x()">Fine</p><script>alert(1)</script><a href="javascript:x">y</a>'
    )
    html = client.get(product.get_absolute_url()).content.decode()
    assert "<p>Fine</p>" in html
    assert "alert(1)" not in html
    assert "onclick" not in html
    assert "javascript:" not in html


def test_what_may_not_be_redeemed_is_not_found(client: Client) -> None:
    hour = timedelta(hours=1)
    for product in (
        ProductFactory.create(inactive=True),
        ProductFactory.create(minimum_tier="SILVER"),
        ProductFactory.create(available_from=timezone.now() + hour),
        ProductFactory.create(available_until=timezone.now() - hour),
    ):
        assert client.get(product.get_absolute_url()).status_code == 404
    for path in ("/catalog/no-such-thing/", "/catalog/%00/", "/catalog/a%2Fb/"):
        assert client.get(path).status_code == 404


def test_a_tier_that_may_redeem_it_finds_it(client_for: SignIn) -> None:
    product = ProductFactory.create(minimum_tier="SILVER", name="Silver spoon")
    client = client_for(SeatFactory.create(company=CompanyFactory.create(silver=True)))
    assert "Silver spoon" in text_of(client, product)


def test_the_page_takes_at_most_six_queries(client: Client) -> None:
    family = FamilyFactory.create()
    products = [ProductFactory.create(family=family, variant=str(number)) for number in range(5)]
    with CaptureQueriesContext(connection) as queries:
        text_of(client, products[0])
    assert len(queries) <= 6, [query["sql"] for query in queries.captured_queries]


def test_a_product_without_a_picture_has_a_drawing_for_good() -> None:
    product = ProductFactory.create(category=CategoryFactory.create(name="Books"), brand="Quill")
    path, _, version = product.picture_url.partition("?v=")
    assert version
    answer = Client().get(path)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "image/svg+xml"
    assert "immutable" in answer["Cache-Control"]
    assert "Cookie" not in answer.get("Vary", "")
    assert answer.content.startswith(b"<svg")
    product.brand = "Terra"
    assert product.picture_url.partition("?v=")[2] != version
    assert Client().get("/catalog/artwork/none.svg").status_code == 404


def test_a_product_of_an_inactive_kind_keeps_its_drawing_for_old_orders() -> None:
    product = ProductFactory.create(inactive=True)
    assert Client().get(product.picture_url).status_code == 200


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("/media/mug.jpg", True),
        ("https://cdn.example/mug.jpg", False),
        ("//cdn.example/m.jpg", False),
    ],
)
def test_pictures_come_from_our_own_host_only(address: str, shown: bool) -> None:
    product = ProductFactory.create(image_url=address)
    assert (product.picture_url == address) is shown
    assert not product.picture_url.startswith(("http", "//"))
