"""Who may call the sandbox: callers with a token or a key."""

from __future__ import annotations

import httpx
import pytest

from tests.sandbox.conftest import ACCOUNT
from tests.sandbox.contract import assert_problem
from tests.support.sandbox_process import API_KEY, CLIENT_ID, CLIENT_SECRET, SandboxProcess

FORM = {
    "grant_type": "client_credentials",
    "client_id": CLIENT_ID,
    "client_secret": CLIENT_SECRET,
}


def balance(sandbox: SandboxProcess, **headers: str) -> httpx.Response:
    names = {"authorization": "Authorization", "key": "X-API-Key"}
    sent = {names[name]: value for name, value in headers.items()}
    return httpx.get(f"{sandbox.loyalty_url}/balance/{ACCOUNT}", headers=sent)


@pytest.mark.parametrize("prefix", ["", "/loyalty", "/fulfillment"])
def test_client_credentials_give_a_token_that_opens_both_apis(
    sandbox: SandboxProcess, prefix: str
) -> None:
    response = httpx.post(f"{sandbox.url}{prefix}/oauth/token", data=FORM)
    assert response.status_code == 200
    told = response.json()
    assert (told["token_type"], told["expires_in"]) == ("Bearer", 3600)
    headers = {"Authorization": f"Bearer {told['access_token']}"}
    assert balance(sandbox, authorization=headers["Authorization"]).status_code == 200
    found = httpx.get(f"{sandbox.fulfillment_url}/fulfillments?reference=x", headers=headers)
    assert found.json() == {"fulfillments": []}


def test_client_credentials_may_come_as_basic_authentication(sandbox: SandboxProcess) -> None:
    response = httpx.post(
        f"{sandbox.url}/oauth/token",
        data={"grant_type": "client_credentials"},
        auth=(CLIENT_ID, CLIENT_SECRET),
    )
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "wrong"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
def test_wrong_credentials_give_no_token(
    sandbox: SandboxProcess, changes: dict[str, str], status: int, error: str
) -> None:
    response = httpx.post(f"{sandbox.url}/oauth/token", data=FORM | changes)
    assert (response.status_code, response.json()) == (status, {"error": error})


def test_the_api_key_opens(sandbox: SandboxProcess) -> None:
    assert balance(sandbox, key=API_KEY).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"key": "wrong"},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer"},
        {"authorization": f"Basic {API_KEY}"},
    ],
)
def test_without_a_good_token_or_key_nothing_opens(
    sandbox: SandboxProcess, headers: dict[str, str]
) -> None:
    assert_problem(balance(sandbox, **headers), 401, "unauthorized")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/loyalty/transactions/NW-1001"),
        ("POST", "/loyalty/debit"),
        ("POST", "/loyalty/credit"),
        ("POST", "/fulfillment/fulfillments"),
        ("GET", "/fulfillment/fulfillments?reference=x"),
        ("GET", "/fulfillment/fulfillments/x"),
        ("POST", "/fulfillment/fulfillments/x/cancel"),
    ],
)
def test_every_operation_asks_who_is_calling(
    sandbox: SandboxProcess, method: str, path: str
) -> None:
    assert_problem(httpx.request(method, f"{sandbox.url}{path}"), 401, "unauthorized")


def test_a_token_opens_nothing_after_its_life(sandbox: SandboxProcess) -> None:
    sandbox.dial(token_life=0)
    token = httpx.post(f"{sandbox.url}/oauth/token", data=FORM).json()["access_token"]
    assert_problem(balance(sandbox, authorization=f"Bearer {token}"), 401, "unauthorized")


def test_a_token_can_be_expired_before_its_time(sandbox: SandboxProcess) -> None:
    token = httpx.post(f"{sandbox.url}/oauth/token", data=FORM).json()["access_token"]
    sandbox.fault("balance", "expired_token")
    for _ in range(2):  # the fault happens once; the token stays expired
        assert_problem(balance(sandbox, authorization=f"Bearer {token}"), 401, "unauthorized")
    fresh = httpx.post(f"{sandbox.url}/oauth/token", data=FORM).json()["access_token"]
    assert balance(sandbox, authorization=f"Bearer {fresh}").status_code == 200


def test_the_log_and_the_calls_hold_no_secret(sandbox: SandboxProcess) -> None:
    token = httpx.post(f"{sandbox.url}/oauth/token", data=FORM).json()["access_token"]
    balance(sandbox, authorization=f"Bearer {token}")
    kept = sandbox.log + str(sandbox.calls())
    assert "balance" in kept
    assert not any(secret in kept for secret in (token, CLIENT_SECRET, API_KEY))
