"""Makes deliveries of the feed's changes, and sends one.

Only the sweeper sends: a stranger's slow host would hold workers of Celery that orders need. Its
threads claim a delivery with a lease, commit, call, and record the answer while the lease is held.
A process that dies between commit and call, or between call and record, leaves a row that becomes
due again, so each change arrives at least once, always under one id.
"""

import random
import time
import uuid
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from loyalty_portal import outbound_http
from loyalty_portal.data.texts.times import rfc3339
from loyalty_portal.feed.models import FeedItem
from loyalty_portal.metrics.figures import sent
from loyalty_portal.outbound_http import Answered, Failure
from redemption.models import DisabledWhy, WebhookDelivery, WebhookEndpoint
from redemption.models.webhooks_out import MISSED_KEPT
from redemption.webhooks_out import health
from redemption.webhooks_out.signing import message

# Seconds after each failed try, 28 hours in all.
RETRIES = (5, 300, 1_800, 7_200, 18_000, 36_000, 36_000)
SPARE = 60.0  # seconds of a lease beyond the call: looking up the name, and our own work
TRIES_KEPT = 20
GONE = 410


def fan_out(changes: Sequence[FeedItem]) -> None:
    """Make a delivery of each change for each endpoint that wants it. A reader of the feed."""
    companies = {change.company for change in changes}
    endpoints = WebhookEndpoint.objects.told().filter(company__in=companies)
    of_company: dict[uuid.UUID, list[WebhookEndpoint]] = defaultdict(list)
    for endpoint in endpoints:
        of_company[endpoint.company_id].append(endpoint)
    WebhookDelivery.objects.bulk_create(
        WebhookDelivery(endpoint=endpoint, change=change)
        for change in changes
        for endpoint in of_company[change.company]
        if change.type in endpoint.events
        # skip the event that tells of this endpoint's own disabling
        and change.data.get("endpoint_id") != str(endpoint.pk)
    )


def forget_pings() -> int:
    """Delete pings that are older than what the feed keeps, whose deliveries go with its changes.
    Returns how many.
    """
    deleted, _by_model = WebhookDelivery.objects.pings_before(timezone.now() - MISSED_KEPT).delete()
    return deleted


def send_delivery(delivery_id: uuid.UUID) -> bool:
    """Send one due delivery. Returns False when it is not due, another process sends it, or its
    endpoint has enough on their way.
    """
    seconds = settings.WEBHOOK_TIMEOUT + SPARE
    delivery = WebhookDelivery.objects.claim(delivery_id, seconds=seconds)
    if delivery is None:
        return False
    if not _is_wanted(delivery):
        delivery.if_ours(retry_in=None)()
        return True
    body, headers = message(delivery)
    at, began = timezone.now(), time.monotonic()
    answer = outbound_http.post(delivery.endpoint.url, body, headers)
    tried = {
        "at": rfc3339(at),
        "status_code": answer.status if isinstance(answer, Answered) else None,
        "duration_ms": round((time.monotonic() - began) * 1000),
        "error": answer.why if isinstance(answer, Failure) else "",
    }
    _record(delivery, answer, tried)
    return True


def _is_wanted(delivery: WebhookDelivery) -> bool:
    """A disabled endpoint gets pings only, a removed one nothing, nor one of a company that is
    switched off.
    """
    endpoint = delivery.endpoint
    if delivery.change_id is None:
        return endpoint.removed_at is None and endpoint.company.is_active
    return endpoint.is_told


def _record(delivery: WebhookDelivery, answer: Answered | Failure, tried: dict[str, Any]) -> None:
    """Record a try, unless the lease was lost."""
    tries = [*delivery.tries, tried][-TRIES_KEPT:]
    arrived = isinstance(answer, Answered) and 200 <= answer.status < 300
    sent("webhook", "" if arrived else "failed")
    if not arrived:
        _record_failure(delivery, answer, tries)
    elif delivery.if_ours(retry_in=None)(tries=tries, delivered_at=timezone.now()):
        health.succeeded(delivery.endpoint_id, ping=delivery.change_id is None)


@transaction.atomic
def _record_failure(
    delivery: WebhookDelivery, answer: Answered | Failure, tries: list[dict[str, Any]]
) -> None:
    """The endpoint is locked first, as for a claim."""
    endpoint = health.held(delivery.endpoint_id)
    is_off = endpoint.disabled_at is not None or endpoint.removed_at is not None
    retry_in = None if is_off else _retry_in(delivery, answer)
    if not delivery.if_ours(retry_in=retry_in)(tries=tries):
        return
    health.failed(endpoint)
    if isinstance(answer, Answered) and answer.status == GONE:
        health.disable(endpoint, why=DisabledWhy.GONE)


def _retry_in(delivery: WebhookDelivery, answer: Answered | Failure) -> float | None:
    """Seconds until the next try; None after the last, and for a ping, which a person repeats."""
    if delivery.change_id is None or delivery.attempts > len(RETRIES):
        return None
    wait = RETRIES[delivery.attempts - 1] * random.uniform(1.0, 1.2)  # noqa: S311 - jitter
    asked = answer.retry_after if isinstance(answer, Answered) else None
    return max(wait, asked or 0.0)
