"""The header of a page works by itself, and shows what the named providers add."""

from collections.abc import Callable, Mapping
from datetime import datetime
from re import search, sub
from typing import Any

import pytest
from django.test import Client

from accounts.models import AccountManager, Role
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import ProductFactory
from tests.redemption.factories import fill_cart, placed

pytestmark = pytest.mark.django_db
SignIn = Callable[[AccountManager], Client]


def three_in_the_cart(seat: AccountManager, asked_at: datetime) -> Mapping[str, int]:
    """A provider that knows a cart."""
    return {"cart_count": 3}


def points_on_their_way(seat: AccountManager, asked_at: datetime) -> Mapping[str, int]:
    """A provider that knows points in flight."""
    return {"in_flight": 1_500}


@pytest.fixture
def seat() -> AccountManager:
    """A seat of a company with 5,000 points, an order of 1,000 in flight, and a cart."""
    made: AccountManager = SeatFactory.create(
        company__name="Northwind", company__balance=5_000, role=Role.APPROVER
    )
    lamp = ProductFactory.create(name="Lamp", points_cost=1_000)
    placed(made, (lamp, 1))
    fill_cart(made, (lamp, 1))
    return made


@pytest.fixture(params=["list", "product"])
def address(request: pytest.FixtureRequest, seat: AccountManager) -> str:
    chair = ProductFactory.create(name="Chair", points_cost=4_500)
    return "/catalog/" if request.param == "list" else chair.get_absolute_url()


def cart_count(page: str) -> str:
    found = search(r'id="cart-count"\s+class="count"(?: hidden)?>(\d+)<', page)
    assert found
    return found[1]


def test_without_providers_the_catalogue_is_whole_but_for_their_figures(
    client_for: SignIn, seat: AccountManager, address: str, settings: Any
) -> None:
    client = client_for(seat)
    full = client.get(address).content.decode()
    assert "<b>4,000</b>" in full
    assert "1,000 in flight" in full
    assert cart_count(full) == "1"
    settings.LAYOUT_PROVIDERS = []
    answer = client.get(address)
    assert answer.status_code == 200
    alone = answer.content.decode()
    parts = ("Chair", "4,500", "Northwind", "Sign out", "Approvals", "Cart", "</html>")
    assert all(part in alone for part in parts)
    assert "<b>5,000</b>" in alone
    assert "in flight" not in alone
    assert cart_count(alone) == "0"


def test_a_provider_that_the_settings_name_is_asked(
    client_for: SignIn, seat: AccountManager, address: str, settings: Any
) -> None:
    settings.LAYOUT_PROVIDERS = [
        f"{__name__}.{each.__name__}" for each in (three_in_the_cart, points_on_their_way)
    ]
    page = client_for(seat).get(address).content.decode()
    assert cart_count(page) == "3"
    assert "<b>3,500</b>" in page
    assert "1,500 in flight" in page
    words = " ".join(sub(r"<[^>]+>", " ", page).split())
    assert search("1,000 more points needed|More points needed 1,000", words)  # more than 4,500
