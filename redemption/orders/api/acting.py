"""Operations that cancel orders, approve and reject those of others, and show codes."""

from collections.abc import Callable
from datetime import date
from typing import Annotated
from uuid import UUID

from django.http import Http404
from pydantic import Field

from accounts.access.bearer import ApiRequest
from accounts.access.once import KeyedRequest, once
from accounts.permissions import may_redeem, may_see_codes
from fulfillment.models import VirtualCode
from loyalty_portal.api.calls import ApiResult, allowed
from loyalty_portal.api.problems import ApiProblemError, refused_as
from loyalty_portal.api.shapes import AnswerShape, RequestShape, Text
from loyalty_portal.data.one_line import one_line
from loyalty_portal.http.rates import Rate
from redemption.checkout.approvals.deciding import approve, reject
from redemption.checkout.limits import OverLimitError
from redemption.models import RedemptionOrder
from redemption.orders.actions.cancelling import cancel
from redemption.orders.actions.services import reveal_codes
from redemption.orders.api.placing import router
from redemption.orders.api.reading import (
    OrderKey,
    must_decide_orders,
    one_told,
    own_order,
    unless_busy,
)
from redemption.orders.api.told import OrderTold
from redemption.permissions import could_decide, may_cancel, may_reveal, right_to_decide
from redemption.saga import tasks
from redemption.saga.steps import RedemptionError

__all__ = ["router"]
PROBLEMS = ("order_forbids", "order_refused", "order_too_busy")
SCOPE = "orders:write"
REVEALS = Rate("reveals", most=30, burst=10)
LONGEST_REASON = 255


class CancelEntered(RequestShape):
    """Why an order is cancelled."""

    reason: Annotated[Text, Field(max_length=LONGEST_REASON)] = Field(
        "", examples=["Ordered twice"]
    )


class CodeTold(AnswerShape):
    """The code of one unit. It is null where there is none, or where it cannot be read."""

    readable: bool = Field(
        description="False: what is stored is damaged. It is being put right; no points are lost.",
        examples=[True],
    )
    code: str | None = Field(examples=["EXAMPLE-CODE"])
    pin: str | None = Field(examples=[None])
    url: str | None = Field(examples=[None])
    expires_on: date | None


class CodesTold(AnswerShape):
    """The codes of a line; none before it is delivered."""

    data: list[CodeTold]


class RejectEntered(RequestShape):
    """Why an order is not approved."""

    reason: Annotated[Text, Field(min_length=1, max_length=LONGEST_REASON)] = Field(
        description="The buyer reads it.", examples=["Not in this quarter"]
    )


@router.post(
    "/{order}/cancel", response=OrderTold, operation_id="cancelOrder", summary="Cancel an order"
)
@allowed(SCOPE, may=may_redeem, problems=PROBLEMS)
@once(together=True)
def cancel_order(request: KeyedRequest, order: OrderKey, entered: CancelEntered) -> ApiResult:
    """Cancel what can be cancelled of an order: one's own, or as an owner or approver any of the
    company. Lines that were sent go on; the order's lines tell which.
    """
    own = own_order(request, order)
    _must(may_cancel(request.auth.actor, own))
    reason = one_line(entered.reason)
    return _acted(request, own, lambda: cancel(order=own, by=request.auth.actor, reason=reason))


@router.post(
    "/{order}/approve", response=OrderTold, operation_id="approveOrder", summary="Approve an order"
)
@allowed(SCOPE, may=could_decide, problems=(*PROBLEMS, "over_limit"))
@once(together=True)
def approve_order(request: KeyedRequest, order: OrderKey) -> ApiResult:
    """Approve an order of somebody else, so that its points are taken. A key never approves, and
    whoever made a key does not approve its orders. Who stands in for an approver decides too.
    """
    must_decide_orders(request)
    own = own_order(request, order)
    right = right_to_decide(request.auth.actor, own)
    _must(right.may, right.why_not)
    return _acted(request, own, lambda: approve(order=own, by=request.auth.actor))


@router.post(
    "/{order}/reject", response=OrderTold, operation_id="rejectOrder", summary="Reject an order"
)
@allowed(SCOPE, may=could_decide, problems=PROBLEMS)
@once(together=True)
def reject_order(request: KeyedRequest, order: OrderKey, entered: RejectEntered) -> ApiResult:
    """Reject an order of somebody else that waits for approval. Its stock is released."""
    must_decide_orders(request)
    own = own_order(request, order)
    right = right_to_decide(request.auth.actor, own)
    _must(right.may, right.why_not)
    reason = one_line(entered.reason)
    return _acted(request, own, lambda: reject(order=own, by=request.auth.actor, reason=reason))


@router.post(
    "/{order}/lines/{uuid:line_id}/codes",
    response=CodesTold,
    operation_id="revealCodes",
    summary="See the codes of a line",
)
@allowed("codes:reveal", may=may_see_codes, problems=("order_forbids",), rate=REVEALS)
def reveal(request: ApiRequest, order: OrderKey, line_id: UUID) -> ApiResult:
    """The codes of one line that was delivered. Each look is recorded: who, when, from where."""
    own = own_order(request, order)
    _must(may_reveal(request.auth.actor, own))
    item = own.items.filter(pk=line_id).first()
    if item is None:
        raise Http404
    item.order = own
    codes = reveal_codes(item=item, by=request.auth.actor)
    told = [_code(code) for code in codes]
    return ApiResult(CodesTold(data=told), {"Cache-Control": "no-store"})


def _code(code: VirtualCode) -> CodeTold:
    if not code.can_be_read():
        return CodeTold(readable=False, code=None, pin=None, url=None, expires_on=None)
    return CodeTold(
        readable=True,
        code=code.code or None,
        pin=code.pin or None,
        url=code.url or None,
        expires_on=code.expires_on,
    )


def _acted(request: KeyedRequest, order: RedemptionOrder, act: Callable[[], object]) -> ApiResult:
    """Act on the order, and tell it as it is then."""
    of_limits = refused_as("over_limit", OverLimitError)
    refused = refused_as("order_refused", RedemptionError)
    with refused, tasks.going_on(order.pk), of_limits, unless_busy():
        act()
    return ApiResult(one_told(request, own_order(request, str(order.pk))))


def _must(allowed_now: bool, why_not: str = "") -> None:
    if not allowed_now:
        raise ApiProblemError("order_forbids", why_not)
