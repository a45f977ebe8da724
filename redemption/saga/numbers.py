"""Looks for a transaction's number in the partner's statement (saga.md, rules 4 and 6)."""

import json
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from accounts import loyalty
from accounts.loyalty import StatementEntry, TransactionAnswer
from loyalty_portal.partners.client import Answer, Outcome, PartnerUnavailableError
from redemption.models import LoyaltyTransaction
from redemption.models.points import NUMBER_CHECKED
from redemption.points.reconciliation.selectors import was_compared

READ_BACK = timedelta(days=1)  # the partner's clock and ours differ
NOT_IN_STATEMENT = "not_in_statement"  # our own code


def read(intent: LoyaltyTransaction) -> TransactionAnswer:
    """What the statement says about a transaction.

    Returns UNKNOWN with NOT_IN_STATEMENT unless exactly one entry fits.
    """
    since = min(intent.created_at, intent.first_sent_at or intent.created_at) - READ_BACK
    asked = json.loads(intent.body)
    try:
        entries = loyalty.statement(asked["account_id"], since)
        found = [entry for entry in entries if _fits(entry, intent, asked)]
    except PartnerUnavailableError as error:
        return TransactionAnswer(_unread(error.answer))
    if len(found) == 1:
        told = Answer(Outcome.SUCCEEDED, detail=_("The partner's statement says so."))
        return TransactionAnswer(told, found[0].transaction_id)
    return TransactionAnswer(Answer(Outcome.UNKNOWN, code=NOT_IN_STATEMENT))


def _unread(answer: Answer) -> Answer:
    """A partner that refuses its statement will not show it later either."""
    refused = answer.outcome is Outcome.REFUSED
    code = NOT_IN_STATEMENT if refused else answer.code
    return Answer(Outcome.UNKNOWN, answer.status_code, code=code)


def _fits(entry: StatementEntry, intent: LoyaltyTransaction, asked: dict[str, Any]) -> bool:
    kind = "debit" if intent.is_debit else "credit"
    return (entry.kind, entry.points, entry.reference) == (
        kind,
        asked["points"],
        asked["reference"],
    )


def must_be_checked(credit: LoyaltyTransaction) -> bool:
    """Whether to look for its debit's number in the statement before a credit is first sent.

    The comparison with the statement has done so for older debits, unless their number was doubted.
    """
    debit = credit.original
    if debit is None or credit.first_sent_at is not None or not settings.LOYALTY_API_STATEMENT:
        return False
    if credit.answer_code == NUMBER_CHECKED:
        return False
    return bool(debit.disputed_id) or not was_compared(debit)
