"""What people do with a company's endpoints: add, change, rotate, ping, disable, send again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Company
from loyalty_portal import outbound_http
from loyalty_portal.data.actor import Actor
from loyalty_portal.feed.models import FeedItem
from redemption.models import DisabledWhy, EventType, WebhookDelivery, WebhookEndpoint
from redemption.models.webhooks_out import MISSED_KEPT
from redemption.permissions import (
    may_disable_endpoints,
    may_manage_endpoints,
    may_replay_endpoint,
)
from redemption.webhooks_out import health
from redemption.webhooks_out.signing import new_secret

MOST_ENDPOINTS = 5  # of a company
OVERLAP = timedelta(hours=24)  # for which a rotated secret signs too
LONGEST_URL = 500  # characters
MOST_REPLAYED = 10_000  # deliveries in one go; the rest by another


class EndpointRefusedError(Exception):
    """It cannot be done so. The message is a sentence for the person who tried."""


class EndpointAddressError(EndpointRefusedError):
    """The address of an endpoint is none that can be called."""


@dataclass(frozen=True, slots=True)
class NewSecret:
    """An endpoint with a secret that was just made, which is shown once."""

    endpoint: WebhookEndpoint
    secret: str = field(repr=False)


def made_before(call: UUID) -> NewSecret | None:
    """The endpoint with the secret that this call of the API made, if it did."""
    endpoint = WebhookEndpoint.objects.filter(secret_call=call).first()
    return NewSecret(endpoint, str(endpoint.secret)) if endpoint else None


def add_endpoint(
    *,
    company: Company,
    url: str,
    events: Sequence[str],
    by: Actor,
    call: UUID | None = None,
) -> NewSecret:
    """Add an endpoint. Raises EndpointRefusedError. `call`: see `made_before`.

    The company's row is locked, so that endpoints added at once are counted one after another.
    """
    _must(may_manage_endpoints(by, company))
    url, chosen = _checked_url(url), _checked_events(events)
    secret = new_secret()
    with transaction.atomic():
        Company.objects.select_for_update(no_key=True).get(pk=company.pk)
        kept = WebhookEndpoint.objects.kept().filter(company=company)
        if kept.count() >= MOST_ENDPOINTS:
            raise EndpointRefusedError(
                _("A company may have %(most)s endpoints. Remove one first.")
                % {"most": MOST_ENDPOINTS}
            )
        if kept.filter(url=url).exists():
            raise EndpointRefusedError(_("This address is an endpoint of your company already."))
        endpoint = WebhookEndpoint.objects.create(
            company=company,
            url=url,
            events=chosen,
            secret=secret,
            secret_call=call,
            created_by_id=by.person_id,
        )
    return NewSecret(endpoint, secret)


@transaction.atomic
def change_endpoint(
    endpoint_id: UUID, *, url: str | None = None, events: Sequence[str] | None = None, by: Actor
) -> WebhookEndpoint:
    """Give an endpoint another address or other events. Raises EndpointRefusedError.

    Another address has proved nothing yet, so it needs a ping before anything is sent again.
    """
    endpoint = _held(endpoint_id, by)
    if url is not None and (checked := _checked_url(url)) != endpoint.url:
        others = WebhookEndpoint.objects.kept().filter(company=endpoint.company_id)
        if others.filter(url=checked).exists():
            raise EndpointRefusedError(_("This address is an endpoint of your company already."))
        endpoint.url, endpoint.pinged_at = checked, None
    if events is not None:
        endpoint.events = _checked_events(events)
    endpoint.save(update_fields=["url", "events", "pinged_at"])
    return endpoint


@transaction.atomic
def remove_endpoint(endpoint_id: UUID, *, by: Actor) -> None:
    """Send an endpoint nothing more, for good."""
    endpoint = _held(endpoint_id, by)
    endpoint.removed_at = timezone.now()
    endpoint.save(update_fields=["removed_at"])
    health.drop_waiting(endpoint)


@transaction.atomic
def rotate_secret(endpoint_id: UUID, *, by: Actor, call: UUID | None = None) -> NewSecret:
    """Give an endpoint a new secret. For 24 hours calls are signed with the former one too. `call`:
    see `made_before`.
    """
    endpoint = _held(endpoint_id, by)
    secret = new_secret()
    endpoint.former_secret, endpoint.former_until = endpoint.secret, timezone.now() + OVERLAP
    endpoint.secret, endpoint.secret_call = secret, call
    endpoint.save(update_fields=["secret", "secret_call", "former_secret", "former_until"])
    return NewSecret(endpoint, secret)


@transaction.atomic
def ping(endpoint_id: UUID, *, by: Actor) -> WebhookDelivery:
    """Have a ping sent, also to a disabled endpoint. One that arrives makes it active again.

    While a ping waits, that is the one. Raises EndpointRefusedError.
    """
    endpoint = _held(endpoint_id, by)
    if endpoint.disabled_why == DisabledWhy.STAFF:
        raise EndpointRefusedError(
            _("Staff of the programme switched this endpoint off. Ask them to switch it on again.")
        )
    _must_be_open(endpoint)
    waiting = endpoint.deliveries.filter(change=None, next_attempt_at__isnull=False).first()
    return waiting or WebhookDelivery.objects.create(endpoint=endpoint)


@transaction.atomic
def disable_endpoint(endpoint_id: UUID, *, by: Actor) -> None:
    """Staff switch an endpoint off. Its owners are told."""
    _must(may_disable_endpoints(by))
    endpoint = _kept(endpoint_id)
    if endpoint.disabled_at is not None:
        raise EndpointRefusedError(_("This endpoint is disabled already."))
    health.disable(endpoint, why=DisabledWhy.STAFF)


@transaction.atomic
def enable_endpoint(endpoint_id: UUID, *, by: Actor) -> None:
    """Staff switch an endpoint on again."""
    _must(may_disable_endpoints(by))
    endpoint = _kept(endpoint_id)
    if endpoint.disabled_at is None:
        raise EndpointRefusedError(_("This endpoint is not disabled."))
    endpoint.disabled_at, endpoint.disabled_why, endpoint.failing_since = None, "", None
    endpoint.save(update_fields=["disabled_at", "disabled_why", "failing_since"])


@transaction.atomic
def replay(endpoint_id: UUID, *, since: datetime, by: Actor) -> int:
    """Send again what happened since then and did not arrive, at most 30 days back. Returns how
    many deliveries are due now, at most MOST_REPLAYED, the oldest first.

    It needs a ping that arrived after the last failure. Raises EndpointRefusedError.
    """
    endpoint = _kept(endpoint_id)
    _must(may_replay_endpoint(by, endpoint))
    _must_be_open(endpoint)
    if not endpoint.may_replay:
        raise EndpointRefusedError(
            _("Send a ping first. Once it has arrived, what was missed can be sent again.")
        )
    since = max(since, timezone.now() - MISSED_KEPT)
    theirs = WebhookDelivery.objects.filter(endpoint=endpoint, change=OuterRef("pk"))
    changes = FeedItem.objects.filter(
        ~Exists(theirs.filter(delivered_at__isnull=False)),
        ~Exists(theirs.filter(next_attempt_at__isnull=False)),
        company=endpoint.company_id,
        published_at__gte=since,
        type__in=endpoint.events,
    ).exclude(type=EventType.ENDPOINT_DISABLED, data__endpoint_id=str(endpoint.pk))
    missed = list(changes.order_by("sequence")[:MOST_REPLAYED])
    WebhookDelivery.objects.bulk_create(
        [WebhookDelivery(endpoint=endpoint, change=change) for change in missed],
        ignore_conflicts=True,
        batch_size=1_000,
    )
    tried = endpoint.deliveries.filter(change__in=missed, next_attempt_at=None)
    tried.update(next_attempt_at=Now(), attempts=0)
    return len(missed)


def _held(endpoint_id: UUID, by: Actor) -> WebhookEndpoint:
    """The endpoint, locked, if the actor may manage it."""
    endpoint = _kept(endpoint_id)
    _must(may_manage_endpoints(by, endpoint.company))
    return endpoint


def _kept(endpoint_id: UUID) -> WebhookEndpoint:
    endpoint = health.held(endpoint_id)
    if endpoint.removed_at is not None:
        raise EndpointRefusedError(_("This endpoint was removed."))
    return endpoint


def _must_be_open(endpoint: WebhookEndpoint) -> None:
    if not endpoint.company.is_active:
        raise EndpointRefusedError(_("The company is switched off. Switch it on first."))


def _must(allowed: bool) -> None:
    if not allowed:
        raise EndpointRefusedError(_("Only owners of the company manage its webhook endpoints."))


def _checked_events(events: Sequence[str]) -> list[str]:
    chosen = [event for event in EventType.values if event in events]
    if not chosen or len(chosen) != len(set(events)):
        raise EndpointRefusedError(_("Choose at least one of the events that exist."))
    return chosen


def _checked_url(url: str) -> str:
    url = url.strip()
    if len(url) > LONGEST_URL or not url.isprintable() or "#" in url:
        raise EndpointAddressError(_problem("url"))
    if why := outbound_http.why_not(url):
        raise EndpointAddressError(_problem(why))
    return url


def _problem(why: str) -> str:
    return {
        "url": _("This is no address that can be called, such as https://example.com/hook."),
        "scheme": _("The address must begin with https://."),
        "port": _("The address must use port 443, the usual one of https."),
        "address": _("The address must be one of the public internet."),
    }[why]
