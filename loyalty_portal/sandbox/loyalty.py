"""The Loyalty Points API (docs/contracts/loyalty-api.yaml)."""

from __future__ import annotations

from http import HTTPStatus

from loyalty_portal.sandbox.calls import Call
from loyalty_portal.sandbox.partners import Partners
from loyalty_portal.sandbox.problems import Answer

API = "loyalty"


def balance(partners: Partners, call: Call) -> Answer:
    account_id = call.params["account_id"]
    body = partners.ledger.balance(account_id)
    if "stale_balance" in partners.dials.now.slips:
        body["balance"] = partners.ledger.account(account_id)["opening"]
    return Answer(HTTPStatus.OK, body)


def statement(partners: Partners, call: Call) -> Answer:
    page = partners.ledger.statement(
        call.params["account_id"],
        since=call.query.get("since"),
        until=call.query.get("until"),
        cursor=call.query.get("cursor"),
        size=partners.dials.now.page_size,
        kinds=partners.dials.now.statement_kinds,
    )
    slips = partners.dials.now.slips
    if "statement_gap" in slips:
        page["transactions"] = page["transactions"][:-1]
    if "statement_order" in slips:
        page["transactions"].reverse()
    return Answer(HTTPStatus.OK, page)


def debit(partners: Partners, call: Call) -> Answer:
    key, body = call.needed_key(), call.json()
    partners.loyalty.check("DebitRequest", body)

    def effect() -> Answer:
        movement = partners.ledger.debit(
            account_id=body["account_id"],
            points=int(body["points"]),
            reference=body["reference"],
            key=key,
            capped="overdraft" not in partners.dials.now.slips,
        )
        return Answer(HTTPStatus.CREATED, movement)

    return partners.execute(API, call, effect)


def credit(partners: Partners, call: Call) -> Answer:
    key, body = call.needed_key(), call.json()
    partners.loyalty.check("CreditRequest", body)

    def effect() -> Answer:
        movement = partners.ledger.credit(
            account_id=body["account_id"],
            points=int(body["points"]),
            reference=body["reference"],
            original=body["original_transaction_id"],
            key=key,
            capped="over_credit" not in partners.dials.now.slips,
        )
        return Answer(HTTPStatus.CREATED, movement)

    return partners.execute(API, call, effect)
