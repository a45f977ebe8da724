"""Compares each company's statement with the sandbox's ledger, entry by entry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.db.models import Q

from accounts.models import Company, LedgerRead
from loyalty_portal.data.tables.spans import Span
from redemption.models import LoyaltyTransaction
from redemption.models.points import UNCLEAR_OR_OPEN
from redemption.points.statement import movements
from redemption.points.statement.asked import FIRST_DAY, LAST_DAY, OWN, StatementAsked
from redemption.points.statement.page import entries_of
from tests.support.sandbox_process import SandboxProcess

EVER = StatementAsked(OWN, "", Span(FIRST_DAY, LAST_DAY, "UTC"), None, "")


def differences(sandbox: SandboxProcess) -> Iterator[tuple[Company, str]]:
    """What the statement of a company says otherwise than its account. Orders whose points are
    still unclear are left out; what the sandbox booked by itself too, until it was read.
    """
    accounts = {
        each["account_id"]: each for each in sandbox.control("GET", "/accounts")["accounts"]
    }
    for company in Company.objects.order_by("name"):
        told = _difference(company, accounts[company.loyalty_account_id], sandbox)
        if told:
            yield company, told


def _difference(company: Company, account: dict[str, Any], sandbox: SandboxProcess) -> str:
    of_company = LoyaltyTransaction.objects.filter(company=company)
    unclear = set(of_company.filter(UNCLEAR_OR_OPEN).values_list("order__order_number", flat=True))
    theirs = LedgerRead.objects.filter(~Q(read_at=None), company=company).exists()
    entries = [
        entry
        for entry in sandbox.ledger(account=company.loyalty_account_id)["entries"]
        if entry["reference"] not in unclear and (theirs or not entry["kind"])
    ]
    there = Counter({entry["transaction_id"]: _signed(entry) for entry in entries})
    sources = movements.movements(company.pk, EVER, None)
    rows = list(entries_of(sources, account["opening"]))
    here = Counter({row.number: row.points for row in rows if row.order_number not in unclear})
    if here != there or len(entries) != len(there):
        ours, others = dict(here.items() - there.items()), dict(there.items() - here.items())
        return f"only here {ours}, only there {others}"
    closing = rows[-1].balance if rows else account["opening"]
    if theirs and not unclear and closing != account["balance"]:
        return f"closes with {closing}, the account has {account['balance']}"
    return ""


def _signed(entry: dict[str, Any]) -> int:
    return int(entry["points"] if entry["type"] == "credit" else -entry["points"])
