"""What people look at is recorded once a seat, product and day, and never fails a page."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import AccountManager
from catalog.models import ProductView
from catalog.storefront import viewed
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import ProductFactory

pytestmark = [pytest.mark.django_db, pytest.mark.both_ways]
SignIn = Callable[[AccountManager], Client]


def test_a_look_is_recorded_once_a_day_by_one_statement(client_for: SignIn) -> None:
    product, seat = ProductFactory.create(in_stock=3), SeatFactory.create()
    page, client = product.get_absolute_url(), client_for(seat)
    for _ in range(2):
        assert client.get(page).status_code == 200
    with CaptureQueriesContext(connection) as caught:
        client.get(page)
    written = [each["sql"] for each in caught if "catalog_productview" in (each["sql"] or "")]
    assert len([statement for statement in written if statement.startswith("INSERT")]) == 1
    [look] = ProductView.objects.all()
    assert (look.seat_id, look.product_id) == (seat.pk, product.pk)


def test_another_day_seat_or_product_is_another_look(
    client_for: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    seats, products = SeatFactory.create_batch(2), ProductFactory.create_batch(2, in_stock=3)
    for seat in seats:
        for product in products:
            client_for(seat).get(product.get_absolute_url())
    # replaced: the calendar, for another day
    monkeypatch.setattr(viewed, "local_day", lambda _now, _zone: date(2026, 1, 1))
    client_for(seats[0]).get(products[0].get_absolute_url())
    assert ProductView.objects.count() == 5


def test_parts_of_a_page_and_products_that_are_not_offered_are_no_looks(client_for: SignIn) -> None:
    product, client = ProductFactory.create(in_stock=3), client_for(SeatFactory.create())
    client.get(product.get_absolute_url(), headers={"HX-Target": "tally", "HX-Request": "true"})
    assert client.get("/catalog/no-such-product/").status_code == 404
    assert not ProductView.objects.exists()


def test_a_page_is_shown_also_when_its_look_cannot_be_recorded(
    client_for: SignIn, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    def refuses(_rows: object) -> int:
        raise DatabaseError

    # replaced: stands for a database that takes no writes
    monkeypatch.setattr(viewed, "insert_unknown", refuses)
    product = ProductFactory.create(in_stock=3)
    assert client_for(SeatFactory.create()).get(product.get_absolute_url()).status_code == 200
    assert "a view was not recorded" in caplog.text
