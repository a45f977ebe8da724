"""PagerDuty's Events API v2: an incident of ours is triggered once and resolved once.

https://developer.pagerduty.com/docs/events-api-v2/
"""

import json
from typing import Any

from django.conf import settings

from loyalty_portal.partners.client import Answer, PartnerClient, PartnerConfig
from redemption.incidents.alert_text import AlertText
from redemption.models import AlertAction
from redemption.states import Severity

LONGEST_SUMMARY = 1024  # characters, PagerDuty's limit
_SEVERITY = {
    Severity.WARNING: "warning",
    Severity.ERROR: "error",
    Severity.CRITICAL: "critical",
}


def send(alert_text: AlertText, action: AlertAction) -> Answer:
    """Send an event to PagerDuty. Sent twice it counts once, since the key is the same."""
    config = PartnerConfig(
        name="pagerduty",
        base_url=settings.PAGERDUTY_URL,
        api_key="",  # the routing key is in the body
        oauth_token_url="",
        oauth_client_id="",
        oauth_client_secret="",
        timeout=settings.PARTNER_TIMEOUT,
        deadline=settings.PARTNER_DEADLINE,
    )
    return PartnerClient(config).post(
        "/v2/enqueue",
        body=json.dumps(event(alert_text, action)).encode(),
        idempotency_key=f"{action}:{alert_text.key}",
    )


def event(alert_text: AlertText, action: AlertAction) -> dict[str, Any]:
    """The event: the kind, one sentence, the order's number and a link, nothing else."""
    told: dict[str, Any] = {
        "routing_key": settings.PAGERDUTY_ROUTING_KEY,
        "event_action": action,
        "dedup_key": str(alert_text.key),
    }
    if action == AlertAction.TRIGGER:
        told["payload"] = _payload(alert_text)
        told["links"] = [{"href": alert_text.address, "text": str(alert_text.kind.label)}]
    return told


def _payload(alert_text: AlertText) -> dict[str, Any]:
    return {
        "summary": alert_text.what[:LONGEST_SUMMARY],
        "source": settings.PORTAL_URL,
        "severity": _SEVERITY[alert_text.severity],
        "timestamp": alert_text.since.isoformat(),
        "component": "redemption",
        "class": alert_text.kind,
        "custom_details": {"order": alert_text.order_number} if alert_text.order_number else {},
    }
