"""Orders, lines and deliveries in the shape in which the API tells them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.conf import settings
from pydantic import Field

from accounts.selectors import told_as
from loyalty_portal.api.shapes import AnswerShape, known_values
from loyalty_portal.data.texts.kept import retold
from redemption.models import OrderItem, RedemptionOrder
from redemption.models.badges import was_withdrawn
from redemption.orders.records import PointsMoved, SentLine
from redemption.points.api import TransactionTold
from redemption.states import LineStatus, OrderStatus, WaitsFor

_ADDRESS = "https://portal.example/api/v1/orders/01a21c1a-1cbc-7201-8d2c-7fa7811a457d"


class RecipientTold(AnswerShape):
    """Who gets a line. Null where it is not known."""

    name: str | None = Field(examples=["Ada Byron"])
    email: str | None = Field(examples=[None])
    phone: str | None = Field(examples=[None])
    address_line1: str | None = Field(examples=["Invalidenstr. 43"])
    address_line2: str | None = Field(examples=[None])
    city: str | None = Field(examples=["Berlin"])
    region: str | None = Field(examples=[None])
    postcode: str | None = Field(examples=["10115"])
    country: str | None = Field(examples=["DE"])


class ShipmentTold(AnswerShape):
    """A parcel with units of a line."""

    carrier: str = Field(examples=["DHL"])
    tracking_number: str | None = Field(examples=["00340434161094000000"])
    shipped_at: datetime


class OrderLineTold(AnswerShape):
    """One product of an order, for one recipient."""

    id: UUID
    created_at: datetime = Field(description="When the order was placed.")
    sku: str = Field(examples=["MUG-01"])
    product_name: str = Field(
        description="As it was called when it was redeemed.", examples=["Mug, blue"]
    )
    quantity: int = Field(examples=[2])
    delivered: int = Field(examples=[0])
    refunded: int = Field(
        description="Units whose points are given back, or will be.", examples=[0]
    )
    points_per_item: int = Field(examples=[300])
    fulfillment_status: str = Field(
        json_schema_extra=known_values(LineStatus.values), examples=["SHIPPED"]
    )
    waits_for: str | None = Field(
        description="In the status WAITING: a date, or the answer of the recipient who is asked.",
        json_schema_extra=known_values(WaitsFor.values),
        examples=[None],
    )
    waits_until: datetime | None = Field(
        description="Then it is sent, or the time for the answer ends.", examples=[None]
    )
    recipient: RecipientTold
    message: str | None = Field(examples=[None])
    shipments: list[ShipmentTold]


class DeliveryTold(AnswerShape):
    """Units of a line that were delivered or are on their way."""

    id: UUID
    created_at: datetime
    kind: str = Field(json_schema_extra=known_values(["parcel", "codes"]))
    quantity: int = Field(examples=[2])
    carrier: str | None = Field(examples=["DHL"])
    tracking_number: str | None = Field(examples=["00340434161094000000"])
    delivered_at: datetime | None = Field(examples=[None])


class PointsTold(AnswerShape):
    """The points of an order."""

    taken: int = Field(examples=[0])
    returned: int = Field(examples=[0])
    in_flight: int = Field(
        description="Being taken; whether they are is not known yet.", examples=[600]
    )
    coming_back: int = Field(
        description="Being given back; the loyalty system has not confirmed it yet.", examples=[0]
    )


class LinksTold(AnswerShape):
    """Where to find more."""

    order: str = Field(examples=[_ADDRESS])
    lines: str = Field(examples=[f"{_ADDRESS}/lines"])
    page: str = Field(
        description="The order's page for people.",
        examples=["https://portal.example/orders/R-7KQ4M-2XDTP/"],
    )


class OrderTold(AnswerShape):
    """An order."""

    id: UUID
    created_at: datetime
    order_number: str = Field(examples=["R-7KQ4M-2XDTP"])
    status: str = Field(json_schema_extra=known_values(OrderStatus.values), examples=["PENDING"])
    total_points: int = Field(examples=[600])
    reference: str | None = Field(examples=["PO-4711"])
    note: str | None = Field(examples=[None])
    placed_by: str = Field(description="The name of the person or key.", examples=["ERP"])
    approve_by: datetime | None = Field(examples=[None])
    decided_by: str | None = Field(
        description="Who approved it, did not approve it, or withdrew it before anybody had.",
        examples=[None],
    )
    decision_reason: str | None = Field(description="Why, for people.", examples=[None])
    withdrawn: bool = Field(
        description="In the status REJECTED: whoever placed it cancelled it while it waited for "
        "approval.",
        examples=[False],
    )
    completed_at: datetime | None = Field(examples=[None])
    points: PointsTold
    lines: list[OrderLineTold] | None = Field(
        description="Null unless `expand` names them.", examples=[None]
    )
    transactions: list[TransactionTold] | None = Field(
        description="Null unless `expand` names them.", examples=[None]
    )
    links: LinksTold


def order_told(
    order: RedemptionOrder,
    points: PointsMoved,
    *,
    address: str,
    lines: Sequence[OrderLineTold] | None,
    transactions: Sequence[TransactionTold] | None,
) -> OrderTold:
    """An order as the API tells it. `address` is its own there."""
    return OrderTold(
        id=order.pk,
        created_at=order.created_at,
        order_number=order.order_number,
        status=order.status,
        total_points=order.total_points,
        reference=order.reference or None,
        note=order.note or None,
        placed_by=str(order.account_manager.user),
        approve_by=order.approve_by,
        decided_by=told_as(order.decided_by, order.company_id) if order.decided_by else None,
        decision_reason=retold(order.decision_reason) or None,
        withdrawn=was_withdrawn(order),
        completed_at=order.completed_at,
        points=PointsTold(**points._asdict()),
        lines=None if lines is None else list(lines),
        transactions=None if transactions is None else list(transactions),
        links=LinksTold(
            order=address,
            lines=f"{address}/lines",
            page=f"{settings.PORTAL_URL}{order.get_absolute_url()}",
        ),
    )


def line_told(record: SentLine, placed_at: datetime) -> OrderLineTold:
    """A line of an order that was placed at this time."""
    item = record.item
    return OrderLineTold(
        id=item.pk,
        created_at=placed_at,
        sku=item.sku,
        product_name=item.product_name,
        quantity=item.quantity,
        delivered=item.quantity_delivered,
        refunded=item.quantity_refunded,
        points_per_item=item.points_per_item,
        fulfillment_status=item.fulfillment_status,
        waits_for=item.waits_for if item.is_waiting else None,
        waits_until=item.waits_until if item.is_waiting else None,
        recipient=_recipient(item),
        message=item.message or None,
        shipments=[
            ShipmentTold(
                carrier=parcel.shipment.carrier,
                tracking_number=parcel.shipment.tracking_number or None,
                shipped_at=parcel.shipment.shipped_at,
            )
            for parcel in record.parcels
        ],
    )


def deliveries_told(record: SentLine, placed_at: datetime) -> list[DeliveryTold]:
    """The parcels of a line, or one entry for all its codes."""
    parcels = [
        DeliveryTold(
            id=parcel.pk,
            created_at=parcel.shipment.shipped_at,
            kind="parcel",
            quantity=parcel.quantity,
            carrier=parcel.shipment.carrier,
            tracking_number=parcel.shipment.tracking_number or None,
            delivered_at=parcel.shipment.delivered_at,
        )
        for parcel in record.parcels
    ]
    if not record.has_codes:
        return parcels
    codes = DeliveryTold(
        id=record.item.pk,
        created_at=placed_at,
        kind="codes",
        quantity=record.item.quantity_delivered,
        carrier=None,
        tracking_number=None,
        delivered_at=None,
    )
    return [*parcels, codes]


def _recipient(item: OrderItem) -> RecipientTold:
    said = item.recipient()
    return RecipientTold(
        **{name.removeprefix("recipient_"): value or None for name, value in said.items()}
    )
