"""Each fault does what its name says; the ledger shows whether the call had an effect."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from json import JSONDecodeError

import httpx
import pytest

from tests.sandbox.conftest import ACCOUNT, Send, until
from tests.sandbox.contract import assert_matches, assert_problem
from tests.support.sandbox_process import API_KEY, SandboxError, SandboxProcess

MANY = 40


def debited(sandbox: SandboxProcess) -> int:
    points: int = sandbox.ledger()["debit_points"]
    return points


def hurried(sandbox: SandboxProcess) -> httpx.Response:
    """A debit by a caller who waits only half a second."""
    body = {"account_id": ACCOUNT, "points": 100, "reference": "R-1"}
    headers = {"X-API-Key": API_KEY, "Idempotency-Key": "debit:1"}
    return httpx.post(f"{sandbox.loyalty_url}/debit", json=body, headers=headers, timeout=0.5)


def test_timeout_before_has_no_effect_and_frees_the_key(
    sandbox: SandboxProcess, debit: Send
) -> None:
    sandbox.fault("debit", "timeout_before", seconds=60)
    with pytest.raises(httpx.ReadTimeout):
        hurried(sandbox)
    until(lambda: not sandbox.calls(outcome="running"))
    assert debited(sandbox) == 0
    assert debit().status_code == 201


def test_timeout_before_closes_the_connection_in_the_end(
    sandbox: SandboxProcess, debit: Send
) -> None:
    sandbox.fault("debit", "timeout_before", seconds=0.1)
    with pytest.raises(httpx.RemoteProtocolError):
        debit()
    assert debited(sandbox) == 0


def test_timeout_after_has_its_effect_and_the_repetition_tells_it(
    sandbox: SandboxProcess, debit: Send
) -> None:
    sandbox.fault("debit", "timeout_after", seconds=60)
    with pytest.raises(httpx.ReadTimeout):
        hurried(sandbox)
    assert debited(sandbox) == 100
    assert debit().status_code == 200
    assert debited(sandbox) == 100


def test_delay_takes_effect_although_the_caller_left(sandbox: SandboxProcess) -> None:
    sandbox.fault("debit", "delay", seconds=1)
    with pytest.raises(httpx.ReadTimeout):
        hurried(sandbox)
    assert debited(sandbox) == 0
    until(lambda: debited(sandbox) == 100)


@pytest.mark.parametrize(("fault", "points"), [("reset_before", 0), ("reset_after", 100)])
def test_reset(sandbox: SandboxProcess, debit: Send, fault: str, points: int) -> None:
    sandbox.fault("debit", fault)
    with pytest.raises(httpx.ReadError, match="reset"):
        debit()
    assert debited(sandbox) == points
    assert debit().status_code == (200 if points else 201)


@pytest.mark.parametrize(("fault", "points"), [("error_500_before", 0), ("error_500_after", 100)])
def test_error_500(sandbox: SandboxProcess, debit: Send, fault: str, points: int) -> None:
    sandbox.fault("debit", fault)
    assert_problem(debit(), 500, "internal_error")
    assert debited(sandbox) == points
    assert debit().status_code == (200 if points else 201)


def test_unavailable_503(sandbox: SandboxProcess, debit: Send) -> None:
    sandbox.fault("debit", "unavailable_503")
    assert_problem(debit(), 503, "unavailable")
    assert debit().status_code == 201


def test_too_many_429_in_seconds(sandbox: SandboxProcess, debit: Send) -> None:
    sandbox.fault("debit", "too_many_429", retry_after=7)
    response = debit()
    assert_problem(response, 429, "rate_limited")
    assert response.headers["Retry-After"] == "7"
    assert debit().status_code == 201


def test_too_many_429_with_a_date(sandbox: SandboxProcess, debit: Send) -> None:
    sandbox.fault("debit", "too_many_429", retry_after=90, http_date=True)
    response = debit()
    wait = parsedate_to_datetime(response.headers["Retry-After"]) - parsedate_to_datetime(
        response.headers["Date"]
    )
    assert 88 <= wait.total_seconds() <= 91


def test_malformed(sandbox: SandboxProcess, debit: Send) -> None:
    sandbox.fault("debit", "malformed")
    response = debit()
    assert response.status_code == 201
    with pytest.raises(JSONDecodeError):
        response.json()
    assert debited(sandbox) == 100


@pytest.mark.parametrize("field", ["points", "account_id", "reference"])
def test_mismatch(sandbox: SandboxProcess, debit: Send, field: str) -> None:
    sandbox.fault("debit", "mismatch", field=field)
    lie, truth = debit(), debit()
    assert lie.status_code == 201
    assert_matches("loyalty-api", "Transaction", lie.json())
    assert {name for name in truth.json() if lie.json()[name] != truth.json()[name]} == {field}


@pytest.mark.parametrize(
    ("operation", "path", "field", "value"),
    [
        ("balance", f"/loyalty/balance/{ACCOUNT}", "account_id", ACCOUNT),
        ("statement", f"/loyalty/transactions/{ACCOUNT}", "reference", "R-1"),
        ("find", "/fulfillment/fulfillments?reference=F-1", "reference", "F-1"),
    ],
)
def test_mismatch_of_what_is_read(
    sandbox: SandboxProcess,
    client: httpx.Client,
    debit: Send,
    fulfill: Send,
    operation: str,
    path: str,
    field: str,
    value: str,
) -> None:
    debit()
    sandbox.dial(mode="instant")
    fulfill()
    sandbox.fault(operation, "mismatch", field=field)
    lie, truth = client.get(path), client.get(path)
    assert f"{value}-other" in lie.text
    assert f"{value}-other" not in truth.text


def test_not_schema(sandbox: SandboxProcess, debit: Send) -> None:
    sandbox.fault("debit", "not_schema")
    response = debit()
    assert response.status_code == 201
    assert "transaction_id" not in response.json()
    assert debited(sandbox) == 100


def test_slow_drip_gives_the_whole_answer_in_crumbs(sandbox: SandboxProcess, debit: Send) -> None:
    sandbox.fault("debit", "slow_drip", seconds=0.5)
    response = debit()
    assert_matches("loyalty-api", "Transaction", response.json())
    assert response.elapsed.total_seconds() >= 0.5


def test_huge_is_over_any_cap(sandbox: SandboxProcess, debit: Send) -> None:
    sandbox.fault("debit", "huge")
    response = debit()
    assert len(response.content) > 16 * 1024 * 1024
    assert "content-length" not in response.headers
    assert debited(sandbox) == 100


def test_redirect_has_no_effect(sandbox: SandboxProcess, debit: Send) -> None:
    sandbox.fault("debit", "redirect")
    response = debit()
    assert response.status_code == 307
    assert response.headers["Location"] == f"{sandbox.url}/redirected/loyalty/debit"
    assert debited(sandbox) == 0


def test_who_follows_a_redirect_is_seen(sandbox: SandboxProcess, client: httpx.Client) -> None:
    sandbox.fault("balance", "redirect")
    client.get(f"/loyalty/balance/{ACCOUNT}", follow_redirects=True)
    assert [call["path"] for call in sandbox.calls(operation="unknown")] == [
        f"/redirected/loyalty/balance/{ACCOUNT}"
    ]


def test_redirect_to_an_address_of_choice(sandbox: SandboxProcess, debit: Send) -> None:
    sandbox.fault("debit", "redirect", location="http://elsewhere.example/")
    assert debit().headers["Location"] == "http://elsewhere.example/"


def test_refuse_is_kept_by_its_key(sandbox: SandboxProcess, debit: Send) -> None:
    sandbox.fault("debit", "refuse", code="programme_closed")
    assert_problem(debit(), 422, "programme_closed")
    assert_problem(debit(), 422, "programme_closed")
    assert debit("debit:2").status_code == 201


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 501])
def test_refuse_with_a_status_that_is_no_refusal_is_not_kept(
    sandbox: SandboxProcess, debit: Send, status: int
) -> None:
    sandbox.fault("debit", "refuse", status=status, code="later")
    assert_problem(debit(), status, "later")
    assert debit().status_code == 201


def test_a_statement_can_be_one_that_the_partner_does_not_have(
    sandbox: SandboxProcess, client: httpx.Client
) -> None:
    sandbox.fault("statement", "refuse", status=501, code="not_implemented", times=None)
    assert_problem(client.get(f"/loyalty/transactions/{ACCOUNT}"), 501, "not_implemented")


def test_a_repetition_can_be_hit_too(sandbox: SandboxProcess, debit: Send) -> None:
    debit()
    sandbox.fault("debit", "error_500_after")
    assert_problem(debit(), 500, "internal_error")
    assert debited(sandbox) == 100


@pytest.mark.parametrize(
    ("operation", "method", "path"),
    [
        ("balance", "GET", f"/loyalty/balance/{ACCOUNT}"),
        ("statement", "GET", f"/loyalty/transactions/{ACCOUNT}"),
        ("debit", "POST", "/loyalty/debit"),
        ("credit", "POST", "/loyalty/credit"),
        ("fulfill", "POST", "/fulfillment/fulfillments"),
        ("find", "GET", "/fulfillment/fulfillments?reference=x"),
        ("get_fulfillment", "GET", "/fulfillment/fulfillments/x"),
        ("cancel", "POST", "/fulfillment/fulfillments/x/cancel"),
        ("token", "POST", "/oauth/token"),
    ],
)
def test_every_operation_can_be_hit_alone_or_by_the_star(
    sandbox: SandboxProcess, client: httpx.Client, operation: str, method: str, path: str
) -> None:
    sandbox.fault("*", "unavailable_503")
    sandbox.fault(operation, "unavailable_503")
    for _ in range(2):
        assert client.request(method, path).status_code == 503
    assert client.request(method, path).status_code != 503
    assert {call["operation"] for call in sandbox.calls()} == {operation}


def test_a_rule_strikes_as_often_as_it_was_told(sandbox: SandboxProcess, debit: Send) -> None:
    sandbox.fault("debit", "unavailable_503", times=2)
    statuses = [debit().status_code for _ in range(4)]
    assert statuses == [503, 503, 201, 200]
    assert sandbox.control("GET", "/faults")["faults"][0]["struck"] == 2


@pytest.mark.parametrize("match", ["R-77", ACCOUNT, "debit:7"])
def test_a_rule_can_be_for_a_reference_an_account_or_a_key(
    sandbox: SandboxProcess, debit: Send, match: str
) -> None:
    sandbox.account("other", 1000)
    sandbox.fault("debit", "unavailable_503", match=match)
    assert debit("x", account_id="other", reference="R-78").status_code == 201
    assert debit("debit:7", reference="R-77").status_code == 503


def test_a_rate_strikes_some_and_the_seed_repeats_which(
    sandbox: SandboxProcess, client: httpx.Client
) -> None:
    def run() -> list[int]:
        sandbox.clear_faults()
        sandbox.control("POST", "/seed", {"seed": 7})
        sandbox.fault("balance", "unavailable_503", times=None, rate=0.5)
        return [client.get(f"/loyalty/balance/{ACCOUNT}").status_code for _ in range(MANY)]

    first = run()
    assert set(first) == {200, 503}
    assert run() == first


def test_rules_can_be_listed_and_removed(sandbox: SandboxProcess, debit: Send) -> None:
    first = sandbox.fault("debit", "unavailable_503", times=None)
    second = sandbox.fault("debit", "error_500_before", times=None)
    sandbox.control("DELETE", f"/faults/{first['id']}")
    assert [rule["id"] for rule in sandbox.control("GET", "/faults")["faults"]] == [second["id"]]
    assert_problem(debit(), 500, "internal_error")
    sandbox.clear_faults()
    assert debit().status_code == 201


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"operation": "debit", "fault": "nonsense"},
        {"operation": "nonsense", "fault": "delay"},
        {"operation": "webhook", "fault": "delay"},
        {"operation": "debit", "fault": "forge"},
        {"operation": "debit", "fault": "silent"},
        {"operation": "debit", "fault": "delay", "rate": 2},
        {"operation": "debit", "fault": "delay", "unknown": 1},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(
    sandbox: SandboxProcess, rule: dict[str, object]
) -> None:
    with pytest.raises(SandboxError) as refused:
        sandbox.control("POST", "/faults", rule)
    assert refused.value.status == 422
