"""Reads endpoints and their deliveries, as pages and the API show them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from loyalty_portal.data.actor import Actor
from redemption.models import EndpointState, EventType, WebhookDelivery, WebhookEndpoint
from redemption.permissions import may_manage_own_endpoints

SHOWN = 50  # deliveries on a page


def endpoints_of(actor: Actor) -> QuerySet[WebhookEndpoint]:
    """The endpoints that an actor may manage, of the company for which they act."""
    if actor.seat is None or not may_manage_own_endpoints(actor):
        return WebhookEndpoint.objects.none()
    rows = WebhookEndpoint.objects.kept().filter(company=actor.seat.company_id)
    return rows.select_related("company")


def endpoint_of(actor: Actor, endpoint_id: UUID) -> WebhookEndpoint | None:
    """The endpoint with this id, if the actor may manage it."""
    return endpoints_of(actor).select_related("created_by").filter(pk=endpoint_id).first()


@dataclass(frozen=True, slots=True)
class ShownTry:
    """One try of a delivery, as pages show it."""

    at: datetime
    said: str
    duration_ms: int


@dataclass(frozen=True, slots=True)
class ShownDelivery:
    """A delivery with its tries, the newest first."""

    row: WebhookDelivery
    tries: list[ShownTry]


def told_tries(rows: Iterable[WebhookDelivery]) -> list[ShownDelivery]:
    """The deliveries with what became of each try."""
    return [
        ShownDelivery(
            row,
            [
                ShownTry(datetime.fromisoformat(each["at"]), said_of_try(each), each["duration_ms"])
                for each in reversed(row.tries)
            ],
        )
        for row in rows
    ]


def latest_deliveries(endpoint: WebhookEndpoint) -> list[WebhookDelivery]:
    """The latest deliveries of an endpoint, with their changes."""
    return list(endpoint.deliveries.select_related("change")[:SHOWN])


def said_of_try(tried: dict[str, object]) -> str:
    """What became of a try: the status of the answer, or why none came."""
    if tried["status_code"]:
        return _("answered %(status)s") % {"status": tried["status_code"]}
    return {
        "address": _("the address is not one of the public internet"),
        "name": _("the name has no address"),
        "port": _("the port is not 443"),
        "scheme": _("it is not https"),
        "url": _("it is no address that can be called"),
        "timeout": _("no answer in time"),
        "tls": _("the certificate is not valid for the name"),
        "malformed": _("the answer was no HTTP"),
    }.get(str(tried["error"]), _("the connection failed"))


# --- As the portal shows them -----------------------------------------------------------------

_LOOKS = {
    EndpointState.ACTIVE: ("ok", "circle-check"),
    EndpointState.FAILING: ("warn", "triangle-alert"),
    EndpointState.PAUSED: ("", "hourglass"),
    EndpointState.DISABLED: ("bad", "ban"),
}


@dataclass(frozen=True, slots=True)
class ShownEndpoint:
    """An endpoint with its status as tone, icon and word."""

    row: WebhookEndpoint
    tone: str
    icon: str
    word: str


@dataclass(frozen=True, slots=True)
class EndpointPage:
    """What the page of an endpoint shows. `waits`: a ping or an event is on its way now."""

    shown: ShownEndpoint
    events: list[EventType]
    deliveries: list[ShownDelivery]
    waits: bool


def listed(actor: Actor) -> list[ShownEndpoint]:
    """The endpoints that an actor may manage, as a list shows them."""
    return [_shown(row) for row in endpoints_of(actor)]


def endpoint_page(endpoint: WebhookEndpoint) -> EndpointPage:
    """How an endpoint stands, and its latest deliveries."""
    latest = latest_deliveries(endpoint)
    return EndpointPage(
        shown=_shown(endpoint),
        events=[EventType(event) for event in endpoint.events],
        deliveries=told_tries(latest),
        waits=any(row.is_waiting and not row.tries for row in latest),
    )


def _shown(row: WebhookEndpoint) -> ShownEndpoint:
    tone, icon = _LOOKS[row.state]
    return ShownEndpoint(row, tone, icon, str(row.state.label))
