"""Limits of the API: of each key, each company and each costly operation, with and without Redis."""

import logging
import re
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.test import Client, RequestFactory
from django.urls import reverse

from accounts.models import Company
from loyalty_portal.audit.models import TrailEntry, TrailKind
from loyalty_portal.audit.services import record
from loyalty_portal.data.actor import SYSTEM
from loyalty_portal.http import rates
from loyalty_portal.http.where import happening_at
from tests.accounts.access.making import new_key
from tests.accounts.factories import CompanyFactory
from tests.loyalty_portal.api.calls import Calls, code
from tests.support.daemons import Redis
from tests.support.redis_away import make_unavailable
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def company() -> Company:
    return CompanyFactory.create()


def left(answer: Any) -> dict[str, int]:
    """How much each limit has left, by the RateLimit header."""
    parts = [part.split(";") for part in answer["RateLimit"].split(", ")]
    return {name.strip('"'): int(rest[0].removeprefix("r=")) for name, *rest in parts}


def test_each_answer_says_how_much_is_left(company: Company) -> None:
    calls = Calls(new_key(company))
    answer = calls.get("/me")
    assert answer["RateLimit-Policy"] == '"key";q=600;w=60, "company";q=1200;w=60'
    assert re.fullmatch(r'"key";r=99;t=\d+, "company";r=199;t=\d+', answer["RateLimit"])
    assert "RateLimit" in calls.get("/orders/none")
    assert "RateLimit" in calls.get("/orders", {"colour": "red"})
    placing = calls.call("post", "/order-previews", {"lines": []})
    assert '"orders"' not in placing["RateLimit-Policy"]
    line = {"sku": "NONE", "quantity": 1, "recipient": {"name": "Ada"}}
    sent = {"lines": [line], "expected_points": 0}
    order = calls.call("post", "/orders", sent, **{"Idempotency-Key": "one"})
    assert code(order) == "invalid"
    assert '"orders";q=60;w=60' in order["RateLimit-Policy"]
    assert left(order)["orders"] == 19
    codes = calls.call("post", f"/orders/none/lines/{uuid4()}/codes", **{"Idempotency-Key": "two"})
    assert '"reveals";q=30;w=60' in codes["RateLimit-Policy"]
    assert left(codes)["reveals"] == 9
    assert "RateLimit" not in Calls("").get("/me")


def test_beyond_its_limit_a_key_waits_and_others_do_not(company: Company, settings: Any) -> None:
    settings.API_RATE_KEY = 1
    calls = Calls(new_key(company))
    assert calls.get("/me").status_code == 200
    for path in ("/me", "/orders/none", "/orders?colour=red"):
        answer = calls.get(path)
        assert (answer.status_code, code(answer)) == (429, "too_many_requests")
        assert 1 <= int(answer["Retry-After"]) <= 60
        assert left(answer) == {"key": 0}
    assert Calls(new_key(company)).get("/me").status_code == 200


def test_invitations_have_a_limit_of_their_own(company: Company) -> None:
    """Each is a letter to a stranger."""
    calls = Calls(new_key(company, role="owner", scopes=["members:write"]))
    answers = [
        calls.call(
            "post",
            "/invitations",
            {"email": f"p{number}@n.example", "role": "viewer"},
            **{"Idempotency-Key": str(number)},
        )
        for number in range(21)
    ]
    assert [answer.status_code for answer in answers] == [201] * 20 + [429]
    assert left(answers[-1])["invitations"] == 0
    assert calls.get("/me").status_code == 200


def test_all_keys_of_a_company_have_a_limit_together(company: Company, settings: Any) -> None:
    settings.API_RATE_COMPANY = 1
    first, second = Calls(new_key(company)), Calls(new_key(company))
    assert first.get("/me").status_code == 200
    answer = second.get("/me")
    assert (answer.status_code, left(answer)["company"]) == (429, 0)
    assert Calls(new_key(CompanyFactory.create())).get("/me").status_code == 200


def test_a_company_at_ten_times_its_limit_holds_up_no_other(settings: Any) -> None:
    settings.API_RATE_COMPANY = 12
    greedy, other = (Calls(new_key(CompanyFactory.create())) for _company in range(2))
    statuses: dict[str, list[int]] = {"greedy": [], "other": []}
    for number in range(12 * 10):
        statuses["greedy"].append(greedy.get("/me").status_code)
        if number % 60 == 0:
            statuses["other"].append(other.get("/me").status_code)
    assert 429 in statuses["greedy"]
    assert statuses["greedy"].count(200) < 12
    assert statuses["other"] == [200, 200]


def limit_by(client: Client, company: Company, rate: str) -> Any:
    """Save the page of the company with this limit, as a browser does."""
    form = {
        "name": company.name, "tier_level": "GOLD", "is_active": "on", "api_rate": rate,
        "time_zone": "UTC", "language": "en",
        "seats-TOTAL_FORMS": "0", "seats-INITIAL_FORMS": "0",
        "addresses-TOTAL_FORMS": "0", "addresses-INITIAL_FORMS": "0",
    }  # fmt: skip
    return client.post(page_of(company), form)


def page_of(company: Company) -> str:
    return reverse("admin:accounts_company_change", args=[company.pk])


@pytest.mark.parametrize("redis", ["there", "stopped"])
def test_staff_give_a_company_a_limit_of_its_own_from_the_next_call_on(
    redis: str, company: Company, own_redis: Redis
) -> None:
    administrator = browser(staff("administrator"))
    if redis == "stopped":
        make_unavailable(own_redis, "stopped")
    calls, others = Calls(new_key(company)), Calls(new_key(CompanyFactory.create()))
    assert calls.get("/me").status_code == 200
    assert limit_by(administrator, company, "1").status_code == 302
    answers = [calls.get("/me") for _each in range(2)]
    assert answers[-1].status_code == 429
    if redis == "there":
        assert '"company";q=1;w=60' in answers[-1]["RateLimit-Policy"]
        assert '"company";q=1200;w=60' in others.get("/me")["RateLimit-Policy"]
    assert others.get("/me").status_code == 200
    assert limit_by(administrator, company, "60000").status_code == 302
    assert calls.get("/me").status_code == 200
    assert limit_by(administrator, company, "").status_code == 302
    company.refresh_from_db()
    assert company.api_rate is None
    changes = apps.get_model("accounts", "CompanyChange").objects.filter(pgh_obj=company)
    kept = changes.order_by("pgh_id").values_list("api_rate", flat=True)
    assert list(kept) == [None, 1, 60000, None]
    for wrong in ("0", "-1", "1.5", "1000001", "many"):
        assert limit_by(administrator, company, wrong).status_code == 200
    company.refresh_from_db()
    assert company.api_rate is None


def test_who_may_not_change_companies_sets_no_limit(company: Company) -> None:
    for group in ("support", "finance", "auditor"):
        client = browser(staff(group))
        assert client.post(page_of(company), {"api_rate": "1"}).status_code == 403
    company.refresh_from_db()
    assert company.api_rate is None


@pytest.mark.parametrize("way", ["stopped", "frozen"])
def test_without_redis_each_process_counts_and_says_so_once_a_minute(
    way: str,
    company: Company,
    own_redis: Redis,
    settings: Any,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # replaced: a test before may have logged the line of this minute
    monkeypatch.setattr(rates._Told, "at", -rates.LOGGED_EVERY)
    settings.API_RATE_KEY = 1
    calls = Calls(new_key(company))
    make_unavailable(own_redis, way)
    with caplog.at_level(logging.WARNING, logger="loyalty_portal.http.rates"):
        answers = [calls.get("/me") for _each in range(3)]
        rates._Told.at -= 60  # a minute later
        answers.append(calls.get("/me"))
    assert [answer.status_code for answer in answers] == [200, 429, 429, 429]
    assert not any("RateLimit" in answer for answer in answers)
    assert answers[1]["Retry-After"]
    told = [each for each in caplog.records if each.name == "loyalty_portal.http.rates"]
    assert len(told) == 2


def test_the_id_of_a_call_stands_in_the_trail() -> None:
    call: Any = RequestFactory().get("/api/v1/balance")
    call.request_id = "erp-2026-11-27"
    with happening_at(call):
        record(TrailKind.EXPORTED, by=SYSTEM, facts={"what": "orders"})
    facts = TrailEntry.objects.get(kind=TrailKind.EXPORTED).facts
    assert facts == {"what": "orders", "request_id": "erp-2026-11-27"}
