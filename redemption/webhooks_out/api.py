"""Operations that read the feed of changes, and look after a company's webhook endpoints."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.utils.translation import gettext as _
from ninja import Query, Router
from pydantic import AwareDatetime, Field

from accounts.access.bearer import ApiRequest
from accounts.access.once import KeyedRequest, once
from loyalty_portal.api.calls import ApiResult, allowed
from loyalty_portal.api.cursors import page_after
from loyalty_portal.api.problems import ApiProblemError
from loyalty_portal.api.shapes import (
    AnswerShape,
    PageAsked,
    PageTold,
    RequestShape,
    Text,
    known_values,
)
from loyalty_portal.feed.models import FeedItem
from redemption.models import DisabledWhy, EndpointState, EventType, WebhookEndpoint
from redemption.models.webhooks_out import PING, WebhookDelivery
from redemption.permissions import may_manage_own_endpoints
from redemption.webhooks_out import services
from redemption.webhooks_out.selectors import endpoint_of, endpoints_of
from redemption.webhooks_out.services import LONGEST_URL, EndpointRefusedError, NewSecret

events = Router(tags=["events"])
endpoints = Router(tags=["webhooks"])
READ_EVENTS, ENDPOINTS = "orders:read", "webhooks:write"
# What a key needs besides to see events of these kinds, by what their type begins with.
_SCOPES = {
    "order.": READ_EVENTS,
    "points.": "transactions:read",
    "member.": "members:read",
    "endpoint.": ENDPOINTS,
}


class FeedEventTold(AnswerShape):
    """One change. The rest is read at its `url`."""

    id: str = Field(description="The same as `sequence`, as a text.")
    sequence: int = Field(description="Grows from event to event, with gaps.")
    type: str = Field(json_schema_extra=known_values(EventType.values))
    occurred_at: datetime
    created_at: datetime = Field(description="When it was published.")
    data: dict[str, Any] = Field(description="Ids, a status, and the `url` of what changed.")


class EventsAsked(PageAsked):
    """The filters of the feed."""

    after_sequence: int = Field(
        0, ge=0, le=2**63 - 1, description="The last sequence that the caller has."
    )
    type: list[EventType] = Field(default_factory=list, max_length=20)


class EndpointTold(AnswerShape):
    """An address of the company's own system that is told what changed."""

    id: UUID
    created_at: datetime
    url: str
    events: list[str] = Field(description="The types of events that it is told.")
    state: str = Field(json_schema_extra=known_values(EndpointState.values))
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_reason: str | None = Field(json_schema_extra=known_values(DisabledWhy.values))
    last_ping_at: datetime | None = Field(description="The last ping that arrived.")


class EndpointMadeTold(EndpointTold):
    """An endpoint with the secret that was just made. It is told this once."""

    secret: str


class EndpointEntered(RequestShape):
    """A new endpoint."""

    url: Annotated[Text, Field(min_length=1, max_length=LONGEST_URL)] = Field(
        description="https:// on port 443 of the public internet."
    )
    events: list[EventType] = Field(min_length=1, max_length=20)


class EndpointChanged(RequestShape):
    """What to change of an endpoint; what is missing stays."""

    url: Annotated[Text, Field(min_length=1, max_length=LONGEST_URL)] | None = None
    events: list[EventType] | None = Field(None, min_length=1, max_length=20)


class ReplayEntered(RequestShape):
    """From when on what was missed is sent again."""

    since: AwareDatetime = Field(description="At most 30 days back.")


class ReplayTold(AnswerShape):
    """How many events are sent again; at most 10,000 at a time, the oldest first."""

    events: int


class WebhookAttemptTold(AnswerShape):
    """One try of a delivery."""

    at: datetime
    status_code: int | None = Field(description="Null: no answer came.")
    duration_ms: int
    error: str | None = Field(
        json_schema_extra=known_values(["address", "name", "timeout", "tls", "connection"])
    )


class WebhookDeliveryTold(AnswerShape):
    """That an event is sent to an endpoint. `id` is the receiver's `webhook-id`."""

    id: str
    created_at: datetime
    type: str = Field(json_schema_extra=known_values([*EventType.values, PING]))
    sequence: int | None = Field(description="Of the event; null for a ping.")
    status: str = Field(json_schema_extra=known_values(["delivered", "waiting", "failed"]))
    delivered_at: datetime | None
    next_attempt_at: datetime | None
    attempts: list[WebhookAttemptTold]


@events.get("", response=PageTold[FeedEventTold], operation_id="listEvents", summary="List events")
@allowed(READ_EVENTS, problems=("invalid_cursor",))
def list_events(request: ApiRequest, asked: Query[EventsAsked]) -> PageTold[FeedEventTold]:
    """What changed in the company, the oldest first, for 30 days. No event comes later with a lower
    sequence, so a caller that goes on after its last one misses none. Events about points, members
    and endpoints need the scopes `transactions:read`, `members:read` and `webhooks:write` too.
    """
    types = [
        each
        for each in asked.type or EventType
        if _SCOPES[f"{each.partition('.')[0]}."] in request.auth.scopes
    ]
    company_id = request.auth.seat.company_id
    rows = FeedItem.objects.filter(company=company_id, type__in=types).order_by()
    rows = rows.filter(sequence__gt=asked.after_sequence)
    found, more = page_after(rows, by=["sequence"], asked=asked, request=request, bound=company_id)
    return PageTold[FeedEventTold](data=[_event(row) for row in found], next=more)


@endpoints.get(
    "",
    response=PageTold[EndpointTold],
    operation_id="listWebhookEndpoints",
    summary="List webhook endpoints",
)
@allowed(ENDPOINTS, may=may_manage_own_endpoints, problems=("invalid_cursor",))
def list_endpoints(request: ApiRequest, asked: Query[PageAsked]) -> PageTold[EndpointTold]:
    """The company's endpoints, at most five."""
    rows, bound = endpoints_of(request.auth.actor).order_by(), request.auth.seat.company_id
    found, more = page_after(
        rows, by=["created_at", "id"], asked=asked, request=request, bound=bound
    )
    return PageTold[EndpointTold](data=[endpoint_told(row) for row in found], next=more)


@endpoints.get(
    "/{uuid:endpoint_id}/deliveries",
    response=PageTold[WebhookDeliveryTold],
    operation_id="listWebhookDeliveries",
    summary="List deliveries to an endpoint",
)
@allowed(ENDPOINTS, may=may_manage_own_endpoints, problems=("invalid_cursor",))
def list_deliveries(
    request: ApiRequest, endpoint_id: UUID, asked: Query[PageAsked]
) -> PageTold[WebhookDeliveryTold]:
    """What was or is to be sent to an endpoint in the last 30 days, the newest first."""
    rows = _own(request, endpoint_id).deliveries.select_related("change").order_by()
    by, bound = ["-created_at", "-id"], request.auth.seat.company_id
    found, more = page_after(rows, by=by, asked=asked, request=request, bound=bound)
    return PageTold[WebhookDeliveryTold](data=[_delivery(row) for row in found], next=more)


@endpoints.post(
    "",
    response={201: EndpointMadeTold},
    operation_id="addWebhookEndpoint",
    summary="Add a webhook endpoint",
)
@allowed(ENDPOINTS, may=may_manage_own_endpoints, problems=("endpoint_refused",))
@once(together=True)
def add_endpoint(request: KeyedRequest, entered: EndpointEntered) -> ApiResult:
    """Add an endpoint. The answer has its secret, which is told only to this call."""
    made = _made_before(request)
    if made is None:
        with _refusing():
            made = services.add_endpoint(
                company=request.auth.seat.company,
                url=entered.url,
                events=entered.events,
                by=request.auth.actor,
                call=request.call_token,
            )
    return _made(made, status=201)


@endpoints.post(
    "/{uuid:endpoint_id}/rotate-secret",
    response=EndpointMadeTold,
    operation_id="rotateWebhookSecret",
    summary="Give an endpoint a new secret",
)
@allowed(ENDPOINTS, may=may_manage_own_endpoints, problems=("endpoint_refused",))
@once(together=True)
def rotate_secret(request: KeyedRequest, endpoint_id: UUID) -> ApiResult:
    """Give an endpoint a new secret. For 24 hours messages are signed with the former one too."""
    _own(request, endpoint_id)
    made = _made_before(request)
    if made is None:
        by = request.auth.actor
        made = services.rotate_secret(endpoint_id, by=by, call=request.call_token)
    return _made(made)


@endpoints.post(
    "/{uuid:endpoint_id}/ping",
    response={202: WebhookDeliveryTold},
    operation_id="pingWebhookEndpoint",
    summary="Send a ping",
)
@allowed(ENDPOINTS, may=may_manage_own_endpoints, problems=("endpoint_refused",))
@once(together=True)
def ping(request: KeyedRequest, endpoint_id: UUID) -> ApiResult:
    """Have a ping sent, also to a disabled endpoint. One that arrives makes it active again. Its
    outcome is read in the deliveries.
    """
    _own(request, endpoint_id)
    with _refusing():
        sent = services.ping(endpoint_id, by=request.auth.actor)
    return ApiResult(_delivery(sent), status=202)


@endpoints.post(
    "/{uuid:endpoint_id}/replay",
    response={202: ReplayTold},
    operation_id="replayWebhookEvents",
    summary="Send what was missed again",
)
@allowed(ENDPOINTS, may=may_manage_own_endpoints, problems=("endpoint_refused",))
@once(together=True)
def replay(request: KeyedRequest, endpoint_id: UUID, entered: ReplayEntered) -> ApiResult:
    """Send again what happened since then and did not arrive. It needs a ping that arrived after
    the last failure.
    """
    _own(request, endpoint_id)
    with _refusing():
        number = services.replay(endpoint_id, since=entered.since, by=request.auth.actor)
    return ApiResult(ReplayTold(events=number), status=202)


@endpoints.get(
    "/{uuid:endpoint_id}",
    response=EndpointTold,
    operation_id="getWebhookEndpoint",
    summary="Get a webhook endpoint",
)
@allowed(ENDPOINTS, may=may_manage_own_endpoints)
def get_endpoint(request: ApiRequest, endpoint_id: UUID) -> EndpointTold:
    """One endpoint, and how it stands. Its secret is never told again."""
    return endpoint_told(_own(request, endpoint_id))


@endpoints.patch(
    "/{uuid:endpoint_id}",
    response=EndpointTold,
    operation_id="changeWebhookEndpoint",
    summary="Change a webhook endpoint",
)
@allowed(ENDPOINTS, may=may_manage_own_endpoints, problems=("endpoint_refused",))
def change_endpoint(
    request: ApiRequest, endpoint_id: UUID, entered: EndpointChanged
) -> EndpointTold:
    """Give an endpoint another address or other events."""
    _own(request, endpoint_id)
    with _refusing():
        changed = services.change_endpoint(
            endpoint_id, url=entered.url, events=entered.events, by=request.auth.actor
        )
    return endpoint_told(changed)


@endpoints.delete(
    "/{uuid:endpoint_id}",
    response={204: None},
    operation_id="removeWebhookEndpoint",
    summary="Remove a webhook endpoint",
)
@allowed(ENDPOINTS, may=may_manage_own_endpoints)
def remove_endpoint(request: ApiRequest, endpoint_id: UUID) -> HttpResponse:
    """Send an endpoint nothing more, for good."""
    _own(request, endpoint_id)
    services.remove_endpoint(endpoint_id, by=request.auth.actor)
    return HttpResponse(status=204)


@contextmanager
def _refusing() -> Iterator[None]:
    """Answer what a service refuses by the problem `endpoint_refused`."""
    try:
        yield
    except EndpointRefusedError as why:
        raise ApiProblemError("endpoint_refused", str(why)) from why


def _made_before(request: KeyedRequest) -> NewSecret | None:
    """What an earlier try of this call made. Raises ApiProblemError when its secret is gone."""
    made = services.made_before(request.call_token)
    if made is None and request.is_repeated:
        raise ApiProblemError("endpoint_refused", _("The secret was replaced by another since."))
    return made


def _made(made: NewSecret, *, status: int = 200) -> ApiResult:
    """The answer that has a secret. It is not kept with the call: a repeated one reads the secret
    where it is encrypted.
    """
    told = endpoint_told(made.endpoint).model_dump() | {"secret": made.secret}
    headers = {"Cache-Control": "no-store"}
    return ApiResult(EndpointMadeTold(**told), headers, status=status, kept=False)


def _own(request: ApiRequest, endpoint_id: UUID) -> WebhookEndpoint:
    found = endpoint_of(request.auth.actor, endpoint_id)
    if found is None:
        raise Http404
    return found


def _event(row: FeedItem) -> FeedEventTold:
    return FeedEventTold(
        id=str(row.sequence),
        sequence=row.sequence,
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


def _delivery(row: WebhookDelivery) -> WebhookDeliveryTold:
    status = "waiting" if row.is_waiting else "failed"
    return WebhookDeliveryTold(
        id=row.message_id,
        created_at=row.created_at,
        type=row.type,
        sequence=row.change_id,
        status="delivered" if row.delivered_at else status,
        delivered_at=row.delivered_at,
        next_attempt_at=row.next_attempt_at,
        attempts=[
            WebhookAttemptTold(**each | {"error": each["error"] or None}) for each in row.tries
        ],
    )
