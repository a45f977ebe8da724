"""Reads what waits for approval, as compact rows, and what was decided."""

from datetime import datetime
from typing import NamedTuple

from django.core.paginator import Page, Paginator
from django.db.models import Exists, OuterRef, QuerySet, Subquery, prefetch_related_objects

from accounts.models import User
from accounts.permissions import may_approve
from accounts.seats.stand_ins import stood_in_for
from loyalty_portal.data.actor import Actor
from redemption.checkout.held import partner_trouble
from redemption.models import (
    Bulk,
    BulkPart,
    BulkStatus,
    EventSubject,
    Letter,
    LetterKind,
    OrderEvent,
    OrderItem,
    RedemptionOrder,
)
from redemption.models.badges import Badge
from redemption.orders.selectors import OrderRow, first_lines, rows_of
from redemption.orders.since import changed_since
from redemption.permissions import Right, right_to_decide, seen_by
from redemption.states import OrderStatus

MOST_APPROVALS = 100
PAGE_SIZE = 25
FILES = 10  # files of orders that were decided on, the newest
_FILES_DECIDED = (
    BulkStatus.PLACING,
    BulkStatus.DONE,
    BulkStatus.STOPPED,
    BulkStatus.REJECTED,
)


class Approval(NamedTuple):
    """An order that is waiting for approval, with the right by which they may decide on it."""

    order: RedemptionOrder
    first: OrderItem
    pieces: int  # of the first line's product
    more: int  # lines of other products
    lines: int  # in all
    right: Right
    left: int | None  # points left after the order; None when the balance is not known
    why: str  # the reason for approval, as the buyer read it
    held: str  # why it cannot be approved now; "" when it can
    since: list[str]  # what changed in the catalogue since the order was placed

    @property
    def decidable(self) -> bool:
        return self.right.may

    @property
    def key(self) -> str:
        """What its box sends (redemption/orders/approvals/services.py)."""
        return f"order:{self.order.order_number}"


def approvals(actor: Actor, spendable: int | None) -> list[Approval]:
    """The orders that are waiting for approval, the most urgent first."""
    placing = OrderEvent.objects.filter(
        order=OuterRef("pk"), subject=EventSubject.ORDER, from_status=""
    )
    waiting = (
        seen_by(actor)
        .filter(status=OrderStatus.AWAITING_APPROVAL)
        .annotate(why=Subquery(placing.values("reason")[:1]))
        .select_related("account_manager__user", "account_manager__company", "company")
        .order_by("approve_by", "id")
    )
    orders = list(waiting[:MOST_APPROVALS])
    by_keys = [row.account_manager for row in orders if row.account_manager.user.is_machine]
    prefetch_related_objects(by_keys, "keys")
    trouble, since = partner_trouble(), changed_since(orders)
    lines = first_lines(orders, 1)
    away = stood_in_for(actor.seat) if actor.seat and not may_approve(actor) else []
    return [
        Approval(
            order=order,
            first=found.items[0],
            pieces=found.pieces,
            more=found.counts.lines - found.alike,
            lines=found.counts.lines,
            right=right_to_decide(actor, order, away),
            left=None if spendable is None else spendable - order.total_points,
            why=order.why or "",
            held=trouble.holds_approval(order.products()),
            since=since[order.pk],
        )
        for order in orders
        for found in [lines[order.pk]]
    ]


class Decided(NamedTuple):
    """An order whose approval ended. `by` decided, nobody where it ran out; `instead_of` is the
    name of an approver in whose place.
    """

    row: OrderRow
    by: User | None
    instead_of: str
    at: datetime
    reason: str

    @property
    def order(self) -> RedemptionOrder:
        return self.row.order

    @property
    def look(self) -> Badge:
        return self.row.look


def decided_page(actor: Actor, page: str) -> tuple[Page[RedemptionOrder], list[Decided]]:
    """One page of the orders that needed approval and wait no more, the newest first. Those of a
    file are told with their file.
    """
    moved = OrderEvent.objects.filter(
        order=OuterRef("pk"),
        subject=EventSubject.ORDER,
        from_status=OrderStatus.AWAITING_APPROVAL,
    )
    letters = Letter.objects.filter(
        order=OuterRef("pk"), kind__in=[LetterKind.APPROVED, LetterKind.REJECTED], again_of=None
    )
    orders = (
        seen_by(actor)
        .filter(~Exists(BulkPart.objects.filter(order=OuterRef("pk"))), approve_by__isnull=False)
        .exclude(status=OrderStatus.AWAITING_APPROVAL)
        .select_related("account_manager__user", "decided_by")
        .order_by("-approve_by", "-id")
    )
    found = Paginator(orders, PAGE_SIZE).get_page(page)
    told = orders.annotate(
        decided_at=Subquery(moved.values("at")[:1]),
        instead_of=Subquery(letters.values("facts__instead_of")[:1]),
    )
    listed = list(told.filter(pk__in=[order.pk for order in found.object_list]))
    return found, [_decided(row) for row in rows_of(listed)]


def _decided(row: OrderRow) -> Decided:
    order = row.order
    return Decided(
        row=row,
        by=order.decided_by,
        instead_of=getattr(order, "instead_of", None) or "",
        at=getattr(order, "decided_at", None) or order.created_at,
        reason=order.decision_reason,
    )


def files_decided(actor: Actor) -> list[Bulk]:
    """The newest files of orders of the company that needed an approval and wait no more."""
    if actor.seat is None:
        return []
    rows: QuerySet[Bulk] = Bulk.objects.filter(
        seat__company=actor.seat.company_id, status__in=_FILES_DECIDED, approve_by__isnull=False
    )
    return list(rows.select_related("seat__user", "decided_by").defer("file")[:FILES])
