"""The operation that lists what waits for the caller's approval."""

from datetime import datetime
from uuid import UUID

from ninja import Query, Router
from pydantic import Field

from accounts.access.bearer import ApiRequest
from loyalty_portal.api.calls import allowed
from loyalty_portal.api.cursors import page_after
from loyalty_portal.api.shapes import AnswerShape, PageAsked, PageTold
from redemption.orders.api.reading import must_decide_orders
from redemption.orders.records import waiting_for
from redemption.permissions import could_decide

approvals = Router(tags=["orders"])


class ApprovalTold(AnswerShape):
    """An order that waits for the caller's decision."""

    id: UUID = Field(description="The order's.")
    created_at: datetime
    order_number: str = Field(examples=["R-7KQ4M-2XDTP"])
    requested_by: str = Field(
        description="The name of the person or key.", examples=["Grace Hopper"]
    )
    total_points: int = Field(examples=[600])
    expires_at: datetime | None = Field(description="Until then it waits.")


@approvals.get(
    "",
    response=PageTold[ApprovalTold],
    operation_id="listApprovals",
    summary="List what waits for approval",
)
@allowed("orders:read", may=could_decide, problems=("invalid_cursor",))
def list_approvals(request: ApiRequest, asked: Query[PageAsked]) -> PageTold[ApprovalTold]:
    """The orders on which the caller may decide, the most urgent first: an approver's, or of who
    stands in for one. None waits for a key.
    """
    must_decide_orders(request)
    rows, by = waiting_for(request.auth.actor), ["approve_by", "id"]
    bound = request.auth.seat.pk
    found, more = page_after(rows, by=by, asked=asked, request=request, bound=bound)
    told = [
        ApprovalTold(
            id=order.pk,
            created_at=order.created_at,
            order_number=order.order_number,
            requested_by=str(order.account_manager.user),
            total_points=order.total_points,
            expires_at=order.approve_by,
        )
        for order in found
    ]
    return PageTold[ApprovalTold](data=told, next=more)
