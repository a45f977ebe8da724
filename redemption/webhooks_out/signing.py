"""Secrets of endpoints, and the signed messages that are sent to them (Standard Webhooks)."""

import base64
import json
import secrets
from datetime import UTC
from typing import Any

from django.utils import timezone
from standardwebhooks.webhooks import Webhook

from loyalty_portal.data.texts.times import rfc3339
from redemption.models import WebhookDelivery

_SECRET_BYTES = 32


def new_secret() -> str:
    """A secret of 256 random bits: `whsec_` and base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def message(delivery: WebhookDelivery) -> tuple[bytes, dict[str, str]]:
    """The body and headers of a delivery, signed now with each secret of its endpoint.

    Body and id are the same at every try; the time of the signature is not.
    """
    body = json.dumps(_body(delivery), separators=(",", ":")).encode()
    name, now = delivery.message_id, timezone.now()
    signatures = [
        # The library takes a time of another zone for one of UTC, so ours is in UTC.
        Webhook(secret).sign(name, now.astimezone(UTC), body.decode())
        for secret in delivery.endpoint.secrets_now()
    ]
    return body, {
        "Content-Type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _body(delivery: WebhookDelivery) -> dict[str, Any]:
    change = delivery.change
    return {
        "type": delivery.type,
        "timestamp": rfc3339(delivery.happened_at),
        "sequence": change.told_sequence if change else None,
        "data": change.data if change else {"endpoint_id": str(delivery.endpoint_id)},
    }
