"""Reads .env.demo and .env.example."""

import base64
import functools
import secrets
import tempfile
from pathlib import Path

from loyalty_portal.configuration.tokens import new_key

ROOT = Path(__file__).resolve().parents[2]


def read(name: str) -> dict[str, str]:
    """The variables of `.env.demo` or `.env.example`, including empty ones."""
    lines = (ROOT / name).read_text().splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {variable: value.strip('"') for variable, _, value in pairs}


@functools.cache
def signing_key() -> str:
    """A file with a key that signs tokens, as an operator makes one."""
    file = Path(tempfile.mkdtemp()) / "jwt.pem"
    file.write_bytes(new_key())
    return str(file)


def production(**more: str) -> dict[str, str]:
    """`.env.example` filled in by an operator, with partners that are never called."""
    made = {
        "SECRET_KEY": secrets.token_urlsafe(50),
        "ALLOWED_HOSTS": "portal.example,127.0.0.1",
        "PORTAL_URL": "https://portal.example",
        "DATABASE_URL": "postgresql://portal@127.0.0.1:9/portal",
        "REDIS_URL": "redis://127.0.0.1:9/0",
        "LOYALTY_API_URL": "https://points.example/v1",
        "LOYALTY_API_KEY": secrets.token_urlsafe(),
        "FULFILLMENT_API_URL": "https://fulfillment.example/v1",
        "FULFILLMENT_API_KEY": secrets.token_urlsafe(),
        "FULFILLMENT_WEBHOOK_SECRETS": f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "FIELD_ENCRYPTION_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "JWT_SIGNING_KEYS": signing_key(),
    }
    return read(".env.example") | made | more
