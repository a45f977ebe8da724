"""Every page is whole in both languages, whichever was asked for first: no cache mixes them."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.core.cache import cache, caches
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AccountManager, KnownBalance, Role
from loyalty_portal.fastpath import fragments
from redemption.models import RedemptionOrder
from redemption.states import OrderStatus
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import ProductFactory
from tests.redemption.factories import checkout_form, fill_cart, paid, placed
from tests.support.visitor import forms_of

pytestmark = [pytest.mark.django_db, pytest.mark.both_ways]
SignIn = Callable[[AccountManager], Client]
_CHANGES = re.compile(
    r'name="csrfmiddlewaretoken"\s+value="\w+"|data-relative="\d+"|name="token"[^>]*>'
)
ENGLISH = ("Skip to content", "Search the catalogue", "Sign out", "Your profile", "points to spend")


@pytest.fixture
def seats() -> dict[str, AccountManager]:
    """Two people of one company, who read in English and in German; far apart in time."""
    english: AccountManager = SeatFactory.create(
        role=Role.APPROVER, company__balance=1_234_567, user__language="en", user__name="Ada",
        user__time_zone="America/New_York",
    )  # fmt: skip
    german = SeatFactory.create(
        role=Role.APPROVER, company=english.company, user__language="de", user__name="Ada",
        user__time_zone="Asia/Tokyo",
    )  # fmt: skip
    long_ago = datetime(2024, 11, 26, 16, 30, tzinfo=UTC)
    KnownBalance.objects.update(fetched_at=long_ago, as_of=long_ago)
    return {"en": english, "de": german}


@pytest.fixture
def order(seats: dict[str, AccountManager]) -> RedemptionOrder:
    lamp = ProductFactory.create(name="Lamp", points_cost=12_500)
    buyer = SeatFactory.create(company=seats["en"].company)
    for seat in (*seats.values(), buyer):
        fill_cart(seat, (lamp, 3))
    placed(buyer, (lamp, 1))
    made = paid(buyer, (lamp, 2))
    RedemptionOrder.objects.update(created_at=timezone.now() - timedelta(days=3))
    return made


def _forget() -> None:
    cache.clear()
    caches["local"].clear()
    fragments._cut_once.cache_clear()


def _pages(order: RedemptionOrder) -> Iterator[str]:
    product = order.items.get().product
    yield from ("/", "/catalog/", "/catalog/?q=lamp&in_stock=1", product.get_absolute_url())
    yield from ("/cart/", "/orders/", order.get_absolute_url(), "/approvals/", "/profile/")
    yield "/nothing/"


def test_each_page_is_in_its_readers_language_whoever_came_first(
    client_for: SignIn, seats: dict[str, AccountManager], order: RedemptionOrder
) -> None:
    clients = {language: client_for(seat) for language, seat in seats.items()}
    for path in _pages(order):
        told: dict[str, set[str]] = {"en": set(), "de": set()}
        for turns in (("en", "de", "en"), ("de", "en", "de")):
            _forget()
            for language in turns:
                page = clients[language].get(path)
                assert page.headers["Content-Language"] == language, path
                told[language].add(_CHANGES.sub("", page.content.decode()))
        assert {language: len(pages) for language, pages in told.items()} == {"en": 1, "de": 1}, (
            path
        )
        [english], [german] = told["en"], told["de"]
        assert '<html lang="de"' in german
        assert [word for word in ENGLISH if word in german] == [], path
        if path != "/nothing/":  # the pages with the balance
            assert re.search(r"\b1,\d{3},\d{3}\b", english), path
            assert re.search(r"\b1\.\d{3}\.\d{3}\b", german), path


def test_a_time_of_a_cached_page_is_in_its_readers_zone(
    client_for: SignIn, seats: dict[str, AccountManager], order: RedemptionOrder
) -> None:
    for path in ("/catalog/", order.items.get().product.get_absolute_url()):
        for turns in (("en", "de"), ("de", "en")):
            _forget()
            pages = {each: client_for(seats[each]).get(path).content.decode() for each in turns}
            assert "Nov. 26, 2024, 11:30 EST" in pages["en"]
            assert "27. November 2024, 01:30 JST" in pages["de"]


def test_what_is_typed_in_german_is_understood(
    client_for: SignIn, seats: dict[str, AccountManager], order: RedemptionOrder
) -> None:
    """A form of each kind sends what its page shows."""
    seat, product = seats["de"], order.items.get().product
    client = client_for(seat)
    cart = client.get("/cart/").content.decode()
    assert re.findall(r'name="quantity"[^>]*?value="(\d+)"', cart, re.DOTALL) == ["3"]
    change = reverse("cart:change", args=[product.pk])
    for typed, held in (("4", 4), ("1.000", 4), ("4,0", 4), ("2", 2)):
        client.post(change, {"quantity": typed}, follow=True)
        assert seat.cart.lines.get().quantity == held
    catalogue = client.get("/catalog/", {"min": "1000", "max": "12500"}).content.decode()
    assert 'value="12500"' in catalogue
    [form] = [
        each
        for each in forms_of(client.get("/checkout/").content.decode())
        if each.name == "checkout"
    ]
    shown = {name: form.fields[name] for name in ("token", "seen_points", "shown")}
    assert shown["seen_points"] == "25000"
    assert client.post("/checkout/", checkout_form(seat) | shown).status_code == 303
    made = RedemptionOrder.objects.get(account_manager=seat)
    assert made.total_points == 25_000
    cancelled = client.post(reverse("orders:cancel", args=[made.order_number]), follow=True)
    assert cancelled.headers["Content-Language"] == "de"
    made.refresh_from_db()
    assert made.status in {OrderStatus.CANCELLING, OrderStatus.CANCELLED}
