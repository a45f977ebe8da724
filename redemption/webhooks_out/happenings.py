"""What changed, in the words that companies' own systems read.

An event is thin: ids, a status, and the address where the rest is read. So it holds no secret, the
order of events does not matter, and no copy outside has to follow when something is erased.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.conf import settings

from accounts.models import AccountManager
from loyalty_portal.feed.models import Outbox
from loyalty_portal.feed.services import Happening
from redemption.models import EventSubject, OrderEvent, TransactionType, WebhookEndpoint
from redemption.models.webhooks_out import EventType
from redemption.states import LineStatus, OrderStatus, TransactionStatus

_ORDER = {
    OrderStatus.AWAITING_APPROVAL: (EventType.ORDER_PLACED, EventType.ORDER_APPROVAL_REQUESTED),
    OrderStatus.CONFIRMED: (EventType.ORDER_CONFIRMED,),
    OrderStatus.DECLINED: (EventType.ORDER_DECLINED,),
    OrderStatus.REJECTED: (EventType.ORDER_DECLINED,),
    OrderStatus.EXPIRED: (EventType.ORDER_DECLINED,),
    OrderStatus.COMPLETED: (EventType.ORDER_COMPLETED,),
    OrderStatus.CANCELLED: (EventType.ORDER_CANCELLED,),
}
_LINE = {
    LineStatus.SHIPPED: EventType.ORDER_SHIPPED,
    LineStatus.DELIVERED: EventType.ORDER_LINE_DELIVERED,
    LineStatus.FAILED: EventType.ORDER_LINE_FAILED,
}


def of_order_events(rows: Sequence[Outbox]) -> dict[int, list[Happening]]:
    """What steps of orders, lines and points transactions mean outside."""
    events = OrderEvent.objects.select_related("order", "transaction").in_bulk(
        [row.key for row in rows]
    )
    return {row.pk: _of_event(events[row.key]) for row in rows}


def _of_event(event: OrderEvent) -> list[Happening]:
    data: dict[str, Any] = {
        "order_id": str(event.order_id),
        "order_number": event.order.order_number,
        "status": event.to_status,
        "url": _address("orders", event.order_id),
    }
    types: Sequence[str] = ()
    if event.subject == EventSubject.ORDER:
        types = _of_order(event)
    elif event.subject == EventSubject.LINE:
        types, data["line_id"] = (_LINE[LineStatus(event.to_status)],), str(event.item_id)
    elif event.transaction is not None:
        types = _of_points(event)
        data["transaction_id"] = str(event.transaction_id)
        data["transaction_type"] = event.transaction.transaction_type
    return [Happening(each, event.at, data) for each in types]


def _of_order(event: OrderEvent) -> Sequence[str]:
    if event.to_status == OrderStatus.PENDING:  # an approved one was placed before
        return () if event.from_status else (EventType.ORDER_PLACED,)
    return _ORDER[OrderStatus(event.to_status)]


def _of_points(event: OrderEvent) -> Sequence[str]:
    if event.to_status == TransactionStatus.NEEDS_REVIEW:
        return (EventType.POINTS_NEEDS_REVIEW,)
    transaction = event.transaction
    credited = (
        transaction is not None
        and transaction.transaction_type == TransactionType.CREDIT
        and event.to_status == TransactionStatus.SUCCEEDED
    )
    settled = EventType.POINTS_SETTLED
    return (settled, EventType.ORDER_CREDITED) if credited else (settled,)


def of_seats(rows: Sequence[Outbox]) -> dict[int, list[Happening]]:
    """That people of the company got or lost rights. It tells how they stand now. The seats of API
    keys are no members.
    """
    people = AccountManager.objects.filter(user__is_machine=False).select_related("user")
    seats = people.in_bulk([row.key for row in rows])
    return {row.pk: _of_seat(row, seats[row.key]) for row in rows if row.key in seats}


def _of_seat(row: Outbox, seat: AccountManager) -> list[Happening]:
    data = {
        "member_id": str(seat.pk),
        "role": seat.role,
        "status": "active" if seat.is_active and seat.user.is_active else "inactive",
        "url": _address("members", seat.pk),
    }
    return [Happening(EventType.MEMBER_CHANGED, row.at, data)]


def of_endpoints(rows: Sequence[Outbox]) -> dict[int, list[Happening]]:
    """That endpoints were disabled, for the other endpoints of the company."""
    endpoints = WebhookEndpoint.objects.in_bulk([row.key for row in rows])
    return {row.pk: _of_endpoint(row, endpoints[row.key]) for row in rows}


def _of_endpoint(row: Outbox, endpoint: WebhookEndpoint) -> list[Happening]:
    data = {
        "endpoint_id": str(endpoint.pk),
        "status": "disabled",
        "reason": endpoint.disabled_why,
        "url": _address("webhook-endpoints", endpoint.pk),
    }
    return [Happening(EventType.ENDPOINT_DISABLED, row.at, data)]


def _address(resource: str, key: UUID) -> str:
    return f"{settings.PORTAL_URL}/api/v1/{resource}/{key}"
