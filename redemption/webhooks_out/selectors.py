"""Reads endpoints and their deliveries, as pages and the API show them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.models import Company
from loyalty_portal.data.actor import Actor
from redemption.models import WebhookDelivery, WebhookEndpoint
from redemption.permissions import may_manage_endpoints

SHOWN = 50  # deliveries on a page


def endpoints_of(company: Company, *, by: Actor) -> QuerySet[WebhookEndpoint]:
    """The endpoints of a company that an actor may manage; none for others."""
    if not may_manage_endpoints(by, company):
        return WebhookEndpoint.objects.none()
    return WebhookEndpoint.objects.kept().filter(company=company)


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
