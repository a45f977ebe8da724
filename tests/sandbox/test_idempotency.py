"""A key is executed at most once, whatever fails meanwhile."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.sandbox.conftest import ACCOUNT, Send, until
from tests.sandbox.contract import assert_problem
from tests.support.sandbox_process import API_KEY, SandboxProcess


def test_a_repetition_gets_the_first_answer_with_200(debit: Send, sandbox: SandboxProcess) -> None:
    first = debit()
    sandbox.account(ACCOUNT, 5)
    second = debit()
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json() == first.json()
    assert sandbox.ledger(reference="R-1")["debit_points"] == 100
    assert [call["outcome"] for call in sandbox.calls(operation="debit")] == [
        "executed",
        "replayed",
    ]


def test_the_order_of_the_fields_makes_no_other_body(client: httpx.Client, debit: Send) -> None:
    debit()
    text = '{ "reference":"R-1", "points": 100,"account_id": "NW-1001"}'
    headers = {"Idempotency-Key": "debit:1"}
    assert client.post("/loyalty/debit", content=text, headers=headers).status_code == 200


def test_a_refusal_is_repeated_although_it_would_succeed_now(
    debit: Send, sandbox: SandboxProcess
) -> None:
    first = debit(points=5000)
    sandbox.account(ACCOUNT, 10_000)
    second = debit(points=5000)
    assert_problem(second, 422, "insufficient_points")
    assert second.json() == first.json()
    assert sandbox.ledger()["count"] == 0


@pytest.mark.parametrize("changes", [{"points": 101}, {"reference": "R-2"}, {"description": "x"}])
def test_a_key_with_another_body_is_refused(debit: Send, changes: dict[str, object]) -> None:
    debit()
    assert_problem(debit(**changes), 422, "idempotency_key_reused")


def test_a_key_of_a_debit_cannot_be_used_for_a_credit(debit: Send, credit: Send) -> None:
    original = debit("one").json()["transaction_id"]
    assert_problem(credit("one", original), 422, "idempotency_key_reused")


def test_the_two_apis_keep_their_keys_apart(debit: Send, fulfill: Send) -> None:
    assert debit("one").status_code == 201
    assert fulfill("F-1", "one").status_code == 202


@pytest.mark.parametrize("key", [None, "", "x" * 256])
def test_a_missing_or_overlong_key_is_invalid(client: httpx.Client, key: str | None) -> None:
    body = {"account_id": ACCOUNT, "points": 1, "reference": "R-1"}
    headers = {} if key is None else {"Idempotency-Key": key}
    response = client.post("/loyalty/debit", json=body, headers=headers)
    assert_problem(response, 400, "invalid_request")


def test_an_invalid_request_does_not_use_up_its_key(debit: Send) -> None:
    assert_problem(debit(points=0), 422, "invalid_request")
    assert debit().status_code == 201


def test_a_repetition_while_the_first_still_runs_is_in_progress(
    debit: Send, sandbox: SandboxProcess
) -> None:
    sandbox.fault("debit", "delay", seconds=3)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(debit)
        until(lambda: sandbox.calls(outcome="running"))
        assert_problem(debit(), 409, "request_in_progress")
        assert first.result().status_code == 201
    assert debit().status_code == 200
    assert sandbox.ledger()["count"] == 1


def test_twenty_at_once_with_one_key_debit_once(sandbox: SandboxProcess) -> None:
    body = {"account_id": ACCOUNT, "points": 100, "reference": "R-1"}
    headers = {"X-API-Key": API_KEY, "Idempotency-Key": "debit:1"}

    def send(_: int) -> int:
        return httpx.post(f"{sandbox.loyalty_url}/debit", json=body, headers=headers).status_code

    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(send, range(20)))
    assert statuses.count(201) == 1
    assert set(statuses) <= {200, 201, 409}
    assert sandbox.ledger()["debit_points"] == 100


def test_many_at_once_never_spend_more_than_there_is(sandbox: SandboxProcess) -> None:
    headers = {"X-API-Key": API_KEY}

    def send(number: int) -> int:
        body = {"account_id": ACCOUNT, "points": 300, "reference": f"R-{number}"}
        key = {"Idempotency-Key": f"debit:{number}"}
        return httpx.post(
            f"{sandbox.loyalty_url}/debit", json=body, headers=headers | key
        ).status_code

    with ThreadPoolExecutor(10) as pool:
        statuses = list(pool.map(send, range(10)))
    assert statuses.count(201) == 3
    assert statuses.count(422) == 7


def test_a_partner_that_ignores_keys_debits_twice(debit: Send, sandbox: SandboxProcess) -> None:
    sandbox.dial(honour_keys=False)
    assert [debit().status_code, debit().status_code] == [201, 201]
    assert sandbox.ledger()["debit_points"] == 200
    assert_problem(debit(points=5000), 422, "insufficient_points")


def test_a_repeated_fulfillment_is_told_as_it_then_is(
    fulfill: Send, client: httpx.Client, sandbox: SandboxProcess
) -> None:
    sandbox.dial(delay=3600)
    first = fulfill()
    assert first.json()["status"] == "accepted"
    address = f"/fulfillment/fulfillments/{first.json()['fulfillment_id']}/cancel"
    client.post(address, headers={"Idempotency-Key": "cancel:1"})
    second = fulfill()
    assert second.status_code == 200
    assert second.json()["status"] == "cancelled"
    assert second.json()["fulfillment_id"] == first.json()["fulfillment_id"]


def test_a_repeated_cancel_is_told_as_it_then_is(
    fulfill: Send, client: httpx.Client, sandbox: SandboxProcess
) -> None:
    sandbox.dial(delay=3600)
    address = f"/fulfillment/fulfillments/{fulfill().json()['fulfillment_id']}/cancel"
    answers = [client.post(address, headers={"Idempotency-Key": "cancel:1"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
