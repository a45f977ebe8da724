"""PagerDuty's Events API v2: an incident of ours is triggered once and resolved once.

https://developer.pagerduty.com/docs/events-api-v2/
"""

import json
from typing import Any

from django.conf import settings

from loyalty_portal.partners.client import Answer, PartnerClient, PartnerConfig
from redemption.incidents.alert_text import Word
from redemption.models import AlertAction
from redemption.states import Severity

LONGEST_SUMMARY = 1024  # characters; theirs
_SEVERITY = {
    Severity.WARNING: "warning",
    Severity.ERROR: "error",
    Severity.CRITICAL: "critical",
}


def send(word: Word, action: AlertAction) -> Answer:
    """Send an event to PagerDuty. Sent twice it counts once, since the key is the same."""
    config = PartnerConfig(
        name="pagerduty",
        base_url=settings.PAGERDUTY_URL,
        api_key="",  # the routing key travels in the body
        oauth_token_url="",
        oauth_client_id="",
        oauth_client_secret="",
        timeout=settings.PARTNER_TIMEOUT,
        deadline=settings.PARTNER_DEADLINE,
    )
    return PartnerClient(config).post(
        "/v2/enqueue",
        body=json.dumps(event(word, action)).encode(),
        idempotency_key=f"{action}:{word.key}",
    )


def event(word: Word, action: AlertAction) -> dict[str, Any]:
    """The event: the kind, one sentence, the order's number and a link, nothing else."""
    told: dict[str, Any] = {
        "routing_key": settings.PAGERDUTY_ROUTING_KEY,
        "event_action": action,
        "dedup_key": str(word.key),
    }
    if action == AlertAction.TRIGGER:
        told["payload"] = _payload(word)
        told["links"] = [{"href": word.address, "text": str(word.kind.label)}]
    return told


def _payload(word: Word) -> dict[str, Any]:
    return {
        "summary": word.what[:LONGEST_SUMMARY],
        "source": settings.PORTAL_URL,
        "severity": _SEVERITY[word.severity],
        "timestamp": word.since.isoformat(),
        "component": "redemption",
        "class": word.kind,
        "custom_details": {"order": word.order_number} if word.order_number else {},
    }
