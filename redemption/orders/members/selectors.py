"""Reads what a member of a company did: the orders that they placed, and those they decided on."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db.models import OuterRef, Subquery

from accounts.invitations.members import MemberShown, OrderedSoFar
from accounts.models import AccountManager, Company
from redemption.checkout.limits import budget_of, used_by_seats
from redemption.models import EventSubject, OrderEvent, RedemptionOrder
from redemption.orders.selectors import OrderRow, rows_of
from redemption.states import OrderStatus

SHOWN = 10  # orders of each list, the newest


class DecidedOrder(NamedTuple):
    """An order on which somebody decided. `approved` is False when they rejected it."""

    order: RedemptionOrder
    approved: bool
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Activity:
    """What a member did for the company, the newest first, and how often in all."""

    placed: list[OrderRow]
    placed_in_all: int
    decided: list[DecidedOrder]
    decided_in_all: int


def spending_of(company: Company) -> OrderedSoFar:
    """What the company's seats ordered in this month, and what is left of its budget. For
    settings.SPENDING.
    """
    budget = budget_of(company)
    if budget is None:
        return OrderedSoFar(used_by_seats(company), "")
    return OrderedSoFar(used_by_seats(company), budget.told, budget.left)


def activity_of(member: MemberShown) -> Activity:
    """The newest orders that the member placed, and those on which they decided."""
    seat = member.seat
    placed = RedemptionOrder.objects.filter(account_manager=seat)
    decided = RedemptionOrder.objects.filter(company=seat.company_id, decided_by=seat.user_id)
    newest = placed.select_related("account_manager__user").order_by("-created_at", "-id")
    return Activity(
        placed=rows_of(newest[:SHOWN]),
        placed_in_all=placed.order_by().count(),
        decided=_decided(seat),
        decided_in_all=decided.order_by().count(),
    )


def _decided(seat: AccountManager) -> list[DecidedOrder]:
    steps = OrderEvent.objects.filter(
        order=OuterRef("pk"),
        subject=EventSubject.ORDER,
        from_status=OrderStatus.AWAITING_APPROVAL,
        by=seat.user_id,
    )
    orders = RedemptionOrder.objects.filter(company=seat.company_id, decided_by=seat.user_id)
    newest = orders.annotate(decided_at=Subquery(steps.values("at")[:1])).order_by(
        "-created_at", "-id"
    )
    return [
        DecidedOrder(order, order.status != OrderStatus.REJECTED, vars(order)["decided_at"])
        for order in newest[:SHOWN]
    ]
