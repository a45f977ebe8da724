"""Writes credits, and chooses the debit or correction that each one names.

The partner refuses credits that exceed the debit that they name.
"""

from collections.abc import Iterator

from django.db.models import Q, Sum
from django.db.models.functions import Coalesce

from accounts import loyalty
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.ids import uuid7
from redemption.models import LoyaltyTransaction, OrderItem, RedemptionOrder, TransactionType
from redemption.states import TransactionStatus


def intend_credit(
    order: RedemptionOrder,
    points: int,
    *,
    units: int,
    item: OrderItem | None,
    reason: str,
    by: Actor,
) -> None:
    """Write a credit for `points` of `units`, unsent; several if the points were taken by several
    transactions. Without an `item`, the units are of several lines.

    The database refuses credits beyond what was taken (credits_within_debit), and of a line those
    beyond its units (credits_within_line).
    """
    for taking, share in _takings(order, item, points):
        of_share = share // item.points_per_item if item else units
        _credit_of(taking, order, share, units=of_share, item=item, reason=reason, by=by)


def _takings(
    order: RedemptionOrder, item: OrderItem | None, points: int
) -> Iterator[tuple[LoyaltyTransaction, int]]:
    """The transactions to give back from, with the points of each: corrections of the line first,
    then the order's debit.
    """
    taken = Q(transaction_type=TransactionType.DEBIT) | Q(
        transaction_type=TransactionType.CORRECTION, item=item, status=TransactionStatus.SUCCEEDED
    )
    given = Coalesce(Sum("credits__points_amount"), 0)
    # the debit was the first to take points
    for each in order.transactions.filter(taken).annotate(given=given).order_by("-created_at"):
        share = min(points, each.points_amount - each.given) if each.is_correction else points
        if share:
            yield each, share
        points -= share


def _credit_of(
    taking: LoyaltyTransaction,
    order: RedemptionOrder,
    points: int,
    *,
    units: int,
    item: OrderItem | None,
    reason: str,
    by: Actor,
) -> None:
    credit_id = uuid7()
    credit = LoyaltyTransaction(
        id=credit_id,
        order=order,
        company_id=order.company_id,
        item=item,
        original=taking,
        points_amount=points,
        units=units,
        transaction_type=TransactionType.CREDIT,
        reason=reason[:255],
        key=f"credit:{credit_id}",
        body=loyalty.credit_body(
            account_id=order.company.loyalty_account_id,
            points=points,
            reference=order.order_number,
            original_transaction_id=taking.external_transaction_id,
            description=f"Refund {order.order_number}",
        ).decode(),
    )
    credit.save(force_insert=True)
    credit.event("", credit.status, by=by, reason=reason).save()
