"""PagerDuty's Events API v2: an incident of ours is triggered once and resolved once.

https://developer.pagerduty.com/docs/events-api-v2/
"""

import json
from typing import Any

from django.conf import settings

from loyalty_portal.partner_http import Answer, PartnerClient, PartnerConfig
from redemption.models import Alert, AlertAction, Incident
from redemption.states import Severity

LONGEST_SUMMARY = 1024  # characters; theirs
_SEVERITY = {
    Severity.WARNING: "warning",
    Severity.ERROR: "error",
    Severity.CRITICAL: "critical",
}


def send(alert: Alert, *, address: str) -> Answer:
    """Tell PagerDuty; said twice it counts once, since the key is the incident's own.

    `address`: the incident's page. The incident and its order are loaded with the alert.
    """
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
        body=json.dumps(event(alert, address=address)).encode(),
        idempotency_key=f"{alert.action}:{alert.incident_id}",
    )


def event(alert: Alert, *, address: str) -> dict[str, Any]:
    """What is sent: the kind, the sentence, the order's number and a link, nothing else."""
    incident = alert.incident
    told: dict[str, Any] = {
        "routing_key": settings.PAGERDUTY_ROUTING_KEY,
        "event_action": alert.action,
        "dedup_key": str(incident.pk),
    }
    if alert.action == AlertAction.TRIGGER:
        told["payload"] = _payload(incident)
        told["links"] = [{"href": address, "text": str(incident.get_kind_display())}]
    return told


def _payload(incident: Incident) -> dict[str, Any]:
    order = {"order": incident.order.order_number} if incident.order else {}
    return {
        "summary": incident.what[:LONGEST_SUMMARY],
        "source": settings.PORTAL_URL,
        "severity": _SEVERITY[Severity(incident.severity)],
        "timestamp": incident.created_at.isoformat(),
        "component": "redemption",
        "class": incident.kind,
        "custom_details": order,
    }
