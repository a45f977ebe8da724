"""The sandbox's Fulfillment API keeps its contract in each mode."""

from __future__ import annotations

import httpx
import pytest

from tests.sandbox.conftest import Send, until
from tests.sandbox.contract import FOUND, assert_matches, assert_problem
from tests.sandbox.receiver import Receiver
from tests.support.sandbox_process import SandboxError, SandboxProcess


def get(client: httpx.Client, fulfillment_id: str) -> dict[str, object]:
    response = client.get(f"/fulfillment/fulfillments/{fulfillment_id}")
    assert response.status_code == 200, response.text
    assert_matches("fulfillment-api", "Fulfillment", response.json())
    body: dict[str, object] = response.json()
    return body


def settled(client: httpx.Client, response: httpx.Response) -> dict[str, object]:
    """Wait until the fulfillment is final, and return it."""
    identity = response.json()["fulfillment_id"]
    until(lambda: get(client, identity)["status"] in ("delivered", "failed", "cancelled"))
    return get(client, identity)


def cancel(client: httpx.Client, fulfillment_id: str, key: str = "cancel:1") -> httpx.Response:
    address = f"/fulfillment/fulfillments/{fulfillment_id}/cancel"
    return client.post(address, headers={"Idempotency-Key": key})


def test_accepted_first_then_delivered_with_a_code_for_each_unit(
    fulfill: Send, client: httpx.Client, sandbox: SandboxProcess
) -> None:
    sandbox.dial(delay=0.3)
    response = fulfill(quantity=3)
    assert response.status_code == 202
    assert_matches("fulfillment-api", "Fulfillment", response.json())
    assert response.json()["status"] == "accepted"
    assert "deliverables" not in response.json()
    told = settled(client, response)
    assert told["status"] == "delivered"
    assert isinstance(told["deliverables"], list)
    assert len(told["deliverables"]) == 3
    assert all({"code", "pin", "url", "expires_on"} == set(unit) for unit in told["deliverables"])


def test_instant_answers_delivered_at_once(fulfill: Send, sandbox: SandboxProcess) -> None:
    sandbox.dial(mode="instant")
    first, second = fulfill(), fulfill()
    assert (first.status_code, second.status_code) == (201, 200)
    assert_matches("fulfillment-api", "Fulfillment", first.json())
    assert first.json()["status"] == "delivered"
    assert second.json() == first.json()
    assert sandbox.control("GET", "/events")["events"] == []


def test_no_two_units_have_one_code(fulfill: Send, sandbox: SandboxProcess) -> None:
    sandbox.dial(mode="instant")
    codes = [
        unit["code"]
        for number in range(20)
        for unit in fulfill(f"F-{number}", quantity=50).json()["deliverables"]
    ]
    assert len(set(codes)) == 1000


def test_silent_delivers_without_a_webhook(
    fulfill: Send, client: httpx.Client, sandbox: SandboxProcess
) -> None:
    sandbox.dial(mode="silent")
    assert settled(client, fulfill())["status"] == "delivered"
    assert sandbox.control("GET", "/events")["events"] == []


def test_fail_says_why_and_gives_no_codes(
    fulfill: Send, client: httpx.Client, sandbox: SandboxProcess, receiver: Receiver
) -> None:
    sandbox.dial(mode="fail")
    response = fulfill()
    assert response.status_code == 202
    told = settled(client, response)
    assert (told["status"], told["reason"]) == ("failed", "out_of_stock")
    assert "deliverables" not in told
    assert receiver.wait(1)[0].status == "failed"


def test_an_open_delivery_ends_as_somebody_decides_and_nobody_is_told(
    fulfill: Send, client: httpx.Client, sandbox: SandboxProcess
) -> None:
    sandbox.dial(mode="accept", delay=3600)
    made = fulfill("F-1", quantity=3).json()
    wish = {"reference": "F-1", "status": "failed", "codes": 2}
    assert sandbox.control("POST", "/decide", wish)["status"] == "failed"
    told = client.get(f"/fulfillment/fulfillments/{made['fulfillment_id']}").json()
    assert (told["status"], told["reason"], len(told["deliverables"])) == ("failed", "rejected", 2)
    assert sandbox.control("GET", "/events")["events"] == []
    with pytest.raises(SandboxError, match="not_open"):
        sandbox.control("POST", "/decide", wish)
    anew = {"reference": "F-1", "status": "delivered", "anew": True}
    assert len(sandbox.control("POST", "/decide", anew)["deliverables"]) == 3


def test_a_mode_can_be_for_one_reference_alone(
    fulfill: Send, client: httpx.Client, sandbox: SandboxProcess
) -> None:
    sandbox.fault("fulfill", "fail", match="F-2", times=None)
    sandbox.fault("fulfill", "instant", match="F-3", times=None)
    assert settled(client, fulfill("F-1"))["status"] == "delivered"
    assert settled(client, fulfill("F-2"))["status"] == "failed"
    assert fulfill("F-3").status_code == 201


def test_find_tells_none_or_one(fulfill: Send, client: httpx.Client) -> None:
    def find() -> list[dict[str, object]]:
        response = client.get("/fulfillment/fulfillments", params={"reference": "F-1"})
        assert_matches("fulfillment-api", FOUND, response.json())
        found: list[dict[str, object]] = response.json()["fulfillments"]
        return found

    assert find() == []
    made = fulfill().json()
    assert [one["fulfillment_id"] for one in find()] == [made["fulfillment_id"]]


def test_find_needs_a_reference(client: httpx.Client) -> None:
    assert_problem(client.get("/fulfillment/fulfillments"), 422, "invalid_request")


def test_an_unknown_fulfillment_is_not_found(client: httpx.Client) -> None:
    response = client.get("/fulfillment/fulfillments/none")
    assert_problem(response, 404, "fulfillment_not_found")
    assert_problem(cancel(client, "none"), 404, "fulfillment_not_found")


def test_a_reference_is_used_once(fulfill: Send, sandbox: SandboxProcess) -> None:
    fulfill()
    assert_problem(fulfill(key="another"), 422, "duplicate_reference")
    assert sandbox.control("GET", "/state")["fulfillments"] == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"quantity": 0},
        {"quantity": 1001},
        {"sku": None},
        {"recipient": {"name": "Ada"}},
        {"recipient": {"name": "Ada", "email": "nowhere"}},
        {"message": "x" * 1001},
    ],
)
def test_a_request_that_breaks_the_schema_is_invalid(
    fulfill: Send, sandbox: SandboxProcess, changes: dict[str, object]
) -> None:
    assert_problem(fulfill(**changes), 422, "invalid_request")
    assert sandbox.control("GET", "/state")["fulfillments"] == 0


def test_cancel_comes_before_the_outcome(
    fulfill: Send, client: httpx.Client, sandbox: SandboxProcess, receiver: Receiver
) -> None:
    sandbox.dial(delay=3600)
    response = cancel(client, fulfill().json()["fulfillment_id"])
    assert response.status_code == 200
    assert_matches("fulfillment-api", "Fulfillment", response.json())
    told = response.json()
    assert (told["status"], told["reason"]) == ("cancelled", "requested")
    assert receiver.wait(1)[0].status == "cancelled"


def test_cancel_after_delivery_says_that_it_was_too_late(
    fulfill: Send, client: httpx.Client, sandbox: SandboxProcess
) -> None:
    sandbox.dial(mode="instant")
    made = fulfill().json()
    assert cancel(client, made["fulfillment_id"]).json() == made


def test_cancel_needs_a_key(fulfill: Send, client: httpx.Client) -> None:
    made = fulfill().json()
    response = client.post(f"/fulfillment/fulfillments/{made['fulfillment_id']}/cancel")
    assert_problem(response, 400, "invalid_request")
