"""The provider of text messages (docs/contracts/sms-api.yaml)."""

import json

from django.conf import settings

from loyalty_portal.partners.client import Answer, PartnerClient, PartnerConfig

LONGEST = 480  # characters, about three messages of a phone


def send(*, to: str, text: str, key: str) -> Answer:
    """Hand a text message over. Sent twice it counts once, since the key is the same."""
    config = PartnerConfig(
        name="sms",
        base_url=settings.SMS_URL,
        api_key=settings.SMS_KEY,
        oauth_token_url="",
        oauth_client_id="",
        oauth_client_secret="",
        timeout=settings.PARTNER_TIMEOUT,
        deadline=settings.PARTNER_DEADLINE,
    )
    body = json.dumps({"to": to, "text": text[:LONGEST]}).encode()
    return PartnerClient(config).post("/messages", body=body, idempotency_key=key)
