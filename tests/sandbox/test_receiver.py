"""The company's own system in the sandbox verifies messages, keeps them, and answers by its dial."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

SECRET = "whsec_" + base64.b64encode(b"thirty-two bytes for tests only!").decode()
OTHER = "whsec_" + base64.b64encode(b"another thirty-two bytes, tests!").decode()
BODY = '{"type":"order.placed","sequence":7}'


def send(client: httpx.Client, secret: str = SECRET) -> httpx.Response:
    now = datetime.now(UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_1", now, BODY),
    }
    return client.post("/receiver", content=BODY, headers=headers, timeout=1.0)


def messages(client: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/control/receiver").json()["messages"]
    return found


def test_it_verifies_with_each_secret_that_it_was_told_and_keeps_what_came(
    client: httpx.Client,
) -> None:
    assert send(client).status_code == 401
    for secret in (SECRET, OTHER, SECRET):
        told = client.post("/control/receiver", json={"secret": secret})
        assert secret not in told.text
    assert (send(client).status_code, send(client, OTHER).status_code) == (204, 204)
    newest, _second, first = messages(client)
    assert (newest["type"], newest["sequence"], newest["verified"]) == ("order.placed", 7, True)
    assert (first["verified"], first["answer"]) == (False, "forged")
    text = client.get("/").text
    assert SECRET not in text
    assert "order.placed" in text


@pytest.mark.parametrize(("answer", "status"), [("error", 500), ("redirect", 302), ("gone", 410)])
def test_it_answers_as_its_dial_says(client: httpx.Client, answer: str, status: int) -> None:
    client.post("/control/receiver", json={"secret": SECRET, "answer": answer})
    assert send(client).status_code == status


def test_it_can_leave_a_caller_waiting(client: httpx.Client) -> None:
    client.post("/control/receiver", json={"secret": SECRET, "answer": "hang"})
    with pytest.raises(httpx.ReadTimeout):
        send(client)
    assert messages(client)[0]["answer"] == "hang"


def test_it_refuses_dials_that_do_not_exist(client: httpx.Client) -> None:
    assert client.post("/control/receiver", json={"answer": "perhaps"}).status_code == 422
    assert client.post("/control/receiver", json={"secret": "short"}).status_code == 422
