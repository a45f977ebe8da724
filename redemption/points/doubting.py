"""Doubts the number of a transaction for which the partner's statement has another one."""

from uuid import UUID

from django.db.models.functions import Now

from redemption.models import LoyaltyTransaction
from redemption.states import Doubt, TransactionStatus


def doubt_number(transaction_id: UUID, number: str) -> bool:
    """Doubt a succeeded transaction whose entry in the statement is `number`. Returns whether it
    was doubted now.

    Its key is asked again while it may be repeated, else the statement is read, else people decide
    (redemption/saga/doubts.py). Nothing is changed while it is doubted already, or has the number.
    """
    rows = LoyaltyTransaction.objects.filter(
        pk=transaction_id, status=TransactionStatus.SUCCEEDED, doubt=""
    ).exclude(external_transaction_id=number)
    return bool(rows.update(doubt=Doubt.ASK, disputed_id=number, next_attempt_at=Now()))
