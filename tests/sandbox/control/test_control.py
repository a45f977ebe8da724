"""The control API: accounts, history, sums, and who may use it."""

from __future__ import annotations

import httpx
import pytest

from tests.sandbox.conftest import ACCOUNT, Send, until
from tests.sandbox.contract import STATEMENT, assert_matches, assert_problem
from tests.support.sandbox_process import SandboxError, SandboxProcess

HISTORY = {
    "accounts": [{"account_id": "LM-2002", "balance": 900}],
    "entries": [
        {
            "transaction_id": "txn_past_2",
            "type": "credit",
            "account_id": "LM-2002",
            "points": 40,
            "reference": "R-OLD",
            "original_transaction_id": "txn_past_1",
            "created_at": "2026-03-02T09:00:00Z",
            "idempotency_key": "credit:past",
        },
        {
            "transaction_id": "txn_past_1",
            "type": "debit",
            "account_id": "LM-2002",
            "points": 140,
            "reference": "R-OLD",
            "original_transaction_id": None,
            "created_at": "2026-03-01T10:00:00+01:00",
            "idempotency_key": "debit:past",
        },
    ],
    "fulfillments": [
        {
            "fulfillment_id": "ful_past",
            "reference": "F-OLD",
            "sku": "GIFT-50",
            "quantity": 1,
            "status": "delivered",
            "created_at": "2026-03-01T09:00:01Z",
            "updated_at": "2026-03-01T09:00:02Z",
            "idempotency_key": "fulfill:past",
            "deliverables": [{"code": "OLD-CODE", "pin": None, "url": None, "expires_on": None}],
        }
    ],
}


def test_setting_a_balance_is_no_movement(debit: Send, sandbox: SandboxProcess) -> None:
    debit()
    account = sandbox.account(ACCOUNT, 5000)
    assert (account["balance"], account["opening"]) == (5000, 5100)
    books = sandbox.ledger(account=ACCOUNT)
    assert (books["count"], books["debit_points"], books["credit_points"]) == (1, 100, 0)


def test_setting_a_balance_keeps_what_was_not_named(sandbox: SandboxProcess) -> None:
    lapsing = [{"points": 5, "expires_on": "2026-12-31"}]
    sandbox.account(ACCOUNT, 10, blocked=True, expiring=lapsing)
    account = sandbox.account(ACCOUNT, 20)
    assert (account["blocked"], account["expiring"]) == (True, lapsing)
    assert sandbox.control("GET", "/accounts")["accounts"] == [account]


def test_the_books_can_be_asked_by_account_and_reference(
    debit: Send, credit: Send, sandbox: SandboxProcess
) -> None:
    original = debit("debit:1", reference="R-1").json()["transaction_id"]
    credit("credit:1", original)
    debit("debit:2", reference="R-2", points=7)
    of_order = sandbox.ledger(reference="R-1")
    assert (of_order["debit_points"], of_order["credit_points"]) == (100, 40)
    assert [entry["idempotency_key"] for entry in of_order["entries"]] == ["debit:1", "credit:1"]
    assert sandbox.ledger(account=ACCOUNT, reference="R-2")["debit_points"] == 7
    assert sandbox.ledger(account="other")["count"] == 0
    assert sandbox.ledger()["count"] == 3


def test_the_calls_tell_key_fault_and_outcome(debit: Send, sandbox: SandboxProcess) -> None:
    sandbox.fault("debit", "unavailable_503")
    debit()
    debit()
    debit()
    told = sandbox.calls(reference="R-1")
    assert [(call["outcome"], call["status"], call["fault"]) for call in told] == [
        ("failed", 503, "unavailable_503"),
        ("executed", 201, None),
        ("replayed", 200, None),
    ]
    assert {call["idempotency_key"] for call in told} == {"debit:1"}


def test_history_is_imported_as_it_was(sandbox: SandboxProcess, client: httpx.Client) -> None:
    assert sandbox.control("POST", "/import", HISTORY) == {"entries": 2, "fulfillments": 1}
    page = client.get("/loyalty/transactions/LM-2002").json()
    assert_matches("loyalty-api", STATEMENT, page)
    assert [
        (row["transaction_id"], row["created_at"], row["balance_after"])
        for row in page["transactions"]
    ] == [
        ("txn_past_1", "2026-03-01T09:00:00.000000Z", 860),
        ("txn_past_2", "2026-03-02T09:00:00.000000Z", 900),
    ]
    assert client.get("/loyalty/balance/LM-2002").json()["balance"] == 900
    past = client.get("/fulfillment/fulfillments/ful_past").json()
    assert_matches("fulfillment-api", "Fulfillment", past)
    assert past["deliverables"][0]["code"] == "OLD-CODE"
    assert sandbox.control("GET", "/events")["events"] == []


def test_imported_keys_are_answered_and_never_executed_again(
    sandbox: SandboxProcess, debit: Send, fulfill: Send
) -> None:
    sandbox.control("POST", "/import", HISTORY)
    again = debit("debit:past", account_id="LM-2002", points=140, reference="R-OLD")
    assert (again.status_code, again.json()["transaction_id"]) == (200, "txn_past_1")
    told = fulfill("F-OLD", "fulfill:past")
    assert (told.status_code, told.json()["fulfillment_id"]) == (200, "ful_past")
    assert sandbox.ledger(account="LM-2002")["count"] == 2


def test_history_limits_what_can_still_be_credited(sandbox: SandboxProcess, credit: Send) -> None:
    sandbox.control("POST", "/import", HISTORY)
    too_much = credit("credit:new", "txn_past_1", account_id="LM-2002", points=101)
    assert_problem(too_much, 422, "refund_exceeds_debit")
    rest = credit("credit:rest", "txn_past_1", account_id="LM-2002", points=100)
    assert rest.json()["balance_after"] == 1000


def test_importing_twice_changes_nothing(sandbox: SandboxProcess) -> None:
    sandbox.control("POST", "/import", HISTORY)
    before = sandbox.ledger()
    assert sandbox.control("POST", "/import", HISTORY) == {"entries": 0, "fulfillments": 0}
    assert sandbox.ledger() == before


def test_history_moves_an_account_that_was_there(sandbox: SandboxProcess) -> None:
    entry = HISTORY["entries"][1] | {"account_id": ACCOUNT}
    sandbox.control("POST", "/import", {"entries": [entry]})
    assert sandbox.control("GET", "/accounts")["accounts"][0]["balance"] == 860


@pytest.mark.parametrize(
    "changes", [{"account_id": "nobody"}, {"points": 0}, {"created_at": "x"}, {"points": 10**6}]
)
def test_history_that_cannot_be_is_refused_whole(
    sandbox: SandboxProcess, changes: dict[str, object]
) -> None:
    good = HISTORY["entries"][1] | {"account_id": ACCOUNT}
    bad = good | {"transaction_id": "txn_bad"} | changes
    with pytest.raises(SandboxError):
        sandbox.control("POST", "/import", {"entries": [good, bad]})
    assert sandbox.ledger()["count"] == 0


def test_an_open_fulfillment_of_the_past_reaches_its_outcome(
    sandbox: SandboxProcess, client: httpx.Client
) -> None:
    past = HISTORY["fulfillments"][0] | {"status": "processing"}
    del past["deliverables"]
    sandbox.control("POST", "/import", {"fulfillments": [past]})
    address = "/fulfillment/fulfillments/ful_past"
    until(lambda: client.get(address).json()["status"] == "delivered")


def test_reset_forgets_everything_but_how_it_was_started(
    debit: Send, fulfill: Send, sandbox: SandboxProcess
) -> None:
    debit()
    fulfill()
    sandbox.fault("debit", "unavailable_503")
    sandbox.dial(mode="silent")
    sandbox.reset()
    state = sandbox.control("GET", "/state")
    assert (state["accounts"], state["entries"], state["fulfillments"]) == (0, 0, 0)
    assert (state["faults"], state["events_waiting"], sandbox.calls()) == ([], 0, [])
    assert state["dials"]["mode"] == "accept"
    assert state["dials"]["webhook_url"].endswith("/webhooks/fulfillment/")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/accounts", {"account_id": "x"}),
        ("/accounts", {"account_id": "x", "balance": -1}),
        ("/dials", {"mode": "nonsense"}),
        ("/dials", {"delay": "soon"}),
        ("/seed", {}),
        ("/import", {"unknown": []}),
    ],
)
def test_control_says_what_is_wrong(
    sandbox: SandboxProcess, path: str, body: dict[str, object]
) -> None:
    with pytest.raises(SandboxError, match="invalid_request") as refused:
        sandbox.control("POST", path, body)
    assert refused.value.status == 422


def test_a_page_of_another_site_cannot_control(sandbox: SandboxProcess) -> None:
    response = httpx.post(
        f"{sandbox.url}/control/reset", json={}, headers={"Origin": "https://elsewhere.example"}
    )
    assert_problem(response, 403, "forbidden")
    assert sandbox.control("GET", "/state")["accounts"] == 1


@pytest.mark.parametrize("path", ["/", "/control/state", "/control/fulfillments"])
def test_a_name_that_was_bent_to_this_machine_cannot_look(
    sandbox: SandboxProcess, path: str
) -> None:
    headers = {"Host": f"elsewhere.example:{sandbox.port}"}
    assert_problem(httpx.get(f"{sandbox.url}{path}", headers=headers), 403, "forbidden")


def test_curl_without_a_content_type_is_understood(sandbox: SandboxProcess) -> None:
    response = httpx.post(
        f"{sandbox.url}/control/accounts",
        content=b'{"account_id": "curl", "balance": 3}',
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert response.json()["balance"] == 3


def test_healthz_answers_anybody(sandbox: SandboxProcess) -> None:
    assert httpx.get(f"{sandbox.url}/healthz").json() == {"status": "ok"}
