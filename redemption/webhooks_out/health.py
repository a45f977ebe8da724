"""How an endpoint stands: what failures and successes make of it, and who is told.

Whoever calls `failed` or `disable` holds the endpoint's row.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Coalesce, Now

from accounts.models import PersonLetterKind
from accounts.seats.letters import write_news
from accounts.selectors import owners_of
from loyalty_portal.feed import services as feed
from redemption.models import DisabledWhy, WebhookEndpoint

WARNED_AFTER, DISABLED_AFTER = timedelta(days=1), timedelta(days=5)


def held(endpoint_id: Any) -> WebhookEndpoint:
    """The endpoint as it is now, locked until the transaction ends."""
    return WebhookEndpoint.objects.select_for_update(no_key=True).get(pk=endpoint_id)


def succeeded(endpoint_id: UUID, *, ping: bool) -> None:
    """A call arrived. A ping that arrives makes a disabled endpoint active again, unless staff
    switched it off meanwhile.
    """
    rows = WebhookEndpoint.objects.filter(pk=endpoint_id)
    changes: dict[str, Any] = {"failing_since": None, "warned_at": None}
    if ping:
        rows.update(pinged_at=Now(), **changes)
        rows.exclude(disabled_why=DisabledWhy.STAFF).update(disabled_at=None, disabled_why="")
    else:  # what has not failed is not written, nor locked
        rows.filter(failing_since__isnull=False).update(**changes)


def failed(endpoint: WebhookEndpoint) -> None:
    """A call failed. After a day of nothing but failures the owners are told, after five the
    endpoint is disabled: counted from the first failure in a row to the last, so that silence is
    no failure.
    """
    _write(endpoint, failing_since=Coalesce(F("failing_since"), Now()), failed_at=Now())
    endpoint.refresh_from_db(fields=["failing_since", "failed_at"])
    if endpoint.failed_at is None or endpoint.failing_since is None:
        return
    lasted = endpoint.failed_at - endpoint.failing_since
    if lasted >= DISABLED_AFTER:
        disable(endpoint, why=DisabledWhy.STOPPED)
    elif lasted >= WARNED_AFTER and endpoint.warned_at is None:
        _write(endpoint, warned_at=Now())
        _tell_owners(endpoint, "failing")


def disable(endpoint: WebhookEndpoint, *, why: DisabledWhy) -> None:
    """Send it nothing more, and tell the owners and the company's other endpoints."""
    if endpoint.disabled_at is not None:
        return
    _write(endpoint, disabled_at=Now(), disabled_why=why)
    drop_waiting(endpoint)
    feed.note(source="endpoints", key=endpoint.pk, company=endpoint.company_id)
    _tell_owners(endpoint, why)


def drop_waiting(endpoint: WebhookEndpoint) -> None:
    """Cancel its pending deliveries. They can be replayed while the feed keeps the events (30
    days).
    """
    endpoint.deliveries.filter(next_attempt_at__isnull=False).update(next_attempt_at=None)


def _write(endpoint: WebhookEndpoint, **changes: Any) -> None:
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(**changes)


def _tell_owners(endpoint: WebhookEndpoint, change: str) -> None:
    write_news(
        PersonLetterKind.ENDPOINT_NEWS,
        company_id=endpoint.company_id,
        to=owners_of(endpoint.company_id).values_list("email", flat=True),
        facts={"change": change, "url": endpoint.url},
    )
