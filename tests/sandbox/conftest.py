"""One sandbox for each test module, reset before each test."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.sandbox.receiver import Receiver
from tests.support.sandbox_process import API_KEY, SandboxProcess

ACCOUNT = "NW-1001"
PATIENCE = 20.0
Send = Callable[..., httpx.Response]


def until(ask: Callable[[], Any]) -> Any:
    """Poll over HTTP until the answer is true. Fails when it stays false."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if answer := ask():
            return answer
    raise AssertionError("it never came true")


@pytest.fixture(scope="module")
def module_receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="module")
def module_sandbox(
    tmp_path_factory: pytest.TempPathFactory, module_receiver: Receiver
) -> Iterator[SandboxProcess]:
    folder = tmp_path_factory.mktemp("sandbox")
    with SandboxProcess.start(data_dir=folder, webhook_url=module_receiver.url) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(module_sandbox: SandboxProcess, module_receiver: Receiver) -> SandboxProcess:
    module_sandbox.reset()
    module_receiver.forget()
    module_sandbox.account(ACCOUNT, 1000)
    module_sandbox.dial(delay=0)
    return module_sandbox


@pytest.fixture
def receiver(sandbox: SandboxProcess, module_receiver: Receiver) -> Receiver:
    return module_receiver


@pytest.fixture(scope="module")
def module_client(module_sandbox: SandboxProcess) -> Iterator[httpx.Client]:
    headers = {"X-API-Key": API_KEY}
    with httpx.Client(base_url=module_sandbox.url, headers=headers, timeout=20) as client:
        yield client


@pytest.fixture
def client(sandbox: SandboxProcess, module_client: httpx.Client) -> httpx.Client:
    return module_client


@pytest.fixture
def debit(client: httpx.Client) -> Send:
    """`debit(key, **changes)`: debits 100 points for R-1 unless changed."""

    def send(key: str = "debit:1", **changes: Any) -> httpx.Response:
        body = {"account_id": ACCOUNT, "points": 100, "reference": "R-1"} | changes
        return client.post("/loyalty/debit", json=body, headers={"Idempotency-Key": key})

    return send


@pytest.fixture
def credit(client: httpx.Client) -> Send:
    """`credit(key, original, **changes)`: credits 40 points unless changed."""

    def send(key: str, original: str, **changes: Any) -> httpx.Response:
        body = {
            "account_id": ACCOUNT,
            "points": 40,
            "reference": "R-1",
            "original_transaction_id": original,
        } | changes
        return client.post("/loyalty/credit", json=body, headers={"Idempotency-Key": key})

    return send


@pytest.fixture
def fulfill(client: httpx.Client) -> Send:
    """`fulfill(reference, **changes)`: requests two units; the key is the reference by default."""

    def send(reference: str = "F-1", key: str | None = None, **changes: Any) -> httpx.Response:
        body = {
            "reference": reference,
            "sku": "GIFT-50",
            "quantity": 2,
            "recipient": {"name": "Ada Lovelace", "email": "ada@example.com"},
        } | changes
        headers = {"Idempotency-Key": key or f"fulfill:{reference}"}
        return client.post("/fulfillment/fulfillments", json=body, headers=headers)

    return send
