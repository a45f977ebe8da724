"""The API's frame: who is let in, problems for everything, request ids, methods, the document."""

import json
import logging
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection
from django.test import Client
from psycopg import sql

from accounts.access import bearer
from accounts.models import AccountManager, Company
from loyalty_portal.api.problems import KINDS
from loyalty_portal.api.v1 import api
from loyalty_portal.configuration.logs import JsonLines, without_secret_paths
from loyalty_portal.http.limits import Limit
from tests.accounts.access.making import new_key
from tests.accounts.factories import CompanyFactory, SeatFactory
from tests.loyalty_portal.api.calls import V1, Calls, code

pytestmark = pytest.mark.django_db


@pytest.fixture
def calls() -> Calls:
    return Calls(new_key(CompanyFactory.create(name="Northwind")))


def test_a_call_needs_a_key_and_is_told_so_in_the_words_of_http(calls: Calls) -> None:
    assert calls.get("/me").json()["companies"][0]["name"] == "Northwind"
    ways = {"": "Bearer", "nonsense": 'Bearer error="invalid_token"'}
    ways[calls.secret[:-1]] = 'Bearer error="invalid_token"'
    for secret, challenge in ways.items():
        answer = Calls(secret).get("/me")
        assert (answer.status_code, code(answer)) == (401, "unauthenticated")
        assert answer["WWW-Authenticate"] == challenge
    for header in ("Basic YTpi", "Bearer", f"Token {calls.secret}"):
        assert code(Calls("").get("/me", authorization=header)) == "unauthenticated"
    assert Calls("").get("/me", authorization=f"bearer {calls.secret}").status_code == 200


def test_no_cookie_opens_the_api_and_none_is_set(
    client_for: Any, calls: Calls, django_assert_max_num_queries: Any
) -> None:
    seat: AccountManager = SeatFactory.create()
    client = client_for(seat)
    assert client.get(f"{V1}/me").status_code == 401
    calls.get("/me")
    with django_assert_max_num_queries(1):
        answer = calls.get("/me")
    assert not answer.cookies
    assert "no-store" in answer["Cache-Control"]
    assert {"Authorization", "Accept-Language"} <= set(answer["Vary"].split(", "))


def test_a_network_that_goes_on_without_a_key_waits(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Limit("api-strangers", most=60, seconds=60) == bearer.BY_STRANGERS
    # replaced: a limit that is reached with three calls
    monkeypatch.setattr(bearer, "BY_STRANGERS", Limit("few", most=2, seconds=60))
    there, next_door = "2001:db8:1:2::", "2001:db8:1:3::"
    addresses = (f"{there}1", f"{there}2", f"{there}3", f"{next_door}1")
    wrong = {"authorization": "Bearer wrong"}
    answers = [Client(REMOTE_ADDR=each).get(f"{V1}/me", headers=wrong) for each in addresses]
    assert [answer.status_code for answer in answers] == [401, 401, 429, 401]
    assert code(answers[2]) == "too_many_requests"
    assert answers[2]["Retry-After"] == "60"
    assert calls.get("/me").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "named"),
    [
        ("get", "/nothing", 404, "not_found"),
        ("get", "/api/", 404, "not_found"),
        ("get", "/api/v2/me", 404, "not_found"),
        ("get", "/orders/R-00000-00000", 404, "not_found"),
        ("get", "/orders/%00", 404, "not_found"),
        ("get", "/transactions/no-uuid", 404, "not_found"),
        ("get", "/docs/problems/nothing", 404, "not_found"),
        ("post", "/me", 405, "method_not_allowed"),
        ("delete", "/categories", 405, "method_not_allowed"),
    ],
)
def test_whatever_is_not_there_is_a_problem_and_no_page(
    method: str, path: str, status: int, named: str, calls: Calls
) -> None:
    answer = calls.call(method, path)
    assert (answer.status_code, code(answer)) == (status, named)
    if status == 405:
        assert answer["Allow"] == "GET, HEAD, OPTIONS"


def test_a_body_that_is_too_large_or_no_json_is_refused_by_its_head(calls: Calls) -> None:
    answer = calls.call("post", "/me", {"a": "x" * 2_100_000})
    assert (answer.status_code, code(answer)) == (413, "too_large")
    form = calls.call("post", "/me", "a=b", **{"content-type": "text/plain"})
    assert (form.status_code, code(form)) == (415, "unsupported_media_type")


def test_a_foreign_host_gets_a_problem(calls: Calls) -> None:
    assert code(calls.get("/me", host="evil.example")) == "malformed"


def test_head_and_options_tell_of_an_address_without_a_body(calls: Calls) -> None:
    full, head = calls.get("/me"), calls.call("head", "/me")
    assert (head.status_code, head.content) == (200, b"")
    assert head["Content-Length"] == str(len(full.content))
    options = Calls("").call("options", "/me")
    assert (options.status_code, options["Allow"]) == (204, "GET, HEAD, OPTIONS")
    assert options.content == b""


def test_the_request_id_of_the_caller_comes_back_and_stands_in_the_log(calls: Calls) -> None:
    lines, log = StringIO(), logging.getLogger("access")
    handler = logging.StreamHandler(lines)
    handler.setFormatter(JsonLines())
    log.addHandler(handler)
    for path in ("/me", "/nothing"):
        answer = calls.get(path, **{"X-Request-Id": "abcd-1234"})
        assert answer["X-Request-Id"] == "abcd-1234"
    log.removeHandler(handler)
    assert answer.json()["request_id"] == "abcd-1234"
    told = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [(line["request_id"], line["status"]) for line in told] == [
        ("abcd-1234", 200), ("abcd-1234", 404),
    ]  # fmt: skip
    for bad in ("short", "x" * 65, "a b c d e f", "ähnlich-aber-nicht"):
        assert calls.get("/me", **{"X-Request-Id": bad})["X-Request-Id"] != bad


def test_what_nobody_expected_is_a_500_without_its_reason_and_is_logged(
    calls: Calls, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    def broken(_request: Any) -> Any:
        raise RuntimeError("the secret reason")

    # replaced: something of ours that is broken
    monkeypatch.setattr(bearer, "client_address", broken)
    with caplog.at_level(logging.ERROR):
        answer = calls.get("/me")
    assert (answer.status_code, code(answer)) == (500, "internal")
    assert "secret reason" not in answer.content.decode()
    assert "the secret reason" in caplog.text


def test_a_database_that_does_not_serve_is_a_503_with_retry_after(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_given: Any, **_named: Any) -> Any:
        raise OperationalError("server closed the connection")

    # replaced: a database that does not answer
    monkeypatch.setattr(bearer, "verify", away)
    answer = calls.get("/me")
    assert (answer.status_code, code(answer)) == (503, "busy")
    assert answer["Retry-After"] == "5"


@pytest.mark.django_db(transaction=True)
def test_a_table_that_is_locked_is_a_503_with_retry_after(calls: Calls) -> None:
    with (
        connection.cursor() as patience,
        psycopg.connect(**connection.get_connection_params()) as other,
    ):
        companies = sql.Identifier(Company._meta.db_table)
        other.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(companies))
        patience.execute("SET lock_timeout = '50ms'")
        answer = calls.get("/me")
        patience.execute("SET lock_timeout = DEFAULT")
    assert (answer.status_code, code(answer), answer["Retry-After"]) == (503, "busy", "5")
    assert calls.get("/me").status_code == 200


def test_unknown_parameters_are_mistakes_and_each_is_pointed_at(calls: Calls) -> None:
    answer = calls.get("/orders?colour=red&limit=0&limit=2&reference=a%00b")
    assert code(answer) == "invalid"
    found = {(error["pointer"], error["code"]) for error in answer.json()["errors"]}
    assert ("/colour", "unknown_parameter") in found
    assert ("/limit", "repeated") in found
    assert ("/reference", "not_text") in found
    for query in ("limit=0", "limit=101", "limit=x", "status=LOST", "expand=people"):
        wrong = calls.get(f"/orders?{query}")
        assert (wrong.status_code, code(wrong)) == (422, "invalid"), query
        [error] = wrong.json()["errors"]
        assert error["pointer"].startswith(f"/{query.partition('=')[0]}"), error
        assert error["part"] == "query"
    naive = calls.get("/orders?created_from=2026-01-01T00:00:00")
    assert naive.json()["errors"][0]["code"] == "timezone_aware"


def test_a_pointer_is_escaped_as_json_pointers_are(calls: Calls) -> None:
    """RFC 6901: ~ is ~0, and / is ~1."""
    for answer in (
        calls.get("/orders?a/b~c=1"),
        calls.call("post", "/order-previews", {"lines": [{"a/b~c": 1}], "a/b~c": 1}),
    ):
        assert code(answer) == "invalid"
        found = {error["pointer"] for error in answer.json()["errors"]}
        assert "/a~1b~0c" in found
    assert "/lines/0/a~1b~0c" in found


@pytest.mark.parametrize(
    "said", ["0.5", "1700000000", "2026-01-01", "0001-01-01T00:00:00%2B23:00", "2026-13-01T00:00Z"]
)
def test_a_time_is_nothing_else(said: str, calls: Calls) -> None:
    answer = calls.get(f"/orders?created_until={said}")
    assert (answer.status_code, code(answer)) == (422, "invalid")
    assert answer.json()["errors"][0]["pointer"] == "/created_until"


def test_a_problem_speaks_the_callers_language_or_else_the_companys() -> None:
    company = CompanyFactory.create(language="de")
    calls = Calls(new_key(company))
    german = calls.get("/orders?colour=red")
    assert german["Content-Language"] == "de"
    assert (
        calls.get("/orders?colour=red", **{"Accept-Language": "en-GB"})["Content-Language"] == "en"
    )
    english = Calls(new_key(CompanyFactory.create())).get("/orders?colour=red")
    assert english["Content-Language"] == "en"
    assert english.json()["title"] != german.json()["title"]
    assert english.json()["code"] == german.json()["code"]


def test_a_key_lacks_what_its_scopes_do_not_name() -> None:
    calls = Calls(new_key(CompanyFactory.create(), scopes=["catalog:read"]))
    assert calls.get("/products").status_code == 200
    answer = calls.get("/orders")
    assert (answer.status_code, code(answer)) == (403, "insufficient_scope")
    assert answer["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="orders:read"'


def test_each_kind_of_problem_has_a_page_that_says_what_to_do() -> None:
    client = Client()
    for named in KINDS:
        page = client.get(f"{V1}/docs/problems/{named}")
        assert page.status_code == 200, named
        assert named in page.content.decode()
        assert "Content-Security-Policy" in page


def test_the_reference_lists_every_operation_without_scripts_of_others() -> None:
    page = Client().get(f"{V1}/docs").content.decode()
    for path, methods in api.document["paths"].items():
        for method, operation in methods.items():
            assert f'id="{operation["operationId"]}"' in page
            assert f"{method.upper()} {path}" in page
    assert "//cdn" not in page
    assert "<script>" not in page


def test_the_document_names_everything_that_an_operation_may_answer() -> None:
    answer = Client().get(f"{V1}/openapi.json")
    document = answer.json()
    assert answer["Content-Type"] == "application/json"
    assert document["openapi"] == "3.1.0"
    assert list(document["components"]["securitySchemes"]) == ["bearerAuth"]
    ids = [each["operationId"] for path in document["paths"].values() for each in path.values()]
    assert len(ids) == len(set(ids))
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert operation["security"] == [{"bearerAuth": []}]
            assert operation["summary"]
            assert operation["description"]
            answers = operation["responses"]
            assert {"400", "401", "422", "429", "500", "503"} <= set(answers), path
            assert len([status for status in answers if status < "300"]) == 1, path
            assert ("404" in answers) == ("{" in path)
            assert "403" in answers  # a person without a seat there
            for status, told in answers.items():
                kinds = ["application/json" if status < "300" else "application/problem+json"]
                bare = status in {"204", "304"}
                assert list(told.get("content", {})) == ([] if bare else kinds)
    assert json.loads(json.dumps(document)) == document


def test_a_key_in_an_address_opens_nothing_and_is_not_logged(calls: Calls) -> None:
    by_address = Calls("").get("/me", {"key": calls.secret, "access_token": calls.secret})
    assert (by_address.status_code, code(by_address)) == (401, "unauthenticated")
    key = "lrp_live_" + "a" * 36
    assert (
        without_secret_paths(f"GET /api/v1/me?key={key} 422")
        == "GET /api/v1/me?key=lrp_live_aaaa- 422"
    )
