"""The outcome of each kind of answer at each call to a partner, and whether it is repeated.

Over real HTTP with the sandbox's faults. test_faults_seen shows what the saga and people see.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from accounts import loyalty
from fulfillment import partner
from fulfillment.partner import FulfillmentAnswer
from loyalty_portal.partners.client import Answer, Outcome, PartnerUnavailableError
from tests.support.sandbox_process import SandboxProcess

SUCCEEDED, REFUSED, UNKNOWN = Outcome.SUCCEEDED, Outcome.REFUSED, Outcome.UNKNOWN
START = datetime(2020, 1, 1, tzinfo=UTC)
ACCOUNT, REFERENCE = "N", "R1"


@dataclass
class Calls:
    """The calls of saga.md, with everything that each needs."""

    sandbox: SandboxProcess
    debited: str = ""
    requested: str = ""

    def debit(self) -> Answer:
        body = loyalty.debit_body(
            account_id=ACCOUNT, points=100, reference=REFERENCE, description="A kettle"
        )
        return loyalty.send_debit(body, "debit:1").answer

    def credit(self) -> Answer:
        body = loyalty.credit_body(
            account_id=ACCOUNT,
            points=40,
            reference=REFERENCE,
            original_transaction_id=self.debited,
            description="It did not come",
        )
        return loyalty.send_credit(body, "credit:1").answer

    def fulfill(self) -> Answer:
        return self.request().answer

    def cancel(self) -> Answer:
        return partner.cancel(self.requested, "cancel:1", reference=REFERENCE).answer

    def get_fulfillment(self) -> Answer:
        return partner.get(self.requested, reference=REFERENCE).answer

    def find(self) -> Answer:
        return partner.find(REFERENCE).answer

    def balance(self) -> Answer:
        return asked(lambda: loyalty.get_balance(ACCOUNT))

    def statement(self) -> Answer:
        return asked(lambda: list(loyalty.statement(ACCOUNT, START)))

    def request(self) -> FulfillmentAnswer:
        recipient = {"name": "Ann", "email": "ann@example.com"}
        body = partner.request_body(
            reference=REFERENCE, sku="GIFT-50", quantity=1, recipient=recipient, message=""
        )
        return partner.send_request(body, "fulfill:1")

    def prepare(self, call: str) -> None:
        if call in {"credit", "statement"}:
            self.debit()
            (entry,) = self.sandbox.ledger()["entries"]
            self.debited = entry["transaction_id"]
        if call in {"cancel", "get_fulfillment", "find"}:
            report = self.request().report
            assert report is not None
            self.requested = report.fulfillment_id

    def effects(self, call: str) -> int:
        """How often the partner has executed this call."""
        if call in {"debit", "credit"}:
            return sum(entry["type"] == call for entry in self.sandbox.ledger()["entries"])
        made = self.sandbox.control("GET", "/fulfillments")["fulfillments"]
        return sum(call == "fulfill" or each["status"] == "cancelled" for each in made)

    def keys(self, call: str) -> list[str]:
        return [each["idempotency_key"] for each in self.sandbox.calls(operation=call)]


def asked(question: Callable[[], object]) -> Answer:
    """The answer to a GET; a refusal counts as an answer."""
    try:
        question()
    except PartnerUnavailableError as error:
        return error.answer
    return Answer(SUCCEEDED)


@pytest.fixture
def calls(partners: SandboxProcess, settings: Any) -> Calls:
    partners.account(ACCOUNT, 1000)
    partners.dial(mode="silent", delay=3600)
    return Calls(partners)


def patience(fault: str) -> tuple[float, float]:
    """Seconds for a read and for a call, short only for faults that would use them up."""
    if fault == "slow_drip":
        return 0.6, 0.6
    return (0.5 if fault.startswith("timeout") else 5.0), 5.0


CHANGES = ("debit", "credit", "fulfill", "cancel")
QUESTIONS = ("get_fulfillment", "find", "balance", "statement")


@dataclass(frozen=True)
class Kind:
    """A fault and its outcome. `lands`: the partner executed the call all the same."""

    fault: str
    code: str
    status: int | None
    lands: bool = False
    may_have_landed: bool = True
    mismatch: bool = False
    outcome: Outcome = UNKNOWN
    retry_after: float | None = None
    rule: tuple[tuple[str, object], ...] = ()
    only: tuple[str, ...] = (*CHANGES, *QUESTIONS)

    @property
    def name(self) -> str:
        return "_".join([self.fault, *(str(value) for _, value in self.rule)])


def refusal(status: int, code: str) -> tuple[tuple[str, object], ...]:
    return (("status", status), ("code", code))


# repeats within the call do not help, because the fault stays
LASTING = (
    Kind("refuse", "rejected", 422, outcome=REFUSED),
    Kind("refuse", "gone", 404, outcome=REFUSED, rule=refusal(404, "gone")),
    Kind("timeout_before", "timeout", None),
    Kind("timeout_after", "timeout", None, lands=True),
    Kind("error_500_before", "internal_error", 500),
    Kind("error_500_after", "internal_error", 500, lands=True),
    Kind("unavailable_503", "unavailable", 503, retry_after=120, rule=(("retry_after", 120),)),
    Kind("too_many_429", "rate_limited", 429, retry_after=120, rule=(("retry_after", 120),)),
    Kind("malformed", "malformed", None, lands=True, mismatch=True),
    Kind("not_schema", "mismatch", None, lands=True, mismatch=True),
    *(
        Kind("mismatch", "mismatch", None, lands=True, mismatch=True, rule=(("field", field),), only=only)
        for field, only in {
            "points": ("debit", "credit"),
            "account_id": ("debit", "credit", "balance", "statement"),
            "reference": ("debit", "credit", "fulfill", "find", "cancel"),
            "fulfillment_id": ("cancel", "get_fulfillment"),
        }.items()
    ),
    Kind("redirect", "redirect", 307),
    Kind("huge", "too_large", None, lands=True, mismatch=True),
    Kind("slow_drip", "deadline", None, lands=True),
    Kind("expired_token", "unauthorized", 401, may_have_landed=False),
    Kind("bare_401", "http_401", 401, may_have_landed=False),
    Kind("unauthorized_403", "unauthorized", 403, may_have_landed=False),
    Kind("forbidden_403", "no_scope", 403, outcome=REFUSED, rule=(("code", "no_scope"),)),
    Kind("bare_403_before", "http_403", 403),
    Kind("bare_403_after", "http_403", 403, lands=True),
    Kind(
        "refuse",
        "idempotency_key_reused",
        422,
        mismatch=True,
        rule=refusal(422, "idempotency_key_reused"),
        only=CHANGES,
    ),
)  # fmt: skip
# repeated within the call, because it takes only moments
PASSING: dict[str, dict[str, Any]] = {
    "reset_before": {},
    "reset_after": {},
    "unavailable_503": {"retry_after": 0},
    "too_many_429": {"retry_after": 0},
    "refuse": {"status": 409, "code": "request_in_progress"},
}


KEPT_BY_THE_KEY = frozenset({"rejected", "gone", "no_scope", "idempotency_key_reused"})


def cases(*calls: str, without: frozenset[str] = frozenset()) -> list[Any]:
    return [
        pytest.param(call, kind, id=f"{call}-{kind.name}")
        for kind in LASTING
        for call in kind.only
        if call in calls and kind.code not in without
    ]


@pytest.mark.parametrize(("call", "kind"), cases(*CHANGES, *QUESTIONS))
def test_an_answer_counts_as_what_it_proves(
    calls: Calls, settings: Any, call: str, kind: Kind
) -> None:
    calls.prepare(call)
    settings.PARTNER_TIMEOUT, settings.PARTNER_DEADLINE = patience(kind.fault)
    calls.sandbox.fault(call, kind.fault, times=None, seconds=20, **dict(kind.rule))
    answer = getattr(calls, call)()
    assert (answer.outcome, answer.code) == (kind.outcome, kind.code)
    assert (answer.may_have_landed, answer.mismatch) == (kind.may_have_landed, kind.mismatch)
    assert answer.retry_after == kind.retry_after
    if kind.status:
        assert answer.status_code == kind.status
    assert len(calls.keys(call)) == 1
    if call in CHANGES:
        assert calls.effects(call) == int(kind.lands)


@pytest.mark.parametrize(("call", "kind"), cases(*CHANGES, without=KEPT_BY_THE_KEY))
def test_what_is_unknown_is_asked_again_with_the_same_key_and_done_once(
    calls: Calls, settings: Any, call: str, kind: Kind
) -> None:
    calls.prepare(call)
    settings.PARTNER_TIMEOUT, settings.PARTNER_DEADLINE = patience(kind.fault)
    calls.sandbox.fault(call, kind.fault, times=1, seconds=20, **dict(kind.rule))
    assert getattr(calls, call)().outcome is UNKNOWN
    settings.PARTNER_TIMEOUT = settings.PARTNER_DEADLINE = 5.0
    assert getattr(calls, call)().outcome is SUCCEEDED
    assert len(set(calls.keys(call))) == 1
    assert calls.effects(call) == 1


@pytest.mark.parametrize("call", [*CHANGES, *QUESTIONS])
@pytest.mark.parametrize("fault", PASSING)
def test_what_takes_moments_is_repeated_within_the_call(
    calls: Calls, settings: Any, call: str, fault: str
) -> None:
    calls.prepare(call)
    settings.PARTNER_TIMEOUT = settings.PARTNER_DEADLINE = 5.0
    calls.sandbox.fault(call, fault, times=1, **PASSING[fault])
    assert getattr(calls, call)().outcome is SUCCEEDED
    assert len(calls.keys(call)) == 2
    assert len(set(calls.keys(call))) == 1
    if call in CHANGES:
        assert calls.effects(call) == 1


def test_a_token_that_ended_is_renewed_within_any_call(calls: Calls, settings: Any) -> None:
    settings.LOYALTY_OAUTH_TOKEN_URL = f"{calls.sandbox.loyalty_url}/oauth/token"
    settings.FULFILLMENT_OAUTH_TOKEN_URL = f"{calls.sandbox.fulfillment_url}/oauth/token"
    for room in ("LOYALTY", "FULFILLMENT"):
        setattr(settings, f"{room}_OAUTH_CLIENT_ID", "portal")
        setattr(settings, f"{room}_OAUTH_CLIENT_SECRET", "portal-secret")
    calls.prepare("credit")
    calls.prepare("cancel")
    for number, call in enumerate(["credit", "cancel", *QUESTIONS], 1):
        calls.sandbox.fault(call, "expired_token")
        assert getattr(calls, call)().outcome is SUCCEEDED
        assert len(calls.sandbox.calls(operation="token")) == 2 + number
