"""A page's header shows each person's own figures, although its text is cached for everybody."""

import re
from collections.abc import Callable

import pytest
from django.test import Client

from accounts.models import AccountManager, Role
from catalog.models import Product
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import ProductFactory
from tests.redemption.factories import fill_cart

pytestmark = pytest.mark.django_db
SignIn = Callable[[AccountManager], Client]


@pytest.fixture
def product() -> Product:
    made: Product = ProductFactory.create(points_cost=1_000)
    return made


@pytest.fixture(params=["list", "product"])
def address(request: pytest.FixtureRequest, product: Product) -> str:
    return "/catalog/" if request.param == "list" else product.get_absolute_url()


def test_each_page_says_its_own_persons_name_points_and_cart(
    client_for: SignIn, address: str, product: Product
) -> None:
    ada = SeatFactory.create(
        user__name="Ada Byron", company__name="Northwind", company__balance=5_000
    )
    grace = SeatFactory.create(
        user__name="Grace Hopper",
        user__is_staff=True,
        company__name="Fjord",
        company__balance=70,
        role=Role.APPROVER,
    )
    SeatFactory.create(user=grace.user, company__name="Tessera")
    fill_cart(ada, (product, 1))
    for _round in range(2):  # rendered in the first round, cached in the second
        hers = client_for(ada).get(address).content.decode()
        assert all(own in hers for own in ("Ada Byron", "Northwind", "<b>5,000</b>"))
        assert re.search(r'id="cart-count"\s+class="count">1<', hers)
        others = ("Grace", "Fjord", "Tessera", "Back office", "Approvals", "<b>70</b>", "930")
        assert not any(other in hers for other in others)
        hers = client_for(grace).get(address).content.decode()
        expected = ("Grace", "Fjord", "Tessera", "Back office", "Approvals", "<b>70</b>", "930")
        assert all(own in hers for own in expected)
        assert re.search(r'id="cart-count"\s+class="count" hidden>0<', hers)
        assert not any(other in hers for other in ("Ada Byron", "Northwind", "5,000"))


def test_the_token_of_each_page_is_the_one_of_its_own_browser(
    client_for: SignIn, product: Product
) -> None:
    browsers = [Client(enforce_csrf_checks=True) for _person in range(2)]
    for browser in browsers:
        browser.force_login(SeatFactory.create(company__balance=5_000).user)
    pages = [browser.get(product.get_absolute_url()).content.decode() for browser in browsers]
    tokens = [
        set(re.findall(r'name="csrfmiddlewaretoken"\s+value="(\w+)"', page)) for page in pages
    ]
    assert all(tokens)  # one for each form, masked anew
    adding = {"product": str(product.pk), "quantity": "1"}
    for browser, own, others in zip(browsers, tokens, reversed(tokens), strict=True):
        for token in others:
            forged = {**adding, "csrfmiddlewaretoken": token}
            assert browser.post("/cart/add/", forged).status_code == 403
        for token in own:
            honest = {**adding, "csrfmiddlewaretoken": token}
            assert browser.post("/cart/add/", honest).status_code == 303


def test_names_and_searches_are_text_whatever_they_say(client_for: SignIn) -> None:
    seat = SeatFactory.create(
        user__name="<b>Ada</b>", company__name='A & "B" <i>', company__balance=1
    )
    SeatFactory.create(user=seat.user, company__name="<u>Other</u>")
    ProductFactory.create(name="<s>Mug</s>")
    page = client_for(seat).get("/catalog/", {"q": '"><script>{{ 1 }}%00'}).content.decode()
    assert not any(tag in page for tag in ("<b>Ada", "<i>", "<u>", "<s>", "<script>{{"))
    assert "&lt;b&gt;Ada&lt;/b&gt;" in page
    assert "A &amp; &quot;B&quot; &lt;i&gt;" in page
    assert "&lt;u&gt;Other&lt;/u&gt;" in page
    assert "&quot;&gt;&lt;script&gt;{{ 1 }}" in page


def test_what_was_just_done_is_said_once_and_to_its_own_person(
    client_for: SignIn, product: Product
) -> None:
    ada, grace = (client_for(SeatFactory.create(company__balance=5_000)) for _person in range(2))
    address = product.get_absolute_url()
    ada.post("/cart/add/", {"product": str(product.pk), "quantity": "1", "next": address})
    assert "is in your cart" not in grace.get(address).content.decode()
    assert "is in your cart" in ada.get(address).content.decode()
    assert "is in your cart" not in ada.get(address).content.decode()
