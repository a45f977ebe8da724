"""Operations that preview and place orders, by the same services as the checkout's page."""

from collections.abc import Container, Sequence
from datetime import datetime
from typing import Annotated

from django.utils.translation import gettext as _
from ninja import Router
from pydantic import Field, StrictBool

from accounts.access.bearer import ApiRequest
from accounts.access.once import KeyedRequest, once
from accounts.layout import header_of
from accounts.permissions import may_redeem
from accounts.services import known_balance
from loyalty_portal.api.calls import ApiResult, allowed
from loyalty_portal.api.limits import count
from loyalty_portal.api.problems import ApiProblemError, Mistake, refused_as
from loyalty_portal.api.shapes import AnswerShape, Day, RequestShape, Text, Whole, known_values
from loyalty_portal.celery import nudge
from loyalty_portal.data.one_line import one_line
from loyalty_portal.data.texts.numbers import grouped
from loyalty_portal.data.trouble import retried
from loyalty_portal.http.rates import Rate
from redemption.checkout.approvals.approval import approval_need
from redemption.checkout.enough import pieces_of, short_of
from redemption.checkout.for_seats import held_up, points_of
from redemption.checkout.limits import Allowance, OverLimitError, allowances_of
from redemption.checkout.rows import (
    MOST_OF_ONE,
    YES,
    CellError,
    DraftRow,
    GivenRow,
    read_rows,
    recipient_of,
    same_people,
    today_of,
)
from redemption.checkout.selectors import offered_products
from redemption.checkout.services import CheckoutInput, Line, place_order, placed_with
from redemption.checkout.waits import LONGEST_MESSAGE
from redemption.models import RedemptionOrder
from redemption.models.cart import MOST_ROWS
from redemption.orders.api.reading import one_told, router, unless_busy
from redemption.orders.api.told import OrderTold
from redemption.saga import tasks
from redemption.saga.steps import RedemptionError

__all__ = ["previews", "router"]
previews = Router(tags=["orders"])
SCOPE = "orders:write"
ORDERS = Rate("orders", most=60, burst=20)
PROBLEMS = ("points_changed", "order_refused", "over_limit", "order_held", "order_too_busy")
HELD_FOR = "60"  # seconds until an order that is held up may be sent again


class RecipientEntered(RequestShape):
    """Who gets a line: a parcel needs an address, a code an e-mail address."""

    name: Annotated[Text, Field(max_length=255)] = Field(examples=["Ada Byron"])
    email: Annotated[Text, Field(max_length=254)] = ""
    phone: Annotated[Text, Field(max_length=32)] = ""
    address_line1: Annotated[Text, Field(max_length=255)] = Field("", examples=["Invalidenstr. 43"])
    address_line2: Annotated[Text, Field(max_length=255)] = ""
    city: Annotated[Text, Field(max_length=120)] = Field("", examples=["Berlin"])
    region: Annotated[Text, Field(max_length=120)] = ""
    postcode: Annotated[Text, Field(max_length=20)] = Field("", examples=["10115"])
    country: Annotated[Text, Field(max_length=80)] = Field(
        "", description="Two letters of ISO 3166, such as DE.", examples=["DE"]
    )


class LineEntered(RequestShape):
    """So many pieces of a product for one recipient."""

    sku: Annotated[Text, Field(min_length=1, max_length=100)] = Field(examples=["MUG-01"])
    quantity: Annotated[Whole, Field(ge=1, le=MOST_OF_ONE)] = Field(examples=[2])
    recipient: RecipientEntered
    message: Annotated[Text, Field(max_length=LONGEST_MESSAGE)] = Field(
        "", description="For the recipient. Without links."
    )
    send_on: Day | None = Field(
        None, description="Of a product that is sent by e-mail: the day, within a year."
    )
    ask_recipient: StrictBool = Field(
        False,
        description="Ask the recipient by a letter with a link where to send it, or to confirm"
        " their e-mail address. `recipient` then has a name and an e-mail address, and no"
        " `send_on` is possible. Without an answer in 14 days the line ends; its points go back.",
    )


class PreviewEntered(RequestShape):
    """What is to be ordered."""

    lines: list[LineEntered] = Field(min_length=1, max_length=MOST_ROWS)


class OrderEntered(PreviewEntered):
    """An order."""

    expected_points: Whole = Field(
        description="The total that the caller knows, as of a preview.", examples=[600]
    )
    reference: Annotated[Text, Field(max_length=100)] = Field(
        "",
        description="The company's own, such as the number of a purchase order.",
        examples=["PO-4711"],
    )
    note: Annotated[Text, Field(max_length=1000)] = ""


class LinePreviewTold(AnswerShape):
    """A line of a preview."""

    sku: str = Field(examples=["MUG-01"])
    quantity: int = Field(examples=[2])
    points_per_item: int = Field(examples=[300])
    trouble: str | None = Field(
        description="Why it cannot be ordered now. Null: it can.",
        json_schema_extra=known_values(["out_of_stock"]),
        examples=[None],
    )
    detail: str | None = Field(description="The trouble in words.", examples=[None])


class LimitTold(AnswerShape):
    """A limit of points, and what is left of it."""

    of: str = Field(
        description="The seat's in this month, or the company's in this quarter.",
        json_schema_extra=known_values(["seat", "company"]),
        examples=["seat"],
    )
    limit: int = Field(examples=[20000])
    left: int = Field(description="Never below 0.", examples=[12500])
    renews_at: datetime = Field(description="When the next month or quarter begins.")


class NoticeTold(AnswerShape):
    """Something that is allowed, and may be a mistake."""

    code: str = Field(json_schema_extra=known_values(["same_person"]), examples=["same_person"])
    detail: str = Field(
        description="The notice in words. Rows are the lines, counted from 1.",
        examples=["Ada Byron gets “Mug” in rows 1 and 3."],
    )


class PreviewTold(AnswerShape):
    """What an order would be now."""

    lines: list[LinePreviewTold]
    total_points: int = Field(examples=[600])
    spendable: int | None = Field(
        description="What the company can spend, as last known.", examples=[12000]
    )
    needs_approval: bool
    limits: list[LimitTold] = Field(
        description="Limits of the seat and its company. An order above one is refused."
    )
    held: str | None = Field(
        description="Why nothing can be ordered at the moment.", examples=[None]
    )
    notices: list[NoticeTold] = Field(
        description="What the order may have by mistake, such as one person who gets the same"
        " product twice. It can be placed all the same."
    )


@previews.post("", response=PreviewTold, operation_id="previewOrder", summary="Preview an order")
@allowed(SCOPE, may=may_redeem)
def preview_order(request: ApiRequest, entered: PreviewEntered) -> PreviewTold:
    """What an order of these lines would cost now, and what stands in its way. It reserves nothing
    and calls nobody.
    """
    seat = request.auth.seat
    rows = _rows(request, entered)
    lines = _lines(rows)
    pieces = pieces_of((line.product, line.quantity) for line in lines)
    total = points_of(lines)
    return PreviewTold(
        lines=[_previewed(line, pieces[line.product.pk]) for line in lines],
        total_points=total,
        spendable=header_of(seat, known=known_balance(seat.company)).spendable,
        needs_approval=approval_need(seat, total) is not None,
        limits=[_limit(each) for each in allowances_of(seat)],
        held=held_up(seat, lines) or None,
        notices=[NoticeTold(code="same_person", detail=told) for told in same_people(rows)],
    )


@router.post("", response={201: OrderTold}, operation_id="placeOrder", summary="Place an order")
@allowed(SCOPE, may=may_redeem, problems=PROBLEMS)
@once(together=False)
def place(request: KeyedRequest, entered: OrderEntered) -> ApiResult:
    """Place one order. The same Idempotency-Key and body give the same order and the same answer,
    whatever the network did.
    """
    seat = request.auth.seat
    order = placed_with(seat=seat, token=request.call_token) or _placed(request, entered)
    return ApiResult(one_told(request, order), status=201, made=order.pk)


def _placed(request: KeyedRequest, entered: OrderEntered) -> RedemptionOrder:
    seat = request.auth.seat
    count(request, ORDERS, str(seat.pk))  # what is only told again does not count
    lines = _lines(_rows(request, entered))
    total = points_of(lines)
    if total != entered.expected_points:
        told = _("The order costs %(points)s points now.") % {"points": grouped(total)}
        raise ApiProblemError("points_changed", told)
    if why := held_up(seat, lines):
        raise ApiProblemError("order_held", why, headers={"Retry-After": HELD_FOR})
    said = CheckoutInput(
        token=request.call_token,
        seen_points=total,
        reference=one_line(entered.reference),
        note=entered.note.strip(),
    )
    of_limits = refused_as("over_limit", OverLimitError)
    with refused_as("order_refused", RedemptionError), of_limits, unless_busy():
        order = retried(
            lambda: place_order(seat=seat, lines=lines, entered=said, by=request.auth.actor)
        )
    nudge(tasks.settle_transaction, said.debit_id)
    return order


def _limit(allowance: Allowance) -> LimitTold:
    return LimitTold(
        of="company" if allowance.of_company else "seat",
        limit=allowance.limit,
        left=allowance.left,
        renews_at=allowance.period.end,
    )


def _previewed(line: Line, wanted: int) -> LinePreviewTold:
    short = short_of(line.product, wanted)
    return LinePreviewTold(
        sku=line.product.sku,
        quantity=line.quantity,
        points_per_item=line.product.points_cost,
        trouble="out_of_stock" if short else None,
        detail=short or None,
    )


def _rows(request: ApiRequest, entered: PreviewEntered) -> list[DraftRow]:
    """The lines as rows with their products. Raises the problem `invalid` with the mistakes of
    all.
    """
    company = request.auth.seat.company
    skus = {line.sku for line in entered.lines}
    products = offered_products(skus=skus, tier_level=company.tier_level)
    if unknown := _unknown(entered.lines, products.keys()):
        raise ApiProblemError("invalid", errors=unknown)
    given = [GivenRow(products[line.sku], _cells(line)) for line in entered.lines]
    reading = read_rows(given, today=today_of(company))
    if reading.errors:
        raise ApiProblemError("invalid", errors=[_mistake(error) for error in reading.errors])
    return reading.rows


def _lines(rows: Sequence[DraftRow]) -> list[Line]:
    return [
        Line(
            product=row.product,
            quantity=row.quantity,
            recipient=recipient_of(row.product, row.recipient),
            message=row.message,
            send_on=row.send_on,
            asks=row.asks,
        )
        for row in rows
    ]


def _unknown(lines: Sequence[LineEntered], skus: Container[str]) -> list[Mistake]:
    told = _("The company cannot redeem a product with this SKU.")
    return [
        Mistake("body", f"/lines/{place}/sku", "unknown_product", told)
        for place, line in enumerate(lines)
        if line.sku not in skus
    ]


def _cells(line: LineEntered) -> dict[str, str]:
    """The line as the texts of a row (redemption/checkout/rows.py: COLUMNS)."""
    said = line.recipient.model_dump()
    cells = {COLUMNS.get(name, name): text for name, text in said.items()}
    day = line.send_on.isoformat() if line.send_on else ""
    cells |= {"quantity": str(line.quantity), "message": line.message, "send_on": day}
    return {**cells, "asks": YES if line.ask_recipient else ""}


def _mistake(error: CellError) -> Mistake:
    names = {column: name for name, column in COLUMNS.items()}
    name = names.get(error.column, error.column)
    inner = f"/recipient/{name}" if name in RecipientEntered.model_fields else f"/{name}"
    return Mistake("body", f"/lines/{error.row}{inner}", error.code, error.detail)


# The columns of a recipient that are called otherwise here.
COLUMNS = {name: f"recipient_{name}" for name in ("name", "email", "phone")}
