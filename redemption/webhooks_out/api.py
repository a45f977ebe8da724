"""Operations that read the feed of changes, and look after a company's webhook endpoints."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import transaction
from django.http import Http404, HttpResponse
from django.utils.translation import gettext as _
from ninja import Query, Router
from pydantic import Field

from accounts.access.bearer import ApiRequest
from accounts.access.once import KeyedRequest, once
from loyalty_portal.api.calls import ApiResult, allowed, must_match, tag_of, unchanged
from loyalty_portal.api.cursors import page_after
from loyalty_portal.api.problems import ApiProblemError, Mistake, refused_as
from loyalty_portal.api.shapes import PageAsked, PageTold
from loyalty_portal.feed.models import FeedItem
from loyalty_portal.http.rates import Rate
from redemption.models import EventType, WebhookEndpoint
from redemption.permissions import may_manage_own_endpoints
from redemption.webhooks_out import services
from redemption.webhooks_out.health import held
from redemption.webhooks_out.selectors import endpoint_of, endpoints_of
from redemption.webhooks_out.services import (
    EndpointAddressError,
    EndpointRefusedError,
    NewSecret,
)
from redemption.webhooks_out.told import (
    EndpointChanged,
    EndpointEntered,
    EndpointMadeTold,
    EndpointTold,
    FeedEventTold,
    ReplayEntered,
    ReplayTold,
    WebhookDeliveryTold,
    delivery_told,
    endpoint_told,
    event_told,
)

events = Router(tags=["events"])
endpoints = Router(tags=["webhooks"])
PINGS = Rate("pings", most=10, burst=10)
READ_EVENTS, ENDPOINTS = "orders:read", "webhooks:write"
# What a key needs besides to see events of these kinds, by what their type begins with.
_SCOPES = {
    "order.": READ_EVENTS,
    "points.": "transactions:read",
    "member.": "members:read",
    "endpoint.": ENDPOINTS,
}


class EventsAsked(PageAsked):
    """The filters of the feed."""

    after_sequence: int = Field(
        0, ge=0, le=2**63 - 1, description="The last sequence that the caller has."
    )
    type: list[EventType] = Field(default_factory=list, max_length=20)


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
    rows = rows.told_after(asked.after_sequence)
    found, more = page_after(rows, by=["place"], asked=asked, request=request, bound=company_id)
    return PageTold[FeedEventTold](data=[event_told(row) for row in found], next=more)


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
    return PageTold[WebhookDeliveryTold](data=[delivery_told(row) for row in found], next=more)


@endpoints.post(
    "",
    response={201: EndpointMadeTold},
    operation_id="addWebhookEndpoint",
    summary="Add a webhook endpoint",
)
@allowed(ENDPOINTS, may=may_manage_own_endpoints, problems=("endpoint_refused",), confirmed=True)
@once(together=True)
def add_endpoint(request: KeyedRequest, entered: EndpointEntered) -> ApiResult:
    """Add an endpoint. The answer has its secret, which is told only to this call."""
    made = _made_before(request)
    if made is None:
        with refused_as("endpoint_refused", EndpointRefusedError), _address_checked():
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
@allowed(ENDPOINTS, may=may_manage_own_endpoints, problems=("endpoint_refused",), confirmed=True)
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
@allowed(ENDPOINTS, may=may_manage_own_endpoints, problems=("endpoint_refused",), rate=PINGS)
@once(together=True)
def ping(request: KeyedRequest, endpoint_id: UUID) -> ApiResult:
    """Have a ping sent, also to a disabled endpoint. One that arrives makes it active again. Its
    outcome is read in the deliveries.
    """
    _own(request, endpoint_id)
    with refused_as("endpoint_refused", EndpointRefusedError):
        sent = services.ping(endpoint_id, by=request.auth.actor)
    return ApiResult(delivery_told(sent), status=202)


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
    with refused_as("endpoint_refused", EndpointRefusedError):
        number = services.replay(endpoint_id, since=entered.since, by=request.auth.actor)
    return ApiResult(ReplayTold(events=number), status=202)


@endpoints.get(
    "/{uuid:endpoint_id}",
    response=EndpointTold,
    operation_id="getWebhookEndpoint",
    summary="Get a webhook endpoint",
)
@allowed(ENDPOINTS, may=may_manage_own_endpoints, tagged=True)
def get_endpoint(request: ApiRequest, endpoint_id: UUID) -> ApiResult | HttpResponse:
    """One endpoint, and how it stands. Its secret is never told again."""
    told = endpoint_told(_own(request, endpoint_id))
    return unchanged(request, tag_of(told)) or ApiResult(told, {"ETag": tag_of(told)})


@endpoints.patch(
    "/{uuid:endpoint_id}",
    response=EndpointTold,
    operation_id="changeWebhookEndpoint",
    summary="Change a webhook endpoint",
)
@allowed(
    ENDPOINTS,
    may=may_manage_own_endpoints,
    problems=("endpoint_refused",),
    tagged=True,
    confirmed=True,
)
def change_endpoint(request: ApiRequest, endpoint_id: UUID, entered: EndpointChanged) -> ApiResult:
    """Give an endpoint another address or other events. With If-Match nothing is changed when it is
    another meanwhile.
    """
    with (
        refused_as("endpoint_refused", EndpointRefusedError),
        _address_checked(),
        _as_known(request, endpoint_id),
    ):
        changed = services.change_endpoint(
            endpoint_id, url=entered.url, events=entered.events, by=request.auth.actor
        )
    told = endpoint_told(changed)
    return ApiResult(told, {"ETag": tag_of(told)})


@endpoints.delete(
    "/{uuid:endpoint_id}",
    response={204: None},
    operation_id="removeWebhookEndpoint",
    summary="Remove a webhook endpoint",
)
@allowed(
    ENDPOINTS,
    may=may_manage_own_endpoints,
    problems=("endpoint_refused",),
    tagged=True,
    confirmed=True,
)
def remove_endpoint(request: ApiRequest, endpoint_id: UUID) -> HttpResponse:
    """Send an endpoint nothing more, for good."""
    with refused_as("endpoint_refused", EndpointRefusedError), _as_known(request, endpoint_id):
        services.remove_endpoint(endpoint_id, by=request.auth.actor)
    return HttpResponse(status=204)


@contextmanager
def _address_checked() -> Iterator[None]:
    """Answer an address that cannot be called as a mistake in the body."""
    try:
        yield
    except EndpointAddressError as why:
        mistake = Mistake("body", "/url", "invalid", str(why))
        raise ApiProblemError("invalid", errors=[mistake]) from why


@contextmanager
def _as_known(request: ApiRequest, endpoint_id: UUID) -> Iterator[None]:
    """Change an endpoint of the company, in one transaction, as the caller knows it (If-Match)."""
    _own(request, endpoint_id)
    with transaction.atomic():
        must_match(request, tag_of(endpoint_told(held(endpoint_id))))
        yield


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
