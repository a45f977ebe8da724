"""Runs a manage.py command in production mode, with safe values made up on the spot.

`python .ci/production.py check --deploy`: nothing in it connects to anything.
"""

import base64
import os
import secrets
import sys
from pathlib import Path

MANAGE = Path(__file__).resolve().parent.parent / "manage.py"

PRODUCTION = {
    "DEBUG": "false",
    "SECRET_KEY": secrets.token_urlsafe(50),
    "ALLOWED_HOSTS": "portal.example",
    "PORTAL_URL": "https://portal.example",
    "DATABASE_URL": "postgresql://portal@127.0.0.1:5432/portal",
    "LOYALTY_API_URL": "https://points.example/v1",
    "LOYALTY_API_KEY": secrets.token_urlsafe(32),
    "FULFILLMENT_API_URL": "https://fulfillment.example/v1",
    "FULFILLMENT_API_KEY": secrets.token_urlsafe(32),
    "FULFILLMENT_WEBHOOK_SECRETS": "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode(),
    "FIELD_ENCRYPTION_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
}

command = [sys.executable, str(MANAGE), *sys.argv[1:]]
os.execve(sys.executable, command, os.environ | PRODUCTION)  # noqa: S606 - no shell
