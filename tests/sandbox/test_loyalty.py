"""The sandbox's Loyalty Points API keeps its contract."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from tests.sandbox.conftest import ACCOUNT, Send
from tests.sandbox.contract import STATEMENT, assert_matches, assert_problem
from tests.support.sandbox_process import SandboxError, SandboxProcess


def statement(client: httpx.Client, **query: str) -> dict[str, Any]:
    """A page of the statement, without the kinds of what the portal asked for."""
    body = whole_statement(client, **query)
    for entry in body["transactions"]:
        entry.pop("kind")
    return body


def whole_statement(client: httpx.Client, **query: str) -> dict[str, Any]:
    response = client.get(f"/loyalty/transactions/{ACCOUNT}", params=query)
    assert response.status_code == 200, response.text
    assert_matches("loyalty-api", STATEMENT, response.json())
    body: dict[str, Any] = response.json()
    return body


def test_balance_is_what_can_be_spent(client: httpx.Client, sandbox: SandboxProcess) -> None:
    sandbox.account(ACCOUNT, 700, expiring=[{"points": 50, "expires_on": "2026-12-31"}])
    response = client.get(f"/loyalty/balance/{ACCOUNT}")
    assert response.status_code == 200
    assert_matches("loyalty-api", "Balance", response.json())
    assert response.json()["balance"] == 700
    assert response.json()["expiring"] == [{"points": 50, "expires_on": "2026-12-31"}]


def test_balance_of_an_account_whose_id_needs_escaping(
    client: httpx.Client, sandbox: SandboxProcess
) -> None:
    sandbox.account("a/b ü?", 5)
    assert client.get("/loyalty/balance/a%2Fb%20%C3%BC%3F").json()["balance"] == 5


@pytest.mark.parametrize("path", ["balance", "transactions"])
def test_an_unknown_account_is_not_found(client: httpx.Client, path: str) -> None:
    assert_problem(client.get(f"/loyalty/{path}/nobody"), 404, "account_not_found")


def test_debit_takes_points_and_tells_the_transaction(debit: Send, client: httpx.Client) -> None:
    response = debit(description="Order R-1")
    assert response.status_code == 201
    assert_matches("loyalty-api", "Transaction", response.json())
    told = response.json()
    assert (told["type"], told["points"], told["balance_after"]) == ("debit", 100, 900)
    assert client.get(f"/loyalty/balance/{ACCOUNT}").json()["balance"] == 900


def test_debit_beyond_the_balance_is_refused(debit: Send, sandbox: SandboxProcess) -> None:
    assert_problem(debit(points=1001), 422, "insufficient_points")
    assert sandbox.ledger()["count"] == 0


def test_debit_of_more_points_than_a_database_can_hold_is_refused(debit: Send) -> None:
    assert_problem(debit(points=10**40), 422, "insufficient_points")


def test_debit_of_the_whole_balance_leaves_zero(debit: Send) -> None:
    assert debit(points=1000).json()["balance_after"] == 0


def test_debit_of_an_unknown_account_is_refused(debit: Send) -> None:
    assert_problem(debit(account_id="nobody"), 404, "account_not_found")


def test_a_blocked_account_cannot_spend_but_takes_its_refund(
    debit: Send, credit: Send, sandbox: SandboxProcess
) -> None:
    done = debit().json()
    sandbox.account(ACCOUNT, 900, blocked=True)
    assert_problem(debit("debit:2"), 422, "account_blocked")
    assert credit("credit:1", done["transaction_id"]).status_code == 201


def test_credit_gives_back_a_part_of_a_debit(debit: Send, credit: Send) -> None:
    original = debit().json()["transaction_id"]
    response = credit("credit:1", original)
    assert response.status_code == 201
    assert_matches("loyalty-api", "Transaction", response.json())
    told = response.json()
    assert told["original_transaction_id"] == original
    assert (told["type"], told["points"], told["balance_after"]) == ("credit", 40, 940)


def test_credits_never_exceed_their_debit(debit: Send, credit: Send) -> None:
    original = debit().json()["transaction_id"]
    assert credit("credit:1", original, points=60).status_code == 201
    assert_problem(credit("credit:2", original, points=41), 422, "refund_exceeds_debit")
    assert credit("credit:3", original, points=40).status_code == 201


def test_credit_of_an_unknown_debit_is_refused(
    debit: Send, credit: Send, sandbox: SandboxProcess
) -> None:
    assert_problem(credit("credit:1", "txn_none"), 404, "transaction_not_found")
    original = debit().json()["transaction_id"]
    refund = credit("credit:2", original).json()["transaction_id"]
    assert_problem(credit("credit:3", refund), 404, "transaction_not_found")
    sandbox.account("other", 0)
    of_another = credit("credit:4", original, account_id="other")
    assert_problem(of_another, 404, "transaction_not_found")


@pytest.mark.parametrize(
    "changes",
    [
        {"points": 0},
        {"points": -5},
        {"points": "100"},
        {"points": 1.5},
        {"points": True},
        {"points": None},
        {"account_id": ""},
        {"account_id": "x" * 101},
        {"reference": "x" * 101},
        {"reference": 7},
        {"description": "x" * 256},
    ],
)
def test_a_request_that_breaks_the_schema_is_invalid(
    debit: Send, sandbox: SandboxProcess, changes: dict[str, object]
) -> None:
    assert_problem(debit(**changes), 422, "invalid_request")
    assert sandbox.ledger()["count"] == 0


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b'{"points": NaN}', 400),
        (b'{"reference": "\\ud800"}', 400),
        (b"[" * 100_000, 400),
        (b"[]", 422),
        (b"{}", 422),
        (b'{"description": "' + b"x" * 300_000 + b'"}', 413),
    ],
)
def test_a_hostile_body_is_invalid(client: httpx.Client, body: bytes, status: int) -> None:
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    response = client.post("/loyalty/debit", content=body, headers=headers)
    assert_problem(response, status, "invalid_request")


def test_an_unknown_address_is_not_found(client: httpx.Client) -> None:
    assert_problem(client.get("/loyalty/nothing"), 404, "not_found")
    assert_problem(client.put("/loyalty/debit"), 404, "not_found")


def test_statement_pages_through_all_movements_once_oldest_first(
    debit: Send, client: httpx.Client, sandbox: SandboxProcess
) -> None:
    sandbox.dial(page_size=3)
    made = [debit(f"debit:{n}", points=1).json() for n in range(7)]
    seen: list[object] = []
    sizes = []
    page = statement(client)
    while True:
        assert isinstance(page["transactions"], list)
        seen += page["transactions"]
        sizes.append(len(page["transactions"]))
        if page["next_cursor"] is None:
            break
        page = statement(client, cursor=str(page["next_cursor"]))
    assert seen == made
    assert sizes == [3, 3, 1]


def test_statement_that_ends_on_a_full_page_has_no_next(
    debit: Send, client: httpx.Client, sandbox: SandboxProcess
) -> None:
    sandbox.dial(page_size=2)
    for n in range(2):
        debit(f"debit:{n}")
    assert statement(client)["next_cursor"] is None


def test_statement_shows_what_came_while_it_was_paged(
    debit: Send, client: httpx.Client, sandbox: SandboxProcess
) -> None:
    sandbox.dial(page_size=1)
    debit("debit:1")
    debit("debit:2")
    first = statement(client)
    late = debit("debit:3").json()
    second = statement(client, cursor=str(first["next_cursor"]))
    third = statement(client, cursor=str(second["next_cursor"]))
    assert third["transactions"] == [late]


def test_statement_since_a_moment_includes_that_moment(debit: Send, client: httpx.Client) -> None:
    made = [debit(f"debit:{n}").json() for n in range(3)]
    since = made[1]["created_at"]
    assert statement(client, since=since)["transactions"] == made[1:]
    assert statement(client, since=since.replace("Z", "+00:00"))["transactions"] == made[1:]
    assert statement(client, since="2999-01-01T00:00:00Z")["transactions"] == []


@pytest.mark.parametrize(
    "query",
    [
        {"since": "yesterday"},
        {"since": "2026-01-01T00:00:00"},
        {"cursor": "!"},
        {"cursor": "bm90IG9uZQ=="},
        {"cursor": base64.urlsafe_b64encode(b"\xff").decode()},
    ],
)
def test_statement_refuses_a_since_or_cursor_it_cannot_read(
    client: httpx.Client, query: dict[str, str]
) -> None:
    response = client.get(f"/loyalty/transactions/{ACCOUNT}", params=query)
    assert_problem(response, 400, "invalid_request")


@pytest.mark.parametrize(("kind", "points"), [("earned", 300), ("adjusted", -20), ("expired", -30)])
def test_the_partner_books_points_by_itself(
    client: httpx.Client, sandbox: SandboxProcess, kind: str, points: int
) -> None:
    booking = {"account_id": ACCOUNT, "kind": kind, "points": points, "description": "October"}
    sandbox.control("POST", "/book", booking)
    (entry,) = whole_statement(client)["transactions"]
    assert (entry["kind"], entry["points"], entry["description"]) == (kind, abs(points), "October")
    assert client.get(f"/loyalty/balance/{ACCOUNT}").json()["balance"] == 1_000 + points


@pytest.mark.parametrize(("kind", "points"), [("earned", -1), ("expired", 1), ("adjusted", 0)])
def test_a_booking_that_its_kind_does_not_allow_is_refused(
    sandbox: SandboxProcess, kind: str, points: int
) -> None:
    with pytest.raises(SandboxError):
        sandbox.control("POST", "/book", {"account_id": ACCOUNT, "kind": kind, "points": points})


def test_the_statement_of_a_range_has_its_opening_and_closing_balance(
    debit: Send, client: httpx.Client, sandbox: SandboxProcess
) -> None:
    for day, points in (("01", 100), ("02", 200), ("03", 400)):
        at = f"2026-01-{day}T12:00:00Z"
        booking = {"account_id": ACCOUNT, "kind": "earned", "points": points, "at": at}
        sandbox.control("POST", "/book", booking)
    debit()
    told = whole_statement(client, since="2026-01-02T00:00:00Z", until="2026-01-03T00:00:00Z")
    assert [each["points"] for each in told["transactions"]] == [200]
    assert (told["opening_balance"], told["closing_balance"]) == (1_100, 1_300)
    everything = whole_statement(client)
    assert everything["transactions"][-1]["kind"] == "redemption"
    assert (
        everything["closing_balance"] == client.get(f"/loyalty/balance/{ACCOUNT}").json()["balance"]
    )


def test_a_partner_may_tell_no_kinds(
    debit: Send, client: httpx.Client, sandbox: SandboxProcess
) -> None:
    sandbox.dial(statement_kinds=False)
    debit()
    told = whole_statement(client)
    assert "kind" not in told["transactions"][0]
    assert "opening_balance" not in told
