"""The conformance checks, against partners that keep all promises and with each one broken."""

import dataclasses
import json
import socket
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from operations.conformance.loyalty import LoyaltySession
from operations.conformance.points import Observation
from operations.conformance.promises import FULFILLMENT, LOYALTY
from tests.loyalty_portal.partners.raw_partner import RawPartner, reply
from tests.support.sandbox_process import WEBHOOK_SECRET, SandboxProcess

DOCS = Path(__file__).parents[3] / "docs" / "conformance.md"
Break = Callable[[SandboxProcess], object]
Verdicts = dict[str, str]


def slip(*names: str) -> Break:
    def turn(partners: SandboxProcess) -> None:
        partners.dial(slips=names)

    turn.__name__ = "-".join(names)
    return turn


def always(operation: str, fault: str, **rule: object) -> Break:
    def strike(partners: SandboxProcess) -> None:
        partners.fault(operation, fault, times=None, **rule)

    strike.__name__ = f"{operation}-{fault}"
    return strike


def name_of(value: Any) -> str:
    return ",".join(sorted(value)) if isinstance(value, set) else value.__name__


def ignoring_keys(partners: SandboxProcess) -> None:
    partners.dial(honour_keys=False)


@pytest.fixture
def partners(partners: SandboxProcess, settings: Any) -> SandboxProcess:
    """The sandbox with an account, quick deliveries, and enough time for a busy machine."""
    settings.PARTNER_TIMEOUT = settings.PARTNER_DEADLINE = 10.0
    settings.FULFILLMENT_WEBHOOK_SECRETS = [*settings.FULFILLMENT_WEBHOOK_SECRETS, WEBHOOK_SECRET]
    partners.account("N", 50)
    partners.dial(delay=0.2, page_size=3, processing_event=True)
    # each 429 is waited for; this one shows whether it has a Retry-After
    for question in ("balance", "find"):
        partners.fault(question, "too_many_429", retry_after=0)
    return partners


def run(*arguments: str) -> tuple[int, str]:
    """The command's exit code and output."""
    told = StringIO()
    try:
        call_command("check_partners", *arguments, stdout=told)
    except SystemExit as end:
        return int(str(end.code)), told.getvalue()
    return 0, told.getvalue()


def verdicts(*arguments: str) -> Verdicts:
    code, told = run(*arguments, "--json")
    document = json.loads(told)
    (partner,) = document["partners"]
    points = {point["key"]: point["verdict"] for point in partner["points"]}
    assert document["holds"] is ("not kept" not in points.values()) is (code == 0)
    return points


def not_kept(points: Verdicts) -> set[str]:
    return {key for key, verdict in points.items() if verdict == "not kept"}


def a_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


def check_loyalty() -> Verdicts:
    return verdicts("loyalty", "--account", "N")


def check_fulfillment(partners: SandboxProcess, wait: float = 10.0) -> Verdicts:
    """Run the checks of the Fulfillment API with a listener for webhooks."""
    port = a_port()
    partners.dial(webhook_url=f"http://127.0.0.1:{port}/")
    address = ("--listen", f"127.0.0.1:{port}")
    return verdicts("fulfillment", "--sku", "GIFT-50", "--wait", str(wait), *address)


# --- Loyalty -------------------------------------------------------------------------------


def test_partners_that_keep_everything_are_told_so(partners: SandboxProcess) -> None:
    assert set(check_loyalty().values()) == {"kept"}
    assert set(check_fulfillment(partners).values()) == {"kept"}


KEYS = {"replay", "one_entry", "key_reuse", "two_at_once", "credit_replay"}
CODES = {
    "key_reuse",
    "credit_cap",
    "insufficient_points",
    "account_not_found",
    "transaction_not_found",
}


@pytest.mark.parametrize(
    ("breaks", "wanted"),
    [
        (ignoring_keys, KEYS),
        (slip("open_door"), {"credentials"}),
        (slip("odd_door"), {"credentials"}),
        (slip("reuse"), {"key_reuse"}),
        (slip("race"), {"two_at_once"}),
        (slip("over_credit"), {"credit_cap"}),
        (slip("overdraft"), {"insufficient_points"}),
        (slip("stale_balance"), {"balance_moves"}),
        (slip("statement_gap"), {"statement_complete"}),
        (slip("statement_order"), {"statement_order"}),
        (slip("codes"), CODES),
        (slip("plain_errors"), {"problems"}),
        (slip("no_retry_after"), {"retry_after"}),
        (always("balance", "not_schema"), {"balance"}),
        (always("balance", "mismatch", field="account_id"), {"balance"}),
        (always("debit", "malformed"), {"debit"}),
        (always("debit", "mismatch", field="points"), {"debit"}),
        (always("credit", "not_schema"), {"credit"}),
        (always("credit", "mismatch", field="reference"), {"credit"}),
        (always("statement", "not_schema"), {"statement"}),
    ],
    ids=name_of,
)
def test_a_promise_of_the_loyalty_partner_that_is_broken_is_told_alone(
    partners: SandboxProcess, breaks: Break, wanted: set[str]
) -> None:
    breaks(partners)
    assert not_kept(check_loyalty()) == wanted


@pytest.mark.parametrize(
    "breaks", [ignoring_keys, slip("over_credit"), slip("race"), slip()], ids=name_of
)
def test_whatever_a_partner_does_with_keys_and_credits_its_books_are_left_as_they_were(
    partners: SandboxProcess, breaks: Break
) -> None:
    breaks(partners)
    _code, told = run("loyalty", "--account", "N")
    books = partners.ledger(account="N")
    assert books["debit_points"] == books["credit_points"] > 0
    assert "gave all of them back" in told


def test_what_could_not_be_given_back_is_said(partners: SandboxProcess) -> None:
    partners.fault("credit", "error_500_before", times=None)
    code, told = run("loyalty", "--account", "N")
    owed = partners.ledger(account="N")["debit_points"]
    assert code == 1
    assert f"NOT given back: {owed}" in told
    assert "Have the partner look at the account." in told


def test_what_an_overdraft_took_is_given_back(partners: SandboxProcess) -> None:
    partners.dial(slips=["overdraft"])
    _code, told = run("loyalty", "--account", "N")
    books = partners.ledger(account="N")
    assert books["debit_points"] == books["credit_points"] > 50
    assert f"Took {books['debit_points']} points" in told
    assert "NOT given back" not in told


def test_what_an_overdraft_took_and_keeps_is_said_in_points(partners: SandboxProcess) -> None:
    partners.dial(slips=["overdraft"])
    partners.fault("credit", "refuse", times=None, code="account_blocked")
    _code, told = run("loyalty", "--account", "N")
    owed = partners.ledger(account="N")["debit_points"]
    assert owed > 50
    assert f"NOT given back: {owed};" in told


def test_what_a_debit_without_an_entry_may_have_taken_is_said(partners: SandboxProcess) -> None:
    partners.fault("debit", "error_500_after", times=None, match="-dear")
    partners.dial(slips=["overdraft"])
    _code, told = run("loyalty", "--account", "N")
    books = partners.ledger(account="N")
    kept = books["debit_points"] - books["credit_points"]
    assert kept >= 50
    assert f"perhaps taken, and NOT given back: {kept} in 1 debits" in told


def test_a_run_that_breaks_off_gives_back_what_it_took(
    partners: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    def press_ctrl_c(session: LoyaltySession) -> Observation:
        raise KeyboardInterrupt

    checks = [*LOYALTY[:6], dataclasses.replace(LOYALTY[6], look=press_ctrl_c)]
    # replaced: Ctrl-C between two checks, at a moment that is certain
    monkeypatch.setattr("operations.conformance.services.LOYALTY", checks)
    told = StringIO()
    with pytest.raises(CommandError, match="Broken off") as end:
        call_command("check_partners", "loyalty", "--account", "N", stdout=told)
    assert end.value.returncode == 2
    assert "gave all of them back" in told.getvalue()
    books = partners.ledger(account="N")
    assert books["debit_points"] == books["credit_points"] == 1


def test_a_partner_without_a_statement_is_no_worse_for_it(
    partners: SandboxProcess, settings: Any
) -> None:
    partners.fault("statement", "refuse", times=None, status=404, code="not_found")
    points = check_loyalty()
    assert not_kept(points) == set()
    _code, told = run("loyalty", "--account", "N")
    assert "set LOYALTY_API_STATEMENT=false" in told
    settings.LOYALTY_API_STATEMENT = False
    partners.clear_faults()
    points = check_loyalty()
    assert points["one_entry"] == "kept"  # shown by the balance instead
    assert points["statement_complete"] == "cannot tell"


def test_a_partner_that_ignores_keys_is_told_with_the_setting_that_it_needs(
    partners: SandboxProcess,
) -> None:
    ignoring_keys(partners)
    code, told = run("loyalty", "--account", "N")
    assert code == 1
    assert "set LOYALTY_API_IDEMPOTENT=false" in told


def take_the_points(partners: SandboxProcess, settings: Any) -> None:
    partners.account("N", 1)


def block(partners: SandboxProcess, settings: Any) -> None:
    partners.account("N", 50, blocked=True)


def know_nobody(partners: SandboxProcess, settings: Any) -> None:
    partners.reset()


def hang_up(partners: SandboxProcess, settings: Any) -> None:
    settings.LOYALTY_API_URL = settings.FULFILLMENT_API_URL = "http://127.0.0.1:9"


def change_the_key(partners: SandboxProcess, settings: Any) -> None:
    settings.LOYALTY_API_KEY = settings.FULFILLMENT_API_KEY = "another"


def admit_nobody(partners: SandboxProcess, settings: Any) -> None:
    for operation in ("balance", "fulfill"):
        partners.fault(operation, "unauthorized_403", times=None)


def have_no_such_product(partners: SandboxProcess, settings: Any) -> None:
    partners.fault("fulfill", "refuse", times=None, code="unknown_sku")


@pytest.mark.parametrize(
    ("partner", "hinder", "sentence"),
    [
        ("loyalty", take_the_points, "The account has 1 points; the check needs 2."),
        ("loyalty", block, "The account is blocked"),
        ("loyalty", know_nobody, "does not know the account N"),
        ("loyalty", hang_up, "cannot be reached: no answer"),
        ("loyalty", change_the_key, "does not take our credentials: 401"),
        ("fulfillment", hang_up, "cannot be reached: no answer"),
        ("fulfillment", change_the_key, "does not take our credentials: 401"),
        ("loyalty", admit_nobody, "does not take our credentials: 403 unauthorized"),
        ("fulfillment", admit_nobody, "does not take our credentials: 403 unauthorized"),
        ("fulfillment", have_no_such_product, "refuses to deliver GIFT-50: 422 unknown_sku"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_what_is_wrong_with_what_we_gave_is_no_broken_promise(
    partners: SandboxProcess, settings: Any, partner: str, hinder: Any, sentence: str
) -> None:
    hinder(partners, settings)
    with pytest.raises(CommandError, match=sentence) as untried:
        run(partner, "--account", "N", "--sku", "GIFT-50")
    assert untried.value.returncode == 2
    assert partners.ledger()["count"] == 0


@pytest.mark.parametrize(
    "body", [b"[]", b"null", b'"\\u001b[2J"', b'{"balance": 1e400}', b"[" * 100_000, b"\xff"]
)
def test_no_answer_breaks_the_check(settings: Any, body: bytes) -> None:
    with RawPartner(reply(200, body)) as partner:
        settings.LOYALTY_API_URL = settings.FULFILLMENT_API_URL = partner.url
        loyalty, fulfillment = check_loyalty(), verdicts("fulfillment", "--sku", "G", "--wait", "0")
    assert {"balance", "debit", "credentials"} <= not_kept(loyalty)
    assert {"request", "credentials"} <= not_kept(fulfillment)


# --- Fulfillment ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("breaks", "wanted"),
    [
        (ignoring_keys, {"replay", "key_reuse", "two_at_once"}),
        (slip("open_door"), {"credentials"}),
        (slip("odd_door"), {"credentials"}),
        (slip("reuse"), {"key_reuse"}),
        (slip("race"), {"two_at_once"}),
        (slip("references"), {"duplicate_reference"}),
        (slip("codes"), {"key_reuse", "duplicate_reference"}),
        (slip("plain_errors"), {"problems"}),
        (slip("no_retry_after"), {"retry_after"}),
        (always("fulfill", "not_schema"), {"request"}),
        (always("get_fulfillment", "mismatch", field="fulfillment_id"), {"poll"}),
        (always("find", "mismatch", field="reference"), {"find"}),
        (always("cancel", "mismatch", field="reference"), {"cancel"}),
        (always("webhook", "fewer_codes"), {"delivers"}),
        (always("webhook", "more_codes"), {"delivers"}),
        (always("resend", "mismatch", field="reference"), {"resend"}),
        (always("webhook", "forge"), {"webhook_signature"}),
        (always("webhook", "stale"), {"webhook_signature"}),
        (always("webhook", "contradict"), {"webhook_order"}),
        (slip("no_repeat"), {"webhook_retry"}),
    ],
    ids=name_of,
)
def test_a_promise_of_the_fulfillment_partner_that_is_broken_is_told_alone(
    partners: SandboxProcess, breaks: Break, wanted: set[str]
) -> None:
    breaks(partners)
    # the broken promise may be the one that the check would wait for
    assert not_kept(check_fulfillment(partners, wait=2.0)) == wanted


def test_a_partner_that_does_not_send_again_is_no_worse_unless_we_rely_on_it(
    partners: SandboxProcess, settings: Any
) -> None:
    partners.fault("resend", "refuse", times=None, status=501, code="not_implemented")
    settings.FULFILLMENT_API_RESEND = False
    told = run("fulfillment", "--sku", "GIFT-50", "--wait", "5")[1]
    assert "the partner does not send again, which is optional: 501" in told
    settings.FULFILLMENT_API_RESEND = True
    assert not_kept(verdicts("fulfillment", "--sku", "GIFT-50", "--wait", "5")) == {"resend"}


def test_webhooks_in_any_order_and_more_than_once_are_within_the_contract(
    partners: SandboxProcess,
) -> None:
    for fault in ("reorder", "repeat"):
        partners.fault("webhook", fault, times=None)
    assert not_kept(check_fulfillment(partners)) == set()


def test_without_anybody_listening_nothing_is_said_of_webhooks(partners: SandboxProcess) -> None:
    points = verdicts("fulfillment", "--sku", "GIFT-50", "--wait", "5")
    of_webhooks = {key for key in points if key.startswith("webhook")}
    assert {key for key, verdict in points.items() if verdict == "cannot tell"} == of_webhooks
    code, told = run("fulfillment", "--sku", "GIFT-50", "--wait", "5")
    assert code == 0
    assert "nobody listened: give --listen HOST:PORT" in told


def test_what_does_not_come_within_the_time_is_not_told(partners: SandboxProcess) -> None:
    partners.dial(mode="silent", delay=3600)
    points = check_fulfillment(partners, wait=0.0)
    assert not_kept(points) == set()
    assert points["delivers"] == points["webhook_signature"] == "cannot tell"
    open_still = partners.control("GET", "/state")["fulfillments_open"]
    assert open_still == 0  # all were cancelled


# --- The command ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "--account"),
        (("loyalty",), "--account"),
        (("--account", "N"), "--sku"),
        (("fulfillment",), "--sku"),
        (("nobody",), "invalid choice"),
        (("fulfillment", "--sku", "G", "--listen", "8129"), "HOST:PORT"),
        (("fulfillment", "--sku", "G", "--listen", "h:99999"), "HOST:PORT"),
    ],
)
def test_bad_usage_asks_nobody_anything(
    partners: SandboxProcess, arguments: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(CommandError, match=sentence) as refused:
        run(*arguments)
    assert sentence == "HOST:PORT" or "choice" in sentence or refused.value.returncode == 2
    assert partners.calls() == []


def test_a_port_that_is_taken_is_said_and_nothing_is_ordered(partners: SandboxProcess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(CommandError, match="Cannot listen at") as refused:
            run("fulfillment", "--sku", "G", "--listen", address)
    assert refused.value.returncode == 2
    assert partners.calls() == []


def test_every_point_is_described_for_the_partners_engineers() -> None:
    text = DOCS.read_text("utf-8")
    every: list[Any] = [*LOYALTY, *FULFILLMENT]
    rows = [f"| `{one.key}` | {one.promise} | {one.means} |" for one in every]
    assert [row for row in rows if row not in text] == []
