"""Operations that read points transactions."""

from datetime import datetime
from uuid import UUID

from django.http import Http404
from ninja import Query, Router
from pydantic import Field

from accounts.access.bearer import ApiRequest
from loyalty_portal.api.calls import allowed
from loyalty_portal.api.cursors import page_after
from loyalty_portal.api.shapes import AnswerShape, PageAsked, PageTold, known_values
from redemption.models import LoyaltyTransaction, TransactionType
from redemption.permissions import seen_transactions
from redemption.states import TransactionStatus

router = Router(tags=["transactions"])
SCOPE = "transactions:read"


class TransactionTold(AnswerShape):
    """One movement of points: taken, given back, or taken again."""

    id: UUID
    created_at: datetime
    order_id: UUID
    order_number: str = Field(examples=["R-7KQ4M-2XDTP"])
    transaction_type: str = Field(json_schema_extra=known_values(TransactionType.values))
    points_amount: int = Field(
        description="Never negative; the type says the direction.", examples=[600]
    )
    status: str = Field(
        description="UNKNOWN: the loyalty system gave no clear answer; it is asked again.",
        json_schema_extra=known_values(TransactionStatus.values),
        examples=["SUCCEEDED"],
    )
    external_transaction_id: str | None = Field(
        description="The loyalty system's own number.", examples=["LT-90210"]
    )
    settled_at: datetime | None


class TransactionsAsked(PageAsked):
    """The filters of the list of transactions."""

    order_number: str = Field("", max_length=50)
    transaction_type: TransactionType | None = None
    status: list[TransactionStatus] = Field(default_factory=list, max_length=10)


@router.get(
    "",
    response=PageTold[TransactionTold],
    operation_id="listTransactions",
    summary="List transactions",
)
@allowed(SCOPE, problems=("invalid_cursor",))
def list_transactions(
    request: ApiRequest, asked: Query[TransactionsAsked]
) -> PageTold[TransactionTold]:
    """The company's points transactions, the newest first."""
    rows = seen_transactions(request.auth.actor).select_related("order").order_by()
    if asked.order_number:
        rows = rows.filter(order__order_number=asked.order_number.upper())
    if asked.transaction_type:
        rows = rows.filter(transaction_type=asked.transaction_type)
    if asked.status:
        rows = rows.filter(status__in=asked.status)
    by, company_id = ["-created_at", "-id"], request.auth.seat.company_id
    found, more = page_after(rows, by=by, asked=asked, request=request, bound=company_id)
    return PageTold[TransactionTold](data=[transaction_told(row) for row in found], next=more)


@router.get(
    "/{uuid:transaction_id}",
    response=TransactionTold,
    operation_id="getTransaction",
    summary="Get a transaction",
)
@allowed(SCOPE)
def get_transaction(request: ApiRequest, transaction_id: UUID) -> TransactionTold:
    """One points transaction of the company."""
    rows = seen_transactions(request.auth.actor).select_related("order")
    found = rows.filter(pk=transaction_id).first()
    if found is None:
        raise Http404
    return transaction_told(found)


def transaction_told(row: LoyaltyTransaction) -> TransactionTold:
    """A transaction, read with its order, as the API tells it."""
    return TransactionTold(
        id=row.pk,
        created_at=row.created_at,
        order_id=row.order_id,
        order_number=row.order.order_number,
        transaction_type=row.transaction_type,
        points_amount=row.points_amount,
        status=row.status,
        external_transaction_id=row.external_transaction_id or None,
        settled_at=row.settled_at,
    )
