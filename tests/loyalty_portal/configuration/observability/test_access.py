"""One line for each request, with its route, its seat and its id."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from accounts.models import AccountManager, Role
from loyalty_portal.configuration.observability.access import logger
from tests.accounts.access.making import new_key
from tests.accounts.factories import CompanyFactory, SeatFactory
from tests.loyalty_portal.api.calls import Calls
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db
TEN_KILOBYTES = "x" * 10_240


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[Any] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def told() -> Iterator[list[Any]]:
    """The records about requests during the test."""
    kept = Kept()
    logger.addHandler(kept)
    yield kept.records
    logger.removeHandler(kept)


@pytest.fixture
def seat() -> AccountManager:
    made: AccountManager = SeatFactory.create(role=Role.BUYER)
    return made


@pytest.fixture
def calls() -> Calls:
    return Calls(new_key(CompanyFactory.create(name="Northwind")))


def test_a_page_that_succeeds_has_its_line(
    told: list[Any], seat: AccountManager, client_for: Callable[[AccountManager], Client]
) -> None:
    assert client_for(seat).get("/catalog/?q=wheelchair").status_code == 200
    [line] = told
    assert (line.method, line.route, line.status) == ("GET", "catalog:list", 200)
    assert line.seat == str(seat.pk)
    assert line.duration_ms > 0
    assert "wheelchair" not in str(vars(line))


@pytest.mark.parametrize(
    ("path", "status", "route"),
    [
        ("/orders/PO-7KQ4M-2XDTP/", 302, "orders:detail"),
        ("/invitations/s3cret/", 302, "invitation"),
        ("/for-you/s3cret/", 404, "for_you"),
        ("/accounts/login/", 200, "account_login"),
        ("/nowhere/s3cret/", 404, ""),
        ("/static/img/favicon.svg", 200, "static"),
        ("/webhooks/fulfillment/", 405, "fulfillment_webhook"),
        ("/admin/", 302, "admin:index"),
    ],
)
def test_the_route_and_never_the_path(told: list[Any], path: str, status: int, route: str) -> None:
    assert Client().get(path).status_code == status
    [line] = told
    assert (line.route, line.status) == (route, status)
    assert not hasattr(line, "seat")
    assert "s3cret" not in str(vars(line))


def test_a_call_of_the_api_names_its_operation_and_its_seat(told: list[Any], calls: Calls) -> None:
    calls.get("/me")
    calls.get("/orders/s3cret")
    me, order = told
    assert me.route.endswith(":me")
    assert me.seat
    assert (order.status, "s3cret" in str(vars(order))) == (404, False)


def test_staff_have_no_seat_of_their_own(told: list[Any]) -> None:
    browser(staff("support")).get("/admin/")
    assert told[-1].route == "admin:index"
    assert not hasattr(told[-1], "seat")


@pytest.mark.parametrize("probe", ["/healthz", "/readyz"])
def test_a_probe_is_told_of_only_when_it_fails(told: list[Any], probe: str) -> None:
    Client().get(probe)
    assert told == []
    Client().post(probe)
    assert [(line.route, line.status) for line in told] == [(probe[1:], 405)]


def test_the_balancers_id_is_kept_and_comes_back() -> None:
    given = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
    answer = Client().get("/accounts/login/", headers={"X-Request-Id": given})
    assert answer["X-Request-Id"] == given


@pytest.mark.parametrize(
    "bad", ["", "short", TEN_KILOBYTES, "two words here", "a\r\nb: cdefgh", "ü" * 9]
)
def test_an_id_that_is_none_is_replaced(bad: str) -> None:
    answer = Client().get("/accounts/login/", headers={"X-Request-Id": bad})
    assert len(answer["X-Request-Id"]) == 32
    assert answer["X-Request-Id"] != bad
