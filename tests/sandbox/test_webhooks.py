"""The sandbox's webhooks: signed, repeated until 2xx, and each way in which they can go wrong."""

from __future__ import annotations

import httpx
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.sandbox.conftest import Send, until
from tests.sandbox.contract import EVENT, assert_matches
from tests.sandbox.receiver import Event, Receiver
from tests.sandbox.test_fulfillment import cancel, get, settled
from tests.support.sandbox_process import SandboxProcess


@pytest.fixture
def judge(sandbox: SandboxProcess) -> Webhook:
    secret = sandbox.options[sandbox.options.index("--webhook-secret") + 1]
    return Webhook(secret)


def statuses(events: list[Event]) -> list[str]:
    return [event.status for event in events]


def codes(client: httpx.Client, response: httpx.Response) -> list[str]:
    units = settled(client, response)["deliverables"]
    assert isinstance(units, list)
    return [unit["code"] for unit in units]


def quiet(sandbox: SandboxProcess) -> bool:
    """Whether nothing is left to send and nothing will follow."""
    state = sandbox.control("GET", "/state")
    return state["events_waiting"] == state["fulfillments_open"] == 0


def test_the_outcome_comes_signed_and_as_the_contract_says(
    fulfill: Send, client: httpx.Client, receiver: Receiver, judge: Webhook
) -> None:
    made = fulfill().json()
    (event,) = receiver.wait(1)
    assert judge.verify(event.raw, event.headers) == event.body
    assert_matches("fulfillment-api", EVENT, event.body)
    assert event.body["type"] == "fulfillment.delivered"
    assert event.body["data"] == get(client, made["fulfillment_id"])
    assert event.headers["content-type"] == "application/json"


def test_another_secret_does_not_verify(fulfill: Send, receiver: Receiver) -> None:
    fulfill()
    (event,) = receiver.wait(1)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_YW5vdGhlciBzZWNyZXQ=").verify(event.raw, event.headers)


def test_an_event_is_repeated_with_its_id_until_it_is_taken(
    fulfill: Send, receiver: Receiver, sandbox: SandboxProcess, judge: Webhook
) -> None:
    receiver.answers[:] = [500, 401, 302]
    fulfill()
    events = receiver.wait(4)
    assert len({event.headers["webhook-id"] for event in events}) == 1
    assert len({event.raw for event in events}) == 1
    for event in events:
        judge.verify(event.raw, event.headers)
    until(lambda: quiet(sandbox))
    assert len(receiver.events) == 4


def test_processing_may_come_on_the_way(
    fulfill: Send, receiver: Receiver, sandbox: SandboxProcess
) -> None:
    sandbox.dial(processing_event=True)
    fulfill()
    events = receiver.wait(2)
    assert sorted(statuses(events)) == ["delivered", "processing"]
    for event in events:
        assert_matches("fulfillment-api", EVENT, event.body)


def test_late(
    fulfill: Send, receiver: Receiver, client: httpx.Client, sandbox: SandboxProcess
) -> None:
    sandbox.fault("webhook", "late", seconds=3600)
    assert settled(client, fulfill())["status"] == "delivered"
    assert sandbox.control("GET", "/state")["events_waiting"] == 1
    fulfill("F-2")
    assert [event.body["data"]["reference"] for event in receiver.wait(1)] == ["F-2"]


def test_repeat(fulfill: Send, receiver: Receiver, sandbox: SandboxProcess) -> None:
    sandbox.fault("webhook", "repeat", copies=3)
    fulfill()
    events = receiver.wait(3)
    assert len({event.headers["webhook-id"] for event in events}) == 1
    until(lambda: quiet(sandbox))
    assert len(receiver.events) == 3


@pytest.mark.parametrize("processing", [False, True])
def test_reorder(
    fulfill: Send, receiver: Receiver, sandbox: SandboxProcess, processing: bool
) -> None:
    sandbox.dial(processing_event=processing)
    sandbox.fault("webhook", "reorder")
    receiver.answers[:] = [503]
    fulfill()
    events = receiver.wait(3)
    assert statuses(events) == ["delivered", "delivered", "processing"]
    assert events[2].body["data"]["updated_at"] < events[1].body["data"]["updated_at"]
    assert "deliverables" not in events[2].body["data"]


def test_forge(fulfill: Send, receiver: Receiver, sandbox: SandboxProcess, judge: Webhook) -> None:
    sandbox.fault("webhook", "forge")
    receiver.answers[:] = [401]
    fulfill()
    forged, good = receiver.wait(2)
    with pytest.raises(WebhookVerificationError):
        judge.verify(forged.raw, forged.headers)
    judge.verify(good.raw, good.headers)


def test_stale(fulfill: Send, receiver: Receiver, sandbox: SandboxProcess, judge: Webhook) -> None:
    sandbox.fault("webhook", "stale")
    receiver.answers[:] = [401]
    fulfill()
    stale, good = receiver.wait(2)
    with pytest.raises(WebhookVerificationError, match="too old"):
        judge.verify(stale.raw, stale.headers)
    judge.verify(good.raw, good.headers)


def test_missing(
    fulfill: Send, receiver: Receiver, sandbox: SandboxProcess, client: httpx.Client
) -> None:
    sandbox.fault("webhook", "missing")
    assert settled(client, fulfill())["status"] == "delivered"
    assert quiet(sandbox)
    fulfill("F-2")
    assert [event.body["data"]["reference"] for event in receiver.wait(1)] == ["F-2"]


@pytest.mark.parametrize("operation", ["fulfill", "webhook"])
def test_early(fulfill: Send, receiver: Receiver, sandbox: SandboxProcess, operation: str) -> None:
    sandbox.dial(delay=3600)
    sandbox.fault(operation, "early")
    response = fulfill()
    assert statuses(receiver.events) == ["delivered"]
    assert (response.status_code, response.json()["status"]) == (202, "accepted")
    until(lambda: quiet(sandbox))
    assert len(receiver.events) == 1


def test_contradict(
    fulfill: Send, receiver: Receiver, sandbox: SandboxProcess, client: httpx.Client
) -> None:
    sandbox.fault("webhook", "contradict")
    made = fulfill().json()
    events = receiver.wait(2)
    assert statuses(events) == ["delivered", "failed"]
    assert len({event.headers["webhook-id"] for event in events}) == 2
    assert get(client, made["fulfillment_id"])["status"] == "delivered"


@pytest.mark.parametrize(("fault", "count"), [("fewer_codes", 1), ("more_codes", 3)])
def test_wrong_number_of_codes(
    fulfill: Send,
    receiver: Receiver,
    sandbox: SandboxProcess,
    client: httpx.Client,
    fault: str,
    count: int,
) -> None:
    sandbox.fault("webhook", fault)
    assert len(codes(client, fulfill())) == count
    assert len(receiver.wait(1)[0].body["data"]["deliverables"]) == count


def test_same_code(fulfill: Send, sandbox: SandboxProcess, client: httpx.Client) -> None:
    first = codes(client, fulfill("F-1"))
    sandbox.fault("fulfill", "same_code")
    second = codes(client, fulfill("F-2"))
    assert second[0] == first[0]
    assert second[1] not in first


def test_what_cannot_be_sent_waits_until_there_is_an_address(
    fulfill: Send, receiver: Receiver, sandbox: SandboxProcess, client: httpx.Client
) -> None:
    sandbox.dial(webhook_url=None)
    settled(client, fulfill())
    assert sandbox.control("GET", "/state")["events_waiting"] == 1
    assert receiver.events == []
    sandbox.dial(webhook_url=receiver.url)
    assert statuses(receiver.wait(1)) == ["delivered"]


def test_a_cancelled_fulfillment_is_never_delivered(
    fulfill: Send, receiver: Receiver, sandbox: SandboxProcess, client: httpx.Client
) -> None:
    sandbox.dial(delay=0.5)
    cancel(client, fulfill().json()["fulfillment_id"])
    sandbox.dial(delay=1)
    fulfill("F-2")
    events = receiver.wait(2)
    assert [(event.body["data"]["reference"], event.status) for event in events] == [
        ("F-1", "cancelled"),
        ("F-2", "delivered"),
    ]


@pytest.mark.parametrize(
    ("fault", "said"), [("false_failure", "failed"), ("false_delivery", "delivered")]
)
def test_a_lie_comes_before_the_answer_in_the_name_of_another(
    fulfill: Send,
    receiver: Receiver,
    sandbox: SandboxProcess,
    client: httpx.Client,
    fault: str,
    said: str,
) -> None:
    sandbox.dial(delay=3600)
    sandbox.fault("fulfill", fault)
    made = fulfill().json()
    (event,) = receiver.events
    assert_matches("fulfillment-api", EVENT, event.body)
    told = event.body["data"]
    assert (told["status"], told["reference"]) == (said, made["reference"])
    assert told["fulfillment_id"] != made["fulfillment_id"]
    assert get(client, made["fulfillment_id"])["status"] == "accepted"


def test_retract(
    fulfill: Send, receiver: Receiver, sandbox: SandboxProcess, client: httpx.Client
) -> None:
    sandbox.fault("webhook", "retract")
    made = fulfill().json()
    events = receiver.wait(2)
    assert statuses(events) == ["failed", "delivered"]
    assert len({event.headers["webhook-id"] for event in events}) == 2
    assert get(client, made["fulfillment_id"])["status"] == "delivered"


def test_other_codes(
    fulfill: Send, receiver: Receiver, sandbox: SandboxProcess, client: httpx.Client
) -> None:
    sandbox.fault("webhook", "other_codes")
    true = codes(client, fulfill())
    units = receiver.wait(1)[0].body["data"]["deliverables"]
    assert len(units) == len(true)
    assert not {unit["code"] for unit in units} & set(true)
