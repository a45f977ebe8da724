"""Webhook endpoints, deliveries and changes in the shape in which the API tells and takes them."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from loyalty_portal.api.shapes import AnswerShape, Moment, RequestShape, Text, known_values
from loyalty_portal.feed.models import FeedItem
from redemption.models import DisabledWhy, EndpointState, EventType, WebhookEndpoint
from redemption.models.webhooks_out import PING, WebhookDelivery
from redemption.webhooks_out.services import LONGEST_URL

_URL = "https://erp.northwind.example/portal"
_ORDER_ID = "01a21c1a-1cbc-7201-8d2c-7fa7811a457d"
_DATA = {
    "order_id": _ORDER_ID,
    "order_number": "R-7KQ4M-2XDTP",
    "status": "CONFIRMED",
    "url": f"https://portal.example/api/v1/orders/{_ORDER_ID}",
}


class FeedEventTold(AnswerShape):
    """One change. The rest is read at its `url`."""

    id: str = Field(description="The same as `sequence`, as a text.", examples=["412"])
    sequence: int = Field(
        description="The events of a company are numbered without gaps.", examples=[412]
    )
    type: str = Field(json_schema_extra=known_values(EventType.values))
    occurred_at: datetime
    created_at: datetime = Field(description="When it was published.")
    data: dict[str, Any] = Field(
        description="Ids, a status, and the `url` of what changed.", examples=[_DATA]
    )


class EndpointTold(AnswerShape):
    """An address of the company's own system that is told what changed."""

    id: UUID
    created_at: datetime
    url: str = Field(examples=[_URL])
    events: list[str] = Field(
        description="The types of events that it is told.", examples=[["order.shipped"]]
    )
    state: str = Field(json_schema_extra=known_values(EndpointState.values))
    failing_since: datetime | None = Field(examples=[None])
    disabled_at: datetime | None = Field(examples=[None])
    disabled_reason: str | None = Field(
        json_schema_extra=known_values(DisabledWhy.values), examples=[None]
    )
    last_ping_at: datetime | None = Field(description="The last ping that arrived.")


class EndpointMadeTold(EndpointTold):
    """An endpoint with the secret that was just made. It is told this once."""

    secret: str = Field(examples=["whsec_" + "A" * 43 + "="])


class EndpointEntered(RequestShape):
    """A new endpoint."""

    url: Annotated[Text, Field(min_length=1, max_length=LONGEST_URL)] = Field(
        description="https:// on port 443 of the public internet.", examples=[_URL]
    )
    events: list[EventType] = Field(min_length=1, max_length=20)


class EndpointChanged(RequestShape):
    """What to change of an endpoint; what is missing stays."""

    url: Annotated[Text, Field(min_length=1, max_length=LONGEST_URL)] | None = None
    events: list[EventType] | None = Field(
        None, min_length=1, max_length=20, examples=[["order.shipped", "order.completed"]]
    )


class ReplayEntered(RequestShape):
    """From when on what was missed is sent again."""

    since: Moment = Field(description="At most 30 days back.")


class ReplayTold(AnswerShape):
    """How many events are sent again; at most 10,000 at a time, the oldest first."""

    events: int = Field(examples=[12])


class WebhookAttemptTold(AnswerShape):
    """One try of a delivery."""

    at: datetime
    status_code: int | None = Field(description="Null: no answer came.", examples=[204])
    duration_ms: int = Field(examples=[85])
    error: str | None = Field(
        json_schema_extra=known_values(["address", "name", "timeout", "tls", "connection"]),
        examples=[None],
    )


class WebhookDeliveryTold(AnswerShape):
    """That an event is sent to an endpoint. `id` is the receiver's `webhook-id`."""

    id: str = Field(examples=["msg_2f5cbb1e6f5d4d1d9f0b3a76c2a1e0d4"])
    created_at: datetime
    type: str = Field(json_schema_extra=known_values([*EventType.values, PING]))
    sequence: int | None = Field(description="Of the event; null for a ping.", examples=[412])
    status: str = Field(json_schema_extra=known_values(["delivered", "waiting", "failed"]))
    delivered_at: datetime | None
    next_attempt_at: datetime | None = Field(examples=[None])
    attempts: list[WebhookAttemptTold]


def event_told(row: FeedItem) -> FeedEventTold:
    """A change as the API tells it."""
    return FeedEventTold(
        id=str(row.told_sequence),
        sequence=row.told_sequence,
        type=row.type,
        occurred_at=row.occurred_at,
        created_at=row.published_at,
        data=row.data,
    )


def endpoint_told(row: WebhookEndpoint) -> EndpointTold:
    """An endpoint as the API tells it, without its secret."""
    return EndpointTold(
        id=row.pk,
        created_at=row.created_at,
        url=row.url,
        events=row.events,
        state=row.state,
        failing_since=row.failing_since,
        disabled_at=row.disabled_at,
        disabled_reason=row.disabled_why or None,
        last_ping_at=row.pinged_at,
    )


def delivery_told(row: WebhookDelivery) -> WebhookDeliveryTold:
    """A delivery as the API tells it."""
    status = "waiting" if row.is_waiting else "failed"
    return WebhookDeliveryTold(
        id=row.message_id,
        created_at=row.created_at,
        type=row.type,
        sequence=row.change.told_sequence if row.change else None,
        status="delivered" if row.delivered_at else status,
        delivered_at=row.delivered_at,
        next_attempt_at=row.next_attempt_at,
        attempts=[
            WebhookAttemptTold(**each | {"error": each["error"] or None}) for each in row.tries
        ],
    )
