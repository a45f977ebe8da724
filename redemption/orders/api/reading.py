"""Operations that read orders. The others add theirs to the same router, because an address with
several methods is in one router.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Literal
from uuid import UUID

from django.conf import settings
from django.db import OperationalError
from django.http import Http404, HttpResponse
from ninja import Query, Router
from pydantic import Field

from accounts.access.bearer import ApiRequest
from loyalty_portal.api.calls import ApiResult, allowed, must_have_scope, unchanged
from loyalty_portal.api.cursors import page_after
from loyalty_portal.api.problems import ApiProblemError, Mistake
from loyalty_portal.api.shapes import Moment, PageAsked, PageTold, RequestShape
from loyalty_portal.data.snapshot import one_snapshot
from loyalty_portal.data.trouble import RETRY_AFTER, is_overtaken
from redemption.models import RedemptionOrder
from redemption.orders.api.told import (
    DeliveryTold,
    OrderLineTold,
    OrderTold,
    deliveries_told,
    line_told,
    order_told,
)
from redemption.orders.records import (
    OrderFilters,
    lines_of,
    order_seen,
    orders_seen,
    points_of,
    pulse_seen,
    transactions_of,
    with_deliveries,
)
from redemption.permissions import may_decide_orders
from redemption.points.api import SCOPE as TRANSACTIONS
from redemption.points.api import transaction_told
from redemption.saga.steps import OrderBusyError
from redemption.states import OrderStatus

router = Router(tags=["orders"])
SCOPE = "orders:read"
Part = Literal["lines", "transactions"]
OrderKey = Annotated[
    str, Field(description="The order's id or number.", examples=["R-7KQ4M-2XDTP"])
]


@contextmanager
def unless_busy() -> Iterator[None]:
    """Answer 503 `order_too_busy` when others had the order, or its products, for too long."""
    try:
        yield
    except (OrderBusyError, OperationalError) as error:
        if isinstance(error, OperationalError) and not is_overtaken(error):
            raise
        headers = {"Retry-After": str(RETRY_AFTER)}
        raise ApiProblemError("order_too_busy", headers=headers) from error


class OrdersAsked(PageAsked):
    """The filters of the list of orders."""

    status: list[OrderStatus] = Field(default_factory=list, max_length=20)
    reference: str = Field("", max_length=100, description="The company's own reference, exactly.")
    created_from: Moment | None = None
    created_until: Moment | None = Field(None, description="Before this time.")
    expand: str = Field(
        "", max_length=40, description="What to tell in full: `lines`, `transactions`, or both."
    )


class OrderAsked(RequestShape):
    """What of one order to tell in full."""

    expand: str = Field("", max_length=40, description="`lines`, `transactions`, or both.")


@router.get("", response=PageTold[OrderTold], operation_id="listOrders", summary="List orders")
@allowed(SCOPE, problems=("invalid_cursor",))
def list_orders(request: ApiRequest, asked: Query[OrdersAsked]) -> PageTold[OrderTold]:
    """The company's orders, the newest first."""
    parts = _parts(request, asked.expand)
    filters = OrderFilters(
        status=asked.status,
        reference=asked.reference,
        created_from=asked.created_from,
        created_until=asked.created_until,
    )
    rows, by = orders_seen(request.auth.actor, filters), ["-created_at", "-id"]
    bound = request.auth.seat.company_id
    with one_snapshot():
        found, more = page_after(rows, by=by, asked=asked, request=request, bound=bound)
        told = _told(request, found, parts)
    return PageTold[OrderTold](data=told, next=more)


@router.get("/{order}", response=OrderTold, operation_id="getOrder", summary="Get an order")
@allowed(SCOPE, tagged=True)
def get_order(
    request: ApiRequest, order: OrderKey, asked: Query[OrderAsked]
) -> ApiResult | HttpResponse:
    """One order by its id or number. With If-None-Match and the ETag of the answer before it is
    304 while nothing of the order has changed.
    """
    parts = _parts(request, asked.expand)
    pulse = pulse_seen(request.auth.actor, order)
    if pulse is None:
        raise Http404
    tag = f'"{pulse}{"".join(sorted(part[0] for part in parts))}"'
    if same := unchanged(request, tag):
        return same
    with one_snapshot():  # not older than the pulse
        [told] = _told(request, [own_order(request, order)], parts)
    return ApiResult(told, {"ETag": tag})


@router.get(
    "/{order}/lines",
    response=PageTold[OrderLineTold],
    operation_id="listOrderLines",
    summary="List the lines of an order",
)
@allowed(SCOPE, problems=("invalid_cursor",))
def list_lines(
    request: ApiRequest, order: OrderKey, asked: Query[PageAsked]
) -> PageTold[OrderLineTold]:
    """The lines of one order, in its own order."""
    bound = request.auth.seat.company_id
    with one_snapshot():
        own = own_order(request, order)
        rows = own.items.order_by()
        found, more = page_after(rows, by=["id"], asked=asked, request=request, bound=bound)
        told = [line_told(record, own.created_at) for record in with_deliveries(found)]
    return PageTold[OrderLineTold](data=told, next=more)


@router.get(
    "/{order}/lines/{uuid:line_id}/deliveries",
    response=PageTold[DeliveryTold],
    operation_id="listLineDeliveries",
    summary="List the deliveries of a line",
)
@allowed(SCOPE)
def list_deliveries(request: ApiRequest, order: OrderKey, line_id: UUID) -> PageTold[DeliveryTold]:
    """What was delivered of one line: parcels, or codes. A line has few, so there is one page."""
    with one_snapshot():
        own = own_order(request, order)
        item = own.items.filter(pk=line_id).first()
        if item is None:
            raise Http404
        [record] = with_deliveries([item])
    return PageTold[DeliveryTold](data=deliveries_told(record, own.created_at), next=None)


def own_order(request: ApiRequest, key: str) -> RedemptionOrder:
    """The company's order with this id or number. Raises Http404."""
    found = order_seen(request.auth.actor, key)
    if found is None:
        raise Http404
    return found


def must_decide_orders(request: ApiRequest) -> None:
    """Raise the problem `role_forbids` unless the caller may decide on orders now."""
    if not may_decide_orders(request.auth.actor):
        raise ApiProblemError("role_forbids")


def _parts(request: ApiRequest, expand: str) -> frozenset[Part]:
    """What to tell in full. Transactions need their own scope too."""
    known: dict[str, Part] = {"lines": "lines", "transactions": "transactions"}
    named = [each for each in expand.split(",") if each]
    if wrong := [each for each in named if each not in known]:
        detail = f"{wrong[0]}: lines, transactions"
        raise ApiProblemError("invalid", errors=[Mistake("query", "/expand", "enum", detail)])
    if "transactions" in named:
        must_have_scope(request.auth, TRANSACTIONS)
    return frozenset(known[each] for each in named)


def address_of(order: RedemptionOrder) -> str:
    """Where the order is in the API."""
    return f"{settings.PORTAL_URL}/api/v1/orders/{order.pk}"


def one_told(request: ApiRequest, order: RedemptionOrder) -> OrderTold:
    """An order as it is now, without its lines."""
    [told] = _told(request, [order], frozenset())
    return told


def _told(
    request: ApiRequest, orders: Sequence[RedemptionOrder], parts: frozenset[Part]
) -> list[OrderTold]:
    points = points_of(orders)
    lines = lines_of(orders) if "lines" in parts else None
    rows = list(transactions_of(request.auth.actor, orders)) if "transactions" in parts else None
    return [
        order_told(
            order,
            points[order.pk],
            address=address_of(order),
            lines=None
            if lines is None
            else [line_told(record, order.created_at) for record in lines[order.pk]],
            transactions=None
            if rows is None
            else [transaction_told(row) for row in rows if row.order_id == order.pk],
        )
        for order in orders
    ]
