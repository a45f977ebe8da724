"""The client of the Loyalty Points API, against the sandbox and against wrong answers."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from accounts import loyalty
from loyalty_portal.partners.client import Outcome, PartnerRefusedError, PartnerUnavailableError
from loyalty_portal.partners.wire import MalformedError
from tests.loyalty_portal.partners.raw_partner import RawPartner, reply
from tests.support.sandbox_process import API_KEY, SandboxProcess

START = datetime(2020, 1, 1, tzinfo=UTC)
MISSING = object()
TRANSACTION = {
    "transaction_id": "T1",
    "type": "debit",
    "account_id": "N",
    "points": 100,
    "reference": "R1",
    "original_transaction_id": None,
    "balance_after": 900,
    "created_at": "2026-11-22T08:00:00Z",
}


@pytest.fixture(scope="module")
def running() -> Iterator[SandboxProcess]:
    with SandboxProcess.start() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: SandboxProcess, settings: Settings) -> SandboxProcess:
    running.reset()
    running.clear_faults()
    running.account("N", 1000)
    settings.LOYALTY_API_URL = running.loyalty_url
    settings.LOYALTY_API_KEY = API_KEY
    settings.PARTNER_TIMEOUT = settings.PARTNER_DEADLINE = 5.0
    return running


def debit(points: int = 100, key: str = "debit:1") -> loyalty.TransactionAnswer:
    return loyalty.send_debit(debit_body(points=points), key)


def debit_body(**changes: Any) -> bytes:
    given: dict[str, Any] = {
        "account_id": "N",
        "points": 100,
        "reference": "R1",
        "description": "One kettle",
    }
    return loyalty.debit_body(**given | changes)


def credit_body(**changes: Any) -> bytes:
    given: dict[str, Any] = {
        "account_id": "N",
        "points": 40,
        "reference": "R1",
        "original_transaction_id": "T1",
        "description": "One kettle did not come",
    }
    return loyalty.credit_body(**given | changes)


def test_a_debit_is_taken_once_however_often_it_is_sent(sandbox: SandboxProcess) -> None:
    first, again = debit(), debit()
    assert first.answer.outcome is Outcome.SUCCEEDED
    assert (first.answer.status_code, again.answer.status_code) == (201, 200)
    assert first.transaction_id == again.transaction_id != ""
    assert first.balance_after == 900
    assert loyalty.get_balance("N").points == 900


def test_a_credit_gives_points_back(sandbox: SandboxProcess) -> None:
    taken = debit().transaction_id
    given = loyalty.send_credit(credit_body(original_transaction_id=taken), "credit:1")
    assert (given.answer.outcome, given.balance_after) == (Outcome.SUCCEEDED, 940)


def test_the_partner_refuses_what_it_documents(sandbox: SandboxProcess) -> None:
    short = debit(points=5000)
    assert (short.answer.outcome, short.answer.code) == (Outcome.REFUSED, "insufficient_points")
    assert (short.transaction_id, short.balance_after) == ("", None)
    stranger = loyalty.send_debit(debit_body(account_id="nobody"), "debit:2")
    assert (stranger.answer.outcome, stranger.answer.code) == (Outcome.REFUSED, "account_not_found")
    too_much = loyalty.send_credit(
        credit_body(points=101, original_transaction_id=debit(key="debit:3").transaction_id),
        "credit:3",
    )
    assert too_much.answer.code == "refund_exceeds_debit"


def test_the_same_key_with_other_bytes_is_an_incident(sandbox: SandboxProcess) -> None:
    debit(points=100)
    other = debit(points=101)
    assert (other.answer.outcome, other.answer.mismatch) == (Outcome.UNKNOWN, True)


@pytest.mark.parametrize(
    "fault",
    [
        "timeout_after",
        "reset_after",
        "error_500_after",
        "malformed",
        "not_schema",
        "huge",
        "slow_drip",
    ],
)
def test_an_outcome_that_was_lost_is_unknown_until_it_is_asked_again(
    sandbox: SandboxProcess, settings: Settings, fault: str
) -> None:
    settings.PARTNER_TIMEOUT = settings.PARTNER_DEADLINE = 0.5
    sandbox.fault("debit", fault, times=None, seconds=20)
    lost = debit()
    assert (lost.answer.outcome, lost.answer.may_have_landed) == (Outcome.UNKNOWN, True)
    assert lost.answer.mismatch is (fault in {"malformed", "not_schema", "huge"})
    sandbox.clear_faults()
    settings.PARTNER_TIMEOUT = settings.PARTNER_DEADLINE = 5.0
    assert debit().balance_after == 900
    assert sandbox.ledger(reference="R1")["debit_points"] == 100


@pytest.mark.parametrize("field", ["points", "reference", "account_id"])
def test_a_success_about_something_else_is_unknown_and_an_incident(
    sandbox: SandboxProcess, field: str, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.fault("debit", "mismatch", field=field)
    answer = debit().answer
    assert (answer.outcome, answer.code, answer.mismatch) == (Outcome.UNKNOWN, "mismatch", True)
    assert caplog.records[-1].__dict__["why"] == f"{field}: not the one that was sent"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("transaction_id", MISSING),
        ("transaction_id", ""),
        ("transaction_id", 7),
        ("transaction_id", "T" * 101),
        ("type", "credit"),
        ("type", "debit "),
        ("account_id", "n"),
        ("account_id", None),
        ("points", True),
        ("points", 100.0),
        ("points", "100"),
        ("points", -100),
        ("points", 0),
        ("reference", MISSING),
        ("reference", ["R1"]),
        ("original_transaction_id", "T0"),
        ("original_transaction_id", 0),
        ("balance_after", MISSING),
        ("balance_after", -1),
        ("balance_after", False),
        ("balance_after", 2**63),
        ("created_at", MISSING),
        ("created_at", 1763800000),
        ("created_at", "2026-11-22"),
        ("created_at", "2026-11-22T08:00:00"),
        ("created_at", "2026-11-22 08:00:00Z"),
        ("created_at", "20261122T080000Z"),
        ("created_at", "2026-13-22T08:00:00Z"),
        ("created_at", "0001-01-01T00:00:00+14:00"),
        ("created_at", "\uff12\uff10\uff12\uff16-11-22T08:00:00Z"),
    ],
)
def test_a_success_that_breaks_the_contract_is_unknown_and_an_incident(
    settings: Settings, field: str, value: object
) -> None:
    body = {**TRANSACTION, field: value}
    if value is MISSING:
        del body[field]
    with RawPartner(reply(201, json.dumps(body).encode())) as partner:
        settings.LOYALTY_API_URL = partner.url
        result = debit()
    assert (result.answer.outcome, result.answer.mismatch) == (Outcome.UNKNOWN, True)
    assert (result.transaction_id, result.balance_after) == ("", None)
    assert result.answer.detail.startswith(f"{field}:")


@pytest.mark.parametrize("status", [202, 204, 206])
def test_a_2xx_that_the_contract_does_not_have_is_not_a_debit(
    settings: Settings, status: int
) -> None:
    with RawPartner(reply(status, json.dumps(TRANSACTION).encode())) as partner:
        settings.LOYALTY_API_URL = partner.url
        assert debit().answer.mismatch


@pytest.mark.parametrize(
    ("original", "outcome"),
    [
        ("T1", Outcome.SUCCEEDED),
        (None, Outcome.SUCCEEDED),
        ("T2", Outcome.UNKNOWN),
        ("", Outcome.UNKNOWN),
    ],
)
def test_a_credit_names_its_debit_if_it_names_one(
    settings: Settings, original: str | None, outcome: Outcome
) -> None:
    body = {**TRANSACTION, "type": "credit", "points": 40, "original_transaction_id": original}
    with RawPartner(reply(201, json.dumps(body).encode())) as partner:
        settings.LOYALTY_API_URL = partner.url
        assert loyalty.send_credit(credit_body(), "credit:1").answer.outcome is outcome


def test_a_partner_that_ignores_keys_gets_a_debit_once(
    sandbox: SandboxProcess, settings: Settings
) -> None:
    settings.LOYALTY_API_IDEMPOTENT = False
    sandbox.dial(honour_keys=False)
    sandbox.fault("debit", "reset_after")
    assert debit().answer.outcome is Outcome.UNKNOWN
    assert sandbox.ledger(reference="R1")["debit_points"] == 100


def test_the_balance_says_how_old_it_is_and_what_lapses(sandbox: SandboxProcess) -> None:
    sandbox.account("N", 700, expiring=[{"points": 50, "expires_on": "2026-12-31"}])
    balance = loyalty.get_balance("N")
    assert (balance.account_id, balance.points) == ("N", 700)
    assert balance.expiring == ((50, date(2026, 12, 31)),)
    assert abs(balance.as_of - datetime.now(UTC)) < timedelta(minutes=5)


def test_a_balance_that_is_not_told_is_said_so(sandbox: SandboxProcess) -> None:
    with pytest.raises(PartnerRefusedError) as refused:
        loyalty.get_balance("nobody")
    assert refused.value.answer.code == "account_not_found"
    sandbox.fault("balance", "error_500_before")
    with pytest.raises(PartnerUnavailableError):
        loyalty.get_balance("N")
    sandbox.fault("balance", "mismatch", field="account_id")
    with pytest.raises(PartnerUnavailableError) as other:
        loyalty.get_balance("N")
    assert other.value.answer.mismatch


def test_a_page_does_not_wait_longer_for_the_balance_than_it_wants(sandbox: SandboxProcess) -> None:
    sandbox.fault("balance", "timeout_before", times=None, seconds=20)
    with pytest.raises(PartnerUnavailableError) as late:
        loyalty.get_balance("N", patience=0.2)
    assert late.value.answer.code == "deadline"


def test_the_statement_runs_over_all_pages_oldest_first(sandbox: SandboxProcess) -> None:
    sandbox.dial(page_size=2)
    for number in range(5):
        loyalty.send_debit(
            debit_body(points=10 + number, reference=f"R{number}"), f"debit:{number}"
        )
    entries = list(loyalty.statement("N", START))
    debits = [entry for entry in entries if entry.kind == "debit"]
    assert [entry.points for entry in debits] == [10, 11, 12, 13, 14]
    assert [entry.reference for entry in debits] == ["R0", "R1", "R2", "R3", "R4"]
    assert list(loyalty.statement("N", datetime.now(UTC) + timedelta(days=1))) == []


def test_a_statement_that_breaks_off_is_not_taken_for_whole(sandbox: SandboxProcess) -> None:
    sandbox.dial(page_size=1)
    for number in range(3):
        debit(key=f"debit:{number}")
    entries = loyalty.statement("N", START)
    next(entries)
    sandbox.fault("statement", "error_500_before", times=None)
    with pytest.raises(PartnerUnavailableError):
        list(entries)


@pytest.mark.parametrize(
    "page",
    [
        {"transactions": []},
        {"next_cursor": None},
        {"transactions": {}, "next_cursor": None},
        {"transactions": [1], "next_cursor": None},
        {"transactions": [{**TRANSACTION, "account_id": "M"}], "next_cursor": None},
        {"transactions": [TRANSACTION], "next_cursor": 5},
        {"transactions": [], "next_cursor": "round and round"},
    ],
)
def test_a_statement_that_breaks_the_contract_is_not_believed(
    settings: Settings, page: dict[str, Any]
) -> None:
    with RawPartner(reply(200, json.dumps(page).encode())) as partner:
        settings.LOYALTY_API_URL = partner.url
        with pytest.raises(PartnerUnavailableError) as raised:
            list(loyalty.statement("N", START))
    assert raised.value.answer.mismatch


def test_what_the_partner_books_by_itself_is_in_the_whole_statement_only(
    sandbox: SandboxProcess,
) -> None:
    booking = {"account_id": "N", "kind": "earned", "points": 40, "description": "October"}
    sandbox.control("POST", "/book", booking)
    loyalty.send_debit(debit_body(points=10), "debit:1")
    everything = list(loyalty.whole_statement("N", START))
    assert [(each.purpose, each.description, each.is_theirs) for each in everything] == [
        ("earned", "October", True),
        ("redemption", "", False),
    ]
    assert [each.points for each in loyalty.statement("N", START)] == [10]


@pytest.mark.parametrize("kind", [None, "", "bonus", "redemption"])
def test_an_entry_of_another_kind_is_read_as_one_of_ours(
    settings: Settings, kind: str | None
) -> None:
    page = {"transactions": [{**TRANSACTION, "kind": kind}], "next_cursor": None}
    with RawPartner(reply(200, json.dumps(page).encode())) as partner:
        settings.LOYALTY_API_URL = partner.url
        (entry,) = loyalty.statement("N", START)
    assert not entry.is_theirs


def test_the_same_request_is_the_same_bytes() -> None:
    assert debit_body() == (
        b'{"account_id":"N","description":"One kettle","points":100,"reference":"R1"}'
    )
    assert json.loads(credit_body())["original_transaction_id"] == "T1"


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5),
    st.data(),
)
def test_no_value_in_any_field_raises_anything_but_malformed(
    value: Any, data: st.DataObject
) -> None:
    field = data.draw(st.sampled_from(sorted(TRANSACTION)))
    try:
        entry = loyalty._entry({**TRANSACTION, field: value})
    except MalformedError:
        return
    assert type(entry.points) is int
