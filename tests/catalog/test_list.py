"""The catalogue's list: what it shows to whom, and its address."""

from collections.abc import Callable
from datetime import timedelta
from html import unescape
from re import findall, sub
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AccountManager
from catalog.models import Product, StockStatus
from catalog.services import choose_cards
from catalog.tasks import refresh_cards
from tests.accounts.factories import CompanyFactory, SeatFactory
from tests.catalog.factories import CategoryFactory, FamilyFactory, ProductFactory

pytestmark = pytest.mark.django_db
SignIn = Callable[[AccountManager], Client]
FRAGMENT = {"HX-Request": "true", "HX-Target": "results"}
MOST_QUERIES = 7


@pytest.fixture
def client(client_for: SignIn) -> Client:
    """A buyer of a bronze company with a known balance of 5,000 points."""
    return client_for(SeatFactory.create(company__balance=5000))


def page(client: Client, query: str = "", **headers: str) -> str:
    answer = client.get(f"/catalog/{query}", headers=headers or None)
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def names(html: str) -> list[str]:
    return findall(r'class="card__link" href="[^"]+">([^<]+)<', html)


def words(html: str) -> str:
    return " ".join(sub(r"<[^>]+>", " ", html).split())


def test_the_list_needs_a_sign_in() -> None:
    answer = Client().get("/catalog/")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/")


def test_a_card_says_what_it_is_what_it_costs_and_how_it_comes(client: Client) -> None:
    ProductFactory.create(name="Enamel mug", brand="Hearth", points_cost=1250)
    ProductFactory.create(virtual=True, name="Cinema code", points_cost=900)
    html = page(client)
    assert names(html) == ["Cinema code", "Enamel mug"]
    text = words(html)
    assert "Cinema code 900 points By e-mail" in text
    assert "Hearth Enamel mug 1,250 points Shipped" in text
    assert "2 products" in text


def test_a_card_says_low_stock_and_out_of_stock(client: Client) -> None:
    ProductFactory.create(name="A few", in_stock=2)
    ProductFactory.create(name="None", in_stock=0)
    text = words(page(client))
    assert "A few 1,000 points Shipped Low stock" in text
    assert "None 1,000 points Shipped Out of stock" in text


def test_a_card_says_how_many_points_are_short(client: Client) -> None:
    ProductFactory.create(name="Chair", points_cost=6200)
    ProductFactory.create(name="Cup", points_cost=5000)
    text = words(page(client))
    assert "Chair 6,200 points Shipped 1,200 more points needed" in text
    assert "Cup 5,000 points Shipped Previous" not in text
    assert text.count("more points needed") == 1


def test_without_a_known_balance_nothing_is_said_to_be_short(client_for: SignIn) -> None:
    ProductFactory.create(points_cost=6200)
    html = page(client_for(SeatFactory.create()), "?within=1")
    assert "more points needed" not in html
    assert len(names(html)) == 1
    assert "Within our balance" not in html


def test_two_companies_of_a_tier_see_their_own_shortfall(client_for: SignIn) -> None:
    ProductFactory.create(points_cost=3000)
    poor, rich = (
        client_for(SeatFactory.create(company=CompanyFactory.create(balance=balance)))
        for balance in (1000, 4000)
    )
    assert "2,000 more points needed" in page(poor)
    assert "more points needed" not in page(rich)


def test_a_family_is_one_card_from_its_lowest_points(client: Client) -> None:
    family = FamilyFactory.create(name="Gift card")
    category = CategoryFactory.create()
    for points in (2500, 500, 1000):
        ProductFactory.create(
            virtual=True, family=family, category=category, points_cost=points, variant=str(points)
        )
    choose_cards(families={family.pk})
    html = page(client)
    assert names(html) == ["Gift card"]
    assert "Gift card from 500 points By e-mail 3 choices" in words(html)


@pytest.mark.parametrize(
    ("company_tier", "seen"), [("BRONZE", ["Plain"]), ("GOLD", ["Fine", "Plain"])]
)
def test_products_above_the_tier_are_not_shown(
    client_for: SignIn, company_tier: str, seen: list[str]
) -> None:
    ProductFactory.create(name="Plain")
    ProductFactory.create(name="Fine", minimum_tier="GOLD")
    ProductFactory.create(name="Finest", minimum_tier="PLATINUM")
    seat = SeatFactory.create(company=CompanyFactory.create(tier_level=company_tier))
    assert names(page(client_for(seat))) == seen


def test_products_outside_their_window_or_inactive_are_not_shown(client: Client) -> None:
    now, hour = timezone.now(), timedelta(hours=1)
    ProductFactory.create(name="Now", available_from=now - hour, available_until=now + hour)
    ProductFactory.create(name="Later", available_from=now + hour)
    ProductFactory.create(name="Past", available_until=now - hour)
    ProductFactory.create(name="Off", inactive=True)
    assert names(page(client)) == ["Now"]


def test_filters_narrow_and_their_counts_say_what_each_would_find(client: Client) -> None:
    books, cards = (
        CategoryFactory.create(name="Books", slug="books"),
        CategoryFactory.create(name="Cards"),
    )
    ProductFactory.create(name="Novel", category=books, brand="Quill", points_cost=800)
    ProductFactory.create(name="Atlas", category=books, brand="Terra", points_cost=4000)
    ProductFactory.create(virtual=True, name="E-book code", category=books, points_cost=700)
    ProductFactory.create(virtual=True, name="Cinema", category=cards, points_cost=6000)
    assert names(page(client, "?category=books")) == ["Atlas", "E-book code", "Novel"]
    assert names(page(client, "?category=books&type=virtual")) == ["E-book code"]
    assert names(page(client, "?brand=Quill")) == ["Novel"]
    assert names(page(client, "?min=750&max=4,000")) == ["Atlas", "Novel"]
    assert names(page(client, "?within=1")) == ["Atlas", "E-book code", "Novel"]
    text = words(page(client, "?category=books&type=physical"))
    assert "Books 2" in text
    assert "Cards 0" not in text
    assert "Shipped 2 By e-mail 1" in text
    assert "Quill 1 Terra 1" in text


def test_brands_of_as_many_products_stand_by_name(client: Client) -> None:
    brands = [f"Brand {letter}" for letter in "GCAFBED"]
    for brand in brands:
        ProductFactory.create(category=CategoryFactory.create(), brand=brand)
    ProductFactory.create_batch(2, brand="Most")
    listed = " ".join(["Most 2", *(f"{brand} 1" for brand in sorted(brands))])
    assert listed in words(page(client))


def test_in_stock_leaves_out_what_is_gone(client: Client) -> None:
    ProductFactory.create(name="Gone", in_stock=0)
    ProductFactory.create(name="Low", in_stock=1)
    assert names(page(client, "?stock=1")) == ["Low"]


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("", ["apple", "Banana", "cherry"]),
        ("points", ["cherry", "apple", "Banana"]),
        ("-points", ["Banana", "apple", "cherry"]),
        ("newest", ["cherry", "Banana", "apple"]),
        ("popular", ["Banana", "apple", "cherry"]),
    ],
)
def test_the_list_is_sorted_as_asked(client: Client, sort: str, order: list[str]) -> None:
    for number, (name, points) in enumerate([("apple", 200), ("Banana", 300), ("cherry", 100)]):
        product = ProductFactory.create(name=name, points_cost=points)
        made = timezone.now() - timedelta(days=9 - number)
        often = {"Banana": 9, "apple": 5, "cherry": 0}[name]
        Product.objects.filter(pk=product.pk).update(created_at=made, popularity=often)
    assert names(page(client, f"?sort={sort}")) == order


def test_filters_that_are_on_are_chips_that_take_them_off(client: Client) -> None:
    ProductFactory.create(category=CategoryFactory.create(name="Books", slug="books"))
    html = page(client, "?category=books&min=500&stock=1")
    chips = findall(r'class="chip"\s+href="([^"]+)">\s*<span[^>]+>[^<]+</span>([^<]+)<', html)
    assert [(href, label.strip()) for href, label in chips] == [
        ("?min=500&stock=1", "Books"),
        ("?category=books&stock=1", "From 500 points"),
        ("?category=books&min=500", "In stock"),
    ]


def test_pages_hold_24_and_keep_the_filters(client: Client) -> None:
    category = CategoryFactory.create(slug="many")
    for number in range(50):
        ProductFactory.create(name=f"Thing {number:02}", category=category)
    assert len(names(page(client))) == 24
    last = page(client, "?category=many&page=3")
    assert names(last) == ["Thing 48", "Thing 49"]
    assert 'href="?category=many&page=2" rel="prev"' in last
    assert 'rel="next"' not in last
    assert names(page(client, "?page=999")) == names(page(client, "?page=3"))


def test_nothing_found_says_what_to_do(client: Client) -> None:
    text = words(page(client, "?q=unicorn"))
    assert "No products" in text
    assert "Try fewer or other words, or take off a filter." in text
    assert "The catalogue is empty" in words(page(client))


def test_a_swap_shows_what_a_full_reload_shows(client: Client) -> None:
    for number in range(30):
        ProductFactory.create(name=f"Mug {number}", points_cost=4000 + 100 * number, brand="Hearth")
    query = "?q=mug&type=physical&min=4100&sort=-points&page=2"
    whole, swapped = page(client, query), page(client, query, **FRAGMENT)
    results, facets = swapped.split('<div id="facets" hx-swap-oob="innerHTML">')
    title, _, results = results.partition("</title>")
    facets = facets.strip().removesuffix("</div>")
    for part in (title, results, facets):
        assert len(words(part)) > 10
        assert part.strip() in whole
    assert "<html" not in swapped
    assert swapped.count("<title>") == 1


def test_the_address_follows_filters_as_steps_and_typing_without(client: Client) -> None:
    here = {**FRAGMENT, "HX-Current-URL": "http://testserver/catalog/?q=mug"}
    step = client.get("/catalog/?q=mug&category=&type=virtual&min=&sort=", headers=here)
    assert step["HX-Push-Url"] == "/catalog/?q=mug&type=virtual"
    typed = client.get("/catalog/?q=mugs&category=&type=", headers=here)
    assert typed["HX-Replace-Url"] == "/catalog/?q=mugs"
    assert "HX-Push-Url" not in typed
    assert "HX-Target" in typed["Vary"]


@pytest.mark.parametrize(
    "query",
    [
        "?page=abc", "?page=-1", "?page=0", "?page=1e9", "?page=99999999999999999999", "?page=%C2%B2",
        "?min=1e18", "?min=-5", "?min=abc&max=%00", "?max=9999999999", "?min=1.5", "?min=9&max=3",
        "?sort=evil", "?sort=best", "?sort=%27%3B--", "?type=evil", "?type=%00", "?within=2",
        "?q=%00", "?q=a%00b", "?q=%27%22%5C", "?q=!%7C%26:*()", "?q=%EF%BF%BF%F0%9F%8E%81",
        "?category=%00", "?category=nowhere", "?brand=%00x", "?brand=" + "b" * 3000,
        "?q=" + "x" * 10_000, "?q=" + "a+" * 2000, "?q=%ff%fe", "?q=1&q=2&page=1&page=2",
    ],
)  # fmt: skip
def test_hostile_addresses_get_a_clear_page(client: Client, query: str) -> None:
    ProductFactory.create(name="Mug")
    html = page(client, query)
    assert "<h1" in html
    assert page(client, query, **FRAGMENT)


def test_points_that_are_no_number_are_said_at_their_field(client: Client) -> None:
    html = page(client, "?min=lots")
    assert "Enter whole points, such as 5000." in html
    assert 'value="lots" aria-invalid="true"' in html
    assert "must not be less" in page(client, "?min=900&max=100")


def test_words_of_people_are_escaped(client: Client) -> None:
    ProductFactory.create(name="<script>alert(1)</script>", brand='"><img src=x>')
    html = client.get("/catalog/?q=%3Cscript%3E").content.decode()
    assert "<script>alert" not in html
    assert "<img src=x>" not in html


def test_only_reading_is_allowed(client: Client) -> None:
    assert client.post("/catalog/").status_code == 405


@pytest.mark.parametrize("query", ["", "?q=mug", "?category=c&type=physical&within=1", "?page=2"])
def test_the_list_takes_at_most_seven_queries(client: Client, query: str, settings: Any) -> None:
    settings.FASTPATH = True  # plain Django caches no pages
    family = FamilyFactory.create()
    category = CategoryFactory.create(slug="c")
    for number in range(30):
        ProductFactory.create(name=f"Mug {number:02}", category=category, brand=f"Brand {number}")
    for number in range(3):
        ProductFactory.create(name=f"Mug {number}", family=family, category=category)
    choose_cards(families={family.pk})
    with CaptureQueriesContext(connection) as cold:
        page(client, query)
    assert len(cold) <= MOST_QUERIES, [query["sql"] for query in cold.captured_queries]
    with CaptureQueriesContext(connection) as warm:
        page(client, query)
    assert len(warm) <= 4, [query["sql"] for query in warm.captured_queries]


@pytest.mark.django_db(transaction=True)
def test_a_saved_product_is_seen_at_once(client: Client) -> None:
    product = ProductFactory.create(name="Mug")
    assert names(page(client)) == ["Mug"]
    product.is_active = False
    product.save()
    assert names(page(client)) == []
    assert client.get(product.get_absolute_url()).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_a_saved_product_drops_its_own_page_and_those_of_its_family_alone(
    client: Client, settings: Any
) -> None:
    settings.FASTPATH = True  # plain Django caches no pages
    family = FamilyFactory.create(name="Mug")
    one, other = (ProductFactory.create(name=f"Mug {n}", family=family, variant=n) for n in "AB")
    alone = ProductFactory.create(name="Lamp")
    for product in (one, other, alone):
        client.get(product.get_absolute_url())

    def queries(product: Product) -> int:
        with CaptureQueriesContext(connection) as asked:
            assert client.get(product.get_absolute_url()).status_code == 200
        return len(asked)

    warm = queries(alone)
    one.points_cost = 7_777
    one.save()
    assert queries(alone) == warm
    assert queries(other) > warm
    assert "7,777" in client.get(one.get_absolute_url()).content.decode()
    Product.objects.filter(pk=alone.pk).show_stock(StockStatus.LOW)
    assert queries(alone) > warm
    assert queries(other) == warm


def test_the_card_of_a_family_is_the_one_most_may_have() -> None:
    family = FamilyFactory.create()
    cheap_but_gold = ProductFactory.create(family=family, points_cost=100, minimum_tier="GOLD")
    gone = ProductFactory.create(family=family, points_cost=200, in_stock=0)
    off = ProductFactory.create(family=family, points_cost=50, inactive=True)
    chosen = ProductFactory.create(family=family, points_cost=300)
    choose_cards(families=None)
    cards = Product.objects.filter(is_card=True)
    assert list(cards.all()) == [chosen]
    assert choose_cards(families=None) == 0
    Product.objects.filter(pk=chosen.pk).update(stock_status=StockStatus.OUT)
    choose_cards(families={family.pk})
    assert list(cards.all()) == [gone]
    assert not {cheap_but_gold, off} & set(cards.all())


def test_the_clock_moves_a_family_to_a_card_that_is_on_offer(client: Client) -> None:
    family = FamilyFactory.create(name="Advent box")
    over = ProductFactory.create(family=family, points_cost=100)
    ProductFactory.create(family=family, points_cost=200)
    choose_cards(families={family.pk})
    assert Product.objects.get(is_card=True) == over
    Product.objects.filter(pk=over.pk).update(available_until=timezone.now() - timedelta(hours=1))
    refresh_cards()
    assert names(page(client)) == [Product.objects.get(is_card=True).name]
