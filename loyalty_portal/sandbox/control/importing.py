"""Imports past ledger entries and fulfillments with their ids, times and keys."""

from __future__ import annotations

from http import HTTPStatus

from loyalty_portal.sandbox.fulfillment import API as FULFILLMENT
from loyalty_portal.sandbox.loyalty import API as LOYALTY
from loyalty_portal.sandbox.partners import Partners
from loyalty_portal.sandbox.problems import Answer, Json

_ID: Json = {"type": "string", "minLength": 1, "maxLength": 100}
_TIME: Json = {"type": "string", "format": "date-time"}
_KEY: Json = {"type": ["string", "null"], "minLength": 1, "maxLength": 255}

ENTRY: Json = {
    "type": "object",
    "required": ["transaction_id", "type", "account_id", "points", "reference", "created_at"],
    "additionalProperties": False,
    "properties": {
        "transaction_id": _ID,
        "type": {"enum": ["debit", "credit"]},
        "account_id": _ID,
        "points": {"type": "integer", "minimum": 1, "maximum": 10**15},
        "reference": _ID,
        "original_transaction_id": {"type": ["string", "null"]},
        "created_at": _TIME,
        "idempotency_key": _KEY,
    },
}
FULFILLED: Json = {
    "type": "object",
    "required": ["fulfillment_id", "reference", "sku", "quantity", "status", "created_at"],
    "additionalProperties": False,
    "properties": {
        "fulfillment_id": _ID,
        "reference": _ID,
        "sku": _ID,
        "quantity": {"type": "integer", "minimum": 1, "maximum": 10_000},
        "status": {"enum": ["accepted", "processing", "delivered", "failed", "cancelled"]},
        "reason": {"type": ["string", "null"]},
        "deliverables": {"type": ["array", "null"], "items": {"type": "object"}},
        "created_at": _TIME,
        "updated_at": _TIME,
        "idempotency_key": _KEY,
    },
}
SCHEMA: Json = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "accounts": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["account_id", "balance"],
                "additionalProperties": False,
                "properties": {
                    "account_id": _ID,
                    "balance": {"type": "integer", "minimum": 0, "maximum": 10**15},
                    "blocked": {"type": "boolean"},
                    "expiring": {"type": "array"},
                },
            },
        },
        "entries": {"type": "array", "items": ENTRY},
        "fulfillments": {"type": "array", "items": FULFILLED},
    },
}


def take_in(partners: Partners, body: Json) -> Json:
    """Import everything in one transaction. Rows that exist already are not changed.

    `accounts` are created, or set to their balance *after* the history; running balances are
    computed from it. An account that occurs only in `entries` must exist, and its balance moves by
    them.
    """
    accounts = body.get("accounts", [])
    entries = body.get("entries", [])
    with partners.store.write():
        for account in accounts:
            partners.ledger.set_account(**account | {"balance": 0})
        for entry in entries:
            partners.ledger.account(entry["account_id"])
        fresh = [entry for entry in entries if partners.ledger.take_in(entry)]
        for account in accounts:
            partners.ledger.set_account(**account)
        for account_id in sorted({row["account_id"] for row in (*accounts, *fresh)}):
            partners.ledger.settle_past(account_id)
        for entry in fresh:
            _remember(partners, LOYALTY, entry, partners.ledger.movement(entry["transaction_id"]))
        past = [row for row in body.get("fulfillments", []) if partners.deliveries.take_in(row)]
        for row in past:
            _remember(partners, FULFILLMENT, row, partners.deliveries.get(row["fulfillment_id"]))
    partners.courier.wake()
    return {"entries": len(fresh), "fulfillments": len(past)}


def _remember(partners: Partners, api: str, row: Json, answer: Json) -> None:
    """Store the answer for a past key, so that a repeat of it gets the same answer."""
    key = row.get("idempotency_key")
    if key:
        partners.answers.keep(api, key, None, Answer(HTTPStatus.CREATED, answer))
