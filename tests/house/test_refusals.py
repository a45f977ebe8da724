"""A refused request is one line in the log; an error has a traceback."""

import io
import logging
from collections.abc import Iterator

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from accounts.models import Role
from loyalty_portal.configuration.logs import RefusalsInOneLine
from loyalty_portal.web.urls import urlpatterns as ours
from tests.accounts.factories import SeatFactory
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db
FOREIGN = {"host": "elsewhere.example"}


def broken(_request: HttpRequest) -> HttpResponse:
    raise RuntimeError("a fault of our own")


urlpatterns = [*ours, path("broken/", broken)]
handler500 = "loyalty_portal.data.trouble.server_error"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """The log's text during the test."""
    handler = next(
        handler
        for handler in logging.getLogger().handlers
        if any(isinstance(one, RefusalsInOneLine) for one in handler.filters)
    )
    assert isinstance(handler, logging.StreamHandler)
    written = io.StringIO()
    before = handler.setStream(written)
    yield written
    handler.setStream(before)


def beside_the_requests(log: io.StringIO) -> list[str]:
    """The lines without those that each request has."""
    return [each for each in log.getvalue().splitlines() if "route=" not in each]


def test_a_page_that_somebody_may_not_see_is_one_line(log: io.StringIO) -> None:
    warehouse = browser(staff("warehouse"))
    assert warehouse.get("/admin/redemption/redemptionorder/").status_code == 403
    [line] = beside_the_requests(log)
    assert "Forbidden (Permission denied): admin:redemption_redemptionorder_changelist" in line


def test_what_a_role_does_not_include_is_one_line(log: io.StringIO) -> None:
    viewer = browser(SeatFactory.create(role=Role.VIEWER).user)
    assert viewer.get("/checkout/").status_code == 403
    assert len(beside_the_requests(log)) == 1


def test_a_host_that_is_not_ours_is_one_line(log: io.StringIO) -> None:
    assert Client().get("/accounts/login/", headers=FOREIGN).status_code == 400
    assert len(beside_the_requests(log)) == 1


@pytest.mark.parametrize(
    "form", [{f"field{number}": "1" for number in range(1100)}, {"login": "x" * 3_000_000}]
)
def test_a_form_that_is_too_large_is_one_line(log: io.StringIO, form: dict[str, str]) -> None:
    answer = Client(enforce_csrf_checks=True).post(
        "/accounts/login/", "&".join("=".join(pair) for pair in form.items()),
        content_type="application/x-www-form-urlencoded",
    )  # fmt: skip
    assert answer.status_code in {400, 403}
    assert len(beside_the_requests(log)) == 1


@pytest.mark.parametrize("address", ["/healthz", "/readyz"])
def test_probes_are_answered_whatever_host_they_name(log: io.StringIO, address: str) -> None:
    answer = Client().get(address, headers=FOREIGN)
    assert answer.status_code == 200
    assert int(answer["Content-Length"]) == len(answer.content)
    assert log.getvalue() == ""


@pytest.mark.urls(__name__)
def test_a_fault_of_our_own_is_told_with_where_it_broke(log: io.StringIO) -> None:
    answer = Client(raise_request_exception=False).get("/broken/")
    assert answer.status_code == 500
    assert "a fault of our own" in log.getvalue()
    assert "test_refusals.py" in log.getvalue()
    assert answer["X-Request-ID"] in answer.content.decode()
    assert answer["X-Request-ID"] in log.getvalue()
