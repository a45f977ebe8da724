"""Reads the orders' and carts' share of the header of every page.

settings.LAYOUT_PROVIDERS names `header_figures`; `accounts.layout` calls it.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db.models import (
    Aggregate,
    Case,
    Count,
    F,
    IntegerField,
    Q,
    QuerySet,
    Subquery,
    Sum,
    When,
)
from django.db.models.functions import Coalesce

from accounts.models import AccountManager
from accounts.permissions import may_approve
from loyalty_portal.data.actor import Actor
from loyalty_portal.fastpath.sql import Prepared
from redemption.models import CartLine, LoyaltyTransaction, RedemptionOrder, TransactionType
from redemption.permissions import decidable, decidable_instead, standing_in
from redemption.states import OPEN_TRANSACTION, UNCLEAR, OrderStatus, TransactionStatus

_TAKES = [TransactionType.DEBIT, TransactionType.CORRECTION]


def _number(rows: QuerySet[Any], by: str, what: Aggregate) -> Coalesce:
    """One figure about `rows`, which must have the same `by`; 0 when there are none."""
    figure = rows.order_by().values(by).annotate(figure=what).values("figure")
    return Coalesce(Subquery(figure), 0)


def _figures(
    decides: Callable[[Any, Any, Any], Q], seat: Any, company: Any, user: Any, asked_at: Any
) -> QuerySet[Any, Any]:
    """Read the header's figures in one query, whose parts use small or partial indexes. `decides`:
    the orders on which the seat decides.

    Points that moved after the balance was asked for are in neither figure, so they are added up
    too.
    """
    seats = AccountManager.objects.filter(pk=seat).order_by()
    lines = CartLine.objects.filter(cart=seat)
    transactions = LoyaltyTransaction.objects.filter(company=company)
    takings = transactions.filter(transaction_type__in=_TAKES)
    moved = transactions.filter(status=TransactionStatus.SUCCEEDED, settled_at__gt=asked_at)
    awaiting = RedemptionOrder.objects.filter(company=company, status=OrderStatus.AWAITING_APPROVAL)
    others = awaiting.filter(decides(seat, company, user))
    points = Sum("points_amount")
    signed = Case(
        When(transaction_type=TransactionType.CREDIT, then=-F("points_amount")),
        default=F("points_amount"),
        output_field=IntegerField(),
    )
    return seats.values_list(
        _number(lines, "cart", Count("product", distinct=True)),
        _number(takings.filter(status__in=sorted(OPEN_TRANSACTION)), "company", points),
        _number(takings.filter(status__in=sorted(UNCLEAR)), "company", points),
        _number(moved, "company", Sum(signed)),
        _number(awaiting, "company", Sum("total_points")),
        _number(others, "company", Count("pk")),
        _number(standing_in(seat), "deputy", Count("pk")),
    )


_NOON = datetime(2000, 1, 1, 12, tzinfo=UTC)
_OF_ONE = (UUID(int=1), UUID(int=2), UUID(int=3), _NOON)


def _by_role(_seat: Any, company: Any, user: Any) -> Q:
    return decidable(company_id=company, user_id=user)


def _instead(seat: Any, company: Any, user: Any) -> Q:
    return decidable_instead(seat_id=seat, company_id=company, user_id=user)


_of_approvers = Prepared(partial(_figures, _by_role), *_OF_ONE)
_of_others = Prepared(partial(_figures, _instead), *_OF_ONE)


def header_figures(seat: AccountManager, asked_at: datetime) -> Mapping[str, int]:
    """Points in flight, cart and approvals, as `accounts.layout.Header` names them.

    Makes one query. `asked_at`: when the partner was asked for the balance.
    """
    approver = may_approve(Actor.in_seat(seat))
    read = _of_approvers if approver else _of_others
    ((cart_count, in_flight, unclear, moved, awaiting, approvals, stands_in),) = read(
        seat.pk, seat.company_id, seat.user_id, asked_at
    )
    return {
        "cart_count": cart_count,
        "in_flight": int(in_flight),
        "unclear": int(unclear),
        "moved": int(moved),
        "awaiting": int(awaiting),
        "approvals_count": approvals if approver or stands_in else 0,
        "stands_in": stands_in,
    }
