"""An endpoint of a company for tests: a host that answers by script, and what it was told."""

import json
from typing import Any, Self

from standardwebhooks.webhooks import Webhook

from accounts.models import Role
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.leases import DUE
from loyalty_portal.feed.services import publish_all
from redemption.models import EventType, WebhookDelivery, WebhookEndpoint
from redemption.webhooks_out.delivering import send_delivery
from redemption.webhooks_out.services import add_endpoint
from tests.loyalty_portal.partners.raw_partner import RawPartner, Request, reply
from tests.redemption.world import World

OK = reply(204, b"")


class Receiver(RawPartner):
    """Answers with these scripts. `endpoint` and `secret` are set by `connect`."""

    endpoint: WebhookEndpoint
    secret: str

    def connect(self, world: World, *, events: list[str] | None = None) -> Self:
        """Make this an endpoint of the world's company."""
        made = add_endpoint(
            company=world.company,
            url=f"{self.url}/hook",
            events=events or EventType.values,
            by=owner_of(world),
        )
        self.endpoint, self.secret = made.endpoint, made.secret
        return self

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(request.body) for request in self.requests]

    @property
    def types(self) -> list[str]:
        return [body["type"] for body in self.bodies]

    def ids(self) -> list[str]:
        return [str(request.headers["webhook-id"]) for request in self.requests]

    def now(self) -> WebhookEndpoint:
        return WebhookEndpoint.objects.get(pk=self.endpoint.pk)


def is_signed(request: Request, secret: str) -> bool:
    """Whether the library that receivers use accepts the request. Raises when it does not."""
    Webhook(secret).verify(
        request.body, {name: str(value) for name, value in request.headers.items()}
    )
    return True


def owner_of(world: World) -> Actor:
    seats = world.company.seats.filter(role=Role.OWNER, user__is_machine=False)
    seat = seats.select_related("user", "company").first() or world.new_seat(Role.OWNER)
    return Actor.in_seat(seat)


def deliver() -> int:
    """Publish what changed, and send what is due, once each. Returns how many were sent."""
    publish_all()
    due = list(WebhookDelivery.objects.filter(DUE).order_by("created_at", "change"))
    return sum(send_delivery(each.pk) for each in due)


def make_deliveries_due() -> None:
    waiting = WebhookDelivery.objects.filter(next_attempt_at__isnull=False)
    waiting.update(next_attempt_at="2020-01-01T00:00:00Z", lease_until=None)
