"""After signing out, no personal page can be seen again."""

from collections.abc import Callable

import pytest
from django.test import Client

from accounts.models import AccountManager
from tests.accounts.factories import SeatFactory, UserFactory
from tests.catalog.factories import ProductFactory
from tests.redemption.factories import fill_cart, placed
from tests.support.staff import browser

pytestmark = pytest.mark.django_db
SignIn = Callable[[AccountManager], Client]


def said(client: Client, path: str) -> set[str]:
    return set(client.get(path)["Cache-Control"].split(", "))


def test_no_page_of_an_account_manager_is_kept(client_for: SignIn) -> None:
    seat = SeatFactory.create(owner=True, company__balance=9_000)
    product = ProductFactory.create()
    order = placed(seat, (product, 1))
    fill_cart(seat, (product, 1))
    client = client_for(seat)
    for path in (
        "/", "/catalog/", product.get_absolute_url(), "/cart/", "/checkout/", "/orders/",
        order.get_absolute_url(), "/approvals/", "/accounts/password/change/", "/accounts/logout/",
        "/accounts/nothing-here/",
    ):  # fmt: skip
        assert {"private", "no-store"} <= said(client, path), path


def test_a_page_that_is_only_read_takes_no_other_method(client_for: SignIn) -> None:
    seat = SeatFactory.create(owner=True, company__balance=9_000)
    product = ProductFactory.create()
    order = placed(seat, (product, 1)).get_absolute_url()
    fill_cart(seat, (product, 1))
    client = client_for(seat)
    for path in (
        "/", "/balance/", "/catalog/", product.get_absolute_url(), "/cart/", "/orders/", order,
        f"{order}story/", "/approvals/",
    ):  # fmt: skip
        assert client.post(path).status_code == 405, path
    assert client.get("/checkout/recipient/").status_code == 405
    for path in ("/checkout/", f"/checkout/addresses/{seat.pk}/"):
        assert client.put(path).status_code == 405, path


def test_no_page_of_the_admin_is_kept() -> None:
    client = browser(UserFactory.create(superuser=True))
    for path in ("/admin/", "/admin/accounts/company/", "/admin/accounts/company/add/"):
        assert {"private", "no-store"} <= said(client, path), path


def test_pictures_and_colours_that_are_the_same_for_all_are_kept() -> None:
    client = browser(UserFactory.create())
    assert "public" in said(client, "/brand.css")
