"""Checks the format of secrets."""

import base64
import binascii


def is_field_key(text: str) -> bool:
    """Whether the text is a key for FIELD_ENCRYPTION_KEYS: 32 bytes in URL-safe base64."""
    try:
        return len(base64.urlsafe_b64decode(text)) == 32
    except (binascii.Error, ValueError):
        return False


def is_webhook_secret(text: str) -> bool:
    """Whether the text is a Standard Webhooks secret: whsec_ and at least 24 bytes in base64."""
    try:
        key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return False
    return text.startswith("whsec_") and len(key) >= 24
