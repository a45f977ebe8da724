"""Client of the Loyalty Points API (docs/contracts/loyalty-api.yaml). Points are whole numbers."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.conf import settings

from loyalty_portal.data.texts.times import rfc3339
from loyalty_portal.partners import breaker, wire
from loyalty_portal.partners.client import (
    Answer,
    Outcome,
    PartnerClient,
    PartnerConfig,
    PartnerRefusedError,
    PartnerUnavailableError,
    contradicted,
)

PARTNER = "loyalty"
THEIRS = frozenset({"earned", "expired", "adjusted"})  # what the partner books by itself


@dataclass(frozen=True, slots=True)
class Balance:
    """An account's balance. `points` can be spent now; `expiring` has pairs of points and the day
    on which they expire, soonest first.
    """

    account_id: str
    points: int
    as_of: datetime
    expiring: tuple[tuple[int, date], ...]


@dataclass(frozen=True, slots=True)
class StatementEntry:
    """One entry in the partner's ledger. `kind` is debit or credit; `points` is positive.

    `purpose` is the contract's `kind`. What has none, or another one, is read as an entry of ours.
    """

    transaction_id: str
    kind: str
    account_id: str
    points: int
    reference: str
    original_transaction_id: str | None
    balance_after: int
    created_at: datetime
    purpose: str = ""
    description: str = ""

    @property
    def is_theirs(self) -> bool:
        """Whether the partner booked it by itself, so that it is no transaction of ours."""
        return self.purpose in THEIRS


@dataclass(frozen=True, slots=True)
class TransactionAnswer:
    """The answer to a debit or credit. `transaction_id` is "" unless it succeeded."""

    answer: Answer
    transaction_id: str = ""
    balance_after: int | None = None


def is_down() -> bool:
    """Whether the circuit breaker considers the partner down, so that a call would only wait."""
    return breaker.down_since(PARTNER) is not None


def get_balance(account_id: str, *, patience: float | None = None) -> Balance:
    """Ask the partner for a balance, waiting at most `patience` seconds.

    Raises PartnerRefusedError (account_not_found, account_blocked, ...) or PartnerUnavailableError.
    """
    answer = client().get("/balance/{account_id}", patience=patience, account_id=account_id)
    body = _told(answer)
    try:
        balance = Balance(
            account_id=wire.text(body, "account_id", longest=100),
            points=wire.whole(body, "balance", least=0),
            as_of=wire.moment(body, "as_of"),
            expiring=tuple(
                (wire.whole(each, "points", least=1), wire.day(each, "expires_on"))
                for each in wire.objects(body, "expiring")
            ),
        )
        if balance.account_id != account_id:
            raise wire.MalformedError("the balance of another account")
    except wire.MalformedError as error:
        raise PartnerUnavailableError(contradicted(answer, str(error))) from None
    return balance


def debit_body(*, account_id: str, points: int, reference: str, description: str) -> bytes:
    return wire.canonical(
        {
            "account_id": account_id,
            "points": points,
            "reference": reference,
            "description": description,
        }
    )


def credit_body(
    *,
    account_id: str,
    points: int,
    reference: str,
    original_transaction_id: str,
    description: str,
) -> bytes:
    """The request body of a credit. `original_transaction_id` is the partner's id of the debit."""
    return wire.canonical(
        {
            "account_id": account_id,
            "points": points,
            "reference": reference,
            "original_transaction_id": original_transaction_id,
            "description": description,
        }
    )


def send_debit(body: bytes, key: str) -> TransactionAnswer:
    """Send a body made by `debit_body`, with `key` as the idempotency key."""
    return _send("/debit", "debit", body, key)


def send_credit(body: bytes, key: str) -> TransactionAnswer:
    """Send a body made by `credit_body`, with `key` as the idempotency key."""
    return _send("/credit", "credit", body, key)


def statement(account_id: str, since: datetime) -> Iterator[StatementEntry]:
    """Yield what the portal asked for from the account's ledger since a time, oldest first, from
    all pages. What the partner booked by itself is left out.

    Raises PartnerRefusedError or PartnerUnavailableError, possibly after some entries; these are
    then not the whole statement.
    """
    return (entry for entry in whole_statement(account_id, since) if not entry.is_theirs)


def whole_statement(
    account_id: str, since: datetime, *, patience: float | None = None
) -> Iterator[StatementEntry]:
    """Yield all ledger entries of the account since a time, as `statement` does, waiting at most
    `patience` seconds for each page.
    """
    door = client()
    params = {"since": rfc3339(since)}
    cursors: set[str] = set()
    while True:
        answer = door.get(
            "/transactions/{account_id}", params, patience=patience, account_id=account_id
        )
        body = _told(answer)
        try:
            if "transactions" not in body or "next_cursor" not in body:
                raise wire.MalformedError("not a page of transactions")
            entries = [_entry(each) for each in wire.objects(body, "transactions")]
            if any(entry.account_id != account_id for entry in entries):
                raise wire.MalformedError("the movements of another account")
            cursor = wire.text_or_none(body, "next_cursor")
            if cursor in cursors:
                raise wire.MalformedError("the pages run in a circle")
        except wire.MalformedError as error:
            raise PartnerUnavailableError(contradicted(answer, str(error))) from None
        yield from entries
        if not cursor:
            return
        cursors.add(cursor)
        params["cursor"] = cursor


def _send(path: str, kind: str, body: bytes, key: str) -> TransactionAnswer:
    answer = client().post(path, body=body, idempotency_key=key)
    if answer.outcome is not Outcome.SUCCEEDED or answer.body is None:
        return TransactionAnswer(answer)
    try:
        if answer.status_code not in {200, 201}:
            raise wire.MalformedError("the contract has no such status")
        entry = _entry(answer.body)
        _check(entry, kind, json.loads(body))
    except wire.MalformedError as error:
        return TransactionAnswer(contradicted(answer, str(error)))
    return TransactionAnswer(answer, entry.transaction_id, entry.balance_after)


def _check(entry: StatementEntry, kind: str, asked: dict[str, Any]) -> None:
    """Raise MalformedError when `entry` does not match the request in `asked`."""
    if entry.kind != kind:
        raise wire.MalformedError(f"type: not a {kind}")
    for name in ("account_id", "points", "reference"):
        if getattr(entry, name) != asked[name]:
            raise wire.MalformedError(f"{name}: not the one that was sent")
    # The contract lets an answer omit this field, but a value must be the right one.
    original = entry.original_transaction_id
    if original is not None and original != asked.get("original_transaction_id"):
        raise wire.MalformedError("original_transaction_id: not the one that was sent")


def _entry(data: dict[str, Any]) -> StatementEntry:
    kind = wire.text(data, "type")
    purpose = wire.text_or_none(data, "kind") or ""
    if kind not in {"debit", "credit"}:
        raise wire.MalformedError("type: neither debit nor credit")
    return StatementEntry(
        transaction_id=wire.text(data, "transaction_id", longest=100),
        kind=kind,
        account_id=wire.text(data, "account_id", longest=100),
        points=wire.whole(data, "points", least=1),
        # What the partner books by itself has no order of ours.
        reference=(wire.text_or_none(data, "reference") or "")
        if purpose in THEIRS
        else wire.text(data, "reference"),
        original_transaction_id=wire.text_or_none(data, "original_transaction_id"),
        balance_after=wire.whole(data, "balance_after", least=0),
        created_at=wire.moment(data, "created_at"),
        purpose=purpose,
        description=(wire.text_or_none(data, "description") or "")[:255],
    )


def _told(answer: Answer) -> dict[str, Any]:
    if answer.outcome is Outcome.REFUSED:
        raise PartnerRefusedError(answer)
    if answer.body is None or answer.outcome is not Outcome.SUCCEEDED:
        raise PartnerUnavailableError(answer)
    return answer.body


def client() -> PartnerClient:
    """The HTTP client of this partner. Only this module and checks of the partner use it."""
    return PartnerClient(
        PartnerConfig(
            name=PARTNER,
            base_url=settings.LOYALTY_API_URL,
            api_key=settings.LOYALTY_API_KEY,
            oauth_token_url=settings.LOYALTY_OAUTH_TOKEN_URL,
            oauth_client_id=settings.LOYALTY_OAUTH_CLIENT_ID,
            oauth_client_secret=settings.LOYALTY_OAUTH_CLIENT_SECRET,
            timeout=settings.PARTNER_TIMEOUT,
            deadline=settings.PARTNER_DEADLINE,
            keeps_keys=settings.LOYALTY_API_IDEMPOTENT,
        )
    )
